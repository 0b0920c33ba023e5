//! The fields that messages are made of, each with one form only.

use bytes::{BufMut, BytesMut};

use super::*;

/// Takes fields from the beginning of a message; never panics.
pub(super) struct Reader<'a> {
    whole: &'a Bytes,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(whole: &'a Bytes) -> Self {
        Reader { whole, rest: whole }
    }

    pub(super) fn take<const N: usize>(
        &mut self,
        field: &'static str,
    ) -> Result<[u8; N], MessageError> {
        let (taken, rest) = self
            .rest
            .split_first_chunk()
            .ok_or(MessageError::Short(field))?;
        self.rest = rest;
        Ok(*taken)
    }

    pub(super) fn byte(&mut self, field: &'static str) -> Result<u8, MessageError> {
        self.take::<1>(field).map(|[byte]| byte)
    }

    pub(super) fn number(&mut self, field: &'static str) -> Result<u64, MessageError> {
        self.take(field).map(u64::from_be_bytes)
    }

    pub(super) fn id(&mut self) -> Result<NodeId, MessageError> {
        self.take("id").map(NodeId::new)
    }

    pub(super) fn flag(&mut self) -> Result<bool, MessageError> {
        match self.byte("flag")? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(MessageError::Field("flag")),
        }
    }

    pub(super) fn hops(&mut self) -> Result<u8, MessageError> {
        let hops = self.byte("hops")?;
        (hops <= MAX_HOPS)
            .then_some(hops)
            .ok_or(MessageError::Field("hops"))
    }

    pub(super) fn chain(&mut self) -> Result<Chain, MessageError> {
        numbered(self.byte("chain")?, &Chain::ALL).ok_or(MessageError::Field("chain"))
    }

    pub(super) fn refusal(&mut self) -> Result<Refusal, MessageError> {
        numbered(self.byte("reason")?, &Refusal::ALL).ok_or(MessageError::Field("reason"))
    }

    pub(super) fn roles(&mut self) -> Result<Roles, MessageError> {
        let bits = self.byte("roles")?;
        if bits > 3 {
            return Err(MessageError::Field("roles"));
        }
        Ok(Roles {
            relay: bits & 1 != 0,
            exit: bits & 2 != 0,
        })
    }

    pub(super) fn ip(&mut self) -> Result<IpAddr, MessageError> {
        let ip = match self.byte("address")? {
            4 => IpAddr::V4(Ipv4Addr::from(self.take::<4>("address")?)),
            6 => IpAddr::V6(Ipv6Addr::from(self.take::<16>("address")?)),
            _ => return Err(MessageError::Field("address")),
        };
        // An IPv4 address in the clothes of an IPv6 one would be a second form of the same.
        if ip.to_canonical() != ip {
            return Err(MessageError::Field("address"));
        }
        Ok(ip)
    }

    pub(super) fn ports(&mut self) -> Result<Vec<u16>, MessageError> {
        let count = usize::from(self.byte("ports")?);
        if count > MAX_PORTS {
            return Err(MessageError::Field("ports"));
        }
        let mut ports = Vec::with_capacity(count);
        for _ in 0..count {
            let port = u16::from_be_bytes(self.take("ports")?);
            if port < MIN_PORT || ports.contains(&port) {
                return Err(MessageError::Field("ports"));
            }
            ports.push(port);
        }
        Ok(ports)
    }

    pub(super) fn record(&mut self) -> Result<Bytes, MessageError> {
        let length = usize::from(u16::from_be_bytes(self.take("record")?));
        if length > MAX_RECORD {
            return Err(MessageError::Field("record"));
        }
        let (taken, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or(MessageError::Short("record"))?;
        self.rest = rest;
        Ok(self.whole.slice_ref(taken))
    }

    /// A list of at least one and at most [`MAX_IDS`].
    pub(super) fn list<T>(
        &mut self,
        read: impl Fn(&mut Self) -> Result<T, MessageError>,
    ) -> Result<Vec<T>, MessageError> {
        let count = usize::from(u16::from_be_bytes(self.take("count")?));
        if count == 0 || count > MAX_IDS {
            return Err(MessageError::Field("count"));
        }
        let mut list = Vec::with_capacity(count.min(self.rest.len() / 32));
        for _ in 0..count {
            list.push(read(self)?);
        }
        Ok(list)
    }

    pub(super) fn end(self) -> Result<(), MessageError> {
        match self.rest.len() {
            0 => Ok(()),
            more => Err(MessageError::Trailing(more)),
        }
    }
}

/// Puts fields behind each other.
pub(super) struct Writer(BytesMut);

impl Writer {
    pub(super) fn new(kind: u8) -> Self {
        let mut bytes = BytesMut::with_capacity(64);
        bytes.put_u8(kind);
        Writer(bytes)
    }

    pub(super) fn number(&mut self, number: u64) -> &mut Self {
        self.0.put_u64(number);
        self
    }

    pub(super) fn id(&mut self, id: &NodeId) -> &mut Self {
        self.0.put_slice(id.as_bytes());
        self
    }

    pub(super) fn put(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.put_slice(bytes);
        self
    }

    pub(super) fn chain(&mut self, chain: Chain) -> &mut Self {
        self.0.put_u8(number_of(&chain, &Chain::ALL));
        self
    }

    pub(super) fn refusal(&mut self, refusal: Refusal) -> &mut Self {
        self.0.put_u8(number_of(&refusal, &Refusal::ALL));
        self
    }

    pub(super) fn roles(&mut self, roles: Roles) -> &mut Self {
        self.0
            .put_u8(u8::from(roles.relay) | u8::from(roles.exit) << 1);
        self
    }

    pub(super) fn ip(&mut self, ip: IpAddr) -> &mut Self {
        match ip.to_canonical() {
            IpAddr::V4(ip) => {
                self.0.put_u8(4);
                self.0.put_slice(&ip.octets());
            }
            IpAddr::V6(ip) => {
                self.0.put_u8(6);
                self.0.put_slice(&ip.octets());
            }
        }
        self
    }

    pub(super) fn ports(&mut self, ports: &[u16]) -> &mut Self {
        self.0
            .put_u8(u8::try_from(ports.len()).expect("at most MAX_PORTS"));
        for port in ports {
            self.0.put_u16(*port);
        }
        self
    }

    pub(super) fn record(&mut self, record: &[u8]) -> &mut Self {
        let length = u16::try_from(record.len()).expect("at most MAX_RECORD");
        self.0.put_u16(length);
        self.0.put_slice(record);
        self
    }

    pub(super) fn list<T>(&mut self, list: &[T], write: impl Fn(&mut Self, &T)) -> &mut Self {
        self.0
            .put_u16(u16::try_from(list.len()).expect("at most MAX_IDS"));
        for item in list {
            write(self, item);
        }
        self
    }

    pub(super) fn done(self) -> Bytes {
        self.0.freeze()
    }
}

/// Numbers begin at 1.
fn numbered<T: Copy>(number: u8, all: &[T]) -> Option<T> {
    usize::from(number)
        .checked_sub(1)
        .and_then(|place| all.get(place).copied())
}

fn number_of<T: PartialEq>(item: &T, all: &[T]) -> u8 {
    let place = all.iter().position(|other| other == item);
    let place = place.expect("every value is in its list");
    u8::try_from(place + 1).expect("a short list")
}
