//! Rules per app and destination, seen from outside: real programs, a real capture, and counters on the
//! wire that say which way their packets took.

use std::fs;
use std::path::PathBuf;
use std::process::Output;
use std::time::{Duration, Instant};

use masq_lab::mesh::Site;
use masq_lab::wire::{self, Counts};
use masq_lab::{Control, Host, Lab, Mesh, MeshPlan, Node, process, require, wait};

use crate::support::{JOIN, LIMIT};

mod groups;
mod places;

pub(crate) const URL: &str = "http://www.example.test/bytes/20000";
const PASSWORD: &str = "correct horse battery staple";

/// A request costs at least so many packets past the mesh, however the kernel joins them: SYN, its end,
/// the request, and what acknowledges the answer.
pub(crate) const ENOUGH: u64 = 5;
/// Over it the first three are one, and what acknowledges another.
const ENOUGH_OF_MESH: u64 = 2;

/// A machine with a Node that `masq` talks to; its programs are copies of curl.
pub(crate) struct Machine {
    pub(crate) control: Control,
    pub(crate) host: Host,
    wan: String,
    rules: PathBuf,
}

impl Machine {
    /// The Node is not started yet.
    pub(crate) fn new(lab: &mut Lab, neighbors: &[&Host]) -> Machine {
        let host = lab.host("user").unwrap();
        let control = Control::start(&host).unwrap();
        wire::watch(&lab.wan(), &host, neighbors).unwrap();
        let folder = host.folder().unwrap();
        for app in ["alpha", "beta"] {
            fs::copy("/usr/bin/curl", folder.join(app)).unwrap();
        }
        Machine {
            control,
            wan: lab.wan(),
            rules: folder.join("rules.toml"),
            host,
        }
    }

    pub(crate) fn app(&self, name: &str) -> String {
        let path = self.host.folder().unwrap().join(name);
        path.to_string_lossy().into_owned()
    }

    pub(crate) fn write(&self, rules: &str) {
        fs::write(&self.rules, rules).unwrap();
    }

    pub(crate) fn rules_file(&self) -> String {
        self.rules.to_string_lossy().into_owned()
    }

    pub(crate) fn reload(&self) -> String {
        self.control.say(&["rules", "reload"]).unwrap()
    }

    pub(crate) fn counts(&self) -> Counts {
        wire::read(&self.wan, &self.host).unwrap()
    }

    /// What a program prints, and the packets that it cost on either way.
    pub(crate) fn watched(&self, run: impl FnOnce() -> Output) -> (Output, u64, u64) {
        let before = self.counts();
        let output = run();
        let after = self.counts();
        let mesh = (after.mesh - before.mesh).packets;
        (output, mesh, (after.other - before.other).packets)
    }

    pub(crate) fn run(&self, program: &str, arguments: &[&str]) -> Output {
        self.host.run(LIMIT, program, arguments).unwrap()
    }

    fn get(&self, program: &str, url: &str) -> Output {
        let arguments = ["-sSf", "--max-time", "20", "-o", "/dev/null", url];
        self.run(&self.app(program), &arguments)
    }

    /// The program's bytes went past the mesh.
    pub(crate) fn assert_direct(&self, what: &str, run: impl FnOnce() -> Output) {
        let (output, _, other) = self.watched(run);
        assert!(output.status.success(), "{what}: {output:?}");
        assert!(other >= ENOUGH, "{what}: {other} packets went straight out");
    }

    /// They went over it, and nothing else did anything else.
    pub(crate) fn assert_mesh(&self, what: &str, run: impl FnOnce() -> Output) {
        let (output, mesh, other) = self.watched(run);
        assert!(output.status.success(), "{what}: {output:?}");
        assert!(mesh >= ENOUGH_OF_MESH, "{what}: {mesh} packets of the mesh");
        assert_eq!(other, 0, "{what}: packets went straight out");
    }

    /// They went nowhere, and the program heard so at once.
    pub(crate) fn assert_blocked(&self, what: &str, run: impl FnOnce() -> Output) {
        let begin = Instant::now();
        let (output, _, other) = self.watched(run);
        let taken = begin.elapsed();
        assert!(!output.status.success(), "{what}: {output:?}");
        assert_eq!(other, 0, "{what}: packets went straight out");
        assert!(taken < Duration::from_secs(5), "{what}: {taken:?}");
    }

