//! `masq status`: how the Node of a data directory stands in the mesh.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::Value;

use masq_ui_protocol::message::{
    CaptureRequest, CaptureResponse, CaptureState, ConnectionStage, ConnectionStatusRequest,
    ConnectionStatusResponse, Finding, HealthRequest, HealthResponse, Severity,
};

use super::Command;
use crate::client::{Failure, ORDINARY};
use crate::session::Session;

pub(super) const FILE: &str = "status.json";

/// Show how a Node stands in the mesh: its neighbors, what was tried, what to do.
///
/// Asks the Node, through the Daemon, what is wrong. Where nobody answers, and for a folder that is
/// named, it reads the file that a Node keeps in its data directory, also of a Node that has ended.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit status: 0 if the Node runs, 3 if it does not, 1 if there is nothing to show."
)]
pub(crate) struct Status {
    /// The Node's data directory [default: that of this user's Node which wrote last]
    #[arg(long, value_name = "DIRECTORY")]
    data_directory: Option<PathBuf>,

    /// Print what the Node says or wrote, as JSON
    #[arg(long)]
    json: bool,
}

/// The Node does not run.
const NOT_RUNNING: u8 = 3;

impl Command for Status {
    fn execute(self, session: &mut Session) -> Result<u8> {
        if self.data_directory.is_none()
            && let Some(live) = Live::ask(session)?
        {
            return live.show(session, self.json);
        }
        if !self.json
            && let Some(why) = super::blocked::sentence()
        {
            session.print(&why)?;
            if self.data_directory.is_none() && newest_of_user().is_err() {
                return Ok(NOT_RUNNING);
            }
        }
        let path = match self.data_directory {
            Some(directory) => directory.join(FILE),
            None => newest_of_user()?,
        };
        let text = fs::read_to_string(&path).with_context(|| {
            format!(
                "no status of a Node in {}: name its folder with --data-directory, or start it",
                path.display()
            )
        })?;
        let status: Value = serde_json::from_str(&text)
            .with_context(|| format!("{} is not a status", path.display()))?;
        let runs = runs(&status);
        let shown = if self.json {
            text
        } else {
            describe(&status, runs, now())
        };
        writeln!(std::io::stdout(), "{}", shown.trim_end())?;
        Ok(if runs { 0 } else { NOT_RUNNING })
    }
}

/// What a Node that runs says of itself.
struct Live {
    stage: Option<ConnectionStage>,
    /// None of a Node that knows no such thing.
    capture: Option<CaptureResponse>,
    findings: Vec<Finding>,
}

impl Live {
    /// None when no Daemon answers, or no Node runs.
    fn ask(session: &mut Session) -> Result<Option<Live>> {
        let health: HealthResponse = match session.request(&HealthRequest {}, ORDINARY) {
            Ok(health) => health,
            Err(Failure::Foreign { .. }) => return Ok(None),
            Err(failure) if failure.is_no_node() => return Ok(None),
            Err(failure) => return Err(failure.into()),
        };
        let stage = session.request(&ConnectionStatusRequest {}, ORDINARY);
        let capture = session.request(&CaptureRequest {}, ORDINARY);
        Ok(Some(Live {
            capture: capture.ok(),
            // Without a mesh there is no stage.
            stage: stage
                .ok()
                .map(|answer: ConnectionStatusResponse| answer.stage),
            findings: health.findings,
        }))
    }

    fn show(&self, session: &mut Session, json: bool) -> Result<u8> {
        if json {
            session.print_json(&serde_json::json!({
                "running": true, "stage": self.stage, "capture": self.capture,
                "findings": self.findings,
            }))?;
            return Ok(0);
        }
        let mut page = String::from("The Node runs.\n");
        if let Some(stage) = self.stage {
            page.push_str(super::connection_status::sentence(stage));
            page.push('\n');
        }
        if let Some(capture) = &self.capture {
            page.push_str(&captures(capture, now()));
        }
        page.push_str(&findings(&self.findings));
        // The same Node may have written who its neighbors are.
        let written = newest_of_user()
            .ok()
            .and_then(|path| fs::read_to_string(path).ok())
            .and_then(|text| serde_json::from_str::<Value>(&text).ok());
        if let Some(status) = written.filter(runs) {
            page.push('\n');
            page.push_str(&describe(&status, true, now()));
        }
        session.print(&page)?;
        Ok(0)
    }
}

