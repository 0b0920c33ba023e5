//! Which crate may know which: the arrows of ARCHITECTURE.md.

use anyhow::{Result, bail};

use crate::workspace::Metadata;

/// Each crate of the workspace and those of the workspace that it may name.
const ARROWS: &[(&str, &[&str])] = &[
    ("masq-capture", &[]),
    ("masq-dns", &[]),
    ("masq-stack", &[]),
    ("masq-core", &[]),
    ("masq-ui-protocol", &[]),
    ("masq-platform-linux", &["masq-capture", "masq-dns"]),
    ("masq-platform-macos", &["masq-capture"]),
    ("masq-platform-windows", &["masq-capture"]),
    (
        "masq-node",
        &[
            "masq-capture",
            "masq-core",
            "masq-dns",
            "masq-platform-linux",
            "masq-platform-macos",
            "masq-platform-windows",
            "masq-stack",
            "masq-ui-protocol",
        ],
    ),
    ("dns-utility", &["masq-dns", "masq-platform-linux"]),
    (
        "masq",
        &[
            "masq-capture",
            "masq-core",
            "masq-dns",
            "masq-platform-linux",
            "masq-platform-macos",
            "masq-platform-windows",
            "masq-ui-protocol",
        ],
    ),
    (
        "masq-tests",
        &[
            "masq-capture",
            "masq-core",
            "masq-stack",
            "masq-ui-protocol",
        ],
    ),
    ("masq-meshsim", &["masq-core"]),
    ("xtask", &[]),
];

/// Crates that decide and do nothing else, so they reach no socket and no runtime, not even through others.
const PURE: &[&str] = &[
    "masq-capture",
    "masq-dns",
    "masq-stack",
    "masq-core",
    "masq-ui-protocol",
];
const IMPURE: &[&str] = &[
    "async-std",
    "mio",
    "nix",
    "quinn",
    "smol",
    "socket2",
    "tokio",
];

pub(super) fn check(metadata: &Metadata) -> Result<()> {
    let members: Vec<&str> = metadata
        .members()
        .map(|package| package.name.as_str())
        .collect();
    for package in metadata.members() {
        let name = package.name.as_str();
        let Some((_, allowed)) = ARROWS.iter().find(|(from, _)| *from == name) else {
            bail!("{name} is not in the table of arrows; add it to xtask/src/check/arrows.rs");
        };
        for dependency in metadata.dependencies_of(package, false) {
            if members.contains(&dependency) && !allowed.contains(&dependency) {
                bail!("{name} depends on {dependency}: this arrow is forbidden");
            }
        }
        if PURE.contains(&name) {
            let reached = metadata.dependencies_of(package, true);
            if let Some(impure) = IMPURE.iter().find(|impure| reached.contains(*impure)) {
                bail!(
                    "{name} is pure but reaches {impure}; see `cargo tree -p {name} -i {impure}`"
                );
            }
        }
    }
    Ok(())
}
