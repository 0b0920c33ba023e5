//! `masq rules hits`: the rules that are in force in the Node, and how many flows each decided about.

use anyhow::Result;
use masq_ui_protocol::message::{RulesHitsRequest, RulesHitsResponse};

use crate::client::ORDINARY;
use crate::cmds::measure::one_line;
use crate::page;
use crate::session::Session;

pub(super) fn hits(session: &mut Session, json: bool) -> Result<u8> {
    let answer: RulesHitsResponse = session.request(&RulesHitsRequest {}, ORDINARY)?;
    if json {
        session.print_json(&answer)?;
    } else {
        session.print(&show(&answer))?;
    }
    Ok(0)
}

fn show(answer: &RulesHitsResponse) -> String {
    let mut rows: Vec<Vec<String>> = (1..)
        .zip(&answer.rules)
        .map(|(number, rule)| {
            vec![
                number.to_string(),
                one_line(&rule.id),
                one_line(&rule.conditions),
                one_line(&rule.action),
                rule.hits.to_string(),
            ]
        })
        .collect();
    rows.push(vec![
        String::new(),
        "default".to_owned(),
        "all else".to_owned(),
        answer.default_action.clone(),
        answer.default_hits.to_string(),
    ]);
    page::table(&["#", "RULE", "WHAT", "ACTION", "HITS"], &[0, 4], &rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use masq_ui_protocol::message::RuleHits;

    #[test]
    fn rules_stand_in_their_order_with_their_hits_and_the_default_last() {
        let page = show(&RulesHitsResponse {
            file: "/etc/masq/rules.toml".to_owned(),
            rules: vec![RuleHits {
                id: "bank".to_owned(),
                conditions: "app = firefox".to_owned(),
                action: "direct".to_owned(),
                hits: 17,
            }],
            default_action: "mesh".to_owned(),
            default_hits: 3,
        });
        let lines: Vec<String> = page
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        assert_eq!(
            lines,
            [
                "# RULE WHAT ACTION HITS",
                "1 bank app = firefox direct 17",
                "default all else mesh 3",
            ]
        );
    }
}
