//! The help of every command is a file, so that a change of it is seen.

use std::fs;
use std::process::Command;

use crate::transcript::compare;

#[test]
fn the_help_of_every_command_is_what_was_reviewed() {
    let page = help(&[]);
    compare("help/masq.txt", &page);
    for name in commands(&page) {
        compare(&format!("help/{name}.txt"), &help(&[&name]));
    }
}

#[test]
fn there_is_a_manual_page_and_a_completion_for_every_command() {
    let folder = tempfile::tempdir().unwrap();
    let done = masq().arg("man").arg(folder.path()).output().unwrap();
    assert!(done.status.success(), "{done:?}");
    let script = masq().args(["completions", "bash"]).output().unwrap();
    let script = String::from_utf8(script.stdout).unwrap();
    for name in commands(&help(&[])) {
        let page = fs::read_to_string(folder.path().join(format!("masq-{name}.1")));
        assert!(page.unwrap().contains("DESCRIPTION"), "{name}");
        assert!(script.contains(&name), "{name}");
    }
    let page = fs::read_to_string(folder.path().join("masq.1")).unwrap();
    assert!(page.contains("Exit status: 0"));
    assert!(script.contains("--neighborhood\\-mode") || script.contains("--neighborhood-mode"));
}

#[test]
fn the_version_is_that_of_the_product() {
    let output = masq().arg("--version").output().unwrap();
    let version = format!("masq {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), version);
}

fn commands(page: &str) -> Vec<String> {
    let list = page.lines().skip_while(|line| *line != "Commands:").skip(1);
    let names: Vec<String> = list
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect();
    assert!(names.len() > 20, "{names:?}");
    names
}

fn help(words: &[&str]) -> String {
    let output = masq().args(words).arg("--help").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{words:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn masq() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_masq"));
    command.env_remove("MASQ_UI_PORT").env("COLUMNS", "100");
    command
}
