//! The laboratory itself: a router namespace and the hosts around it.

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use anyhow::{Context, Result, bail};

use crate::host::Host;
use crate::{janitor, namespace, process, wire};

/// What a host's uplink to the router is called inside the host.
pub const UPLINK: &str = "eth0";

static COUNT: AtomicU32 = AtomicU32::new(0);

/// A running laboratory; dropping it removes all of it.
#[derive(Debug)]
pub struct Lab {
    name: String,
    folder: PathBuf,
    hosts: BTreeMap<String, Host>,
    next_index: u8,
    janitor: Option<Child>,
}

impl Lab {
    /// Sweeps what dead owners left, then makes a laboratory with its router and the host `dns`.
    pub fn new() -> Result<Self> {
        janitor::sweep().context("Failed to sweep old laboratories")?;
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("masqlab{}-{count}", std::process::id());
        janitor::record(&name)?;
        let folder = janitor::folder(&name);
        let mut lab = Self {
            janitor: None,
            hosts: BTreeMap::new(),
            next_index: 1,
            folder,
            name,
        };
        lab.janitor = Some(janitor::start(&lab.name, &process::tool()?)?);
        fs::create_dir(lab.folder.join("logs"))?;
        lab.make_router()?;
        let dns = lab.host("dns")?;
        fs::write(
            lab.resolv_conf(),
            format!("nameserver {}\noptions timeout:3 attempts:2\n", dns.v4()),
        )?;
        Ok(lab)
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where everything of this laboratory lies; it goes with the laboratory.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn logs(&self) -> PathBuf {
        self.folder.join("logs")
    }

    /// What every host sees as its `/etc/resolv.conf`.
    pub fn resolv_conf(&self) -> PathBuf {
        self.folder.join("resolv.conf")
    }

    /// The router's namespace.
    pub fn wan(&self) -> String {
        format!("{}.wan", self.name)
    }

    /// The host of this name, made at the first call.
    pub fn host(&mut self, name: &str) -> Result<Host> {
        if let Some(host) = self.hosts.get(name) {
            return Ok(host.clone());
        }
        if name.len() > 12 || self.next_index > 62 {
            bail!("host {name}: names have at most 12 letters, a laboratory at most 62 hosts");
        }
        let index = self.next_index;
        self.next_index += 1;
        let host = Host::new(
            name,
            format!("{}.{name}", self.name),
            Ipv4Addr::new(203, 0, 113, index * 4 + 2),
            Ipv6Addr::new(0x2001, 0xdb8, 0x6d61, u16::from(index), 0, 0, 0, 2),
            self.folder.clone(),
        );
        self.join(&host, index)?;
        self.hosts.insert(name.to_owned(), host.clone());
        Ok(host)
    }

    pub fn hosts(&self) -> impl Iterator<Item = &Host> {
        self.hosts.values()
    }

    /// Gives `host` one more address and lets the router know.
    pub fn add_address(&self, host: &Host, address: std::net::IpAddr) -> Result<()> {
        let (length, via) = match address {
            std::net::IpAddr::V4(_) => (32, host.v4().to_string()),
            std::net::IpAddr::V6(_) => (128, host.v6().to_string()),
        };
        namespace::ip(&[
            "-n",
            host.namespace(),
            "addr",
            "add",
            &format!("{address}/{length}"),
            "dev",
            "lo",
        ])?;
        namespace::ip(&[
            "-n",
            &self.wan(),
            "route",
            "add",
            &format!("{address}/{length}"),
            "via",
            &via,
        ])
    }

    /// Takes a host off the network, or back on: its cable is pulled at the router.
    pub fn plug(&self, host: &Host, plugged: bool) -> Result<()> {
        let state = if plugged { "up" } else { "down" };
        namespace::ip(&["-n", &self.wan(), "link", "set", host.name(), state])
    }

    /// Parts the hosts into two halves that do not reach each other.
    pub fn split(&self, one: &[&Host], other: &[&Host]) -> Result<()> {
        let set = |hosts: &[&Host]| {
            let names: Vec<&str> = hosts.iter().map(|host| host.name()).collect();
            names.join(", ")
        };
        let (one, other) = (set(one), set(other));
        self.nft(&format!(
            "table inet split {{\n\
               chain forward {{\n\
                 type filter hook forward priority 0; policy accept;\n\
                 iifname {{ {one} }} oifname {{ {other} }} drop\n\
                 iifname {{ {other} }} oifname {{ {one} }} drop\n\
               }}\n\
             }}\n"
        ))
    }

    /// Undoes [`Lab::split`].
    pub fn heal(&self) -> Result<()> {
        self.nft("delete table inet split\n")
    }

    /// Gives a host another IPv4 address in place of its own, as a provider does; [`Host::v4`] keeps the old.
    pub fn renumber(&self, host: &Host) -> Result<Ipv4Addr> {
        let [.., last] = host.v4().octets();
        let (new, gateway) = (
            Ipv4Addr::new(192, 0, 2, last),
            Ipv4Addr::new(192, 0, 2, last - 1),
        );
        let (old, old_gateway, name) = (
            host.v4(),
            Ipv4Addr::from(u32::from(host.v4()) - 1),
            host.name(),
        );
        namespace::ip_batch(&self.wan(), &format!("addr add {gateway}/30 dev {name}\n"))?;
        namespace::ip_batch(
            host.namespace(),
            &format!(
                "addr add {new}/30 dev {UPLINK}\n\
                 addr del {old}/30 dev {UPLINK}\n\
                 route replace default via {gateway} dev {UPLINK}\n"
            ),
        )?;
        namespace::ip_batch(
            &self.wan(),
            &format!("addr del {old_gateway}/30 dev {name}\n"),
        )?;
        Ok(new)
    }

    fn nft(&self, script: &str) -> Result<()> {
        namespace::inside(&self.wan(), || {
            namespace::run_quiet("nft", &["-f", "-"], Some(script))
        })?
    }

    fn make_router(&self) -> Result<()> {
        let wan = self.wan();
        namespace::create(&wan)?;
        namespace::ip(&["-n", &wan, "link", "set", "lo", "up"])?;
        namespace::inside(&wan, || -> Result<()> {
            set("net/ipv4/ip_forward", "1")?;
            set("net/ipv6/conf/all/forwarding", "1")?;
            // A link is of use at once, not after a second of asking whether its address is free.
            set("net/ipv6/conf/default/accept_dad", "0")?;
            set("net/ipv4/icmp_ratelimit", "0")?;
            set("net/ipv6/icmp/ratelimit", "0")
        })??;
        wire::prepare(&wan)
    }

    fn join(&self, host: &Host, index: u8) -> Result<()> {
        let (wan, inside, name) = (self.wan(), host.namespace(), host.name());
        let gateway4 = Ipv4Addr::new(203, 0, 113, index * 4 + 1);
        let gateway6 = Ipv6Addr::new(0x2001, 0xdb8, 0x6d61, u16::from(index), 0, 0, 0, 1);
        let (v4, v6) = (host.v4(), host.v6());
        namespace::create(inside)?;
        namespace::inside(inside, || -> Result<()> {
            set("net/ipv6/conf/default/accept_dad", "0")?;
            set("net/ipv6/conf/default/accept_ra", "0")?;
            set("net/ipv4/icmp_ratelimit", "0")?;
            set("net/ipv4/ping_group_range", "0 65535")
        })??;
        namespace::ip(&[
            "-n", &wan, "link", "add", name, "type", "veth", "peer", "name", UPLINK, "netns",
            inside,
        ])?;
        namespace::ip_batch(
            &wan,
            &format!(
                "addr add {gateway4}/30 dev {name}\n\
                 addr add {gateway6}/64 dev {name} nodad\n\
                 link set {name} up\n"
            ),
        )?;
        namespace::ip_batch(
            inside,
            &format!(
                "link set lo up\n\
                 addr add {v4}/30 dev {UPLINK}\n\
                 addr add {v6}/64 dev {UPLINK} nodad\n\
                 link set {UPLINK} up\n\
                 route add default via {gateway4}\n\
                 route add default via {gateway6}\n"
            ),
        )
    }

    fn keep_logs(&self) {
        let Some(target) = process::target_folder() else {
            return;
        };
        let label = thread::current().name().unwrap_or("lab").replace("::", "-");
        let kept = target
            .join("lab-logs")
            .join(format!("{label}-{}", self.name));
        let copied = fs::create_dir_all(&kept).is_ok()
            && namespace::run_quiet(
                "cp",
                &[
                    "-r",
                    &self.logs().to_string_lossy(),
                    &kept.to_string_lossy(),
                ],
                None,
            )
            .is_ok();
        if copied {
            announce(&format!(
                "the laboratory's logs are kept in {}",
                kept.display()
            ));
        }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if thread::panicking() {
            self.keep_logs();
        }
        if let Err(error) = janitor::remove(&self.name) {
            announce(&format!("laboratory {}: {error:#}", self.name));
        }
        if let Some(mut janitor) = self.janitor.take() {
            drop(janitor.stdin.take());
            let _ = janitor.wait();
        }
    }
}

#[expect(clippy::print_stderr, reason = "for whoever reads the test's output")]
fn announce(words: &str) {
    eprintln!("{words}");
}

/// Writes one value below `/proc/sys` of the calling thread's network namespace.
pub fn set(key: &str, value: &str) -> Result<()> {
    let path = Path::new("/proc/sys").join(key);
    fs::write(&path, value).with_context(|| format!("Failed to set {} to {value}", path.display()))
}
