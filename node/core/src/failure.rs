//! What can go wrong, with names that do not change.
//!
//! Every error that reaches a user, a log or another Node is a [`Code`]: a
//! number on the wire, a name in logs and pages, a [`Place`] and a remedy. The
//! hundreds of a number are its place, so a code that a newer Node sends still
//! has one. `docs/errors.md` is this table; a test keeps the two equal.

use std::borrow::Cow;
use std::fmt;

mod table;

pub use table::{Code, Entry};

/// Where a failure happened, as seen by the person at this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// This Node or what an app gave it.
    Local,
    /// The operating system of this machine.
    Platform,
    /// The Nodes between this one and the exit.
    Mesh,
    /// The Node that speaks to the Internet for us.
    Exit,
    /// The Internet beyond the exit.
    Remote,
    /// Debts and payments between Nodes.
    Payment,
    /// A defect of this program.
    Bug,
}

impl Place {
    /// All places, in the order of their hundreds on the wire (1 to 7).
    pub const ALL: [Place; 7] = [
        Place::Local,
        Place::Platform,
        Place::Mesh,
        Place::Exit,
        Place::Remote,
        Place::Payment,
        Place::Bug,
    ];

    /// The lower-case word for logs and pages.
    pub const fn name(self) -> &'static str {
        match self {
            Place::Local => "local",
            Place::Platform => "platform",
            Place::Mesh => "mesh",
            Place::Exit => "exit",
            Place::Remote => "remote",
            Place::Payment => "payment",
            Place::Bug => "bug",
        }
    }

    /// Who that is, in words for a page.
    pub const fn explanation(self) -> &'static str {
        match self {
            Place::Local => "on this machine, in the MASQ Node or the app",
            Place::Platform => "on this machine, in the operating system",
            Place::Mesh => "in the mesh, between this machine and the exit Node",
            Place::Exit => "at the exit Node",
            Place::Remote => "on the Internet, beyond the exit Node",
            Place::Payment => "in the payments between Nodes",
            Place::Bug => "inside the MASQ Node: a defect",
        }
    }

    /// The place that the hundreds of a wire number stand for.
    const fn of_number(number: u16) -> Place {
        match number / 100 {
            1 => Place::Local,
            2 => Place::Platform,
            4 => Place::Exit,
            5 => Place::Remote,
            6 => Place::Payment,
            7 => Place::Bug,
            _ => Place::Mesh,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl fmt::Display for Code {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.entry() {
            Some(entry) => formatter.write_str(entry.name),
            None => write!(formatter, "unknown-{}", self.number()),
        }
    }
}

impl Code {
    /// The stable lower-case name; `unknown` for a number that this Node does not know.
    pub fn name(self) -> &'static str {
        self.entry().map_or("unknown", |entry| entry.name)
    }

    /// Where a failure with this code happened.
    pub const fn place(self) -> Place {
        Place::of_number(self.number())
    }

    /// One sentence: what happened.
    pub fn meaning(self) -> &'static str {
        self.entry().map_or(
            "Another Node reported a failure that this version does not know.",
            |entry| entry.meaning,
        )
    }

    /// One sentence: what a person can do about it.
    pub fn remedy(self) -> &'static str {
        self.entry()
            .map_or("Update MASQ Node, then try again.", |entry| entry.remedy)
    }

    /// Whether the exit could not make an address of the name, which another may.
    pub const fn is_of_a_name(self) -> bool {
        matches!(
            self,
            Code::NameNotFound | Code::NameHasNoAddress | Code::ResolverFailed
        )
    }

    /// Whether the same flow may succeed at another exit or by another route.
    ///
    /// What the destination itself answered is final only as far as that exit
    /// can tell, so a failed resolution is worth one more exit; a refused
    /// connection is not.
    pub const fn worth_another_route(self) -> bool {
        match self.place() {
            Place::Mesh | Place::Exit => true,
            Place::Remote => !matches!(self, Code::Refused | Code::RemoteReset),
            Place::Local | Place::Platform | Place::Payment | Place::Bug => false,
        }
    }
}

