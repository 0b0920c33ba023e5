//! What neighbors say: single messages, and conversations with a Node.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use bytes::Bytes;
use masq_core::config::{Chain, CountryCode};
use masq_core::identity::{Identity, NodeId, Validity};
use masq_core::neighborhood::letter::LETTER_LENGTH;
use masq_core::neighborhood::message::{MAX_HOPS, Message};
use masq_core::neighborhood::{Action, Config, Contact, Limits, Neighborhood, Now, Refusal};
use masq_core::record::{Content, NodeRecord, Rates, Roles};

use crate::circuit::Counting;

const UNIX_MS: u64 = 1_800_000_000_000;
const PEERS: usize = 3;
const BOTH: Roles = Roles {
    relay: true,
    exit: true,
};

static IDENTITIES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let Ok(validity) = Validity::new(0, u64::MAX) else {
        panic!("a begin before an end");
    };
    let identity = |number| Identity::generate(validity, &mut Counting(1_000 * number));
    let bytes = |number| identity(number).to_bytes().to_vec();
    (1..=PEERS as u64 + 2).map(bytes).collect()
});

fn identity(number: usize) -> Identity {
    match Identity::from_bytes(&IDENTITIES[number]) {
        Ok(identity) => identity,
        Err(error) => panic!("an own identity: {error}"),
    }
}

fn ip(number: usize) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(203, 0, 113, number as u8))
}

/// Reads one message; what is read has no second form.
pub fn gossip_message(data: &[u8]) {
    let bytes = Bytes::copy_from_slice(data);
    if let Ok(message) = Message::decode(&bytes) {
        assert_eq!(message.encode(), bytes);
    }
}

/// A Node with two neighbors and a stranger, who say what the input chooses: raw bytes, genuine
/// messages, and genuine messages with a change.
pub fn gossip_node(data: &[u8]) {
    let mut talk = Talk::begin();
    let mut rest = data;
    for _ in 0..200 {
        let Some(([who, what, length], behind)) = rest.split_first_chunk() else {
            break;
        };
        let who = usize::from(*who) % PEERS;
        let (input, behind) = behind.split_at(usize::from(*length).min(behind.len()));
        rest = behind;
        talk.step(who, *what, input);
        talk.check();
    }
}

struct Talk {
    core: Neighborhood,
    peers: Vec<Identity>,
    third: Identity,
    start: Instant,
    time: Duration,
}

impl Talk {
    fn begin() -> Talk {
        let Some(country) = CountryCode::new("ZZ") else {
            panic!("two letters");
        };
        let config = Config {
            chain: Chain::Dev,
            roles: BOTH,
            accepts: true,
            contact: Some(Contact {
                ip: Some(ip(200)),
                ports: vec![4_000],
            }),
            country,
            rates: Rates::default(),
            earning: None,
            seeds: Vec::new(),
            past: Vec::new(),
            radius: 3,
            limits: Limits::default(),
        };
        let start = Instant::now();
        let now = Now {
            instant: start,
            unix_ms: UNIX_MS,
        };
        let mut talk = Talk {
            core: Neighborhood::new(Rc::new(identity(0)), config, now, 1),
            peers: (1..=PEERS).map(identity).collect(),
            third: identity(PEERS + 1),
            start,
            time: Duration::ZERO,
        };
        for who in 0..PEERS {
            talk.link(who);
        }
        for who in 0..PEERS - 1 {
            talk.say(who, &talk.genuine(who, 0).encode());
            talk.say(who, &talk.genuine(who, 9).encode());
        }
        talk
    }

    fn now(&self) -> Now {
        Now {
            instant: self.start + self.time,
            unix_ms: UNIX_MS + self.time.as_millis() as u64,
        }
    }

    fn link(&mut self, who: usize) {
        let now = self.now();
        let remote = SocketAddr::new(ip(who), 50_000);
        let dialled = who % 2 == 1;
        self.core
            .handle_link_up(self.peers[who].id(), remote, dialled, now);
    }

