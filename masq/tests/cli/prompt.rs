//! The interactive session, at a pseudo-terminal and with commands on standard input.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::mock::{Mock, Reply, answer, wait};
use crate::terminal::Terminal;
use crate::transcript::run;

const PROMPT: &str = "masq> ";
const END_OF_INPUT: &str = "\x04";
const INTERRUPT: &str = "\x03";
const UP: &str = "\x1b[A";

#[test]
fn a_session_goes_on_after_good_and_bad_commands_until_the_input_ends() {
    let (mut terminal, mock, _home) = session();
    terminal.press("connection-status\r");
    let place = terminal.wait_for("RouteFound: traffic can be carried.");
    terminal.wait_behind(place, PROMPT);
    terminal.press("descripter\r");
    let place = terminal.wait_behind(place, "error: unrecognized subcommand 'descripter'");
    let place = terminal.wait_behind(place, PROMPT);
    terminal.press("setup --ip 'unclosed\r");
    let place = terminal.wait_behind(place, "error: a quotation mark is not closed");
    let place = terminal.wait_behind(place, PROMPT);
    terminal.press("version\r");
    let version = format!("masq {}", env!("CARGO_PKG_VERSION"));
    let place = terminal.wait_behind(place, &version);
    terminal.wait_behind(place, PROMPT);
    terminal.press(END_OF_INPUT);
    terminal.wait_behind(place, "Terminated");
    assert_eq!(terminal.exit(), Some(0));
    assert!(terminal.is_cooked());
    assert_eq!(mock.heard().len(), 1);
}

#[test]
fn help_lists_commands_and_explains_one() {
    let (mut terminal, _mock, _home) = session();
    terminal.press("help\r");
    let place = terminal.wait_for("neighborhood-graph");
    let place = terminal.wait_behind(place, "exit");
    let place = terminal.wait_behind(place, PROMPT);
    terminal.press("help financials\r");
    let place = terminal.wait_behind(place, "Leave out the totals");
    let place = terminal.wait_behind(place, PROMPT);
    terminal.press("quit\r");
    assert_eq!(terminal.exit(), Some(0));
    assert!(!terminal.shown()[place..].contains("Terminated"));
}

#[test]
fn quotes_of_both_kinds_hold_words_together() {
    let (mut terminal, mock, _home) = session();
    terminal.press("setup --data-directory \"/a b\" --config-file '/c \"d'\r");
    // Between commands only: while one runs the terminal itself takes the end of the input.
    let place = terminal.wait_for("NAME  ");
    terminal.wait_behind(place, PROMPT);
    let mut values: Vec<Value> = mock.heard()[0]["payload"]["values"]
        .as_array()
        .unwrap()
        .clone();
    values.sort_by_key(|value| value["name"].to_string());
    assert_eq!(
        values,
        [
            json!({"name": "config-file", "value": "/c \"d"}),
            json!({"name": "data-directory", "value": "/a b"}),
        ]
    );
    terminal.press(END_OF_INPUT);
    assert_eq!(terminal.exit(), Some(0));
}

#[test]
fn a_broadcast_leaves_the_line_that_is_being_typed() {
    let (mut terminal, mock, _home) = session();
    terminal.press("connection-st");
    let place = terminal.wait_for("connection-st");
    mock.broadcast(
        "logBroadcast",
        &json!({"msg": "a neighbor", "logLevel": "Info"}),
    );
    let place = terminal.wait_behind(place, ">> INFO   a neighbor");
    let place = terminal.wait_behind(place, "masq> connection-st");
    mock.broadcast("connectionChange", &json!({"stage": "NotConnected"}));
    let place = terminal.wait_behind(place, "NotConnected: no Node is a neighbor yet.");
    let place = terminal.wait_behind(place, "masq> connection-st");
    mock.broadcast("news", &json!({}));
    let place = terminal.wait_behind(place, "unknown kind came: news");
    let place = terminal.wait_behind(place, "masq> connection-st");
    terminal.press("atus\r");
    terminal.wait_behind(place, "RouteFound");
    assert_eq!(mock.heard()[0]["opcode"], "connectionStatus");
}

#[test]
fn a_broadcast_while_a_command_waits_is_shown_too() {
    let mock = Mock::start(|asked| {
        let told = json!({"opcode": "newPassword", "payload": {}});
        vec![
            Reply::Send(told),
            answer(asked, &json!({"stage": "RouteFound"})),
        ]
    });
    let home = tempfile::tempdir().unwrap();
    let mut terminal = Terminal::start(mock.port, &[], home.path());
    terminal.wait_for(PROMPT);
    terminal.press("connection-status\r");
    let place = terminal.wait_for("was changed by another user interface.");
    terminal.wait_behind(place, "RouteFound");
}

#[test]
fn ctrl_c_at_the_prompt_ends_well_and_at_a_command_returns_to_the_prompt() {
    let mock = Mock::start(|_| vec![]);
    let home = tempfile::tempdir().unwrap();
    let mut terminal = Terminal::start(mock.port, &[], home.path());
    terminal.wait_for(PROMPT);
    terminal.press("scan payables\r");
    wait("the question", || !mock.heard().is_empty());
    terminal.interrupt();
    let place = terminal.wait_for("error: given up");
    let place = terminal.wait_behind(place, PROMPT);
    terminal.press("half a li");
    let place = terminal.wait_behind(place, "half a li");
    terminal.press(INTERRUPT);
    terminal.wait_behind(place, "Terminated");
    assert_eq!(terminal.exit(), Some(0));
    assert!(terminal.is_cooked());
}

