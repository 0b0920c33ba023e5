//! `masq rules`: which flow goes over the mesh, past it, or nowhere. Works on the file, without a Node.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand};
use masq_core::rules::edit::{self, EditError};
use masq_core::rules::{Case, RuleSet};

use super::Command;
use crate::session::Session;

mod add;
mod file;
mod hits;
mod reload;
mod show;

use file::RulesFile;
use reload::Taken;

/// Show, change and try the rules: which flow goes over the mesh, past it, or nowhere.
///
/// Works on the rules file and needs no Node. A change is written only if the whole file is right
/// and its expectations hold; comments and order stay. A running Node takes a change at once.
/// docs/rules.md tells what can stand in the file.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit status: 0 if it is done, 1 if not; of `check` 1 if something is wrong or an expectation does not hold."
)]
pub(crate) struct Rules {
    /// The rules file [default: rules.toml in the data directory of this user's Node that wrote last]
    #[arg(long, value_name = "FILE", global = true)]
    rules_file: Option<PathBuf>,

    /// Print the answer as JSON
    #[arg(long, global = true)]
    json: bool,

    #[command(subcommand)]
    order: Order,
}

#[derive(Debug, Subcommand)]
enum Order {
    /// Show the rules in their order
    List,
    /// Add a rule; without a place it comes last
    Add(Box<add::Add>),
    /// Take a rule away, with the comment before it
    Remove {
        /// Its name or its number in `masq rules list`
        #[arg(value_name = "RULE")]
        rule: String,
    },
    /// Move a rule; the first that a flow meets decides
    Move {
        /// Its name or its number in `masq rules list`
        #[arg(value_name = "RULE")]
        rule: String,
        /// Its new number
        #[arg(value_name = "PLACE", value_parser = clap::value_parser!(u32).range(1..))]
        place: u32,
    },
    /// Put a rule in force again
    Enable {
        /// Its name or its number in `masq rules list`
        #[arg(value_name = "RULE")]
        rule: String,
    },
    /// Put a rule out of force and keep it
    Disable {
        /// Its name or its number in `masq rules list`
        #[arg(value_name = "RULE")]
        rule: String,
    },
    /// Read the file and run the expectations in it
    Check,
    /// Show the rules that a running Node has, and how many flows each decided about
    Hits,
    /// Have the Node take the file and its lists as they are on disk now
    ///
    /// When anything is wrong every reason is said and the rules before stay in force. Connections
    /// go on, but for those that the new rules block.
    Reload,
    /// Say which rule decides for a flow, and why
    ///
    /// A flow is told as in an expectation: firefox -> example.org:443, or
    /// any user:anna udp -> 192.0.2.1:53. In a shell it needs quotes.
    Test {
        /// `APP [KEY:VALUE...] [tcp|udp|icmp] -> HOST[:PORT] [country:CZ]`
        #[arg(value_name = "FLOW", required = true)]
        flow: Vec<String>,
    },
}

impl Command for Rules {
    fn execute(self, session: &mut Session) -> Result<u8> {
        let json = self.json;
        let file = || RulesFile::find(self.rules_file.clone());
        match self.order {
            Order::Hits => hits::hits(session, json),
            Order::Reload => reload::reload(session, json),
            Order::List => {
                let file = file()?;
                show::list(session, &file, &file.read_whole()?, json)
            }
            Order::Check => check(session, &file()?, json),
            Order::Test { flow } => {
                let case = Case::parse(&flow.join(" ")).map_err(|why| anyhow::anyhow!(why))?;
                show::test(session, &file()?.read_whole()?, &case, json)
            }
            Order::Add(rule) => {
                let file = file()?;
                let before = file.text_or_none()?;
                let (place, values) = rule.values()?;
                let after = edit::add(&before, place, &values)?;
                change(session, &file, &after, "added", json)
            }
            Order::Remove { rule } => edited(session, &file()?, json, "removed", |text, set| {
                edit::remove(text, set, &rule)
            }),
            Order::Move { rule, place } => edited(session, &file()?, json, "moved", |text, set| {
                edit::move_to(text, set, &rule, place as usize - 1)
            }),
            Order::Enable { rule } => edited(session, &file()?, json, "enabled", |text, set| {
                edit::enable(text, set, &rule, true)
            }),
            Order::Disable { rule } => edited(session, &file()?, json, "disabled", |text, set| {
                edit::enable(text, set, &rule, false)
            }),
        }
    }
}

fn edited(
    session: &mut Session,
    file: &RulesFile,
    json: bool,
    done: &str,
    edit: impl FnOnce(&str, &RuleSet) -> Result<String, EditError>,
) -> Result<u8> {
    let text = file.text()?;
    let set = file.parse(&text)?;
    let after = edit(&text, &set)?;
    change(session, file, &after, done, json)
}

/// Writes what is right; what is not stays unwritten, with every reason.
fn change(
    session: &mut Session,
    file: &RulesFile,
    text: &str,
    done: &str,
    json: bool,
) -> Result<u8> {
    let refused = "nothing was changed";
    let set = file.parse(text).context(refused)?;
    if let Err(errors) = set.check_expectations() {
        bail!("{refused}: expectations would no longer hold\n{errors}");
    }
    file.write(text)?;
    let taken = reload::take(session);
    let status = u8::from(matches!(taken, Taken::Not(_)));
    if json {
        let (in_force, why) = match &taken {
            Taken::By(_) => (true, None),
            Taken::Nobody => (false, None),
            Taken::Not(failure) => (false, Some(failure.to_string())),
        };
        let answer = serde_json::json!({
            "done": done, "file": file.path(), "rules": show::rules(&set),
            "inForce": in_force, "notTaken": why,
        });
        session.print_json(&answer)?;
    } else {
        let then = match &taken {
            Taken::By(answer) => reload::words(answer),
            Taken::Nobody => "No Node runs; the next one begins with it.".to_owned(),
            Taken::Not(failure) => format!("But the Node did not take it: {failure}"),
        };
        session.print(&format!("{done}: {}\n{then}", file.path().display()))?;
    }
    Ok(status)
}

fn check(session: &mut Session, file: &RulesFile, json: bool) -> Result<u8> {
    let text = file.text()?;
    let lists = file.lists();
    let (set, errors) = match RuleSet::parse(&text, &lists) {
        Ok(set) => {
            let errors = set.check_expectations().err().map(|errors| errors.0);
            (Some(set), errors.unwrap_or_default())
        }
        Err(errors) => (None, errors.0),
    };
    let warnings = set.as_ref().map_or(&[][..], RuleSet::warnings);
    let status = u8::from(!errors.is_empty());
    if json {
        session.print_json(&serde_json::json!({
            "file": file.path(),
            "right": errors.is_empty(),
            "rules": set.as_ref().map(|set| set.rules().len()),
            "expectations": set.as_ref().map(RuleSet::expectations),
            "errors": errors.iter().map(show::problem).collect::<Vec<_>>(),
            "warnings": warnings.iter().map(show::problem).collect::<Vec<_>>(),
        }))?;
        return Ok(status);
    }
    let mut lines: Vec<String> = warnings.iter().map(|one| format!("note: {one}")).collect();
    lines.extend(errors.iter().map(|one| format!("wrong: {one}")));
    if let (Some(set), []) = (&set, errors.as_slice()) {
        let (rules, held) = (set.rules().len(), set.expectations());
        lines.push(format!(
            "{}: {rules} rules are right, {held} expectations hold",
            file.path().display()
        ));
    }
    session.print(&lines.join("\n"))?;
    Ok(status)
}