fn captures(capture: &CaptureResponse, now: u64) -> String {
    let until = capture.resumes_unix_opt.map_or_else(
        || "until `masq resume`".to_owned(),
        |until| format!("for {} s more", until.saturating_sub(now)),
    );
    match capture.state {
        CaptureState::Off => {
            "Capture: off. This machine's traffic goes its usual way.\n".to_owned()
        }
        CaptureState::On => "Capture: on.\n".to_owned(),
        CaptureState::Reconnecting => {
            "Capture: reconnecting. Traffic is refused until there is a way.\n".to_owned()
        }
        CaptureState::Paused => {
            format!("Capture: paused {until}. Traffic goes its usual way.\n")
        }
        CaptureState::Changing => "Capture: changing.\n".to_owned(),
    }
}

fn findings(findings: &[Finding]) -> String {
    if findings.is_empty() {
        return "Nothing is wrong.\n".to_owned();
    }
    let mut page = String::new();
    for finding in findings {
        let severity = match finding.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Info => "note",
        };
        let (code, what, remedy) = (&finding.code, &finding.what, &finding.remedy);
        // Writing to a text cannot fail.
        let _ = writeln!(page, "{severity} {code}: {what}\n  -> {remedy}");
    }
    page
}

/// The status that was written last below `~/.local/share/MASQ`.
pub(super) fn newest_of_user() -> Result<PathBuf> {
    let local = match std::env::var_os("XDG_DATA_HOME") {
        Some(folder) => PathBuf::from(folder),
        None => {
            let home = std::env::var_os("HOME").context("HOME is not set: use --data-directory")?;
            Path::new(&home).join(".local/share")
        }
    };
    let folder = local.join("MASQ");
    let written = |path: &PathBuf| fs::metadata(path).and_then(|data| data.modified()).ok();
    let newest = fs::read_dir(&folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join(FILE)))
        .filter_map(|path| Some((written(&path)?, path)))
        .max();
    match newest {
        Some((_, path)) => Ok(path),
        None => bail!(
            "no status of a Node below {}: name its folder with --data-directory",
            folder.display()
        ),
    }
}

/// Whether the Node that wrote it is there; where nobody can tell, its word counts.
fn runs(status: &Value) -> bool {
    let says = status["running"].as_bool().unwrap_or(false);
    let Some(pid) = status["pid"].as_u64() else {
        return false;
    };
    if cfg!(target_os = "linux") {
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        return says && name.trim_end() == "MASQNode";
    }
    says
}

#[expect(clippy::disallowed_methods, reason = "the shell's clock")]
pub(super) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |time| time.as_secs())
}

