//! Apps that are direct as a whole: what they send is seen on the wire, and not one packet in the TUN.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::blocked::{counted, lab, seen};
use crate::support::{FakeNode, Lab, sh, state, until};

const DONE: &str = "Some(Done { id: 3, refused: None })";
const SEND: &str = "echo x > /dev/udp/9.9.9.9/443";

#[test]
fn an_admitted_process_passes_by_the_tun() {
    let Some(lab) = lab() else { return };
    let before = state();
    let mut node = lab.node(None);
    node.active();
    let _ = node.ask("packets");
    let mut shell = Command::new("bash")
        .args(["-c", "read x; echo x > /dev/udp/9.9.9.9/443; read y"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let asked = node.ask(&format!("admit {}", shell.id()));
    assert_eq!(asked, "Some(Done { id: 2, refused: None })");
    writeln!(shell.stdin.as_mut().unwrap(), "go").unwrap();
    until("a packet on the wire", || counted(&lab) > 0);
    assert_eq!(node.ask("packets"), "packets");
    let asked = node.ask("admit 4294967");
    assert!(asked.contains("CgroupUnavailable"), "{asked}");
    // It lives on when the capture ends, in the group it came from.
    assert_eq!(node.ask("stop"), "stopped true");
    assert!(shell.try_wait().unwrap().is_none());
    assert_eq!(state(), before);
    shell.kill().unwrap();
    shell.wait().unwrap();
}

/// A program of its own: a shell by another name.
struct Tool {
    path: PathBuf,
    _folder: tempfile::TempDir,
}

impl Tool {
    fn new(name: &str) -> Tool {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::copy("/bin/bash", &path).unwrap();
        Tool {
            path,
            _folder: folder,
        }
    }

    /// It goes on with the script at each line that it is given for a `read x`.
    fn start(&self, script: &str) -> Child {
        start(&self.path, script)
    }
}

fn start(program: &Path, script: &str) -> Child {
    Command::new(program)
        .args(["-c", script])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap()
}

fn go(process: &mut Child) {
    writeln!(process.stdin.as_mut().unwrap(), "go").unwrap();
}

/// What was sent is on the wire, and not in the TUN.
fn is_direct(lab: &Lab, node: &mut FakeNode, what: &str) {
    until(what, || counted(lab) > 0);
    assert_eq!(seen(lab), 1, "{what}");
    assert_eq!(node.ask("packets"), "packets", "{what}");
}

fn is_captured(lab: &Lab, node: &mut FakeNode, what: &str) {
    assert_eq!(node.ask("packets"), "packets 17:9.9.9.9:443", "{what}");
    assert_eq!(seen(lab), 0, "{what}");
}

#[test]
fn a_program_ruled_direct_passes_by_the_tun_by_path_and_by_name() {
    let Some(lab) = lab() else { return };
    let before = state();
    let mut node = lab.node(None);
    node.active();
    let _ = node.ask("packets");
    let tool = Tool::new("masq-tool");
    let path = tool.path.to_string_lossy().into_owned();
    for rule in [format!("path:{path}"), "name:masq-tool".to_owned()] {
        let mut earlier = tool.start(&format!("read x; {SEND}; read x; {SEND}"));
        assert_eq!(node.ask(&format!("bypass {rule}")), DONE);
        go(&mut earlier);
        is_direct(&lab, &mut node, "one that ran before");
        // Whoever starts it waits until the helper has looked at it.
        let mut later = tool.start(&format!("read x; {SEND}"));
        std::thread::sleep(std::time::Duration::from_millis(200));
        go(&mut later);
        is_direct(&lab, &mut node, "one that started after");
        later.wait().unwrap();
        let mut parent = tool.start(&format!("( sleep 0.2; {SEND} )"));
        is_direct(&lab, &mut node, "a copy of itself");
        parent.wait().unwrap();
        sh(&format!("bash -c '{SEND}'"));
        is_captured(&lab, &mut node, "another program");
        assert_eq!(node.ask("bypass none"), DONE);
        go(&mut earlier);
        earlier.wait().unwrap();
        is_captured(&lab, &mut node, "the same without the rule");
    }
    assert_eq!(node.ask("stop"), "stopped true");
    assert_eq!(state(), before);
}

#[test]
fn a_program_that_becomes_another_is_captured_from_its_first_packet_on() {
    let Some(lab) = lab() else { return };
    let mut node = lab.node(None);
    node.active();
    let _ = node.ask("packets");
    let tool = Tool::new("masq-tool");
    let path = tool.path.to_string_lossy().into_owned();
    assert_eq!(node.ask(&format!("bypass path:{path}")), DONE);
    for _ in 0..20 {
        let mut shell = tool.start(&format!("sleep 0.1; {SEND}; exec bash -c '{SEND}'"));
        shell.wait().unwrap();
        assert_eq!(seen(&lab), 1, "the tool's own packet");
        is_captured(&lab, &mut node, "what it became");
    }
    assert_eq!(node.ask("stop"), "stopped true");
}
