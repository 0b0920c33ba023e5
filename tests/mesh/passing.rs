//! Apps that rules make direct as a whole: the kernel leads them past the TUN, and back when the rules say
//! otherwise. Packets are counted in the TUN and at the router.

use std::process::Output;
use std::time::Duration;

use masq_lab::mesh::Site;
use masq_lab::{Host, Lab, process, require, wait};

use crate::rules::{ENOUGH, Machine, URL, world};
use crate::support::{LIMIT, resolve};

const USER: &str = "65531";
const BY_USER: &str = "[[rule]]\nname = \"it\"\nuser = 65531\naction = \"direct\"\n";

/// Packets that the TUN took from apps, which is what the interface transmitted.
fn carried(host: &Host) -> u64 {
    // proc_pid_net(5): the tenth number is of packets sent; sysfs is another namespace's.
    let output = host.run(LIMIT, "cat", &["/proc/self/net/dev"]).unwrap();
    let text = process::text(&output).unwrap();
    let line = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("masq0:"));
    let sent = line.unwrap().split_ascii_whitespace().nth(9).unwrap();
    sent.parse().unwrap()
}

fn as_user(machine: &Machine, program: &[&str]) -> Output {
    let mut arguments = vec!["--reuid", USER, "--clear-groups"];
    arguments.extend(program);
    machine.run("setpriv", &arguments)
}

fn get(machine: &Machine, family: &str, url: &str) -> Output {
    let curl = [
        "curl",
        family,
        "-sSf",
        "--max-time",
        "20",
        "-o",
        "/dev/null",
        url,
    ];
    as_user(machine, &curl)
}

/// Not one packet in the TUN, and all on the wire.
fn passes_by(machine: &Machine, what: &str, run: impl FnOnce() -> Output) {
    let before = carried(&machine.host);
    machine.assert_direct(what, run);
    assert_eq!(carried(&machine.host), before, "{what}: into the TUN");
}

/// None but the mesh's on the wire.
fn is_captured(machine: &Machine, what: &str, run: impl FnOnce() -> Output) {
    let before = carried(&machine.host);
    machine.assert_mesh(what, run);
    let entered = carried(&machine.host) - before;
    assert!(entered >= ENOUGH, "{what}: {entered} into the TUN");
}

/// The helper is asked when the rules are read, and does it before the next flow but one.
fn until_it_counts(machine: &Machine, passes: bool) {
    wait::until("the kernel's rules", LIMIT, || {
        let before = carried(&machine.host);
        let _ = get(machine, "-4", URL);
        (carried(&machine.host) == before) == passes
    })
    .unwrap();
}

#[test]
fn a_user_ruled_direct_is_on_the_wire_and_not_in_the_tun_until_the_rule_goes() {
    if !require::laboratory() {
        return;
    }
    let world = world(|_, _| {}, |_| BY_USER.to_owned());
    let (machine, site) = (&world.machine, &world.mesh.site);
    until_it_counts(machine, true);
    let address = |host: &Host, ipv6| match host.address(ipv6) {
        std::net::IpAddr::V4(ip) => ip.to_string(),
        std::net::IpAddr::V6(ip) => format!("[{ip}]"),
    };
    for (family, ipv6) in [("-4", false), ("-6", true)] {
        let url = format!("http://{}/bytes/200000", address(&site.origin, ipv6));
        passes_by(machine, family, || get(machine, family, &url));
        // By name: its own question goes past the mesh too, and is answered with the true address.
        passes_by(machine, family, || get(machine, family, URL));
        let server = format!("@{}", site.dns.address(ipv6));
        let before = (carried(&machine.host), machine.counts().other.packets);
        let asked = as_user(
            machine,
            &["dig", "+short", &server, "www.example.test", "A"],
        );
        let answer = process::text(&asked).unwrap();
        assert_eq!(answer.trim(), site.origin.v4().to_string());
        assert_eq!(carried(&machine.host), before.0);
        assert!(machine.counts().other.packets > before.1);
    }
    // Others are carried, and what stands for a name stands for it here as well.
    is_captured(machine, "another user", || {
        machine.run("curl", &["-sSf", "-o", "/dev/null", URL])
    });
    let fake = resolve(&machine.host, "www.example.test", "A");
    let entered = carried(&machine.host);
    machine.assert_direct("a fake address", || {
        get(machine, "-4", &format!("http://{fake}/bytes/20000"))
    });
    assert!(carried(&machine.host) >= entered + ENOUGH);

    // A rule before it that could be about such a flow wins.
    machine.write(&format!(
        "[[rule]]\nname = \"first\"\nto = \"*.blocked.test\"\naction = \"block\"\n\n{BY_USER}"
    ));
    machine.reload();
    until_it_counts(machine, false);
    machine.assert_blocked("a name that is blocked", || {
        get(machine, "-4", "https://www.blocked.test/")
    });
    machine.write(BY_USER);
    machine.reload();
    until_it_counts(machine, true);
    machine.write("");
    machine.reload();
    until_it_counts(machine, false);
    for family in ["-4", "-6"] {
        is_captured(machine, family, || get(machine, family, URL));
    }
    machine.control.say(&["shutdown"]).unwrap();
}

