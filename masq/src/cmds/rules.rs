//! `masq rules`: what the Node does with each app's flows.

use anyhow::Result;
use clap::{Args, Subcommand};

use super::measure::one_line;
use super::{Command, Json};
use crate::client::ORDINARY;
use crate::page;
use crate::session::Session;
use masq_ui_protocol::message::{RulesHitsRequest, RulesHitsResponse};

pub(crate) mod reload;

/// Show the rules per app and destination, or have the Node take them anew.
#[derive(Debug, Args)]
pub(crate) struct Rules {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    List(List),
    Reload(reload::Reload),
}

impl Command for Rules {
    fn execute(self, session: &mut Session) -> Result<u8> {
        match self.what {
            What::List(list) => list.execute(session),
            What::Reload(reload) => reload.execute(session),
        }
    }
}

/// Show the rules that are in force, in their order, and how many flows each decided about.
#[derive(Debug, Args)]
#[command(after_help = "Exit status: 0; 1 if the Node could not be asked.")]
struct List {
    #[command(flatten)]
    json: Json,
}

impl Command for List {
    fn execute(self, session: &mut Session) -> Result<u8> {
        let answer: RulesHitsResponse = session.request(&RulesHitsRequest {}, ORDINARY)?;
        if self.json.json {
            session.print_json(&answer)?;
        } else {
            session.print(&show(&answer))?;
        }
        Ok(0)
    }
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
