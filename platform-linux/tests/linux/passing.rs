//! Users and control groups that a rule makes direct: none of their packets
//! enters the TUN, with the address and the port that they had without us.

use std::io::Read;
use std::net::{TcpListener, UdpSocket};
use std::process::Command;

use crate::support::{FakeNode, Lab, WORLD, obstacle, sh, state};

const USER: &str = "setpriv --reuid=65531 --clear-groups";
const DONE: &str = "Some(Done { id: 3, refused: None })";

struct Passing {
    lab: Lab,
    node: FakeNode,
}

fn begin() -> Option<Passing> {
    if let Some(reason) = obstacle() {
        eprintln!("skipped: {reason}");
        return None;
    }
    let lab = Lab::new();
    lab.world_sh("ip addr add 9.9.9.9/32 dev lo; ip addr add 2620:fe::fe/128 dev lo nodad");
    lab.world_sh(
        "nft 'add table inet seen { counter own {}; counter strange {}; \
         chain in { type filter hook prerouting priority 0; \
         ip saddr 45.0.0.1 ip daddr 9.9.9.9 counter name own; \
         ip6 saddr 2001:db8::1 ip6 daddr 2620:fe::fe counter name own; \
         ip saddr 192.0.0.6 counter name strange; }; }'",
    );
    let mut node = lab.node(None);
    node.active();
    let _ = node.ask("packets");
    Some(Passing { lab, node })
}

impl Passing {
    /// Packets with the machine's own address since the last look.
    fn seen(&self) -> u64 {
        let text = self.lab.world_sh("nft reset counters table inet seen");
        let mut counts = text.lines().filter_map(|line| {
            let rest = line.trim().strip_prefix("packets ")?;
            rest.split(' ').next()?.parse::<u64>().ok()
        });
        let (own, strange) = (counts.next().unwrap(), counts.next().unwrap());
        assert_eq!(strange, 0, "the TUN's address is on no wire");
        own
    }

    fn is_captured(&mut self, run: &dyn Fn(), what: &str) {
        run();
        let packets = self.node.ask("packets");
        assert!(packets.len() > "packets ".len(), "{what}: {packets}");
        assert_eq!(self.seen(), 0, "{what}");
    }

    fn passes_by(&mut self, run: &dyn Fn(), what: &str) {
        run();
        assert_eq!(self.node.ask("packets"), "packets", "{what}");
        assert!(self.seen() >= 2, "{what}");
    }
}

/// What `bash` sends in a group of its own below the root.
fn in_group(group: &str, script: &str) {
    let mounted = format!(
        "mount -t cgroup2 none /mnt && mkdir -p /mnt/{group} && \
         echo $$ > /mnt/{group}/cgroup.procs && {script}"
    );
    let ended = Command::new("unshare")
        .args(["-m", "sh", "-c", &mounted])
        .status()
        .unwrap();
    assert!(ended.success());
}

const SENDS: &str = "bash -c 'echo x > /dev/udp/9.9.9.9/443; echo x > /dev/udp/2620:fe::fe/53'";

#[test]
fn a_user_ruled_direct_passes_by_the_tun_with_its_own_address() {
    let Some(mut passing) = begin() else { return };
    let send = || drop(sh(&format!("{USER} {SENDS}")));
    passing.is_captured(&send, "without a rule");
    assert_eq!(passing.node.ask("bypass 65531"), DONE);
    passing.passes_by(&send, "ruled");
    // Others are not meant.
    passing.is_captured(&|| drop(sh(SENDS)), "another user");
    // A pause forgets nothing, and another list takes it back.
    assert_eq!(passing.node.ask("suspend"), "Some(Suspended)");
    assert_eq!(passing.node.ask("resume"), "Some(Active)");
    passing.passes_by(&send, "resumed");
    let fake = || {
        drop(sh(&format!(
            "{USER} bash -c 'echo x > /dev/udp/198.18.0.9/443'"
        )));
    };
    passing.is_captured(&fake, "a fake address");
    assert_eq!(passing.node.ask("bypass none"), DONE);
    passing.is_captured(&send, "taken back");
    assert_eq!(passing.node.ask("stop"), "stopped true");
}

