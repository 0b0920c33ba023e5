//! `masq run`: one command, without root, in a namespace of its own.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use masq_lab::mesh::Site;
use masq_lab::{Host, Lab, namespace, node, process, require, wait};

use crate::support::LIMIT;

struct Home {
    host: Host,
    site: Site,
    _lab: Lab,
}

fn home() -> Option<Home> {
    let open_to_all =
        std::fs::metadata("/dev/net/tun").is_ok_and(|meta| meta.permissions().mode() & 0o6 == 0o6);
    if !require::laboratory()
        || !(open_to_all
            || require::skip("needs a /dev/net/tun that every user may open (`cargo xtask setup`)"))
    {
        return None;
    }
    let mut lab = Lab::new().unwrap();
    let site = Site::start(&mut lab).unwrap();
    let host = lab.host("user").unwrap();
    let folder = host.folder().unwrap();
    namespace::run_quiet("chown", &[node::USER, &folder.to_string_lossy()], None).unwrap();
    Some(Home {
        host,
        site,
        _lab: lab,
    })
}

fn masq_run(home: &Home, arguments: &[&str]) -> Command {
    let mut command = home
        .host
        .command_as(Some(node::USER), process::binary("masq").unwrap())
        .unwrap();
    command.args(["run", "--"]).args(arguments);
    command
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("HOME", home.host.folder().unwrap())
        .current_dir("/");
    command
}

#[test]
fn a_command_reaches_the_origin_without_root() {
    let Some(home) = home() else {
        return;
    };
    let authority = home.site.files.authority.to_string_lossy().into_owned();
    let url = "https://www.example.test/";
    let output = process::output_within(
        masq_run(&home, &["curl", "-sS", "--cacert", &authority, url]),
        LIMIT,
    );
    assert_eq!(
        process::text(&output.unwrap()).unwrap(),
        "this is the origin\n"
    );
    let output = process::output_within(masq_run(&home, &["id", "-u"]), LIMIT);
    assert_eq!(process::text(&output.unwrap()).unwrap(), "65534\n");
}

#[test]
fn the_exit_status_is_the_commands() {
    let Some(home) = home() else {
        return;
    };
    for status in [0, 1, 7, 200] {
        let command = masq_run(&home, &["sh", "-c", &format!("exit {status}")]);
        let output = process::output_within(command, LIMIT).unwrap();
        assert_eq!(output.status.code(), Some(status), "{output:?}");
    }
    let output = process::output_within(masq_run(&home, &["no-such-program"]), LIMIT).unwrap();
    assert_eq!(output.status.code(), Some(127), "{output:?}");
}

#[test]
fn input_and_output_pass_through() {
    let Some(home) = home() else {
        return;
    };
    let mut child = masq_run(&home, &["tr", "a-z", "A-Z"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(b"through the namespace\n").unwrap();
    drop(input);
    let mut words = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut words)
        .unwrap();
    assert_eq!(words, "THROUGH THE NAMESPACE\n");
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_signal_ends_the_command_and_leaves_nothing() {
    let Some(home) = home() else {
        return;
    };
    let mut child = home
        .host
        .spawn("run", masq_run(&home, &["sleep", "1000"]))
        .unwrap();
    let sleeper = || {
        let found = Command::new("pgrep")
            .args(["-P", &child.pid().to_string()])
            .output()
            .unwrap();
        !found.stdout.is_empty()
    };
    wait::until("the command's start", LIMIT, sleeper).unwrap();
    std::thread::sleep(Duration::from_secs(1));
    child.signal(nix::sys::signal::Signal::SIGTERM).unwrap();
    let status = child.wait(Duration::from_secs(5)).unwrap();
    assert!(!status.success());
    wait::until("the end of every process", LIMIT, || {
        namespace::processes_in(home.host.namespace()).is_empty()
            || namespace::processes_in(home.host.namespace()).len() == home.site.processes().len()
    })
    .unwrap();
}
