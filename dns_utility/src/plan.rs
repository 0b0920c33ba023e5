//! What a switch changes, and what brings back what was there. Data only.

use std::net::IpAddr;

use crate::detect::{Decision, Manager, asks_resolved};
use crate::environment::{
    Domain, Environment, GlobalDns, GlobalDomain, Link, LinkDns, Resolvconf, Resolved, Server,
    Snapshot,
};
use crate::record::Record;
use crate::{Failure, NODE, NODE_BESIDE, each_once, resolv_conf};

const REPLACED: &str = "/etc/resolv.conf was replaced meanwhile";

/// One change to the system; doing it twice is as good as once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Puts this in the place of `/etc/resolv.conf`, whatever lies there.
    Place(Snapshot),
    SetLink(Link),
    /// Sets what a link had before, and nothing else of it.
    RestoreLink(Link),
    FlushCaches,
    SetGlobal(GlobalDns),
    AddRecord(Resolvconf, IpAddr),
    DeleteRecord(Resolvconf),
}

/// Where the Node is asked under this manager.
pub fn server(manager: Manager) -> IpAddr {
    match manager {
        Manager::NetworkManagerDnsmasq => NODE_BESIDE,
        Manager::Resolved
        | Manager::NetworkManager
        | Manager::Openresolv
        | Manager::DebianResolvconf
        | Manager::File => NODE,
    }
}

/// The servers that names are asked of, behind a stub too.
pub fn servers(environment: &Environment, manager: Manager) -> Vec<IpAddr> {
    let file = resolv_conf::servers(environment.resolv_conf.content.as_deref().unwrap_or(&[]));
    let resolved = match &environment.resolved {
        Some(resolved) if manager == Manager::Resolved || asks_resolved(environment) => {
            of_resolved(resolved)
        }
        Some(_) | None => Vec::new(),
    };
    let network_manager = environment.network_manager.as_ref();
    let of_programs = match (manager, network_manager) {
        (Manager::Resolved, _) if !resolved.is_empty() && resolv_conf::are_stubs(&file) => {
            Vec::new()
        }
        (Manager::NetworkManagerDnsmasq, Some(found)) => match found.global.domains.get("*") {
            None => found.servers.clone(),
            Some(all) => {
                let servers = all.servers.iter();
                servers.filter_map(|text| text.parse().ok()).collect()
            }
        },
        (
            Manager::Resolved
            | Manager::NetworkManager
            | Manager::NetworkManagerDnsmasq
            | Manager::Openresolv
            | Manager::DebianResolvconf
            | Manager::File,
            _,
        ) => file,
    };
    each_once(of_programs.into_iter().chain(resolved))
}

/// A link to which every name is routed comes before those that take what no
/// domain claims; whoever has a domain of its own gets the names below it.
fn of_resolved(resolved: &Resolved) -> Vec<IpAddr> {
    let of = |chosen: &dyn Fn(&Link) -> bool| -> Vec<IpAddr> {
        let links = resolved.links.iter().filter(|link| chosen(link));
        links
            .flat_map(|link| &link.dns.servers)
            .map(|server| server.address)
            .collect()
    };
    let exclusive = of(&|link| link.dns.takes_all());
    if exclusive.is_empty() {
        let rest = of(&|link| link.dns.default_route || !link.dns.domains.is_empty());
        return each_once(resolved.global.iter().copied().chain(rest));
    }
    let claimed = of(&|link| !link.dns.domains.is_empty());
    let global = if resolved.global_domains.is_empty() {
        &[][..]
    } else {
        &resolved.global
    };
    each_once(
        exclusive
            .into_iter()
            .chain(claimed)
            .chain(global.iter().copied()),
    )
}