/// What is closed has no process, and its last bytes still have to arrive.
#[test]
fn the_last_bytes_of_a_closed_connection_pass_by_too() {
    let Some(mut passing) = begin() else { return };
    assert_eq!(passing.node.ask("bypass 65531"), DONE);
    let script = "exec 3<>/dev/tcp/45.0.0.2/7100; head -c 3000000 /dev/zero >&3";
    let listener = passing
        .lab
        .inside_world(|| TcpListener::bind("0.0.0.0:7100").unwrap());
    let mut sender = Command::new("sh")
        .args(["-c", &format!("{USER} bash -c '{script}'")])
        .spawn()
        .unwrap();
    let mut stream = listener.accept().unwrap().0;
    // It fills the buffers and ends before all has left.
    std::thread::sleep(std::time::Duration::from_millis(300));
    let mut heard = Vec::new();
    stream.read_to_end(&mut heard).unwrap();
    sender.wait().unwrap();
    assert_eq!(heard.len(), 3_000_000);
    assert_eq!(passing.node.ask("packets"), "packets");
    assert_eq!(passing.node.ask("stop"), "stopped true");
}

/// Its mark stays with a socket, and means nothing any more.
#[test]
fn an_open_socket_is_captured_once_no_rule_names_its_user() {
    let Some(mut passing) = begin() else { return };
    assert_eq!(passing.node.ask("bypass 0"), DONE);
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    let send = || {
        drop((
            socket.send_to(b"x", "9.9.9.9:443"),
            socket.send_to(b"x", "9.9.9.9:53"),
        ))
    };
    passing.passes_by(&send, "ruled");
    assert_eq!(passing.node.ask("bypass none"), DONE);
    passing.is_captured(&send, "taken back");
    // Another subject never gets what the one before left behind.
    assert_eq!(passing.node.ask("bypass 65531"), DONE);
    passing.is_captured(&send, "another's");
    assert_eq!(passing.node.ask("suspend"), "Some(Suspended)");
    passing.passes_by(&send, "paused");
    drop(listener);
    assert_eq!(passing.node.ask("stop"), "stopped true");
}

#[test]
fn a_control_group_ruled_direct_passes_by_the_tun_and_a_unit_without_those_below_it() {
    let Some(mut passing) = begin() else { return };
    let before = state();
    let group = format!("masq-test-{}.service", std::process::id());
    let (alone, below) = (group.clone(), format!("{group}/inner.service"));
    in_group(&below, "true");
    let in_alone = || in_group(&alone, SENDS);
    let in_below = || in_group(&below, SENDS);
    passing.is_captured(&in_alone, "without a rule");
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        assert_eq!(passing.node.ask(&format!("bypass cgroup:{group}")), DONE);
        passing.passes_by(&in_alone, "a group");
        passing.passes_by(&in_below, "below it");
        assert_eq!(passing.node.ask(&format!("bypass unit:{group}")), DONE);
        passing.passes_by(&in_alone, "a unit");
        passing.is_captured(&in_below, "another unit below it");
        // It is started again: another group of the same name.
        let remove =
            format!("mount -t cgroup2 none /mnt && rmdir /mnt/{group}/inner.service /mnt/{group}");
        let remove = || sh(&format!("unshare -m sh -c '{remove}'"));
        remove();
        passing.is_captured(&in_alone, "a group made anew");
        assert_eq!(passing.node.ask(&format!("bypass unit:{group}")), DONE);
        passing.passes_by(&in_alone, "found again");
        in_group(&below, "true");
        remove();
        let asked = passing.node.ask(&format!("bypass unit:{group}"));
        assert!(asked.contains("CgroupUnavailable"), "{asked}");
        let asked = passing.node.ask("bypass cgroup:../../etc");
        assert!(asked.contains("CgroupUnavailable"), "{asked}");
    }));
    if let Err(panic) = outcome {
        sh(&format!(
            "unshare -m sh -c 'mount -t cgroup2 none /mnt && rmdir /mnt/{group}/inner.service; \
             rmdir /mnt/{group}' || true"
        ));
        std::panic::resume_unwind(panic);
    }
    assert_eq!(passing.node.ask("bypass none"), DONE);
    assert_eq!(state().rules, before.rules);
    assert_eq!(passing.node.ask("stop"), "stopped true");
}

#[test]
fn a_user_of_another_network_is_not_meant() {
    let Some(mut passing) = begin() else { return };
    assert_eq!(passing.node.ask("bypass 65531"), DONE);
    // The world's socket has no mark of ours: its rule would show it.
    passing.lab.world_sh(
        "nft 'add table inet marked { counter own {}; chain out { type filter hook output \
         priority 0; meta mark and 0xffff0000 == 0x4d530000 counter name own; }; }'",
    );
    passing.lab.world_sh(&format!(
        "{USER} bash -c 'echo x > /dev/udp/{WORLD}/99'; {USER} bash -c 'echo x > /dev/udp/45.0.0.1/99'"
    ));
    let text = passing.lab.world_sh("nft list counters table inet marked");
    assert!(text.contains("packets 0 "), "{text}");
    assert_eq!(passing.node.ask("stop"), "stopped true");
}