#[test]
fn a_control_group_ruled_direct_is_on_the_wire_and_not_in_the_tun() {
    if !require::laboratory() {
        return;
    }
    let group = format!("masq-passing-{}", std::process::id());
    let in_group = format!(
        "mount -t cgroup2 none /mnt && mkdir -p /mnt/{group}/below && \
         echo $$ > /mnt/{group}/below/cgroup.procs && \
         exec curl -sSf --max-time 20 -o /dev/null {URL}"
    );
    let rule = format!("[[rule]]\ncgroup = \"/{group}\"\naction = \"direct\"\n");
    let world = world(|_, _| {}, |_| rule.clone());
    let machine = &world.machine;
    let fetch = || machine.run("unshare", &["-m", "sh", "-c", &in_group]);
    // The group is made by this; the Node looks for those that are missing.
    machine.assert_direct("by the Node's own sockets", fetch);
    wait::until("the group", LIMIT, || {
        let before = carried(&machine.host);
        let _ = fetch();
        carried(&machine.host) == before
    })
    .unwrap();
    passes_by(machine, "a group", fetch);
    machine.write("");
    machine.reload();
    is_captured(machine, "no rule", fetch);
    let remove = format!("mount -t cgroup2 none /mnt && rmdir /mnt/{group}/below /mnt/{group}");
    machine.run("unshare", &["-m", "sh", "-c", &remove]);
    machine.control.say(&["shutdown"]).unwrap();
}

/// `cargo nextest run --workspace --run-ignored only -E 'test(passing)' --no-capture`
#[test]
#[ignore = "a measurement"]
fn what_a_direct_app_costs() {
    if !require::laboratory() {
        return;
    }
    let mut lab = Lab::new().unwrap();
    let site = Site::start(&mut lab).unwrap();
    let machine = Machine::new(&mut lab, &[]);
    let url = format!("http://{}/bytes/3000000000", site.origin.v4());
    let rate = || {
        let curl = ["curl", "-sS", "-o", "/dev/null", "-w", "%{speed_download}"];
        let mut arguments = curl.to_vec();
        arguments.push(&url);
        let text = process::text(&as_user(&machine, &arguments)).unwrap();
        text.parse::<f64>().unwrap() * 8.0 / 1e9
    };
    let best = |what: &str| {
        let rates: Vec<f64> = (0..5).map(|_| rate()).collect();
        println!("MEASURED: {what}: {rates:.2?} Gbit/s");
        rates.into_iter().fold(0.0, f64::max)
    };
    let plain = best("no Node");
    machine.write("");
    let file = machine.rules_file();
    machine
        .control
        .set_up("zero-hop", &["--rules-file", &file])
        .unwrap();
    machine.control.say(&["start"]).unwrap();
    let own = best("direct by the Node's own sockets");
    machine.write(BY_USER);
    machine.reload();
    std::thread::sleep(Duration::from_secs(1));
    let before = carried(&machine.host);
    let past = best("direct as a whole");
    assert_eq!(carried(&machine.host), before);
    println!(
        "MEASURED: of the plain speed: {:.2} direct as a whole, {:.2} by the Node's own sockets",
        past / plain,
        own / plain
    );
    machine.control.say(&["shutdown"]).unwrap();
}

/// As long as the helper has not looked at a program that has just begun, the Node leads its flows.
#[test]
fn an_app_ruled_direct_by_its_file_is_not_in_the_tun_once_it_is_known() {
    if !require::laboratory() {
        return;
    }
    let world = world(
        |_, _| {},
        |machine| {
            let alpha = machine.app("alpha");
            format!("[[rule]]\nname = \"it\"\napp = \"{alpha}\"\naction = \"direct\"\n")
        },
    );
    let machine = &world.machine;
    // The address is read a while after the program has begun.
    let late = |app: &str| {
        let url = format!("http://{}/bytes/1000000", world.mesh.site.origin.v4());
        let line = format!(
            "(sleep 0.5; echo url = {url}; echo output = /dev/null) | {} -sSf -K -",
            machine.app(app)
        );
        machine.run("sh", &["-c", &line])
    };
    passes_by(machine, "alpha", || late("alpha"));
    is_captured(machine, "beta", || late("beta"));
    machine.write("");
    machine.reload();
    let captured = || {
        let before = carried(&machine.host);
        let _ = late("alpha");
        carried(&machine.host) > before
    };
    wait::until("the kernel to forget the rule", LIMIT, captured).unwrap();
    is_captured(machine, "alpha without the rule", || late("alpha"));
    machine.control.say(&["shutdown"]).unwrap();
}