#[test]
fn when_the_daemon_goes_it_is_said_and_the_terminal_is_put_back() {
    let (mut terminal, mock, _home) = session();
    terminal.press("half");
    terminal.wait_for("half");
    assert!(!terminal.is_cooked());
    mock.hang_up();
    terminal.wait_for("the Daemon ended the connection");
    assert_eq!(terminal.exit(), Some(1));
    assert!(terminal.is_cooked());
}

#[test]
fn secrets_are_asked_for_unseen_and_kept_in_no_history() {
    let (mut terminal, mock, home) = session();
    terminal.press("check-password --ask\r");
    let place = terminal.wait_for("password: ");
    terminal.press("hunter2\r");
    let place = terminal.wait_behind(place, "is correct");
    assert_eq!(mock.heard()[0]["payload"]["dbPasswordOpt"], "hunter2");
    assert!(!terminal.shown().contains("hunter"));
    let place = terminal.wait_behind(place, PROMPT);
    terminal.press("check-password open-sesame\r");
    let place = terminal.wait_behind(place, "is correct");
    let place = terminal.wait_behind(place, PROMPT);
    terminal.press("connection-status\r");
    let place = terminal.wait_behind(place, "RouteFound");
    let place = terminal.wait_behind(place, PROMPT);
    terminal.press("exit\r");
    terminal.wait_behind(place, "exit");
    assert_eq!(terminal.exit(), Some(0));
    let file = home.path().join("MASQ/masq-history");
    assert_eq!(
        fs::read_to_string(&file).unwrap(),
        "connection-status\nexit\n"
    );
    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );

    let mut terminal = Terminal::start(mock.port, &[], home.path());
    let place = terminal.wait_for(PROMPT);
    terminal.press(UP);
    let place = terminal.wait_behind(place, "exit");
    terminal.press(UP);
    terminal.wait_behind(place, "connection-status");
}

#[test]
fn the_tabulator_completes_commands_and_options() {
    let (mut terminal, mock, _home) = session();
    terminal.press("connection-\t\r");
    let place = terminal.wait_for("RouteFound");
    let place = terminal.wait_behind(place, PROMPT);
    terminal.press("exit-location --show\t\r");
    let place = terminal.wait_behind(place, "exit-location --show-countries");
    terminal.wait_behind(place, PROMPT);
    assert_eq!(mock.heard()[1]["payload"]["showCountries"], true);
}

#[test]
fn wallets_are_replaced_only_after_a_yes() {
    let mock = Mock::start(|asked| {
        let there = json!({"error": {"code": 0x0001_0000_0000_0002_u64, "message": "a wallet is there; replaceWallets"}});
        let body = match asked["payload"]["replaceWallets"].as_bool() {
            Some(true) => json!({}),
            _ => there,
        };
        vec![answer(asked, &body)]
    });
    let home = tempfile::tempdir().unwrap();
    let words = [
        "recover-wallets",
        "--consuming-key",
        "AB",
        "--earning-address",
        "0x1",
        "--db-password",
        "s",
    ];
    let mut terminal = Terminal::start(mock.port, &words, home.path());
    terminal.wait_for("[y/N] ");
    terminal.press("\r");
    terminal.wait_for("nothing was changed");
    assert_eq!(terminal.exit(), Some(1));
    assert_eq!(mock.heard().len(), 1);
    let mut terminal = Terminal::start(mock.port, &words, home.path());
    terminal.wait_for("[y/N] ");
    terminal.press("y\r");
    terminal.wait_for("The wallets are recovered.");
    assert_eq!(terminal.exit(), Some(0));
}

#[test]
fn without_a_terminal_commands_come_line_by_line() {
    let mock = Mock::start(|asked| vec![answer(asked, &body_for(asked))]);
    let input =
        "connection-status\n\n# a remark\nnonsense\ncheck-password --ask\nhunter2\nversion\n";
    let output = run(mock.port, &[], input);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let shown = String::from_utf8(output.stdout).unwrap();
    let version = concat!("masq ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!(
        shown,
        format!("RouteFound: traffic can be carried.\nThe password is correct.\n{version}")
    );
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(
        errors.starts_with("error: unrecognized subcommand 'nonsense'"),
        "{errors}"
    );
    assert!(errors.ends_with("Terminated\n"), "{errors}");
    assert_eq!(mock.heard()[1]["payload"]["dbPasswordOpt"], "hunter2");
}

fn session() -> (Terminal, Mock, TempDir) {
    let mock = Mock::start(|asked| vec![answer(asked, &body_for(asked))]);
    let home = tempfile::tempdir().unwrap();
    let terminal = Terminal::start(mock.port, &[], home.path());
    terminal.wait_for(PROMPT);
    mock.wait_for_client();
    (terminal, mock, home)
}

fn body_for(asked: &Value) -> Value {
    match asked["opcode"].as_str().unwrap() {
        "connectionStatus" => json!({"stage": "RouteFound"}),
        "checkPassword" => json!({"matches": true}),
        "exitLocation" => {
            json!({"fallbackRouting": true, "exitCountrySelection": [], "exitCountries": ["CZ"], "missingCountries": []})
        }
        _ => json!({"running": false, "values": [], "errors": []}),
    }
}
