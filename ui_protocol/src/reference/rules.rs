//! One example of every message of `message::rules`.

use super::Example;
use crate::message::*;

pub(super) fn all() -> Vec<Example> {
    let text = |text: &str| text.to_owned();
    vec![
        Example::of("Request:", RulesReloadRequest {}),
        Example::of(
            "Answer:",
            RulesReloadResponse {
                file: text("/home/user/.local/share/MASQ/dev/rules.toml"),
                rules: 1,
                ended: 2,
                warnings: Vec::new(),
            },
        ),
        Example::of("Request:", RulesHitsRequest {}),
        Example::of(
            "Answer:",
            RulesHitsResponse {
                file: text("/home/user/.local/share/MASQ/dev/rules.toml"),
                rules: vec![RuleHits {
                    id: text("bank"),
                    conditions: text("app = firefox, to = bank.example"),
                    action: text("direct"),
                    hits: 17,
                }],
                default_action: text("mesh"),
                default_hits: 1024,
            },
        ),
    ]
}
