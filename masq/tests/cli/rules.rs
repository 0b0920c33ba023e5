//! `masq rules` on a file, without any Node.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

#[test]
fn a_rule_is_added_moved_switched_off_and_removed_and_comments_stay() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rules.toml");
    let text = "# Mine.\nexpect = [\"firefox -> www.bank.example = direct\"]\n\n# The bank.\n[[rule]]\nname = \"bank\"\nto = \".bank.example\"\naction = \"direct\"\n";
    fs::write(&file, text).unwrap();

    done(
        &file,
        &[
            "add",
            "block",
            "--name",
            "ads",
            "--to",
            ".ads.example",
            "--to",
            "ads.example.org",
        ],
    );
    done(&file, &["move", "ads", "1"]);
    done(&file, &["disable", "ads"]);
    let listed: Value = serde_json::from_str(&done(&file, &["list", "--json"])).unwrap();
    assert_eq!(listed["rules"][0]["id"], "ads");
    assert_eq!(listed["rules"][0]["enabled"], false);
    assert_eq!(
        listed["rules"][0]["conditions"],
        "to = .ads.example | ads.example.org"
    );
    done(&file, &["enable", "1"]);
    done(&file, &["remove", "ads"]);

    assert_eq!(fs::read_to_string(&file).unwrap(), text);
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[test]
fn what_is_wrong_or_breaks_an_expectation_is_not_written_and_every_reason_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rules.toml");
    let text = "expect = [\"firefox -> example.org = mesh\", \"any -> x.org = mesh\"]\n";
    fs::write(&file, text).unwrap();

    let broken = masq(
        &file,
        &["add", "direct", "--to", "*.org", "--to", "example.org"],
    );
    assert_eq!(broken.status.code(), Some(1));
    let told = String::from_utf8(broken.stderr).unwrap();
    assert!(
        told.contains("firefox -> example.org") && told.contains("any -> x.org"),
        "{told}"
    );
    let wrong = masq(&file, &["add", "direct", "--to", "a b", "--port", "0"]);
    let told = String::from_utf8(wrong.stderr).unwrap();
    assert!(
        told.contains("to = a b") && told.contains("port = 0"),
        "{told}"
    );

    assert_eq!(fs::read_to_string(&file).unwrap(), text);
}

#[test]
fn a_first_rule_makes_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rules.toml");

    done(
        &file,
        &["add", "mesh", "--app", "firefox", "--exit-country", "CZ"],
    );

    let text = fs::read_to_string(&file).unwrap();
    assert_eq!(
        text,
        "[[rule]]\napp = \"firefox\"\naction = \"mesh\"\nexit-country = \"CZ\"\n"
    );
}

#[test]
fn check_says_all_and_test_says_which_rule_decides_and_why() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rules.toml");
    fs::write(folder.path().join("ads.txt"), "0.0.0.0 ads.example\n").unwrap();
    fs::write(&file, "only = [\"firefox\"]\n[[rule]]\nname = \"ads\"\nto = \"list:ads.txt\"\naction = \"block\"\n").unwrap();

    assert!(done(&file, &["check"]).contains("2 rules are right, 0 expectations hold"));
    let told = done(&file, &["test", "curl -> ads.example"]);
    assert!(told.starts_with("block by ads: "), "{told}");
    let told = done(&file, &["test", "curl -> example.org"]);
    assert!(
        told.starts_with("direct by default: ") && told.contains("not 2 only: its app is not curl"),
        "{told}"
    );

    fs::write(&file, "only = 3.5\n[[rule]]\nto = \"list:none.txt\"\n").unwrap();
    let wrong = masq(&file, &["check", "--json"]);
    assert_eq!(wrong.status.code(), Some(1));
    let told: Value = serde_json::from_slice(&wrong.stdout).unwrap();
    assert_eq!(told["errors"].as_array().unwrap().len(), 3, "{told}");
}

fn done(file: &Path, words: &[&str]) -> String {
    let output = masq(file, words);
    assert!(output.status.success(), "{words:?} {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn masq(file: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_masq"));
    command
        .env_remove("MASQ_UI_PORT")
        .arg("rules")
        .args(words)
        .arg("--rules-file")
        .arg(file);
    command.output().unwrap()
}
