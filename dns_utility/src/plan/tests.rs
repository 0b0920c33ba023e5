//! Tests of `super`.

use std::net::Ipv4Addr;

use super::*;
use crate::detect::detect;
use crate::environment::ResolvConf;

fn plain(content: &[u8], immutable: bool) -> Environment {
    Environment {
        resolv_conf: ResolvConf {
            snapshot: Snapshot::File {
                content: content.to_vec(),
                mode: 0o600,
                uid: 3,
                gid: 4,
                immutable,
            },
            content: Some(content.to_vec()),
            ..ResolvConf::default()
        },
        ..Environment::default()
    }
}

#[test]
fn a_file_comes_back_with_its_rights_and_a_rewritten_one_stays() {
    let before = plain(b"nameserver 10.0.0.1\n", true);
    let (record, steps) = subvert(&before, &detect(&before)).unwrap();
    let record = Record::from_bytes(&record.to_bytes()).unwrap();
    let Step::Place(placed) = &steps[0] else {
        panic!("{steps:?}");
    };
    let mut now = before.clone();
    now.resolv_conf.snapshot = placed.clone();
    let undo = revert(&now, &record).unwrap();
    assert_eq!(
        undo.steps,
        [Step::Place(before.resolv_conf.snapshot.clone())]
    );

    let undo = revert(&plain(b"nameserver 9.9.9.9\n", false), &record).unwrap();
    assert!(undo.steps.is_empty() && undo.kept.len() == 1, "{undo:?}");

    // Cut off between the flag and the rename: the flag comes back.
    let undo = revert(&plain(b"nameserver 10.0.0.1\n", false), &record).unwrap();
    assert_eq!(undo.steps.len(), 1, "{undo:?}");
    assert_eq!(revert(&before, &record).unwrap(), Undo::default());
}

#[test]
fn a_machine_without_servers_is_not_switched() {
    let environment = plain(b"search example.org\n", false);
    assert!(subvert(&environment, &detect(&environment)).is_err());
}

const UPSTREAM: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 9, 0, 53));
const OTHER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 8, 0, 53));

fn link(index: i32, server: IpAddr, domains: &[(&str, bool)], default_route: bool) -> Link {
    Link {
        index,
        name: format!("wan{index}"),
        leads_out: true,
        dns: LinkDns {
            servers: vec![Server {
                address: server,
                port: 0,
                name: String::new(),
            }],
            domains: domains
                .iter()
                .map(|&(name, route_only)| Domain {
                    name: name.to_owned(),
                    route_only,
                })
                .collect(),
            default_route,
            ..LinkDns::default()
        },
    }
}

fn with_links(links: Vec<Link>) -> Environment {
    let mut environment = plain(b"nameserver 127.0.0.53\n", false);
    environment.resolved = Some(Resolved {
        links,
        ..Resolved::default()
    });
    environment
}

#[test]
fn whoever_gets_any_name_is_shown() {
    let asked = |links| servers(&with_links(links), Manager::Resolved);
    assert_eq!(
        asked(vec![
            link(1, UPSTREAM, &[], true),
            link(2, OTHER, &[], true)
        ]),
        [UPSTREAM, OTHER]
    );
    // Names that nobody claims go to links that take such, or that take all.
    assert_eq!(
        asked(vec![
            link(1, UPSTREAM, &[], true),
            link(2, OTHER, &[], false)
        ]),
        [UPSTREAM]
    );
    let all = (".", true);
    assert_eq!(
        asked(vec![
            link(1, UPSTREAM, &[], true),
            link(2, OTHER, &[all], true)
        ]),
        [OTHER]
    );
    // Those of a domain go to whoever claims it.
    let own = ("corp.test", false);
    assert_eq!(
        asked(vec![
            link(1, UPSTREAM, &[own], true),
            link(2, OTHER, &[all], true)
        ]),
        [OTHER, UPSTREAM]
    );
    let mut environment = with_links(vec![link(1, OTHER, &[all], true)]);
    if let Some(resolved) = &mut environment.resolved {
        resolved.global = vec![UPSTREAM];
    }
    assert_eq!(servers(&environment, Manager::Resolved), [OTHER]);
    if let Some(resolved) = &mut environment.resolved {
        resolved.global_domains = link(1, OTHER, &[own], true).dns.domains;
    }
    assert_eq!(servers(&environment, Manager::Resolved), [OTHER, UPSTREAM]);
    assert!(subvert(&environment, &detect(&environment)).is_err());
}

#[test]
fn of_a_link_only_what_is_still_ours_is_taken_back() {
    let own = ("corp.test", false);
    let before = link(1, UPSTREAM, &[own], true);
    let environment = with_links(vec![before.clone()]);
    let (record, steps) = subvert(&environment, &detect(&environment)).unwrap();
    let Some(Step::SetLink(switched)) = steps.first() else {
        panic!("{steps:?}");
    };
    let undone = |now: Link| {
        let undo = revert(&with_links(vec![now]), &record).unwrap();
        match undo.steps.first() {
            Some(Step::RestoreLink(link)) => (link.clone(), undo.kept.len()),
            step => panic!("{step:?}"),
        }
    };
    assert_eq!(undone(switched.clone()), (before.clone(), 0));
    // Cut off between servers and domains, on the way there and on the way back.
    let mut half = switched.clone();
    half.dns.domains.clone_from(&before.dns.domains);
    assert_eq!(undone(half), (before.clone(), 0));
    let mut half = switched.clone();
    half.dns.servers.clone_from(&before.dns.servers);
    assert_eq!(undone(half), (before.clone(), 0));
    // Somebody gave other servers: these stay, and our domain goes.
    let mut theirs = switched.clone();
    theirs.dns.servers = link(1, OTHER, &[], true).dns.servers;
    let mut wanted = before;
    wanted.dns.servers.clone_from(&theirs.dns.servers);
    assert_eq!(undone(theirs), (wanted, 1));
}
