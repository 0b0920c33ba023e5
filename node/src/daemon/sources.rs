//! What the Daemon finds of whom the Node works as, and of the system's
//! resolvers. Pure: the shell reads the files.

use std::collections::BTreeMap;
use std::net::IpAddr;

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

    /// Whether anybody said it.
    pub(super) fn is_known(&self) -> bool {
        self.uid.is_some() && self.gid.is_some()
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
