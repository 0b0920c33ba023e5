//! What the rules are told of a flow. Pure.

use crate::entry::owner::{App, Owner};
use crate::geoip;
use masq_capture::{Container, Protocol};
use masq_core::destination::Destination;
use masq_core::rules::{self, Facts, Program, Subject};
use std::net::IpAddr;

/// The name of a subject whose packets come from outside of this system.
pub const FORWARDED: &str = "forwarded";

/// The facts of a flow. The country is that of an address which the app used:
/// where a name leads is not known here.
pub fn facts(owner: &Owner, protocol: Protocol, to: &Destination) -> Facts {
    let address = match to {
        Destination::Address(address) => Some(address.ip()),
        Destination::Name { .. } => None,
    };
    Facts {
        name: to.name().cloned(),
        port: match protocol {
            Protocol::Tcp | Protocol::Udp => Some(to.port()),
            Protocol::Icmp => None,
        },
        ..of_address(owner, protocol, address)
    }
}

fn of_address(owner: &Owner, protocol: Protocol, address: Option<IpAddr>) -> Facts {
    Facts {
        subject: subject(owner),
        name: None,
        address,
        country: address.and_then(geoip::country_of),
        port: None,
        protocol: match protocol {
            Protocol::Tcp => rules::Protocol::Tcp,
            Protocol::Udp => rules::Protocol::Udp,
            Protocol::Icmp => rules::Protocol::Icmp,
        },
    }
}

/// None where nobody could tell whose it is.
pub fn subject(owner: &Owner) -> Option<Subject> {
    match owner {
        Owner::App(app) => Some(of_app(app)),
        Owner::Forwarded(container) => Some(of_forwarded(container.as_ref())),
        Owner::Unknown => None,
    }
}

/// An app as a person names it: a path, a name, `unknown`; without words one
/// that no rule about apps means.
pub fn of_words(words: Option<&str>) -> Option<Subject> {
    let text = words.map(ToOwned::to_owned);
    match words {
        Some("unknown") => None,
        Some(path) if path.contains('/') => Some(Subject {
            path: text,
            ..Subject::default()
        }),
        Some(_) | None => Some(Subject {
            name: text,
            ..Subject::default()
        }),
    }
}

fn of_app(app: &App) -> Subject {
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let facts = &app.facts;
    Subject {
        path: app.path.clone(),
        name: text(&app.name),
        script: app.script.clone(),
        uid: Some(app.uid),
        user: app.user.clone(),
        groups: facts
            .groups
            .iter()
            .map(|group| rules::Group {
                gid: group.gid,
                name: text(&group.name),
            })
            .collect(),
        cgroup: facts.cgroup.clone(),
        unit: app.unit.clone(),
        container_id: facts.container.as_ref().map(|one| one.id.clone()),
        container_name: facts.container.as_ref().and_then(|one| one.name.clone()),
        parents: facts
            .parents
            .iter()
            .map(|parent| Program {
                path: text(&parent.path.to_string_lossy()),
                name: text(&parent.name),
            })
            .collect(),
    }
}

fn of_forwarded(container: Option<&Container>) -> Subject {
    Subject {
        name: Some(FORWARDED.to_owned()),
        container_id: container.map(|one| one.id.clone()),
        container_name: container.and_then(|one| one.name.clone()),
        ..Subject::default()
    }
}
