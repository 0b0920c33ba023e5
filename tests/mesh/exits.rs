//! Where flows leave the mesh: not where a name cannot be resolved, and where the user wants it.

use std::net::Ipv4Addr;

use masq_lab::flow_log::Flow;
use masq_lab::mesh::Site;
use masq_lab::swarm::prepare_captured;
use masq_lab::{Lab, Node, NodePlan, Process, Swarm, process, require, wire};

use crate::support::{JOIN, LIMIT, ROUTE};

/// Nobody has this address, so nobody resolves there.
const NOWHERE: &str = "203.0.113.254";
/// A second resolver, which fails for one name.
const PICKY: &str = "203.0.113.10";
const CHEAP_EXITS: [usize; 2] = [3, 4];
const DEAR_EXIT: usize = 7;
const CHEAP: &str = "1|1|1|1";
const DEAR: &str = "1000000|1000000|1000000|1000000";

#[test]
fn a_name_that_one_exit_cannot_resolve_is_asked_at_another() {
    if !require::laboratory() {
        return;
    }
    let world = World::new(|number, plan| two_cheap_exits_and_a_dear_one(number, plan, NOWHERE));
    for number in 0..3 {
        let (page, _) = world.curl(&format!("http://retried{number}.example.test/"));
        assert!(page.contains("this is the origin"), "{page}");
    }
    let exits = world.exits();
    assert!(exits.iter().all(|exit| *exit == DEAR_EXIT), "{exits:?}");
}

#[test]
fn an_exit_that_fails_for_one_name_serves_the_others() {
    if !require::laboratory() {
        return;
    }
    let world = World::new(|number, plan| two_cheap_exits_and_a_dear_one(number, plan, PICKY));
    for _ in 0..6 {
        let (page, _) = world.curl("http://picky.example.test/");
        assert!(page.contains("this is the origin"), "{page}");
    }
    let picky = world.exits();
    assert!(picky.iter().all(|exit| *exit == DEAR_EXIT), "{picky:?}");
    for number in 0..12 {
        let (page, _) = world.curl(&format!("http://other{number}.example.test/"));
        assert!(page.contains("this is the origin"), "{page}");
    }
    // Which of these a cheap exit serves depends on which of them are guards.
    println!(
        "MEASURED: exits of other names {:?}",
        &world.exits()[picky.len()..]
    );
}

fn two_cheap_exits_and_a_dear_one(number: usize, plan: &mut NodePlan, resolver: &str) {
    if CHEAP_EXITS.contains(&number) {
        plan.set("rate-pack", CHEAP).set("dns-servers", resolver);
    } else if number == DEAR_EXIT {
        plan.set("rate-pack", DEAR);
    } else {
        plan.set("exit", false);
    }
}

#[test]
fn where_no_exit_can_resolve_a_page_names_the_host() {
    if !require::laboratory() {
        return;
    }
    let world = World::new(|number, plan| match number {
        1 | 2 => {
            plan.set("dns-servers", NOWHERE);
        }
        _ => {
            plan.set("exit", false);
        }
    });
    let (page, _) = world.curl("http://unresolved.example.test/");
    assert!(page.contains("unresolved.example.test"), "{page}");
    assert!(page.contains("resolver-failed"), "{page}");
    assert!(!page.contains("this is the origin"), "{page}");
}

#[test]
fn an_answer_of_zeros_is_no_address() {
    if !require::laboratory() {
        return;
    }
    let world = World::new(|_, _| {});
    let (page, _) = world.curl("http://zero.example.test/");
    assert!(
        page.contains("zero.example.test") && page.contains("MASQ"),
        "{page}"
    );
    assert!(!page.contains("this is the origin"), "{page}");
    let (_, words) = world.curl("https://zero.example.test/");
    assert!(words.contains("alert") || words.contains("SSL"), "{words}");
}

#[test]
fn the_exit_is_in_the_wanted_country_whatever_it_costs() {
    if !require::laboratory() {
        return;
    }
    let mut world = World::new_as(
        |number, plan| match number {
            1 => {
                plan.set("rate-pack", CHEAP).set("country", "DE");
            }
            2 => {
                plan.set("rate-pack", DEAR).set("country", "FR");
            }
            _ => {
                plan.set("exit", false);
            }
        },
        |plan| {
            plan.set("exit-country", "FR");
        },
    );
    for _ in 0..6 {
        let (page, _) = world.curl("http://www.example.test/");
        assert!(page.contains("this is the origin"), "{page}");
    }
    let exits = world.exits();
    assert!(exits.iter().all(|exit| *exit == 2), "{exits:?}");

    world.restart(|plan| {
        plan.set("exit-country", "US");
    });
    let (page, _) = world.curl("http://www.example.test/");
    assert!(page.contains("no-exit-in-country"), "{page}");

    world.restart(|plan| {
        plan.set("fallback-routing", true);
    });
    let (page, _) = world.curl("http://www.example.test/");
    assert!(page.contains("this is the origin"), "{page}");
}

