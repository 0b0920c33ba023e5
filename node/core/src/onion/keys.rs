//! The keys of a circuit (W-3.6), exported from the HPKE context that the originator and one hop
//! share. Each hop has its own; the originator has those of all hops.

use hpke::HpkeError;

use crate::layer::{Onion, SecretKey, StreamLayer};

/// One thing for each direction; forward leads from the originator to the exit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Directions<T> {
    /// From the originator to the exit.
    pub forward: T,
    /// From the exit to the originator.
    pub backward: T,
}

/// What a relay shares with the originator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelayKeys {
    /// Keys of the stream layers.
    pub stream: Directions<SecretKey>,
    /// Keys of the datagram layers; `body` is a stream-cipher key.
    pub datagram: Directions<DatagramKeys>,
}

/// What the exit shares with the originator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExitKeys {
    /// Keys that seal frames.
    pub frame: Directions<SecretKey>,
    /// Keys that seal datagrams; `body` is an AEAD key.
    pub datagram: Directions<DatagramKeys>,
}

/// Keys of one direction of the datagrams of one hop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatagramKeys {
    /// Protects the body.
    pub body: SecretKey,
    /// Permutes the initialisation vector.
    pub iv: SecretKey,
}

/// What the originator holds: the keys of each relay in the order of the path, and the exit's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginatorKeys {
    /// One for each relay, nearest first; none on a circuit of one hop.
    pub relays: Vec<RelayKeys>,
    /// The exit's.
    pub exit: ExitKeys,
}

impl RelayKeys {
    /// The two stream ciphers of this relay, at their first byte.
    pub fn stream_layers(&self) -> Directions<StreamLayer> {
        Directions {
            forward: StreamLayer::new(&self.stream.forward),
            backward: StreamLayer::new(&self.stream.backward),
        }
    }

    pub(super) fn export(context: &impl Exporter) -> Result<Self, HpkeError> {
        Ok(RelayKeys {
            stream: Directions {
                forward: context.key(b"relay stream forward")?,
                backward: context.key(b"relay stream backward")?,
            },
            datagram: Directions {
                forward: DatagramKeys {
                    body: context.key(b"relay datagram forward")?,
                    iv: context.key(b"relay datagram iv forward")?,
                },
                backward: DatagramKeys {
                    body: context.key(b"relay datagram backward")?,
                    iv: context.key(b"relay datagram iv backward")?,
                },
            },
        })
    }
}

impl ExitKeys {
    pub(super) fn export(context: &impl Exporter) -> Result<Self, HpkeError> {
        Ok(ExitKeys {
            frame: Directions {
                forward: context.key(b"exit frame forward")?,
                backward: context.key(b"exit frame backward")?,
            },
            datagram: Directions {
                forward: DatagramKeys {
                    body: context.key(b"exit datagram forward")?,
                    iv: context.key(b"exit datagram iv forward")?,
                },
                backward: DatagramKeys {
                    body: context.key(b"exit datagram backward")?,
                    iv: context.key(b"exit datagram iv backward")?,
                },
            },
        })
    }
}

impl OriginatorKeys {
    /// The joined stream ciphers of all relays, at their first byte.
    pub fn stream_layers(&self) -> Directions<Onion> {
        let layers = |key: fn(&RelayKeys) -> &SecretKey| {
            Onion::new(self.relays.iter().map(|keys| StreamLayer::new(key(keys))))
        };
        Directions {
            forward: layers(|keys| &keys.stream.forward),
            backward: layers(|keys| &keys.stream.backward),
        }
    }
}

/// Either end of an HPKE context.
pub(super) trait Exporter {
    fn export(&self, label: &[u8], out: &mut [u8]) -> Result<(), HpkeError>;

    fn key(&self, label: &[u8]) -> Result<SecretKey, HpkeError> {
        let mut key = SecretKey::new([0; 32]);
        self.export(label, key.as_bytes_mut())?;
        Ok(key)
    }

    /// The key of the header keystream (W-3.5).
    fn header_key(&self) -> Result<SecretKey, HpkeError> {
        self.key(b"relay header")
    }
}

impl Exporter for hpke::aead::AeadCtxS<super::Aead, super::Kdf, super::Kem> {
    fn export(&self, label: &[u8], out: &mut [u8]) -> Result<(), HpkeError> {
        self.export(label, out)
    }
}

impl Exporter for hpke::aead::AeadCtxR<super::Aead, super::Kdf, super::Kem> {
    fn export(&self, label: &[u8], out: &mut [u8]) -> Result<(), HpkeError> {
        self.export(label, out)
    }
}
