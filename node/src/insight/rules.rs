//! What is told of the rules in force.

use super::Insight;
use crate::gateway::dispatch::answer;
use crate::link::Link;
use crate::outside::Outside;
use masq_ui_protocol::message::{
    RuleHits, RulesHitsRequest, RulesHitsResponse, RulesReloadRequest, RulesReloadResponse,
};
use masq_ui_protocol::{Code, Frame, Message, UiError};

impl<L: Link, O: Outside> Insight<L, O> {
    /// The answer to a frame about rules; None when it is about something else.
    pub(super) fn about_rules(&self, frame: &Frame) -> Option<Frame> {
        Some(match frame.opcode.as_str() {
            RulesReloadRequest::OPCODE => {
                answer(frame, |RulesReloadRequest {}| self.reload_rules())
            }
            RulesHitsRequest::OPCODE => answer(frame, |RulesHitsRequest {}| self.hits()),
            _ => return None,
        })
    }

    fn reload_rules(&self) -> Result<RulesReloadResponse, UiError> {
        let entry = self.entry.as_ref().ok_or_else(nothing_is_captured)?;
        let ended = entry.reload_rules().map_err(|reasons| {
            tracing::warn!(event = "rules-refused", "{reasons}");
            refused(&reasons)
        })?;
        let rules = entry.rules();
        let (count, warnings) = rules.with(|set| {
            let warnings = set.warnings().iter().map(ToString::to_string);
            (set.rules().len(), warnings.collect())
        });
        tracing::info!(event = "rules-reloaded", rules = count, ended);
        Ok(RulesReloadResponse {
            file: file_of(rules),
            rules: count as u64,
            ended: ended as u64,
            warnings,
        })
    }

    fn hits(&self) -> Result<RulesHitsResponse, UiError> {
        let entry = self.entry.as_ref().ok_or_else(nothing_is_captured)?;
        let rules = entry.rules();
        let (hits, default_hits) = rules.hits();
        let (rules_met, default_action) = rules.with(|set| {
            let each = set.rules().iter().zip(hits);
            let each = each.map(|(rule, hits)| RuleHits {
                id: rule.id().to_owned(),
                conditions: rule.conditions(),
                action: rule.action().to_string(),
                hits,
            });
            (each.collect(), set.default_action().to_string())
        });
        Ok(RulesHitsResponse {
            file: file_of(rules),
            rules: rules_met,
            default_action,
            default_hits,
        })
    }
}

fn file_of(rules: &crate::rules::Rules) -> String {
    let file = rules.file().map(|file| file.display().to_string());
    file.unwrap_or_default()
}

fn nothing_is_captured() -> UiError {
    refused("this Node captures nothing, so no rule applies: set capture = true")
}

fn refused(message: &str) -> UiError {
    UiError {
        code: Code::RULES,
        message: message.to_owned(),
    }
}
