//! Where the Daemon's setup comes from besides UIs: the environment, the
//! system's resolvers, whoever called sudo.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::IpAddr;

use masq_ui_protocol::message::{SetupResponseValue, SetupStatus};
use zeroize::Zeroizing;

use super::Options;
use super::core::{Changed, SetupArea};

/// Who called sudo, and may connect besides root.
pub(super) fn real_user() -> Option<u32> {
    std::env::var("SUDO_UID").ok()?.parse().ok()
}

/// The system's resolvers, as `dns-servers` takes them.
pub(super) fn name_servers(resolv_conf: &str) -> Option<String> {
    let servers: Vec<String> = resolv_conf
        .lines()
        .filter_map(|line| {
            let mut words = line.split_ascii_whitespace();
            if words.next() != Some("nameserver") {
                return None;
            }
            let address: IpAddr = words.next()?.parse().ok()?;
            Some(address.to_string())
        })
        .collect();
    (!servers.is_empty()).then(|| servers.join(","))
}

/// Stand-in.
#[derive(Debug)]
pub(super) struct Area {
    values: BTreeMap<String, String>,
}

impl Area {
    pub(super) fn new(_options: Options) -> Area {
        Area {
            values: BTreeMap::new(),
        }
    }
}

impl SetupArea for Area {
    type Settings = Zeroizing<String>;

    fn change(&mut self, values: &[(String, Option<String>)]) -> Changed {
        let before = self.values.clone();
        for (name, value) in values {
            match value {
                Some(value) => drop(self.values.insert(name.clone(), value.clone())),
                None => drop(self.values.remove(name)),
            }
        }
        Changed {
            changed: before != self.values,
            errors: Vec::new(),
        }
    }

    fn values(&self) -> Vec<SetupResponseValue> {
        let entry = |(name, value): (&String, &String)| SetupResponseValue {
            name: name.clone(),
            value: value.clone(),
            status: SetupStatus::Set,
        };
        self.values.iter().map(entry).collect()
    }

    fn launch(&mut self) -> Result<Zeroizing<String>, Vec<(String, String)>> {
        let mut text = String::new();
        for (name, value) in &self.values {
            let bare = value == "true" || value == "false";
            let value = if bare {
                value.clone()
            } else {
                format!("{value:?}")
            };
            let _ = writeln!(text, "{name} = {value}");
        }
        Ok(Zeroizing::new(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolvers_are_found() {
        let text = "# nameserver 9.9.9.9\nsearch example\nnameserver 192.0.2.1\n\
                    nameserver\t2001:db8::1 # second\nnameserver fe80::1%eth0\nnameserver x\n";
        assert_eq!(name_servers(text).as_deref(), Some("192.0.2.1,2001:db8::1"));
        assert_eq!(name_servers("options edns0\n"), None);
    }
}
