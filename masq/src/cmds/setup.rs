//! `masq setup`: the values that the Node is started with.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use masq_ui_protocol::message::{SetupRequest, SetupResponse, SetupResponseValue, SetupStatus};

use super::{Command, Json};
use crate::client::Failure;
use crate::session::Session;

mod values;

use values::Values;

pub(crate) const LIMIT: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(250);

/// Show or change the values that the Node is started with.
///
/// Each value is named as below; a name alone takes the value back, so that the environment, the
/// configuration file or the default counts again. The Daemon judges the values. Nothing can be
/// changed while the Node runs.
#[derive(Args)]
#[command(
    after_help = "Exit status: 0; 1 if a value that was given is refused, or the Daemon is not reached."
)]
pub(crate) struct Setup {
    /// Wait until the Daemon can be reached
    #[arg(long)]
    wait: bool,

    /// How long to wait
    #[arg(long, value_name = "SECONDS", default_value_t = 30, requires = "wait")]
    timeout: u64,

    /// Ask for the value of NAME unseen, for secrets
    #[arg(long, value_name = "NAME")]
    ask: Vec<String>,

    #[command(flatten)]
    json: Json,

    #[command(flatten)]
    values: Values,
}

impl Command for Setup {
    fn execute(mut self, session: &mut Session) -> Result<u8> {
        let mut values = self.values.take()?;
        for name in &self.ask {
            let value = session.new_secret(None, name)?;
            values.set(name, Some(value));
        }
        if self.wait {
            self.daemon(session)?;
        }
        let request = SetupRequest {
            values: values.list,
        };
        let answer: SetupResponse = session.request(&request, LIMIT)?;
        if self.json.json {
            session.print_json(&answer)?;
        } else {
            let mut page = page(&answer);
            if let Some(note) = altered(&request, &answer) {
                page.push_str(&note);
            }
            session.print(&page)?;
        }
        let refused = answer.running || !answer.errors.is_empty();
        Ok(u8::from(refused && !request.values.is_empty()))
    }
}

impl Setup {
    fn daemon(&self, session: &mut Session) -> Result<(), Failure> {
        let mut left = Duration::from_secs(self.timeout);
        loop {
            match session.connect() {
                Err(Failure::Nobody { .. }) if !left.is_zero() => {
                    let pause = PAUSE.min(left);
                    session.wait(pause)?;
                    left -= pause;
                }
                other => return other,
            }
        }
    }
}

/// The values as a table, with errors and notes behind it.
pub(crate) fn page(answer: &SetupResponse) -> String {
    let mut page = String::new();
    let mut row = |name: &str, value: &str, status: &str| {
        // Writing to a text cannot fail.
        let _ = writeln!(page, "{name:<29} {value:<64} {status}");
    };
    row("NAME", "VALUE", "STATUS");
    for value in &answer.values {
        let status = match value.status {
            SetupStatus::Default => "Default",
            SetupStatus::Configured => "Configured",
            SetupStatus::Set => "Set",
            SetupStatus::Blank => "Blank",
            SetupStatus::Required => "Required",
        };
        row(&value.name, shown(value), status);
    }
    if !answer.errors.is_empty() {
        page.push_str("\nERRORS:\n");
        for (name, reason) in &answer.errors {
            let _ = writeln!(page, "{name:<29} {reason}");
        }
    }
    if answer.running {
        page.push_str(
            "\nNOTE: nothing was changed, because the Node is running. `masq shutdown` ends it.\n",
        );
    }
    page
}

/// Secrets are hidden by the Daemon; this is for one that does not.
fn shown(value: &SetupResponseValue) -> &str {
    match (value.name.as_str(), value.value.as_str()) {
        (_, "") => "",
        ("db-password", _) => "****************",
        ("consuming-private-key", _) => {
            "****************************************************************"
        }
        (_, shown) => shown,
    }
}

/// The chain decides the last part of the data directory.
fn altered(request: &SetupRequest, answer: &SetupResponse) -> Option<String> {
    let asked = |name: &str| request.values.iter().find(|value| value.name == name);
    let now = answer
        .values
        .iter()
        .find(|value| value.name == "data-directory" && value.status == SetupStatus::Set)?;
    let directory = asked("data-directory").and_then(|value| value.value.as_ref());
    let differs = directory.is_some_and(|directory| *directory != now.value);
    let by_chain = directory.is_none() && asked("chain").is_some();
    (!answer.running && (differs || by_chain)).then(|| {
        format!(
            "\nNOTE: the data directory was altered to match the chain: {}\n",
            now.value
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_asterisks_whatever_their_length() {
        let value = |name: &str, value: &str| SetupResponseValue {
            name: name.to_owned(),
            value: value.to_owned(),
            status: SetupStatus::Set,
        };
        for secret in ["a", "correct horse battery staple"] {
            assert_eq!(shown(&value("db-password", secret)), "*".repeat(16));
            let key = value("consuming-private-key", secret);
            assert_eq!(shown(&key), "*".repeat(64));
        }
        assert_eq!(shown(&value("db-password", "")), "");
        assert_eq!(shown(&value("chain", "dev")), "dev");
    }
}
