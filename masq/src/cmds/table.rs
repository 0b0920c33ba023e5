//! Tables, sizes and times for a person. Pure.

/// Columns as wide as they need, two spaces between them; the last one is not filled up. What is no
/// printable letter does not reach the terminal.
pub(crate) fn table(heads: &[&str], right: &[bool], rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| row.iter().map(|cell| printable(cell)).collect())
        .collect();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        let longest = cells.map(|cell| cell.chars().count()).max().unwrap_or(0);
        longest.max(heads.get(column).map_or(0, |head| head.chars().count()))
    };
    let widths: Vec<usize> = (0..heads.len()).map(width).collect();
    let heads: Vec<String> = heads.iter().map(|head| (*head).to_owned()).collect();
    let mut page = String::new();
    for row in std::iter::once(&heads).chain(&rows) {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let width = widths.get(column).copied().unwrap_or(0);
            if column > 0 {
                line.push_str("  ");
            }
            if right.get(column) == Some(&true) {
                line.push_str(&format!("{cell:>width$}"));
            } else {
                line.push_str(&format!("{cell:<width$}"));
            }
        }
        page.push_str(line.trim_end());
        page.push('\n');
    }
    page
}

/// The text without what would do something to a terminal.
pub(crate) fn printable(text: &str) -> String {
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
    fn columns_line_up_and_nothing_reaches_the_terminal_as_an_order() {
        let rows = [
            vec!["1".to_owned(), "a\u{1b}[2Jb".to_owned()],
            vec!["200".to_owned(), "\u{e9}".to_owned()],
        ];
        let page = table(&["ID", "NAME"], &[true, false], &rows);
        assert_eq!(page, " ID  NAME\n  1  a?[2Jb\n200  \u{e9}\n");
    }

    #[test]
    fn sizes_and_times_are_short() {
        let sizes = [0, 999, 1_000, 9_940, 999_400, 1_048_576, u64::MAX].map(bytes);
        let told = ["0 B", "999 B", "1.0 kB", "9.9 kB", "999 kB", "1.0 MB", "18447 PB"];
        assert_eq!(sizes, told);
        let ages = [3, 1_500, 119_999, 120_000, 7_200_000, 172_800_000].map(age);
        assert_eq!(ages, ["3 ms", "1 s", "119 s", "2 min", "2 h", "2 days"]);
    }
}
