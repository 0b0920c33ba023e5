//! The systemd unit and the container that a control group stands for.

use std::fs;
use std::path::Path;

use masq_capture::Container;
use serde_json::Value;

/// The most that is read of a container manager's file.
const MOST: u64 = 4 << 20;

/// The innermost systemd unit of a control group (systemd.unit(5)).
pub(super) fn unit(cgroup: &str) -> Option<String> {
    const KINDS: [&str; 4] = [".service", ".scope", ".socket", ".mount"];
    let mut parts = cgroup.rsplit('/');
    let unit = parts.find(|part| KINDS.iter().any(|kind| part.ends_with(kind)))?;
    Some(unit.to_owned())
}

/// Docker's, Podman's and Kubernetes' containers have 64 digits, in a scope or
/// in a group of their own; LXC's and those of systemd-nspawn have a name.
pub(super) fn container_id(cgroup: &str) -> Option<&str> {
    let mut parts = cgroup.rsplit('/').peekable();
    while let Some(part) = parts.next() {
        let scope = part.strip_suffix(".scope");
        let bare = scope.unwrap_or(part);
        let id = bare.rsplit_once('-').map_or(bare, |(_, id)| id);
        if id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Some(id);
        }
        let machine = scope.and_then(|scope| scope.strip_prefix("machine-"));
        if let Some(name) = part.strip_prefix("lxc.payload.").or(machine) {
            return Some(name);
        }
        if parts.peek() == Some(&"lxc") {
            return Some(part);
        }
    }
    None
}

/// The container with the name that its manager keeps for it.
pub(super) fn container(cgroup: &str) -> Option<Container> {
    let id = container_id(cgroup)?;
    Some(Container {
        id: id.to_owned(),
        name: docker_name(id).or_else(|| podman_name(id)),
    })
}

fn docker_name(id: &str) -> Option<String> {
    let path = format!("/var/lib/docker/containers/{id}/config.v2.json");
    let name = json(Path::new(&path))?.get("Name")?.as_str()?.to_owned();
    Some(name.trim_start_matches('/').to_owned())
}

fn podman_name(id: &str) -> Option<String> {
    let path = "/var/lib/containers/storage/overlay-containers/containers.json";
    let containers = json(Path::new(path))?;
    let ours = containers.as_array()?.iter();
    let mut ours = ours.filter(|one| one.get("id").and_then(Value::as_str) == Some(id));
    let name = ours.next()?.get("names")?.get(0)?.as_str()?;
    Some(name.to_owned())
}

fn json(path: &Path) -> Option<Value> {
    let small = fs::metadata(path).ok()?.len() <= MOST;
    serde_json::from_str(&small.then(|| fs::read_to_string(path).ok())??).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_and_containers_are_read_from_the_path() {
        let id = "0123456789abcdef".repeat(4);
        let cases = [
            (
                "/system.slice/ssh.service".to_owned(),
                Some("ssh.service"),
                None,
            ),
            (
                "/user.slice/user-1000.slice/user@1000.service/app.slice/app-firefox-7.scope"
                    .to_owned(),
                Some("app-firefox-7.scope"),
                None,
            ),
            (format!("/docker/{id}"), None, Some(id.as_str())),
            (
                format!("/machine.slice/libpod-{id}.scope/container"),
                None,
                Some(&id),
            ),
            (
                format!("/kubepods.slice/cri-containerd-{id}.scope"),
                None,
                Some(&id),
            ),
            (
                "/lxc.payload.web/system.slice".to_owned(),
                None,
                Some("web"),
            ),
            (
                "/lxc/web/init.scope".to_owned(),
                Some("init.scope"),
                Some("web"),
            ),
            (
                "/machine.slice/machine-deb.scope".to_owned(),
                None,
                Some("deb"),
            ),
            ("/user.slice".to_owned(), None, None),
        ];
        for (cgroup, unit_of, container) in cases {
            assert_eq!(container_id(&cgroup), container, "{cgroup}");
            if let Some(expected) = unit_of {
                assert_eq!(unit(&cgroup).as_deref(), Some(expected), "{cgroup}");
            }
        }
    }
}