    fn hits(&self, id: &str) -> u64 {
        let answer = self.control.json(&["rules", "hits"]).unwrap();
        let rules = answer["rules"].as_array().unwrap();
        let rule = rules.iter().find(|rule| rule["id"] == id);
        let rule = rule.unwrap_or_else(|| panic!("no rule {id}: {answer}"));
        rule["hits"].as_u64().unwrap()
    }
}

pub(crate) struct World {
    pub(crate) machine: Machine,
    pub(crate) mesh: Mesh,
}

/// A mesh of its own, and a machine whose Node knows it.
pub(crate) fn world(
    adjust: fn(&str, &mut masq_lab::NodePlan),
    rules: impl Fn(&Machine) -> String,
) -> World {
    let plan = MeshPlan {
        finds_itself: true,
        adjust,
        ..MeshPlan::default()
    };
    let mut mesh = Mesh::start(&plan).unwrap();
    let hosts: Vec<Host> = mesh.nodes().map(|node| node.host().clone()).collect();
    let neighbors: Vec<&Host> = hosts.iter().collect();
    let machine = Machine::new(&mut mesh.lab, &neighbors);
    let neighbor = mesh.relays[0].descriptor(JOIN).unwrap();
    let file = machine.rules_file();
    let more = [
        "--neighbors",
        &neighbor,
        "--blockchain-service-url",
        "http://127.0.0.1:1",
        "--db-password",
        PASSWORD,
        "--rules-file",
        &file,
    ];
    machine.write(&rules(&machine));
    machine.control.set_up("consume-only", &more).unwrap();
    machine.control.say(&["start", "--wait"]).unwrap();
    World { machine, mesh }
}

#[test]
fn two_apps_on_one_machine_take_different_ways_to_one_server() {
    if !require::laboratory() {
        return;
    }
    let world = world(
        |_, _| {},
        |machine| {
            format!(
                "[[rule]]\nname = \"alpha\"\napp = \"{}\"\naction = \"direct\"\n\n\
                 [[rule]]\nname = \"secret\"\nto = \"*.blocked.test\"\naction = \"block\"\n",
                machine.app("alpha")
            )
        },
    );
    let machine = &world.machine;
    for _ in 0..2 {
        machine.assert_direct("alpha", || machine.get("alpha", URL));
        machine.assert_mesh("beta", || machine.get("beta", URL));
    }
    // By the address as by the name.
    let address = format!("http://{}/bytes/20000", world.mesh.site.origin.v4());
    machine.assert_direct("alpha by address", || machine.get("alpha", &address));
    machine.assert_mesh("beta by address", || machine.get("beta", &address));
    machine.assert_blocked("blocked", || {
        machine.get("beta", "https://www.blocked.test/")
    });
    let page = machine.run(&machine.app("beta"), &["-sS", "http://www.blocked.test/"]);
    let page = process::text(&page).unwrap();
    assert!(
        page.contains("blocked") && page.contains("secret"),
        "{page}"
    );
    let refused = |url| {
        machine
            .run(&machine.app("beta"), &["-sS", url])
            .status
            .code()
    };
    // 7 is "failed to connect": the SYN itself was refused.
    assert_eq!(refused("http://www.blocked.test:8080/"), Some(7));

    // The kernel leads it past the Node, which then has nothing to count.
    assert!(machine.hits("alpha") <= 3);
    // Where the first address is refused, curl tries the other: each is a flow.
    assert!((3..=6).contains(&machine.hits("secret")));
    let why = machine
        .control
        .say(&["why", "--app", &machine.app("alpha"), URL]);
    let why = why.unwrap();
    assert!(why.contains("direct") && why.contains("alpha"), "{why}");
    let why = machine.control.masq(&["why", "www.blocked.test"]).unwrap();
    assert_eq!(why.status.code(), Some(3), "{why:?}");
    machine.control.say(&["shutdown"]).unwrap();
}