fn describe(status: &Value, runs: bool, now: u64) -> String {
    let text = |key: &str| status[key].as_str().unwrap_or("?").to_owned();
    let number = |value: &Value| value.as_u64().unwrap_or(0);
    let mut page = String::new();
    // Writing to a text cannot fail.
    let _ = writeln!(
        page,
        "Node {} ({}, {})",
        text("id"),
        text("mode"),
        text("chain")
    );
    let written = ago(now, number(&status["written_unix"]));
    if !runs {
        let _ = writeln!(
            page,
            "It does not run. What follows is what it wrote {written}."
        );
    }
    let hops = number(&status["min_hops"]);
    let stage = match status["stage"].as_str() {
        Some("not-connected") => "not connected: no Node is a neighbor".to_owned(),
        Some("connected-to-neighbor") => {
            format!("connected to a neighbor; no route over {hops} Nodes to an exit yet")
        }
        Some("route-found") => format!("a route over {hops} Nodes is there: flows can start"),
        Some(other) => other.to_owned(),
        None => "no part in a mesh: flows go out from here".to_owned(),
    };
    let _ = writeln!(page, "{stage}");
    if let Some(descriptor) = status["descriptor"].as_str() {
        let _ = writeln!(page, "Others reach it at  {descriptor}");
    }
    let empty = Vec::new();
    let neighbors = status["neighbors"].as_array().unwrap_or(&empty);
    if !neighbors.is_empty() {
        let _ = writeln!(page);
    }
    for neighbor in neighbors {
        let field = |key: &str| neighbor[key].as_str().unwrap_or("");
        let _ = write!(
            page,
            "  {:<9} {:<10} {:<22} {}",
            field("id").chars().take(8).collect::<String>(),
            field("state"),
            field("address"),
            ago(now, number(&neighbor["since_unix"])),
        );
        for (before, key) in [("; it said: ", "said"), ("\n            -> ", "remedy")] {
            if !field(key).is_empty() {
                let _ = write!(page, "{before}{}", field(key));
            }
        }
        let _ = writeln!(page);
    }
    let gossip = &status["gossip"];
    let _ = writeln!(
        page,
        "\n{} other Nodes known; {} circuits of others; gossip: {} sent, {} received",
        number(&status["records"]),
        number(&status["circuits"]),
        size(number(&gossip["bytes_out"])),
        size(number(&gossip["bytes_in"])),
    );
    page
}

fn ago(now: u64, then: u64) -> String {
    match now.saturating_sub(then) {
        seconds @ 0..=119 => format!("{seconds} s ago"),
        seconds @ 120..=7_199 => format!("{} min ago", seconds / 60),
        seconds => format!("{} h ago", seconds / 3_600),
    }
}

fn size(bytes: u64) -> String {
    match bytes {
        0..=9_999 => format!("{bytes} bytes"),
        10_000..=9_999_999 => format!("{} kB", bytes / 1_000),
        _ => format!("{} MB", bytes / 1_000_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status() -> Value {
        serde_json::json!({
            "id": "lcRfI91Ct", "mode": "standard", "chain": "dev", "min_hops": 3, "pid": 1,
            "running": true, "written_unix": 1_000, "stage": "connected-to-neighbor",
            "descriptor": "masq://dev:KEY@192.0.2.1:4747",
            "neighbors": [
                {"id": "YJdScEFG3fj", "address": "192.0.2.2:4747", "state": "failed",
                 "since_unix": 940, "said": "no answer from its address",
                 "remedy": "Check that the Node runs."}
            ],
            "records": 7, "circuits": 2, "gossip": {"bytes_in": 12_345, "bytes_out": 99}
        })
    }

    #[test]
    fn a_person_reads_what_was_tried_what_it_said_and_what_to_do() {
        let page = describe(&status(), true, 1_000);
        for words in [
            "no route over 3 Nodes",
            "masq://dev:KEY@192.0.2.1:4747",
            "YJdScEFG",
            "failed",
            "60 s ago; it said: no answer from its address",
            "-> Check that the Node runs.",
            "7 other Nodes known",
            "12 kB received",
        ] {
            assert!(page.contains(words), "{words}: {page}");
        }
        assert!(!page.contains("does not run"));
    }

    #[test]
    fn findings_are_told_with_what_to_do() {
        let page = findings(&[Finding {
            code: "no-route".to_owned(),
            severity: Severity::Error,
            what: "There is no route.".to_owned(),
            remedy: "Wait.".to_owned(),
        }]);
        assert_eq!(page, "error no-route: There is no route.\n  -> Wait.\n");
        assert_eq!(findings(&[]), "Nothing is wrong.\n");
    }

    #[test]
    fn a_node_that_is_gone_is_not_said_to_run() {
        // Process 1 is no Node.
        assert!(!runs(&status()));
        let page = describe(&status(), false, 1_200);
        assert!(page.contains("It does not run. What follows is what it wrote 3 min ago."));
    }
}
