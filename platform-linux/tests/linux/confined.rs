//! A confined command: who it is, what it can reach, how it ends.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::support::{example, obstacle, sh, until};

/// The programs in a folder that any user can read.
struct Programs(tempfile::TempDir);

impl Programs {
    fn new() -> Option<Programs> {
        if let Some(reason) = obstacle() {
            eprintln!("skipped: {reason}");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
        for name in ["masq_run", "tun_node"] {
            std::fs::copy(example(name), folder.path().join(name)).unwrap();
        }
        Some(Programs(folder))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// `masq run -- sh -c SCRIPT` as a user, or as root.
    fn run(&self, user: Option<u32>, script: &str) -> Command {
        let folder = self.path().display();
        let become_user = user.map_or_else(String::new, |id| {
            format!("setpriv --reuid={id} --regid={id} --clear-groups")
        });
        // Most systems let every user open the device; this one may not.
        let outer = format!(
            "mknod {folder}/tun c 10 200; chmod 666 {folder}/tun; \
             mount --bind {folder}/tun /dev/net/tun; \
             exec {become_user} {folder}/masq_run {folder}/tun_node sh -c \"$0\""
        );
        let mut command = Command::new("unshare");
        command
            .args(["-m", "sh", "-ec", &outer, script])
            .current_dir("/")
            .stdin(Stdio::null());
        command
    }

    fn output(&self, user: Option<u32>, script: &str) -> Output {
        let _ = std::fs::remove_file(self.path().join("tun"));
        self.run(user, script).output().unwrap()
    }
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_user_stays_who_they_are_without_a_capability() {
    let Some(programs) = Programs::new() else {
        return;
    };
    let output = programs.output(
        Some(65_534),
        "id -u; id -g; grep -E 'Cap(Inh|Prm|Eff|Amb)' /proc/self/status",
    );
    let text = text(&output);
    let mut lines = text.lines();
    assert_eq!(
        (lines.next(), lines.next()),
        (Some("65534"), Some("65534")),
        "{output:?}"
    );
    assert_eq!(
        lines
            .filter(|line| line.ends_with("\t0000000000000000"))
            .count(),
        4,
        "{text}"
    );
}

#[test]
fn nothing_but_the_tun_leads_out() {
    let Some(programs) = Programs::new() else {
        return;
    };
    let mounts = sh("grep -E ' /(etc|tmp|run/systemd|run/nscd)' /proc/self/mountinfo | sort");
    let resolver = sh("cat /etc/resolv.conf");
    for user in [Some(65_534), None] {
        let script = "ip -o link | cut -d: -f2; ip route; ip -6 route show default; \
                      cat /etc/resolv.conf; grep hosts: /etc/nsswitch.conf; \
                      for undo in 'ip link del masq0' 'ip route del default' \
                      'umount /etc/resolv.conf' 'nsenter --net=/proc/1/ns/net true' \
                      'unshare -Um umount /etc/resolv.conf' 'unshare -Ur ip link del masq0'; do \
                      if $undo 2>/dev/null; then echo \"undone: $undo\"; fi; done";
        let output = programs.output(user, script);
        let expected = " lo\n masq0\n\
                        default dev masq0 proto static scope link \n\
                        default dev masq0 proto static metric 1024 pref medium\n\
                        nameserver 192.0.0.7\nhosts: files myhostname dns\n";
        assert_eq!(text(&output), expected, "{user:?} {output:?}");
    }
    assert_eq!(
        sh("grep -E ' /(etc|tmp|run/systemd|run/nscd)' /proc/self/mountinfo | sort"),
        mounts
    );
    assert_eq!(sh("cat /etc/resolv.conf"), resolver);
}

#[test]
fn names_are_asked_in_the_tun() {
    let Some(programs) = Programs::new() else {
        return;
    };
    let output = programs.output(Some(65_534), "timeout 1 getent hosts name.example");
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(log.contains("packet to [192, 0, 0, 7] port 53"), "{log}");
}

#[test]
fn the_exit_status_is_the_commands() {
    let Some(programs) = Programs::new() else {
        return;
    };
    for (script, status) in [
        ("exit 0", 0),
        ("exit 7", 7),
        ("kill -TERM $$", 143),
        ("kill -KILL $$", 137),
        ("exec /nonexistent", 127),
    ] {
        assert_eq!(
            programs.output(None, script).status.code(),
            Some(status),
            "{script}"
        );
    }
}

#[test]
fn the_network_ends_with_the_node_and_the_command_goes_on() {
    let Some(programs) = Programs::new() else {
        return;
    };
    let script = "bash -c 'echo x > /dev/udp/192.0.2.9/9'; \
                  while ip -o link | grep -q masq0; do sleep 0.01; done; \
                  bash -c 'echo x > /dev/udp/192.0.2.9/10' && echo leaked; sleep 0.5; echo went on";
    let output = programs.output(Some(65_534), script);
    assert_eq!(text(&output), "went on\n", "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("no network any more"));
}

#[test]
fn the_node_ends_with_masq() {
    let Some(programs) = Programs::new() else {
        return;
    };
    let mut masq = programs
        .run(None, "exec sleep 60")
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let children = format!("/proc/{0}/task/{0}/children", masq.id());
    let named = |name: &str| {
        std::fs::read_to_string(&children)
            .unwrap_or_default()
            .split_ascii_whitespace()
            .find(|pid| {
                std::fs::read_to_string(format!("/proc/{pid}/comm"))
                    .is_ok_and(|comm| comm.trim() == name)
            })
            .map(str::to_owned)
    };
    let (mut node, mut command) = (None, None);
    until("Node and command", || {
        node = named("tun_node");
        command = named("sleep");
        node.is_some() && command.is_some()
    });
    masq.kill().unwrap();
    masq.wait().unwrap();
    let status = format!("/proc/{}/status", node.unwrap());
    until("the Node's end", || {
        std::fs::read_to_string(&status).map_or(true, |text| text.contains("State:\tZ"))
    });
    sh(&format!("kill {}", command.unwrap()));
}

/// In a terminal of its own, with a shell that controls its jobs.
#[test]
fn keys_and_job_control_reach_the_command() {
    let Some(programs) = Programs::new() else {
        return;
    };
    let folder = programs.path().display();
    let run = format!("{folder}/masq_run {folder}/tun_node");
    let mut terminal = Command::new("script")
        .args(["-qec", "bash --norc -i", "/dev/null"])
        .env("PS1", "")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut keys = terminal.stdin.take().unwrap();
    let pause = || std::thread::sleep(std::time::Duration::from_millis(700));
    let mut press = |text: &str| {
        keys.write_all(text.as_bytes()).unwrap();
        pause();
    };
    press(&format!("{run} sleep 61\n"));
    press("\x1a");
    press("jobs; fg\n");
    press("\x03");
    press("echo status=$?\n");
    press("exit\n");
    drop(keys);
    let output = terminal.wait_with_output().unwrap();
    let text = text(&output);
    assert!(text.contains("Stopped"), "{text}");
    assert!(text.contains("status=130"), "{text}");
}

#[test]
fn a_node_that_dropped_its_privileges_has_none() {
    if let Some(reason) = obstacle() {
        eprintln!("skipped: {reason}");
        return;
    }
    let output = Command::new(example("dropped"))
        .arg("/usr")
        .output()
        .unwrap();
    let text = text(&output);
    for line in [
        "root again: false",
        "dumpable: Ok(false)",
        "directory: /usr",
        "Uid:\t65534\t65534\t65534\t65534",
        "Gid:\t65534\t65534\t65534\t65534",
        "Groups:\t ",
        "CapEff:\t0000000000000000",
        "CapPrm:\t0000000000000000",
        "NoNewPrivs:\t1",
    ] {
        assert!(
            text.lines().any(|other| other == line),
            "{line}: {output:?}"
        );
    }
}