#[test]
fn rules_are_reloaded_under_a_download_that_loses_no_byte() {
    if !require::laboratory() {
        return;
    }
    let world = world(|_, _| {}, |_| String::new());
    let machine = &world.machine;
    let save = machine.host.folder().unwrap().join("download");
    let download = |app: &str, url: &str| {
        let mut command = machine.host.command(machine.app(app)).unwrap();
        command.args(["-sS", "--limit-rate", "4M", "-o"]);
        command.arg(&save).arg(url);
        machine.host.spawn(app, command).unwrap()
    };
    let mut going = download("alpha", "http://www.example.test/bytes/20000000");
    let begun = || fs::metadata(&save).is_ok_and(|file| file.len() > 1_000_000);
    wait::until("the download", LIMIT, begun).unwrap();
    // Rules that let it go on.
    machine.write("[[rule]]\nname = \"b\"\napp = \"beta\"\naction = \"block\"\n");
    machine.reload();
    machine.assert_blocked("beta", || machine.get("beta", URL));
    assert_eq!(machine.hits("b"), 1);
    // Rules that are wrong, and rules that break their word: those before stay.
    machine.write("[[rule]]\nname = \"b\"\naction = \"fly\"\n");
    let refused = machine.control.masq(&["rules", "reload"]).unwrap();
    let reason = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{reason}");
    assert!(
        reason.contains("fly") && reason.contains("line"),
        "{reason}"
    );
    machine.write("expect = [\"beta -> www.example.test = direct\"]\n");
    let refused = machine.control.masq(&["rules", "reload"]).unwrap();
    let reason = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{reason}");
    assert!(reason.contains("beta"), "{reason}");
    machine.assert_blocked("beta still", || machine.get("beta", URL));
    assert_eq!(machine.hits("b"), 2);

    let ended = going.wait(LIMIT).unwrap();
    assert!(ended.success(), "{ended}");
    let bytes = fs::read(&save).unwrap();
    assert_eq!(bytes.len(), 20_000_000);
    assert_eq!(masq_lab::content::first_difference(0, &bytes), None);

    // A flow that the new rules block ends.
    fs::remove_file(&save).unwrap();
    let mut ending = download("alpha", "http://www.example.test/bytes/500000000");
    wait::until("the other download", LIMIT, begun).unwrap();
    machine.write("[[rule]]\nname = \"a\"\napp = \"alpha\"\naction = \"block\"\n");
    let said = machine.reload();
    assert!(said.contains('1'), "{said}");
    let ended = ending.wait(Duration::from_secs(5)).unwrap();
    assert!(!ended.success(), "{ended}");
    machine.assert_mesh("beta again", || machine.get("beta", URL));
    machine.control.say(&["shutdown"]).unwrap();
}

