//! One command in a transcript: what was typed, sent, answered, printed, and the exit status.
//!
//! Transcripts are kept in `tests/transcripts/`; `UPDATE_TRANSCRIPTS=1` writes them anew.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::mock::Mock;

/// `masq` with a home of its own and no environment that changes it.
pub(crate) fn masq(port: u16, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_masq"));
    command
        .env_remove("MASQ_UI_PORT")
        .env("TERM", "xterm")
        .arg("--ui-port")
        .arg(port.to_string())
        .args(words);
    command
}

pub(crate) fn run(port: u16, words: &[&str], input: &str) -> Output {
    let mut child = masq(port, words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It need not read it.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

/// What one command line and one answer lead to.
pub(crate) fn of(words: &[&str], input: &str, body: &Value) -> String {
    let mock = Mock::answering(body.clone());
    let output = run(mock.port, words, input);
    let mut text = format!("$ masq {}\n", shell_words::join(words));
    for line in input.lines() {
        writeln!(text, "typed: {line}").unwrap();
    }
    for frame in mock.heard() {
        writeln!(text, "sent: {frame}").unwrap();
        writeln!(text, "answered: {body}").unwrap();
    }
    let out = String::from_utf8(output.stdout).unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    for (name, shown) in [("output", out), ("errors", err)] {
        if !shown.is_empty() {
            writeln!(text, "{name}:").unwrap();
        }
        for line in shown.lines() {
            writeln!(text, "{}", format!("    {line}").trim_end()).unwrap();
        }
    }
    writeln!(text, "exit: {}", output.status.code().unwrap()).unwrap();
    text
}

/// Compares with the file of this name below `tests/`.
pub(crate) fn compare(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests")
        .join(name);
    if std::env::var_os("UPDATE_TRANSCRIPTS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == text,
        "tests/{name} says otherwise (UPDATE_TRANSCRIPTS=1 writes it):\n{text}"
    );
}