/// A code and, for the log of this Node only, what it was about.
///
/// The detail never crosses the wire. It may hold names and addresses, so it
/// is logged at DEBUG or in the user's own flow log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Failure {
    /// What went wrong.
    pub code: Code,
    /// What it went wrong with; empty when there is nothing to add.
    pub detail: Cow<'static, str>,
}

impl Failure {
    /// A failure with its detail.
    pub fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Failure {
        Failure {
            code,
            detail: detail.into(),
        }
    }

    /// A defect of this program, with the place in the source that noticed it.
    #[track_caller]
    pub fn bug(what: &str) -> Failure {
        let at = std::panic::Location::caller();
        Failure::new(Code::Bug, format!("{what} ({}:{})", at.file(), at.line()))
    }
}

impl From<Code> for Failure {
    fn from(code: Code) -> Failure {
        Failure {
            code,
            detail: Cow::Borrowed(""),
        }
    }
}

/// `no-route [mesh]: no path of 3 Nodes`, the form of a coded log line.
impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} [{}]", self.code, self.code.place())?;
        if self.detail.is_empty() {
            return Ok(());
        }
        write!(formatter, ": {}", self.detail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::fmt::Write as _;

    const DOCUMENT: &str = include_str!("../../../docs/errors.md");

    #[test]
    fn every_number_and_every_name_is_used_once() {
        let numbers: BTreeSet<u16> = Code::ALL.iter().map(|entry| entry.number).collect();
        let names: BTreeSet<&str> = Code::ALL.iter().map(|entry| entry.name).collect();

        assert_eq!(numbers.len(), Code::ALL.len());
        assert_eq!(names.len(), Code::ALL.len());
    }

    #[test]
    fn every_code_survives_the_wire() {
        for number in 0..=u16::MAX {
            assert_eq!(Code::from_number(number).number(), number);
        }
    }

    #[test]
    fn every_known_code_has_a_name_a_meaning_and_a_remedy() {
        for entry in Code::ALL {
            let code = Code::from_number(entry.number);
            assert_eq!(code.name(), entry.name);
            assert!(
                entry
                    .name
                    .bytes()
                    .all(|byte| byte == b'-' || byte.is_ascii_alphanumeric())
            );
            assert!(code.meaning().ends_with('.'), "{}", entry.name);
            assert!(code.remedy().ends_with('.'), "{}", entry.name);
        }
    }

    #[test]
    fn an_unknown_code_keeps_its_number_and_its_place() {
        let code = Code::from_number(499);

        assert_eq!(code, Code::Unknown(499));
        assert_eq!(code.place(), Place::Exit);
        assert_eq!(code.to_string(), "unknown-499");
    }

    #[test]
    fn a_failure_prints_as_a_coded_line() {
        let failure = Failure::new(Code::NoRoute, "no path of 3 Nodes");

        assert_eq!(failure.to_string(), "no-route [mesh]: no path of 3 Nodes");
        assert_eq!(Failure::from(Code::Refused).to_string(), "refused [remote]");
    }

    #[test]
    fn a_bug_names_its_line() {
        assert!(
            Failure::bug("flow without a tuple")
                .to_string()
                .contains("failure.rs:")
        );
    }

    #[test]
    fn the_document_has_the_table_of_the_code() {
        let mut table = String::new();
        for place in Place::ALL {
            let _ = writeln!(table, "\n## {place}: {}\n", place.explanation());
            let _ = writeln!(table, "| number | name | what happened | what to do |");
            let _ = writeln!(table, "|---|---|---|---|");
            for entry in Code::ALL {
                if Place::of_number(entry.number) == place {
                    let _ = writeln!(
                        table,
                        "| {} | `{}` | {} | {} |",
                        entry.number, entry.name, entry.meaning, entry.remedy
                    );
                }
            }
        }

        if std::env::var_os("UPDATE_DOCS").is_some() {
            let head = DOCUMENT.split("\n## ").next().unwrap();
            let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/errors.md");
            std::fs::write(path, format!("{}\n{}", head.trim_end(), table)).unwrap();
            return;
        }
        assert!(
            DOCUMENT.ends_with(&table),
            "docs/errors.md is out of date: UPDATE_DOCS=1 cargo test -p masq-core the_document"
        );
    }
}
