//! Names in the namespace: every resolver's way ends in the TUN.
//!
//! `resolv.conf` names an address beyond the TUN, `nsswitch.conf` only ways
//! that read files or ask it, and the directories of daemons that would
//! resolve outside are empty. All of it are mounts of this namespace; nothing
//! on the disk changes.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use masq_capture::plan::RESOLVER_IPV4;
use nix::mount::{MntFlags, MsFlags, mount, umount2};

/// Where the sockets of resolving daemons are.
const DAEMONS: [&str; 3] = ["/run/systemd/resolve", "/run/nscd", "/run/avahi-daemon"];

/// Covered for a moment by a file system of our own to make files in.
const SCRATCH: &str = "/tmp";

/// What the command mounts stays with it; what the machine mounts later shows.
pub(super) fn detach_mounts() -> io::Result<()> {
    mount_(
        None,
        Path::new("/"),
        None,
        MsFlags::MS_REC | MsFlags::MS_SLAVE,
    )
}

pub(super) fn lead_to_resolver() -> io::Result<()> {
    let resolv = locate(Path::new("/etc/resolv.conf"));
    let nsswitch = fs::read_to_string("/etc/nsswitch.conf").ok();
    let content = format!("nameserver {RESOLVER_IPV4}\n");

    cover(Path::new(SCRATCH))?;
    let bound = bind_files(resolv.as_deref(), &content, nsswitch.as_deref());
    umount2(SCRATCH, MntFlags::MNT_DETACH)?;
    bound?;

    for directory in DAEMONS.iter().map(Path::new).filter(|path| path.is_dir()) {
        cover(directory)?;
        if let Some(resolv) = resolv.iter().find(|path| path.starts_with(directory)) {
            fs::write(resolv, &content)?;
        }
    }
    Ok(())
}

fn bind_files(resolv: Option<&Path>, content: &str, nsswitch: Option<&str>) -> io::Result<()> {
    if let Some(resolv) = resolv {
        let file = Path::new(SCRATCH).join("resolv.conf");
        fs::write(&file, content)?;
        bind(&file, resolv)?;
    }
    if let Some(text) = nsswitch {
        let file = Path::new(SCRATCH).join("nsswitch.conf");
        fs::write(&file, without_outside_resolvers(text))?;
        bind(&file, Path::new("/etc/nsswitch.conf"))?;
    }
    Ok(())
}

/// Where a link leads, if to a file.
fn locate(path: &Path) -> Option<PathBuf> {
    fs::canonicalize(path)
        .ok()
        .filter(|path| !path.starts_with(SCRATCH))
}

fn cover(directory: &Path) -> io::Result<()> {
    mount_(
        Some(Path::new("tmpfs")),
        directory,
        Some("tmpfs"),
        MsFlags::MS_NOSUID | MsFlags::MS_NODEV,
    )
}

fn bind(file: &Path, target: &Path) -> io::Result<()> {
    mount_(Some(file), target, None, MsFlags::MS_BIND)
}

fn mount_(
    source: Option<&Path>,
    target: &Path,
    kind: Option<&str>,
    flags: MsFlags,
) -> io::Result<()> {
    mount(source, target, kind, flags, None::<&str>).map_err(|error| {
        io::Error::new(
            io::Error::from(error).kind(),
            format!("mount on {}: {error}", target.display()),
        )
    })
}

/// nsswitch.conf(5) whose hosts come from files and DNS alone.
fn without_outside_resolvers(text: &str) -> String {
    text.lines()
        .map(|line| {
            if line.trim_start().starts_with("hosts:") {
                "hosts: files myhostname dns\n".to_owned()
            } else {
                format!("{line}\n")
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_come_from_files_and_dns_alone() {
        let text =
            "passwd: files systemd\nhosts:  mymachines resolve [!UNAVAIL=return] files dns\n";
        assert_eq!(
            without_outside_resolvers(text),
            "passwd: files systemd\nhosts: files myhostname dns\n"
        );
    }
}
