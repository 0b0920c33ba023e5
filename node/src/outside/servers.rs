//! Whom this system asks for names, as its files say now: a machine that moves
//! to another network gets other servers while the Node runs.

use masq_dns::upstream::{self, DNSMASQ, NETWORK_MANAGER, RESOLVED, SYSTEM, Texts};
use std::cell::RefCell;
use std::fs::{self, File};
use std::io::Read;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

const FILES: [&str; 4] = [SYSTEM, RESOLVED, NETWORK_MANAGER, DNSMASQ];
const MAX_FILE: u64 = 64 << 10;
const PORT: u16 = 53;
/// How often the files are looked at, at most.
const LOOK: Duration = Duration::from_secs(1);

/// What a Node has to know of its own place in the system's names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Own {
    /// Where this Node answers questions itself: asking there would be a loop.
    pub addresses: Vec<IpAddr>,
    /// Whether what forwarders on loopback ask is captured by this Node.
    pub captures: bool,
    /// Whom the system asked before it was switched to this Node.
    pub before: Vec<IpAddr>,
}

/// The servers of the system.
#[derive(Debug)]
pub struct SystemServers {
    own: Own,
    seen: RefCell<Seen>,
}

#[derive(Debug)]
struct Seen {
    looked: Option<Instant>,
    stamps: Vec<Option<(SystemTime, u64)>>,
    servers: Vec<SocketAddr>,
}

impl SystemServers {
    /// Looks at once: later the system may be led here.
    pub fn new(own: Own, now: Instant) -> SystemServers {
        let servers = SystemServers {
            seen: RefCell::new(Seen {
                looked: None,
                stamps: Vec::new(),
                servers: of(&own.before),
            }),
            own,
        };
        servers.now(now);
        servers
    }

    /// Whom to ask now, in order. Where the files name nobody but this Node,
    /// those that they named last.
    pub fn now(&self, now: Instant) -> Vec<SocketAddr> {
        let mut seen = self.seen.borrow_mut();
        let fresh = |looked: Instant| now.saturating_duration_since(looked) < LOOK;
        if !seen.looked.is_some_and(fresh) {
            seen.looked = Some(now);
            let stamps: Vec<_> = FILES.iter().map(|path| changed(path)).collect();
            if stamps != seen.stamps {
                seen.stamps = stamps;
                let found = of(&upstream::servers(&self.texts(), &self.own.addresses));
                if !found.is_empty() {
                    seen.servers = found;
                }
            }
        }
        seen.servers.clone()
    }

    fn texts(&self) -> Texts {
        // Where nothing comes back here a forwarder does better: it encrypts,
        // or knows which network a name belongs to.
        let behind = self.own.captures || !self.own.addresses.is_empty();
        Texts::gather(behind, Path::new(DNSMASQ).exists(), text)
    }
}

fn of(addresses: &[IpAddr]) -> Vec<SocketAddr> {
    let address = |ip: &IpAddr| SocketAddr::new(*ip, PORT);
    addresses.iter().map(address).collect()
}

/// When a file was written, and its length: another means another content.
fn changed(path: &str) -> Option<(SystemTime, u64)> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

fn text(path: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    match File::open(path).and_then(|file| file.take(MAX_FILE).read_to_end(&mut bytes)) {
        Ok(_) => bytes,
        Err(_) => Vec::new(),
    }
}
