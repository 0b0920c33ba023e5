//! The report for others: the checks without their private words, and once more without whatever
//! looks like an address, a name, a key or a wallet. Pure.

use std::net::IpAddr;

use super::check::Check;

/// The text of a report.
pub(super) fn report(checks: &[Check]) -> String {
    let mut text = format!(
        "MASQ doctor {} on {} {}\n",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::OS,
        std::env::consts::ARCH
    );
    for check in checks {
        let what = redacted(&check.what);
        text.push_str(&format!(
            "{:<4}  {:<14} {what}\n",
            check.outcome.word(),
            check.name
        ));
    }
    text
}

const HIDDEN: &str = "[hidden]";

/// The text with [`HIDDEN`] for every word that may say who or where.
fn redacted(text: &str) -> String {
    let words: Vec<&str> = text.split(' ').collect();
    let kept: Vec<&str> = words
        .into_iter()
        .map(|word| if is_private(word) { HIDDEN } else { word })
        .collect();
    kept.join(" ")
}

/// A word of ours is letters and hyphens, a number, a version, or a path of the system.
fn is_private(word: &str) -> bool {
    const PATHS: [&str; 4] = [
        "/dev/net/tun",
        "/etc/resolv.conf",
        "/sys/fs/cgroup",
        "/proc",
    ];
    let core = word.trim_matches(|letter: char| ",.:;()".contains(letter));
    if PATHS.contains(&core) {
        return false;
    }
    if core.parse::<IpAddr>().is_ok() {
        return true;
    }
    let number = core.chars().all(|c| c.is_ascii_digit() || c == '.') && core.len() <= 12;
    let letters = core
        .chars()
        .all(|c| c.is_ascii_alphabetic() || c == '-' || c == '\'')
        && core.len() <= 20;
    // `v2` and `IPv4`.
    let short = core.len() <= 5 && core.chars().all(|c| c.is_ascii_alphanumeric());
    !(number || letters || short)
}

#[cfg(test)]
mod tests {
    use super::super::check::{self, Outcome, tests as facts};
    use super::*;

    /// Everything private that the facts of a machine can hold.
    #[test]
    fn nothing_private_is_in_a_report() {
        let (planted, secrets) = facts::planted();
        let checks = check::all(&planted);
        let shown: String = checks.iter().map(|check| check.private.clone()).collect();
        let text = report(&checks);
        for secret in secrets {
            assert!(!text.contains(secret), "{secret}: {text}");
        }
        // The person at the machine does see them.
        assert!(
            shown.contains("wg-alice") && shown.contains("203.0.113.77"),
            "{shown}"
        );
        assert!(text.contains("code disk-full"), "{text}");
        assert!(text.contains("other tunnels"), "{text}");
    }

    #[test]
    fn words_that_may_say_who_or_where_are_hidden() {
        let secrets = [
            "203.0.113.77",
            "2001:db8::77",
            "203.0.113.77:4747",
            "[2001:db8::77]:443",
            "www.alice.example",
            "alice@example.org",
            "/home/alice/.local",
            "masq://base-mainnet:dJ6rPhKq@203.0.113.77:4747",
            "0x52908400098527886E0F7030069857D2E4169EE7",
            "e6b1b7f0b2a34f5d9c8e7a6b5c4d3e2f1a0b9c8d7e6f5a4b3c2d1e0f9a8b7c6d",
            "dJ6rPhKq8mXvTz1cQk2nLw5eYb4aUs7i",
            "02:42:ac:11:00:02",
        ];
        for secret in secrets {
            let text = redacted(&format!("before {secret}, after"));
            assert!(!text.contains(secret), "{text}");
            assert!(
                text.starts_with("before ") && text.ends_with(" after"),
                "{text}"
            );
        }
        let ours = "runs, and says: no-route, 1.0.2 is v2 of IPv4 on /dev/net/tun";
        assert_eq!(redacted(ours), ours);
    }

    #[test]
    fn a_line_of_the_report_has_name_and_outcome() {
        let checks = check::all(&facts::well());
        assert!(
            checks.iter().all(|check| check.outcome == Outcome::Ok),
            "{checks:?}"
        );
        let text = report(&checks);
        assert_eq!(text.lines().count(), checks.len() + 1);
        assert!(
            text.lines()
                .any(|line| line == "ok    nft            1.0.9"),
            "{text}"
        );
        assert!(!text.contains(HIDDEN), "{text}");
    }
}