/// What to write down and then do.
pub fn subvert(
    environment: &Environment,
    decision: &Decision,
) -> Result<(Record, Vec<Step>), Failure> {
    let manager = decision.manager;
    let server = server(manager);
    let file = &environment.resolv_conf;
    if servers(environment, manager).is_empty() {
        return Err(Failure::Refused(
            "no name server is set, so this machine seems not to be connected".to_owned(),
        ));
    }
    let mut record = Record::new(environment.boot.clone(), manager, server);
    record.upstream.clone_from(&environment.upstream);
    record.resolv_conf = file.snapshot.clone();
    record.content = file.content.clone();
    let mut steps = match manager {
        Manager::File => {
            let content = resolv_conf::subverted(file.content.as_deref().unwrap_or(&[]), server);
            record.wrote = Some(content.clone());
            vec![Step::Place(file.snapshot.with_content(content))]
        }
        Manager::Resolved => {
            let content = file.content.as_deref().unwrap_or(&[]);
            if resolv_conf::are_stubs(&resolv_conf::servers(content)) {
                Vec::new()
            } else {
                // It names servers that the links do not cover.
                let content = resolv_conf::subverted(content, server);
                record.wrote = Some(content.clone());
                vec![Step::Place(file.snapshot.with_content(content))]
            }
        }
        Manager::NetworkManager | Manager::NetworkManagerDnsmasq => {
            if let Some(found) = &environment.network_manager {
                record.global = found.global.clone();
            }
            vec![Step::SetGlobal(record.global.subverted(server))]
        }
        Manager::Openresolv => vec![Step::AddRecord(Resolvconf::Openresolv, server)],
        Manager::DebianResolvconf => vec![Step::AddRecord(Resolvconf::Debian, server)],
    };
    if let Some(resolved) = &environment.resolved
        && (manager == Manager::Resolved || asks_resolved(environment))
    {
        record.links = switchable(resolved)?;
        steps.extend(record.links.iter().map(|link| {
            Step::SetLink(Link {
                dns: link.dns.subverted(server),
                ..link.clone()
            })
        }));
        steps.push(Step::FlushCaches);
    }
    Ok((record, steps))
}

/// The links to switch so that nobody else is asked for any name.
fn switchable(resolved: &Resolved) -> Result<Vec<Link>, Failure> {
    if !resolved.global.is_empty() && !resolved.global_domains.is_empty() {
        let why = "systemd-resolved is configured to ask its global servers for the names of some domains; take Domains= out of resolved.conf and restart it first";
        return Err(Failure::Refused(why.to_owned()));
    }
    let links = chosen(&resolved.links);
    if links.is_empty() {
        let why = "systemd-resolved has no link that is up";
        return Err(Failure::Refused(why.to_owned()));
    }
    Ok(links)
}

/// The links whose servers are asked; where there are none, those that lead out.
fn chosen(links: &[Link]) -> Vec<Link> {
    let of = |wanted: &dyn Fn(&Link) -> bool| -> Vec<Link> {
        links.iter().filter(|link| wanted(link)).cloned().collect()
    };
    let asked = of(&|link| !link.dns.servers.is_empty() || link.dns.takes_all());
    if !asked.is_empty() {
        return asked;
    }
    let out = of(&|link| link.leads_out);
    if out.is_empty() {
        links.iter().take(1).cloned().collect()
    } else {
        out
    }
}

/// What brings back what the record says, as far as it is still ours to undo.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Undo {
    pub steps: Vec<Step>,
    /// What others changed meanwhile and keep.
    pub kept: Vec<String>,
}

/// Plans the way back.
pub fn revert(environment: &Environment, record: &Record) -> Result<Undo, Failure> {
    let mut undo = Undo::default();
    match record.manager {
        Manager::File => undo_file(environment, record, &mut undo),
        Manager::Resolved => {
            if record.wrote.is_some() {
                undo_file(environment, record, &mut undo);
            }
        }
        Manager::NetworkManager | Manager::NetworkManagerDnsmasq => {
            let Some(found) = &environment.network_manager else {
                return Err(Failure::Refused(
                    "NetworkManager keeps the change and does not run; start it and try again"
                        .to_owned(),
                ));
            };
            if found.global == record.global.subverted(record.server) {
                undo.steps.push(Step::SetGlobal(record.global.clone()));
            } else if found.global != record.global {
                let text = "NetworkManager's global DNS configuration was changed meanwhile";
                undo.kept.push(text.to_owned());
            }
        }
        Manager::Openresolv => undo.steps.push(Step::DeleteRecord(Resolvconf::Openresolv)),
        Manager::DebianResolvconf => undo.steps.push(Step::DeleteRecord(Resolvconf::Debian)),
    }
    if !record.links.is_empty() {
        undo_links(environment, record, &mut undo);
    }
    if record.wrote.is_none()
        && record.resolv_conf.is_link()
        && environment.resolv_conf.snapshot != record.resolv_conf
        && leftover(environment, record).is_none()
    {
        undo.kept.push(REPLACED.to_owned());
    }
    Ok(undo)
}

/// After a reboot the managers that keep records in memory begin anew, but a
/// file that they once wrote may still be there with our server in it.
pub fn leftover(environment: &Environment, record: &Record) -> Option<Step> {
    let stale = |content: &[u8]| resolv_conf::servers(content) == [record.server];
    let of_resolvconf = match record.manager {
        Manager::Openresolv | Manager::DebianResolvconf => true,
        Manager::File
        | Manager::Resolved
        | Manager::NetworkManager
        | Manager::NetworkManagerDnsmasq => false,
    };
    let content = environment.resolv_conf.content.as_deref()?;
    let before = record.content.as_deref().unwrap_or_default();
    (of_resolvconf && stale(content) && !stale(before))
        .then(|| Step::Place(record.resolv_conf.clone()))
}

