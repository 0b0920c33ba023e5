//! The text of the systemd unit. Pure.
//!
//! The Daemon stays root to start Nodes again; the Node gives root up itself, and the capture helper
//! needs the network, a control group of its own and the kernel's settings of the network. What none
//! of them needs is taken away here. `docs/service.md` says what each line is for.

use std::path::Path;

/// The name of the unit.
pub(crate) const NAME: &str = "masq.service";

/// The name of the unit that refuses traffic from boot on, where lockdown is on.
pub(crate) const LOCKDOWN_NAME: &str = "masq-lockdown.service";

/// Before any interface is up; does nothing where lockdown is off.
pub(crate) fn lockdown_text(masq: &Path) -> String {
    let masq = quoted(&masq.to_string_lossy()).replace('$', "$$");
    format!(
        "\
# Written by `masq service install`; `masq service uninstall` removes it.
[Unit]
Description=MASQ lockdown
Documentation=man:masq(1)
DefaultDependencies=no
Wants=network-pre.target
Before=network-pre.target shutdown.target
After=local-fs.target
Conflicts=shutdown.target
ConditionPathExists=/var/lib/masq/journal/lockdown

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart={masq} lockdown apply

[Install]
WantedBy=sysinit.target
"
    )
}

/// What the unit depends on.
#[derive(Clone, Debug)]
pub(crate) struct Settings<'a> {
    /// MASQNode.
    pub(crate) node: &'a Path,
    /// This program, which cleans up when all others are gone.
    pub(crate) masq: &'a Path,
    /// `UID:GID:HOME` of the user that Nodes work as, and that may give orders.
    pub(crate) real_user: Option<&'a str>,
}

/// The capabilities that Daemon, Node and helper have to begin with.
pub(crate) const CAPABILITIES: [&str; 13] = [
    // Interface, routes, firewall, marks and socket buffers of the capture.
    "CAP_NET_ADMIN",
    // Ports below 1024, where one is configured.
    "CAP_NET_BIND_SERVICE",
    // Echo requests of exits.
    "CAP_NET_RAW",
    // The program that marks the Node's own sockets.
    "CAP_BPF",
    // The helper's own view of the control groups, which is a mount attached nowhere.
    "CAP_SYS_ADMIN",
    // Which process has a socket.
    "CAP_SYS_PTRACE",
    "CAP_DAC_READ_SEARCH",
    // The data directory is the user's.
    "CAP_DAC_OVERRIDE",
    "CAP_CHOWN",
    "CAP_FOWNER",
    // The Node gives root up, and the Daemon ends it.
    "CAP_SETUID",
    "CAP_SETGID",
    "CAP_KILL",
];

pub(crate) fn text(settings: &Settings<'_>) -> String {
    let program = |path: &Path| quoted(&path.to_string_lossy()).replace('$', "$$");
    let (node, masq) = (program(settings.node), program(settings.masq));
    let user = settings.real_user.map_or_else(String::new, |user| {
        format!(
            "Environment={}\n",
            quoted(&format!("MASQ_REAL_USER={user}"))
        )
    });
    let capabilities = CAPABILITIES.join(" ");
    format!(
        "\
# Written by `masq service install`; `masq service uninstall` removes it.
[Unit]
Description=MASQ Daemon
Documentation=man:masq(1)
Wants=network-online.target
After=network-online.target

[Service]
Type=exec
{user}ExecStart={node} --initialization
ExecStopPost=-{masq} repair --after-service
Restart=on-failure
RestartSec=5
KillMode=mixed
TimeoutStopSec=30
UMask=0077
StateDirectory=masq
StateDirectoryMode=0700
LimitNOFILE=524288

# A control group below this one is the capture's own.
Delegate=yes
DevicePolicy=closed
DeviceAllow=/dev/net/tun rw

CapabilityBoundingSet={capabilities}
NoNewPrivileges=yes
ProtectSystem=full
PrivateTmp=yes
ProtectClock=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
KeyringMode=private
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
SystemCallArchitectures=native
SystemCallFilter=@system-service bpf seccomp fsopen fsconfig fsmount
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
"
    )
}

/// One word of a unit file, whatever is in it (systemd.syntax(7), systemd.unit(5)).
fn quoted(word: &str) -> String {
    let mut text = String::from("\"");
    for letter in word.chars() {
        match letter {
            '"' | '\\' => text.extend(['\\', letter]),
            '%' => text.push_str("%%"),
            letter => text.push(letter),
        }
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings<'static> {
        Settings {
            node: Path::new("/usr/bin/MASQNode"),
            masq: Path::new("/usr/bin/masq"),
            real_user: Some("1000:1000:/home/user"),
        }
    }

    #[test]
    fn the_unit_is_the_one_that_packages_ship() {
        let snapshot = include_str!("masq.service");
        let text = text(&settings());
        assert_eq!(text, snapshot, "put this into masq.service:\n{text}");
    }

    #[test]
    fn lockdown_comes_before_the_network_and_only_where_it_is_on() {
        let text = lockdown_text(Path::new("/usr/bin/masq"));
        for line in [
            "Before=network-pre.target shutdown.target",
            "ConditionPathExists=/var/lib/masq/journal/lockdown",
            "ExecStart=\"/usr/bin/masq\" lockdown apply",
        ] {
            assert!(text.lines().any(|found| found == line), "{text}");
        }
    }

    #[test]
    fn odd_paths_stay_one_word() {
        let mut settings = settings();
        settings.node = Path::new("/opt/100% \"masq\" $HOME\\x/MASQNode");
        settings.real_user = None;
        let text = text(&settings);
        let line = r#"ExecStart="/opt/100%% \"masq\" $$HOME\\x/MASQNode" --initialization"#;
        assert!(text.lines().any(|found| found == line), "{text}");
        assert!(!text.contains("Environment="));
    }

    /// The system's own judge, where it is installed.
    #[test]
    fn systemd_accepts_the_unit() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(NAME);
        let program = Path::new("/bin/true");
        let settings = Settings {
            node: program,
            masq: program,
            ..settings()
        };
        // There is no manual where nothing is installed.
        let unit = text(&settings).replace("Documentation=man:masq(1)\n", "");
        std::fs::write(&file, unit).unwrap();
        let judged = std::process::Command::new("systemd-analyze")
            .args(["verify", "--man=no", "--recursive-errors=no"])
            .arg(&file)
            .output();
        let Ok(judged) = judged else {
            return;
        };
        let said = String::from_utf8_lossy(&judged.stderr);
        let ours: Vec<_> = said.lines().filter(|line| line.contains(NAME)).collect();
        assert!(ours.is_empty(), "{ours:?}");
    }
}
