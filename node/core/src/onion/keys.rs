//! The keys of a circuit (W-3.6), exported from the HPKE context that the originator and one hop
//! share. Each hop has its own; the originator has those of all hops.

use hpke::HpkeError;

use crate::layer::{Onion, SecretKey, StreamLayer};
use crate::resume::Token;

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
    /// What a flow that began on this circuit is resumed with.
    pub resume: Token,
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
            stream: context.keys(b"relay stream")?,
            datagram: context.datagram_keys(b"relay datagram")?,
        })
    }
}

impl ExitKeys {
    pub(super) fn export(context: &impl Exporter) -> Result<Self, HpkeError> {
        Ok(ExitKeys {
            frame: context.keys(b"exit frame")?,
            datagram: context.datagram_keys(b"exit datagram")?,
            resume: context.key(&[b"exit resume"])?.into(),
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

    /// The key of the context that the joined parts are.
    fn key(&self, label: &[&[u8]]) -> Result<SecretKey, HpkeError> {
        let mut key = SecretKey::new([0; 32]);
        self.export(&label.concat(), key.as_bytes_mut())?;
        Ok(key)
    }

    fn keys(&self, label: &[u8]) -> Result<Directions<SecretKey>, HpkeError> {
        Ok(Directions {
            forward: self.key(&[label, b" forward"])?,
            backward: self.key(&[label, b" backward"])?,
        })
    }

    fn datagram_keys(&self, label: &[u8]) -> Result<Directions<DatagramKeys>, HpkeError> {
        let bodies = self.keys(label)?;
        let ivs = self.keys(&[label, b" iv"].concat())?;
        Ok(Directions {
            forward: DatagramKeys {
                body: bodies.forward,
                iv: ivs.forward,
            },
            backward: DatagramKeys {
                body: bodies.backward,
                iv: ivs.backward,
            },
        })
    }

    /// The key of the header keystream (W-3.5).
    fn header_key(&self) -> Result<SecretKey, HpkeError> {
        self.key(&[b"relay header"])
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