fn undo_file(environment: &Environment, record: &Record, undo: &mut Undo) {
    let file = &environment.resolv_conf;
    if file.snapshot == record.resolv_conf {
        return;
    }
    let wrote = record.wrote.as_deref().unwrap_or_default();
    let (before, now) = match (&record.resolv_conf, &file.snapshot) {
        (
            Snapshot::File {
                content: before, ..
            },
            Snapshot::File { content, .. },
        ) => (before.as_slice(), content),
        (_, Snapshot::File { content, .. }) => (&[][..], content),
        (_, Snapshot::Link { .. } | Snapshot::Missing) => {
            undo.kept.push(REPLACED.to_owned());
            return;
        }
    };
    // In a file that cannot be replaced a crash leaves the beginning of ours or of the one before.
    let torn = file.mounted && (wrote.starts_with(now) || before.starts_with(now));
    // Ours, or already the old bytes but not yet their rights.
    if now == wrote || now == before || torn {
        undo.steps.push(Step::Place(record.resolv_conf.clone()));
    } else {
        undo.kept
            .push("/etc/resolv.conf was rewritten meanwhile".to_owned());
    }
}

fn undo_links(environment: &Environment, record: &Record, undo: &mut Undo) {
    let Some(resolved) = &environment.resolved else {
        undo.kept
            .push("systemd-resolved does not run any more".to_owned());
        return;
    };
    if record.boot != environment.boot {
        return;
    }
    for before in &record.links {
        let same = |link: &&Link| link.index == before.index && link.name == before.name;
        // A link that is gone took its servers along.
        let Some(now) = resolved.links.iter().find(same) else {
            continue;
        };
        let ours = before.dns.subverted(record.server);
        let mut restored = before.clone();
        let mut changed = false;
        // A step that was cut off leaves the one switched and the other not.
        if now.dns.servers != ours.servers && now.dns.servers != before.dns.servers {
            restored.dns.servers.clone_from(&now.dns.servers);
            changed = true;
        }
        if now.dns.domains != ours.domains && now.dns.domains != before.dns.domains {
            restored.dns.domains.clone_from(&now.dns.domains);
            changed = true;
        }
        if changed {
            let text = format!("the servers of link {} were changed meanwhile", before.name);
            undo.kept.push(text);
        }
        undo.steps.push(Step::RestoreLink(restored));
    }
    undo.steps.push(Step::FlushCaches);
}

impl Snapshot {
    pub fn is_immutable(&self) -> bool {
        match self {
            Snapshot::File { immutable, .. } => *immutable,
            Snapshot::Missing | Snapshot::Link { .. } => false,
        }
    }

    fn is_link(&self) -> bool {
        match self {
            Snapshot::Link { .. } => true,
            Snapshot::Missing | Snapshot::File { .. } => false,
        }
    }

    /// A file in this one's place, with its rights where it has some.
    fn with_content(&self, content: Vec<u8>) -> Snapshot {
        match self {
            Snapshot::File {
                mode,
                uid,
                gid,
                immutable,
                ..
            } => Snapshot::File {
                content,
                mode: *mode,
                uid: *uid,
                gid: *gid,
                immutable: *immutable,
            },
            Snapshot::Missing | Snapshot::Link { .. } => Snapshot::File {
                content,
                mode: 0o644,
                uid: 0,
                gid: 0,
                immutable: false,
            },
        }
    }
}

impl LinkDns {
    /// Whether every name is routed here.
    fn takes_all(&self) -> bool {
        self.domains
            .iter()
            .any(|domain| domain.name == "." && domain.route_only)
    }

    fn subverted(&self, server: IpAddr) -> LinkDns {
        let mut domains = self.domains.clone();
        if !self.takes_all() {
            let name = ".".to_owned();
            domains.push(Domain {
                name,
                route_only: true,
            });
        }
        LinkDns {
            servers: vec![Server {
                address: server,
                port: 0,
                name: String::new(),
            }],
            domains,
            default_route: self.default_route,
            over_tls: "no".to_owned(),
            dnssec: "no".to_owned(),
        }
    }
}

impl GlobalDns {
    fn subverted(&self, server: IpAddr) -> GlobalDns {
        let all = GlobalDomain {
            servers: vec![server.to_string()],
            options: Vec::new(),
        };
        GlobalDns {
            searches: self.searches.clone(),
            options: self.options.clone(),
            domains: [("*".to_owned(), all)].into(),
        }
    }
}

#[cfg(test)]
mod tests;
