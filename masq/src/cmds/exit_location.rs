//! `masq exit-location`: in which countries flows shall leave the mesh.

use std::fmt::Write as _;

use anyhow::Result;
use clap::Args;
use masq_ui_protocol::message::{CountryGroup, ExitLocationRequest, ExitLocationResponse};

use super::{Command, Json};
use crate::client::ORDINARY;
use crate::session::Session;

mod countries;

/// Choose the countries in which flows leave the mesh. It holds until the Node ends.
///
/// Without options the choice is taken back: any country will do.
#[derive(Debug, Args)]
pub(crate) struct ExitLocation {
    /// Countries of ISO 3166, two letters each: `,` between equal ones, `|` before second choices
    #[arg(long, value_name = "CODES", value_parser = groups)]
    country_codes: Option<Groups>,

    /// Take other countries when none of these can be had
    #[arg(long)]
    fallback_routing: bool,

    /// Only list the countries there are
    #[arg(long, conflicts_with_all = ["country_codes", "fallback_routing"])]
    show_countries: bool,

    #[command(flatten)]
    json: Json,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Groups(Vec<CountryGroup>);

impl Command for ExitLocation {
    fn execute(self, session: &mut Session) -> Result<u8> {
        let chosen = self.country_codes.is_some();
        let request = ExitLocationRequest {
            fallback_routing: self.fallback_routing || !(chosen || self.show_countries),
            exit_locations: self.country_codes.map_or_else(Vec::new, |groups| groups.0),
            show_countries: self.show_countries,
        };
        let answer: ExitLocationResponse = session.request(&request, ORDINARY)?;
        if self.json.json {
            session.print_json(&answer)?;
        } else {
            session.print(&page(&answer))?;
        }
        Ok(0)
    }
}

fn page(answer: &ExitLocationResponse) -> String {
    let mut page = String::new();
    // Writing to a text cannot fail.
    if let Some(countries) = &answer.exit_countries {
        let list = match countries.as_slice() {
            [] => "none".to_owned(),
            some => some.join(", "),
        };
        let _ = writeln!(page, "Countries available for exit: {list}");
    }
    let fallback = if answer.fallback_routing { "on" } else { "off" };
    let _ = writeln!(page, "Fallback routing: {fallback}");
    match answer.exit_country_selection.as_slice() {
        [] => {
            let _ = writeln!(page, "Exit location: unset");
        }
        groups => {
            for group in groups {
                let codes = group.country_codes.join(", ");
                let _ = writeln!(page, "Exit location, priority {}: {codes}", group.priority);
            }
        }
    }
    if !answer.missing_countries.is_empty() {
        let missing = answer.missing_countries.join(", ");
        let _ = writeln!(page, "No exit is in: {missing}");
    }
    page
}

fn groups(text: &str) -> Result<Groups, String> {
    let mut groups = Vec::new();
    for (index, part) in text.split('|').enumerate() {
        let codes: Vec<String> = part
            .split(',')
            .map(|code| code.trim().to_ascii_uppercase())
            .collect();
        if let Some(wrong) = codes.iter().find(|code| !countries::exists(code)) {
            return Err(format!(
                "`{wrong}` is not the code of a country; give for example CZ,PL|SK"
            ));
        }
        groups.push(CountryGroup {
            country_codes: codes,
            priority: index + 1,
        });
    }
    Ok(Groups(groups))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_rank_and_commas_do_not() {
        let group = |codes: &[&str], priority| CountryGroup {
            country_codes: codes.iter().map(|code| (*code).to_owned()).collect(),
            priority,
        };
        assert_eq!(
            groups("CZ, pl|SK"),
            Ok(Groups(vec![group(&["CZ", "PL"], 1), group(&["SK"], 2)]))
        );
    }

    #[test]
    fn what_is_no_country_is_named() {
        for text in ["", "CZ|", "XQ", "CZ,,PL", "CZE"] {
            assert!(groups(text).is_err(), "{text}");
        }
        assert!(groups("CZ|XQ").unwrap_err().contains("`XQ`"));
    }
}