    fn say(&mut self, who: usize, message: &[u8]) {
        let now = self.now();
        self.core.handle_message(self.peers[who].id(), message, now);
    }

    fn step(&mut self, who: usize, what: u8, input: &[u8]) {
        match what {
            0 => self.say(who, input),
            1 => self.link(who),
            2 => {
                let now = self.now();
                self.core.handle_link_down(self.peers[who].id(), "cut", now);
            }
            3 => {
                let length = u64::from(input.first().copied().unwrap_or(1));
                self.time += Duration::from_millis(length * length);
                for _ in 0..100 {
                    let now = self.now();
                    if self.core.poll_timeout().is_none_or(|at| at > now.instant) {
                        return;
                    }
                    self.core.handle_timeout(now);
                }
                panic!("a time that is always due");
            }
            kind => {
                let mut bytes = self.genuine(who, kind % 13).encode().to_vec();
                for change in input.chunks_exact(3) {
                    let place = usize::from(u16::from_be_bytes([change[0], change[1]]));
                    let length = bytes.len();
                    bytes[place % length] ^= change[2];
                }
                self.say(who, &bytes);
            }
        }
    }

    fn record(&self, identity: &Identity, neighbors: Vec<NodeId>) -> Bytes {
        let own = self.core.own_record();
        let content = Content {
            version: self.now().unix_ms + 1,
            roles: BOTH,
            accepts: true,
            country: own.country(),
            rates: Rates::default(),
            earning: None,
            neighbors,
        };
        match NodeRecord::sign(identity, content) {
            Ok(record) => record.to_bytes().into(),
            Err(error) => panic!("a plain record: {error}"),
        }
    }

    fn genuine(&self, who: usize, kind: u8) -> Message {
        let peer = &self.peers[who];
        let own = self.core.own_record().id();
        let third = self.third.id();
        let observed = ip(200);
        let ports = vec![4_000];
        let record = || self.record(peer, vec![own, third]);
        match kind {
            0 => Message::Debut {
                chain: Chain::Dev,
                observed,
                ports,
                record: self.record(peer, Vec::new()),
            },
            1 => Message::Welcome {
                observed,
                ports,
                record: record(),
            },
            2 => Message::Pass {
                reason: Refusal::Full,
                observed,
            },
            3 => Message::Propose {
                id: third,
                roles: BOTH,
                needy: true,
                key: self.third.signed_onion_key().key(),
                hops: MAX_HOPS,
            },
            4 => Message::Consent { id: third },
            5 => Message::Introduction {
                id: third,
                ip: ip(100),
                ports,
            },
            6 => Message::Seek,
            7 => Message::Announce(vec![(third, self.now().unix_ms + 1)]),
            8 => Message::Pull(vec![own]),
            9 => Message::Records(vec![record()]),
            10 => Message::Records(vec![self.record(&self.third, vec![peer.id()])]),
            11 => Message::Contact { ports },
            _ => Message::Letter {
                id: own,
                sealed: [7; LETTER_LENGTH],
            },
        }
    }

    fn check(&mut self) {
        let limits = Limits::default();
        let known = |id: &NodeId| {
            let mut peers = self.peers.iter().chain([&self.third]);
            peers.any(|peer| peer.id() == *id)
        };
        let mut sent = 0;
        while let Some(action) = self.core.poll_action() {
            match action {
                Action::Learned(record) => assert!(known(&record.id()), "an unsigned record"),
                Action::Send { message, .. } => {
                    sent += 1;
                    assert!(
                        Message::decode(&message).is_ok(),
                        "an own message is malformed"
                    );
                }
                _ => {}
            }
        }
        assert!(sent < 200, "{sent} messages for one");
        assert!(self.core.own_record().neighbors().len() <= limits.most);
        assert!(self.core.records() <= limits.records);
        let status = self.core.status(self.now());
        assert!(status.neighbors.len() < 200);
    }
}
