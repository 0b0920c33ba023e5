//! Amounts of money as a person writes and reads them; inside they are gwei.

use std::fmt;

/// Of one MASQ.
const GWEI: i128 = 1_000_000_000;

/// What amounts are shown in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Masq,
    Gwei,
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Unit::Masq => "MASQ",
            Unit::Gwei => "gwei",
        })
    }
}

impl Unit {
    /// MASQ has two decimals and is never rounded up.
    pub(super) fn show(self, gwei: i128) -> String {
        if self == Unit::Gwei {
            return gwei.to_string();
        }
        let hundredths = gwei.abs() / (GWEI / 100);
        let sign = if gwei < 0 { "-" } else { "" };
        match (gwei, hundredths) {
            (0, _) => "0.00".to_owned(),
            (1.., 0) => "< 0.01".to_owned(),
            (..=-1, 0) => "-0.01 < x < 0".to_owned(),
            (_, some) => format!("{sign}{}.{:02}", some / 100, some % 100),
        }
    }
}

/// Gwei of an amount of MASQ with at most 9 decimals.
pub(super) fn parse(text: &str) -> Result<i128, String> {
    let wrong = || format!("`{text}` is not an amount of MASQ with at most 9 decimals");
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text),
    };
    let (whole, decimals) = match digits.split_once('.') {
        Some((_, "")) => return Err(wrong()),
        Some((whole, decimals)) => (whole, decimals),
        None => (digits, ""),
    };
    let only_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || decimals.len() > 9 || !only_digits(whole) || !only_digits(decimals) {
        return Err(wrong());
    }
    let gwei = format!("{whole}{decimals:0<9}");
    gwei.parse::<i128>()
        .map(|gwei| sign * gwei)
        .map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masq_is_shown_with_two_decimals_and_not_rounded_up() {
        for (gwei, text) in [
            (0, "0.00"),
            (1, "< 0.01"),
            (9_999_999, "< 0.01"),
            (10_000_000, "0.01"),
            (1_999_999_999, "1.99"),
            (-1, "-0.01 < x < 0"),
            (-10_000_000, "-0.01"),
            (-1_500_000_000, "-1.50"),
        ] {
            assert_eq!(Unit::Masq.show(gwei), text);
        }
        assert_eq!(Unit::Gwei.show(-7), "-7");
    }

    #[test]
    fn amounts_have_at_most_nine_decimals() {
        assert_eq!(parse("1"), Ok(1_000_000_000));
        assert_eq!(parse("-0.5"), Ok(-500_000_000));
        assert_eq!(parse("0.000000001"), Ok(1));
        for text in [
            "",
            "-",
            ".5",
            "1.",
            "0.0000000001",
            "1e3",
            "+1",
            "1,5",
            "--1",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
