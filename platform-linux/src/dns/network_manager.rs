//! NetworkManager's DNS settings, over D-Bus (NetworkManager's D-Bus
//! reference, `org.freedesktop.NetworkManager` and `.DnsManager`).

use std::collections::HashMap;
use std::net::IpAddr;

use masq_dns::environment::{GlobalDns, GlobalDomain, NetworkManager};
use masq_dns::{Failure, each_once};
use zbus::blocking::{Connection, Proxy};
use zbus::zvariant::{OwnedValue, Value};

const NAME: &str = "org.freedesktop.NetworkManager";
const PATH: &str = "/org/freedesktop/NetworkManager";
const DNS_PATH: &str = "/org/freedesktop/NetworkManager/DnsManager";
const DNS: &str = "org.freedesktop.NetworkManager.DnsManager";

pub(super) fn observe(bus: &Connection) -> Option<NetworkManager> {
    if !super::has_owner(bus, NAME) {
        return None;
    }
    let dns = proxy(bus, DNS_PATH, DNS).ok()?;
    let main = proxy(bus, PATH, NAME).ok()?;
    let global: HashMap<String, OwnedValue> = main
        .get_property("GlobalDnsConfiguration")
        .unwrap_or_default();
    let configuration: Vec<HashMap<String, OwnedValue>> =
        dns.get_property("Configuration").unwrap_or_default();
    Some(NetworkManager {
        mode: dns.get_property("Mode").ok()?,
        rc_manager: dns.get_property("RcManager").ok()?,
        global: read(&global),
        servers: servers(&configuration),
    })
}

pub(super) fn set_global(bus: &Connection, global: &GlobalDns) -> Result<(), Failure> {
    let set = || -> zbus::Result<()> {
        let main = proxy(bus, PATH, NAME)?;
        main.set_property("GlobalDnsConfiguration", Value::from(write(global)))?;
        Ok(())
    };
    set().map_err(|error| super::failed(NAME, &error))
}

fn proxy(bus: &Connection, path: &'static str, face: &'static str) -> zbus::Result<Proxy<'static>> {
    zbus::blocking::proxy::Builder::new(bus)
        .destination(NAME)?
        .path(path)?
        .interface(face)?
        .cache_properties(zbus::proxy::CacheProperties::No)
        .build()
}

fn read(values: &HashMap<String, OwnedValue>) -> GlobalDns {
    let domains: HashMap<String, OwnedValue> = values
        .get("domains")
        .and_then(|value| value.try_clone().ok()?.try_into().ok())
        .unwrap_or_default();
    let domain = |value: &OwnedValue| -> Option<GlobalDomain> {
        let fields: HashMap<String, OwnedValue> = value.try_clone().ok()?.try_into().ok()?;
        Some(GlobalDomain {
            servers: list(&fields, "servers"),
            options: list(&fields, "options"),
        })
    };
    GlobalDns {
        searches: list(values, "searches"),
        options: list(values, "options"),
        domains: domains
            .iter()
            .filter_map(|(name, value)| Some((name.clone(), domain(value)?)))
            .collect(),
    }
}

/// The first entries count first; a server of several connections is one.
fn servers(configuration: &[HashMap<String, OwnedValue>]) -> Vec<IpAddr> {
    let names = configuration
        .iter()
        .flat_map(|entry| list(entry, "nameservers"));
    each_once(names.filter_map(|name| name.parse().ok()))
}

fn list(values: &HashMap<String, OwnedValue>, name: &str) -> Vec<String> {
    values
        .get(name)
        .and_then(|value| value.try_clone().ok()?.try_into().ok())
        .unwrap_or_default()
}

/// An empty configuration is an empty dictionary: it takes ours away.
fn write(global: &GlobalDns) -> HashMap<&str, Value<'_>> {
    if *global == GlobalDns::default() {
        return HashMap::new();
    }
    let domains: HashMap<&str, Value<'_>> = global
        .domains
        .iter()
        .map(|(name, domain)| {
            let mut fields = HashMap::from([("servers", Value::from(domain.servers.clone()))]);
            if !domain.options.is_empty() {
                fields.insert("options", Value::from(domain.options.clone()));
            }
            (name.as_str(), Value::from(fields))
        })
        .collect();
    HashMap::from([
        ("searches", Value::from(global.searches.clone())),
        ("options", Value::from(global.options.clone())),
        ("domains", Value::from(domains)),
    ])
}
