//! What a rule does: its word, and how the mesh is used.

use std::ops::Range as Span;

use super::{ACTIONS, Reader, Value};
use crate::config::{ExitCountries, HopCount, countries};
use crate::rules::facts::Action;

/// The action's keys of one rule, as far as they could be read.
#[derive(Default)]
pub(super) struct Way {
    word: Option<Action>,
    /// A word stands there, right or not.
    said: bool,
    hops: Option<HopCount>,
    countries: Option<ExitCountries>,
    fallback: Option<bool>,
    isolation: Option<String>,
    /// The keys that only the mesh has, and where.
    of_mesh: Vec<(String, Span<usize>)>,
}

pub(in crate::rules) fn of_word(word: &str) -> Option<Action> {
    match word {
        "mesh" => Some(Action::MESH),
        "direct" => Some(Action::Direct),
        "block" => Some(Action::Block),
        _ => None,
    }
}

pub(in crate::rules) fn hops(text: &str) -> Option<HopCount> {
    text.parse().ok().and_then(HopCount::new)
}

pub(in crate::rules) fn exit_countries(text: &str) -> Result<ExitCountries, String> {
    let groups = countries(text)?;
    Ok(ExitCountries {
        groups,
        fallback: false,
    })
}

pub(in crate::rules) fn is_isolation(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

impl Reader<'_> {
    pub(super) fn way(&mut self, way: &mut Way, key: &str, value: &Value<'_>) {
        if key != "action" {
            way.of_mesh.push((key.to_owned(), value.span()));
        }
        match key {
            "action" => {
                way.said = true;
                let Some(word) = self.text(key, value, ACTIONS) else {
                    return;
                };
                way.word = of_word(&word);
                if way.word.is_none() {
                    self.problem(value.span(), key, &word, "not an action", ACTIONS);
                }
            }
            "hops" => {
                let text = self.source(value.span());
                way.hops = hops(text.trim_matches('"'));
                if way.hops.is_none() {
                    self.problem(
                        value.span(),
                        key,
                        &text,
                        "out of range",
                        "1 to 6, for example 3",
                    );
                }
            }
            "exit-country" => {
                let remedy = "countries of ISO 3166-1 with commas between equals and | before those wanted less, for example \"CZ,PL|SK\"";
                let Some(text) = self.text(key, value, remedy) else {
                    return;
                };
                match exit_countries(&text) {
                    Ok(countries) => way.countries = Some(countries),
                    Err(why) => self.problem(value.span(), key, &text, why, remedy),
                }
            }
            "fallback-routing" => {
                if let Some(on) = self.boolean(key, value) {
                    way.fallback = Some(on);
                }
            }
            _ => {
                let remedy = "1 to 64 letters without spaces, for example \"bank\"";
                let Some(text) = self.text(key, value, remedy) else {
                    return;
                };
                if is_isolation(&text) {
                    way.isolation = Some(text);
                } else {
                    self.problem(
                        value.span(),
                        key,
                        &text,
                        "not the name of a group of flows",
                        remedy,
                    );
                }
            }
        }
    }

    /// The action as a whole; none when it is wrong, which was said.
    pub(super) fn action(&mut self, mut way: Way, rule: &Span<usize>) -> Option<Action> {
        let Some(action) = way.word else {
            if !way.said {
                self.problem(
                    rule.clone(),
                    "action",
                    "",
                    "the rule says not what to do",
                    ACTIONS,
                );
            }
            return None;
        };
        if !matches!(action, Action::Mesh { .. }) {
            let why = format!(
                "it is for the mesh, but the rule's action is {}",
                action.name()
            );
            for (key, span) in way.of_mesh {
                self.problem(
                    span,
                    &key,
                    "",
                    why.as_str(),
                    "remove it, or set action = \"mesh\"",
                );
            }
            return Some(action);
        }
        match (&mut way.countries, way.fallback) {
            (Some(countries), Some(fallback)) => countries.fallback = fallback,
            (None, Some(_)) if !way.of_mesh.iter().any(|(key, _)| key == "exit-country") => {
                let why = "it says what to do without an exit in a country, but none is asked for";
                self.problem(
                    rule.clone(),
                    "fallback-routing",
                    "",
                    why,
                    "add exit-country, or remove it",
                );
            }
            (None | Some(_), None | Some(_)) => {}
        }
        Some(Action::Mesh {
            hops: way.hops,
            exit_countries: way.countries,
            isolation: way.isolation,
        })
    }
}