/// It takes no links, but carries flows over those that it made.
#[test]
fn an_originate_only_node_serves_as_an_exit() {
    if !require::laboratory() {
        return;
    }
    let world = World::new_as(
        |number, plan| {
            if number == 8 {
                plan.set("neighborhood-mode", "originate-only")
                    .set("exit", true)
                    .set("country", "FR");
                plan.settings.remove("ip");
                plan.settings.remove("clandestine-port");
            }
        },
        |plan| {
            plan.set("exit-country", "FR");
        },
    );
    for _ in 0..3 {
        let (page, _) = world.curl("http://www.example.test/");
        assert!(page.contains("this is the origin"), "{page}");
    }
    assert_eq!(world.exits(), [8, 8, 8]);
}

#[test]
fn flows_pass_as_many_nodes_as_the_user_wants() {
    if !require::laboratory() {
        return;
    }
    let mut world = World::new(|_, _| {});
    for hops in [1, 2, 6] {
        world.restart(|plan| {
            plan.set("min-hops", hops);
        });
        let before = world.flows().len();
        for _ in 0..3 {
            let (page, _) = world.curl("http://www.example.test/");
            assert!(page.contains("this is the origin"), "{hops} hops: {page}");
        }
        let flows = world.flows().split_off(before);
        assert_eq!(flows.len(), 3);
        for flow in flows {
            assert_eq!(flow.hops.len(), hops as usize, "{flow:?}");
        }
    }
}

/// Two Nodes make no route of three.
#[test]
fn without_a_route_the_app_gets_a_page_and_an_alert() {
    if !require::laboratory() {
        return;
    }
    let world = World::of(2, |_, _| {}, |_| {}, false);
    let (page, _) = world.curl("http://www.example.test/");
    assert!(
        page.contains("no-route") && page.contains("www.example.test"),
        "{page}"
    );
    let (_, words) = world.curl("https://www.example.test/");
    assert!(words.contains("internal error"), "{words}");
}

struct World {
    client: Node,
    swarm: Swarm,
    site: Site,
    _picky: Process,
    _lab: Lab,
}

impl World {
    fn new(adjust: impl Fn(usize, &mut NodePlan)) -> Self {
        Self::new_as(adjust, |_| {})
    }

    fn new_as(adjust: impl Fn(usize, &mut NodePlan), client: impl FnOnce(&mut NodePlan)) -> Self {
        Self::of(8, adjust, client, true)
    }

    fn of(
        count: usize,
        adjust: impl Fn(usize, &mut NodePlan),
        client: impl FnOnce(&mut NodePlan),
        ready: bool,
    ) -> Self {
        let mut lab = Lab::new().unwrap();
        // The second host of a laboratory, so its address is known above.
        let picky = lab.host("dns2").unwrap();
        assert_eq!(picky.v4(), Ipv4Addr::new(203, 0, 113, 10));
        let site = Site::start(&mut lab).unwrap();
        let mut command = picky.command(process::tool().unwrap()).unwrap();
        let (v4, v6) = (site.origin.v4().to_string(), site.origin.v6().to_string());
        command.args(["dns", "--v4", &v4, "--v6", &v6, "--fail", "picky"]);
        let picky = picky.spawn("dns", command).unwrap();
        let swarm = Swarm::start_as(&mut lab, count, |_| 1, adjust).unwrap();
        for host in swarm.hosts() {
            wire::watch(&lab.wan(), host, &swarm.hosts()).unwrap();
        }
        if ready {
            swarm.await_stage(ROUTE, JOIN).unwrap();
        }
        let seed = swarm.nodes[0].descriptor(JOIN).unwrap();
        let client = prepare_captured(&mut lab, "client", client).unwrap();
        let mut client = client.knowing(&seed).launch().unwrap();
        if ready {
            client.await_ready(JOIN).unwrap();
        } else {
            client.await_stage("connected-to-neighbor", JOIN).unwrap();
        }
        Self {
            client,
            swarm,
            site,
            _picky: picky,
            _lab: lab,
        }
    }

    fn restart(&mut self, adjust: impl FnOnce(&mut NodePlan)) {
        self.client.stop().unwrap();
        adjust(self.client.plan());
        self.client.restart().unwrap();
        // Without an exit in the wanted country it is never ready.
        self.client.await_stage_but("not-connected", JOIN).unwrap();
    }

    /// The body, and what curl said of the way to it.
    fn curl(&self, url: &str) -> (String, String) {
        let authority = self.site.files.authority.to_string_lossy().into_owned();
        let arguments = ["-sS", "-v", "--cacert", &authority, url];
        let output = self.client.host().run(LIMIT, "curl", &arguments).unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (text(&output.stdout), text(&output.stderr))
    }

    fn flows(&self) -> Vec<Flow> {
        std::thread::sleep(std::time::Duration::from_millis(500));
        let flows = self.client.flows().unwrap().into_iter();
        flows
            .filter(|flow| flow.protocol == "tcp" && !flow.hops.is_empty())
            .collect()
    }

    /// The number of each flow's exit.
    fn exits(&self) -> Vec<usize> {
        let number = |flow: Flow| {
            let exit = flow.hops.last().cloned().unwrap_or_default();
            let found = self
                .swarm
                .nodes
                .iter()
                .position(|node| node.short_id() == exit);
            found.map_or(0, |index| index + 1)
        };
        self.flows().into_iter().map(number).collect()
    }
}
