//! What the Daemon says to people: why a Node did not start, why it ended, and
//! what to do.

use std::fmt::Write;

use masq_ui_protocol::Frame;
use masq_ui_protocol::message::{CrashReason, Crashed};

use super::node::Ending;

pub(super) const ERROR_IS_NO_REQUEST: &str = "a request has a payload, not an error";

const AGAIN: &str = "`start` starts it again.";

pub(super) fn setup_is_wrong(reasons: &[(String, String)]) -> String {
    let mut text = "Could not launch Node: the setup is not complete".to_owned();
    list(&mut text, reasons);
    text
}

pub(super) fn not_started(why: &str) -> String {
    format!("Could not launch Node: {why}")
}

pub(super) fn died_at_once(
    pid: Option<u32>,
    how: &Ending,
    reasons: &[(String, String)],
    last_lines: &[String],
) -> String {
    let how = describe(how);
    let Some(pid) = pid else {
        return not_started(&how);
    };
    let mut text = format!("Node started in process {pid}, but died immediately: {how}");
    list(&mut text, reasons);
    if reasons.is_empty() {
        quote(&mut text, last_lines);
    }
    text
}

pub(super) fn unresponsive(
    pid: u32,
    reasons: &[(String, String)],
    last_lines: &[String],
) -> String {
    let limit = super::START.as_secs();
    let mut text = format!(
        "Node started in process {pid}, but was unresponsive for {limit} s and was successfully \
         killed"
    );
    list(&mut text, reasons);
    quote(&mut text, last_lines);
    text
}

pub(super) fn unkillable(pid: u32) -> String {
    format!(
        "Node started in process {pid}, but was unresponsive and could not be killed. Manual \
         intervention is required: end process {pid}, then start again."
    )
}

pub(super) fn crashed(pid: u32, how: &Ending, last_lines: &[String]) -> Frame {
    let reason = |how: &Ending| {
        let mut text = describe(how);
        quote(&mut text, last_lines);
        let _ = write!(text, "\n{AGAIN}");
        text
    };
    let crash_reason = match how {
        Ending::Code(_) | Ending::Signal(_) => CrashReason::Unrecognized(reason(how)),
        Ending::Unknown(_) => CrashReason::ChildWaitFailure(reason(how)),
    };
    Frame::of(
        &Crashed {
            process_id: pid,
            crash_reason,
        },
        None,
    )
}

/// Enough of a text to recognize it.
pub(super) fn shorten(text: &str) -> String {
    text.chars().take(100).collect()
}

fn describe(how: &Ending) -> String {
    match how {
        Ending::Code(code) => format!("exit code {code}"),
        Ending::Signal(signal) => match signal_name(*signal) {
            Some(name) => format!("killed by signal {signal} ({name})"),
            None => format!("killed by signal {signal}"),
        },
        Ending::Unknown(why) => why.clone(),
    }
}

/// Those that end programs, with the same number on every Unix.
fn signal_name(signal: i32) -> Option<&'static str> {
    let name = match signal {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        6 => "SIGABRT",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        13 => "SIGPIPE",
        15 => "SIGTERM",
        _ => return None,
    };
    Some(name)
}

fn list(text: &mut String, reasons: &[(String, String)]) {
    for (name, reason) in reasons {
        let _ = write!(text, "\n{name} - {reason}");
    }
}

fn quote(text: &mut String, lines: &[String]) {
    for line in lines {
        let _ = write!(text, "\n  {line}");
    }
}