#[test]
fn a_subject_is_a_user_a_script_a_group_a_parent_or_nobody() {
    if !require::laboratory() {
        return;
    }
    let mut lab = Lab::new().unwrap();
    let _site = Site::start(&mut lab).unwrap();
    let machine = Machine::new(&mut lab, &[]);
    let group = format!("masq-rules-{}", std::process::id());
    let script = machine.host.write("tool.sh", SCRIPT).unwrap();
    let starter = machine.app("starter");
    fs::copy("/bin/sh", &starter).unwrap();
    let rules = |subject: &str| format!("[[rule]]\nname = \"it\"\n{subject}\naction = \"block\"\n");
    machine.write("");
    let file = machine.rules_file();
    let control = &machine.control;
    control
        .set_up("zero-hop", &["--rules-file", &file])
        .unwrap();
    control.say(&["start"]).unwrap();
    let alpha = machine.app("alpha");
    let get = format!("{alpha} -sSf --max-time 20 -o /dev/null {URL}");
    let shell = |program: &str, line: &str| machine.run(program, &["-c", line]);
    let in_group = format!(
        "mount -t cgroup2 none /mnt && mkdir -p /mnt/{group}/below && \
         echo $$ > /mnt/{group}/below/cgroup.procs && exec {get}"
    );
    let as_user = format!("exec setpriv --reuid 65533 --clear-groups {get}");
    let as_group = format!("exec setpriv --regid 65532 --clear-groups {get}");
    let script = script.to_string_lossy().into_owned();
    type Case<'a> = (&'a str, String, Box<dyn Fn() -> Output + 'a>);
    let cases: [Case<'_>; 6] = [
        (
            "user",
            "user = 65533".into(),
            Box::new(|| shell("sh", &as_user)),
        ),
        (
            "group",
            "group = 65532".into(),
            Box::new(|| shell("sh", &as_group)),
        ),
        (
            "script",
            format!("script = \"{script}\""),
            Box::new(|| machine.run("bash", &[&script])),
        ),
        (
            "cgroup",
            format!("cgroup = \"/{group}\""),
            Box::new(|| machine.run("unshare", &["-m", "sh", "-c", &in_group])),
        ),
        (
            "parent",
            format!("parent = \"{starter}\""),
            Box::new(|| shell(&starter, &format!("{get}; exit $?"))),
        ),
        (
            "app",
            format!("app = \"{alpha}\""),
            Box::new(|| shell("sh", &get)),
        ),
    ];
    for (what, subject, run) in &cases {
        machine.write("");
        machine.reload();
        machine.assert_direct(what, run);
        machine.write(&rules(subject));
        machine.reload();
        machine.assert_blocked(what, run);
        // Nobody else is meant.
        machine.assert_direct(what, || machine.get("beta", URL));
        assert!(machine.hits("it") >= 1, "{what}");
    }
    let remove = format!("mount -t cgroup2 none /mnt && rmdir /mnt/{group}/below /mnt/{group}");
    machine.run("unshare", &["-m", "sh", "-c", &remove]);

    // Packets that no socket of this machine has are of nobody known.
    machine.write(&rules("app = \"unknown\""));
    machine.reload();
    machine.assert_direct("known", || machine.get("beta", URL));
    control.say(&["shutdown"]).unwrap();
}

/// Speaks by itself, so that the interpreter is whose the flow is.
const SCRIPT: &str = "exec 3<>/dev/tcp/www.example.test/80 || exit 1
printf 'GET /bytes/20000 HTTP/1.1\\r\\nHost: www.example.test\\r\\nConnection: close\\r\\n\\r\\n' >&3
read -r -u 3 line || exit 1
case \"$line\" in *200*) ;; *) exit 1;; esac
cat <&3 >/dev/null
";

#[test]
fn a_rule_names_the_country_of_the_exit() {
    if !require::laboratory() {
        return;
    }
    let world = world(
        |host, plan| {
            let country = match host {
                "exit1" => "DE",
                "exit2" => "FR",
                _ => return,
            };
            plan.set("country", country);
        },
        |machine| {
            format!(
                "[[rule]]\nname = \"f\"\napp = \"{}\"\naction = \"mesh\"\nexit-country = \"FR\"\n\n\
                 [[rule]]\nname = \"g\"\napp = \"{}\"\naction = \"mesh\"\nexit-country = \"DE\"\nhops = 2\n",
                machine.app("alpha"),
                machine.app("beta")
            )
        },
    );
    let machine = &world.machine;
    let exits: [&Node; 2] = [&world.mesh.exits[0], &world.mesh.exits[1]];
    for (app, country, hops) in [("alpha", "FR", 3), ("beta", "DE", 2)] {
        let mut command = machine.host.command(machine.app(app)).unwrap();
        command.args(["-sS", "--limit-rate", "100k", "-o", "/dev/null"]);
        command.arg("http://www.example.test/bytes/100000000");
        let running = machine.host.spawn(app, command).unwrap();
        let mut flow = None;
        wait::until("the flow", LIMIT, || {
            let answer = machine.control.json(&["connections"]).unwrap();
            let flows = answer["connections"].as_array().unwrap().clone();
            flow = flows
                .into_iter()
                .find(|flow| flow["appOpt"]["name"] == app && flow["received"] != 0);
            flow.is_some()
        })
        .unwrap();
        let flow = flow.unwrap();
        assert_eq!(flow["exitCountryOpt"], country, "{flow} of {exits:?}");
        assert_eq!(flow["hops"].as_array().unwrap().len(), hops, "{flow}");
        assert!(flow["rule"].as_str().unwrap().contains("mesh"), "{flow}");
        drop(running);
    }
    machine.control.say(&["shutdown"]).unwrap();
}
