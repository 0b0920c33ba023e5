//! Sizes, times and words of others for a person. Pure.

/// Words of others on one line, without what gives orders to a terminal.
pub(crate) fn one_line(text: &str) -> String {
    let plain = |letter: char| if letter.is_control() { '?' } else { letter };
    text.chars().map(plain).collect()
}

/// Three digits and a unit.
pub(crate) fn bytes(bytes: u64) -> String {
    let mut rest = bytes as f64;
    for unit in ["B", "kB", "MB", "GB", "TB"] {
        if rest < 999.5 {
            let digits = usize::from(rest < 9.95 && unit != "B");
            return format!("{rest:.digits$} {unit}");
        }
        rest /= 1_000.0;
    }
    format!("{rest:.0} PB")
}

/// The largest unit and the one below it.
pub(crate) fn age(milliseconds: u64) -> String {
    match milliseconds / 1_000 {
        0 => format!("{milliseconds} ms"),
        seconds @ 1..=119 => format!("{seconds} s"),
        seconds @ 120..=7_199 => format!("{} min", seconds / 60),
        seconds @ 7_200..=172_799 => format!("{} h", seconds / 3_600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_others_stay_on_their_line() {
        assert_eq!(one_line("a\u{1b}[2J\nb \u{e9}"), "a?[2J?b \u{e9}");
    }

    #[test]
    fn sizes_and_times_are_short() {
        let sizes = [0, 999, 1_000, 9_940, 999_400, 1_048_576, u64::MAX].map(bytes);
        let told = [
            "0 B", "999 B", "1.0 kB", "9.9 kB", "999 kB", "1.0 MB", "18447 PB",
        ];
        assert_eq!(sizes, told);
        let ages = [3, 1_500, 119_999, 120_000, 7_200_000, 172_800_000].map(age);
        assert_eq!(ages, ["3 ms", "1 s", "119 s", "2 min", "2 h", "2 days"]);
    }
}
