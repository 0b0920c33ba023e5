//! Where the Daemon's setup comes from besides UIs: the environment, the
//! system's resolvers, whoever called sudo.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write;
use std::net::IpAddr;

use masq_core::config::NodeConfig;
use masq_ui_protocol::message::{SetupResponseValue, SetupStatus};
use zeroize::Zeroizing;

use super::Options;
use super::core::{Changed, SetupArea};

/// The variables that are text.
pub(super) fn environment() -> BTreeMap<String, String> {
    let text = |(name, value): (OsString, OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    std::env::vars_os().filter_map(text).collect()
}

/// Whom the Node works as.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct RealUser {
    pub(super) uid: Option<u32>,
    pub(super) gid: Option<u32>,
    pub(super) home: Option<String>,
}

impl RealUser {
    /// Each piece from `MASQ_REAL_USER`, else from sudo.
    pub(super) fn find(environment: &BTreeMap<String, String>, passwd: &str) -> RealUser {
        let variable = |name: &str| environment.get(name).map(String::as_str);
        let mut pieces = variable("MASQ_REAL_USER")
            .unwrap_or_default()
            .splitn(3, ':');
        let mut piece = |name| {
            let piece = pieces.next().filter(|piece| !piece.is_empty());
            piece.or_else(|| variable(name))
        };
        let uid = piece("SUDO_UID").and_then(|uid| uid.parse().ok());
        let gid = piece("SUDO_GID").and_then(|gid| gid.parse().ok());
        let named = piece("").map(str::to_owned);
        let home = named.or_else(|| home_of(passwd, uid?));
        let home = home.or_else(|| Some(format!("/home/{}", variable("SUDO_USER")?)));
        RealUser { uid, gid, home }
    }

    /// As `real-user` takes it.
    pub(super) fn text(&self) -> String {
        let number = |id: Option<u32>| id.map_or_else(String::new, |id| id.to_string());
        let home = self.home.as_deref().unwrap_or_default();
        format!("{}:{}:{home}", number(self.uid), number(self.gid))
    }
}

/// The home of a user in /etc/passwd.
fn home_of(passwd: &str, uid: u32) -> Option<String> {
    passwd.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let is_user = fields.get(2)?.parse() == Ok(uid);
        let home = fields.get(5).filter(|home| home.starts_with('/'))?;
        is_user.then(|| (*home).to_owned())
    })
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

/// Until the setup area is there: what UIs set, before the lines of the file
/// that they name.
#[derive(Debug)]
pub(super) struct Area {
    real_user: String,
    values: BTreeMap<String, String>,
}

impl Area {
    pub(super) fn new(_options: Options) -> Area {
        let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        Area {
            real_user: RealUser::find(&environment(), &passwd).text(),
            values: BTreeMap::new(),
        }
    }

    fn text(&self) -> Zeroizing<String> {
        let mut text = String::new();
        if !self.values.contains_key("real-user") && self.real_user != "::" {
            let _ = writeln!(text, "real-user = {:?}", self.real_user);
        }
        for (name, value) in &self.values {
            if name != CONFIG_FILE {
                let _ = writeln!(text, "{name} = {value:?}");
            }
        }
        let file = self.values.get(CONFIG_FILE);
        let lines = file.and_then(|path| std::fs::read_to_string(path).ok());
        for line in lines.unwrap_or_default().lines() {
            let name = line.split('=').next().unwrap_or_default().trim();
            if !self.values.contains_key(name) {
                let _ = writeln!(text, "{line}");
            }
        }
        Zeroizing::new(text)
    }
}

const CONFIG_FILE: &str = "config-file";

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
        let resolv_conf = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
        let resolvers = SetupResponseValue {
            name: "dns-servers".to_owned(),
            value: name_servers(&resolv_conf).unwrap_or_default(),
            status: SetupStatus::Default,
        };
        let set = self.values.iter().map(entry);
        std::iter::once(resolvers).chain(set).collect()
    }

    fn launch(&mut self) -> Result<Zeroizing<String>, Vec<(String, String)>> {
        let text = self.text();
        match NodeConfig::parse(&text) {
            Ok(_) => Ok(text),
            Err(errors) => Err(errors
                .0
                .into_iter()
                .map(|error| (error.key, format!("{}; {}", error.why, error.remedy)))
                .collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nbroken\n\
                          anna:x:1000:1001::/srv/anna:/bin/sh\n";

    fn found(variables: &[(&str, &str)]) -> String {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        RealUser::find(&variables.iter().map(owned).collect(), PASSWD).text()
    }

    #[test]
    fn the_real_user_is_pieced_together() {
        let sudo = [
            ("SUDO_UID", "1000"),
            ("SUDO_GID", "1001"),
            ("SUDO_USER", "anna"),
        ];
        assert_eq!(found(&sudo), "1000:1001:/srv/anna");
        let unknown = [("SUDO_UID", "7"), ("SUDO_GID", "7"), ("SUDO_USER", "bo")];
        assert_eq!(found(&unknown), "7:7:/home/bo");
        let named = [
            ("MASQ_REAL_USER", "1000::"),
            ("SUDO_UID", "5"),
            ("SUDO_GID", "6"),
        ];
        assert_eq!(found(&named), "1000:6:/srv/anna");
        assert_eq!(found(&[("MASQ_REAL_USER", "5:6:/a:b")]), "5:6:/a:b");
        assert_eq!(found(&[]), "::");
    }

    #[test]
    fn resolvers_are_found() {
        let text = "# nameserver 9.9.9.9\nsearch example\nnameserver 192.0.2.1\n\
                    nameserver\t2001:db8::1 # second\nnameserver fe80::1%eth0\nnameserver x\n";
        assert_eq!(name_servers(text).as_deref(), Some("192.0.2.1,2001:db8::1"));
        assert_eq!(name_servers("options edns0\n"), None);
    }
}
