//! The originator's side: builds the packet for a whole path, with the filler that makes every
//! hop's appended bytes come out right (W-3.7).

use hpke::aead::AeadCtxS;
use hpke::inout::InOutBuf;
use hpke::{Deserializable, HpkeError, OpModeS, Serializable, setup_sender_with_rng};
use thiserror::Error;

use super::body::{self, Body, Role};
use super::keys::{ExitKeys, Exporter, OriginatorKeys, RelayKeys};
use super::{
    Aead, BLOCK_LENGTH, ENCAPSULATED_LENGTH, EXPIRY_STEP, HEADER_LENGTH, Hop, Kdf, Kem, LIFETIME,
    MAX_HOPS, REST_LENGTH, Setup, apply_header_keystream, info,
};
use crate::identity::NodeId;
use crate::random::CryptoRng;

/// Why no set-up can be built for a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BuildError {
    /// The path has no hop or too many.
    #[error("path of {hops} hops: give 1 to {MAX_HOPS}")]
    Hops {
        /// How many it has.
        hops: usize,
    },
    /// A Node's onion key is of low order.
    #[error("onion key of {id} is unusable")]
    Key {
        /// Whose key.
        id: NodeId,
    },
    /// The time is beyond what the packet can express.
    #[error("time {now_unix} (unix seconds) is out of range: set the clock")]
    Time {
        /// The time given.
        now_unix: u64,
    },
}

/// Builds the set-up packet of a circuit over `path`, nearest Node first, exit last.
pub fn build(
    path: &[Hop],
    now_unix: u64,
    rng: &mut impl CryptoRng,
) -> Result<(Setup, OriginatorKeys), BuildError> {
    let Some((exit, relays)) = path.split_last().filter(|_| path.len() <= MAX_HOPS) else {
        return Err(BuildError::Hops { hops: path.len() });
    };
    let expiry = expiry(now_unix)?;
    let mut exit_context = Context::new(exit, rng)?;
    let mut contexts = relays
        .iter()
        .map(|hop| Context::new(hop, rng))
        .collect::<Result<Vec<_>, _>>()?;
    let keystreams = contexts
        .iter()
        .map(Context::header_keystream)
        .collect::<Result<Vec<_>, _>>()?;

    let filler = filler(&keystreams);
    let mut rest = [0; REST_LENGTH];
    let (padding, tail) = rest.split_at_mut(REST_LENGTH - relays.len() * BLOCK_LENGTH);
    rng.fill_bytes(padding);
    tail.copy_from_slice(&filler[HEADER_LENGTH - tail.len()..]);
    let mut header = exit_context.seal(Role::Exit, expiry, &rest)?;

    for (context, (keystream, next)) in contexts
        .iter_mut()
        .zip(keystreams.iter().zip(&path[1..]))
        .rev()
    {
        xor(&mut header, keystream);
        let rest = header.first_chunk().expect("a header holds a rest");
        header = context.seal(Role::Relay { next: next.id }, expiry, rest)?;
    }

    let keys = OriginatorKeys {
        relays: contexts
            .iter()
            .map(Context::relay_keys)
            .collect::<Result<_, _>>()?,
        exit: exit_context.exit_keys()?,
    };
    Ok((Setup::new(&header), keys))
}

/// What the last `relays` blocks of the exit's header have to be, at the end of the array: each
/// relay appends a zero block and adds its keystream.
fn filler(keystreams: &[[u8; HEADER_LENGTH]]) -> [u8; HEADER_LENGTH] {
    let mut filler = [0; HEADER_LENGTH];
    for keystream in keystreams {
        filler.copy_within(BLOCK_LENGTH.., 0);
        filler[REST_LENGTH..].fill(0);
        xor(&mut filler, keystream);
    }
    filler
}

fn expiry(now_unix: u64) -> Result<u32, BuildError> {
    now_unix
        .checked_add(LIFETIME)
        .and_then(|end| end.checked_next_multiple_of(EXPIRY_STEP))
        .and_then(|end| u32::try_from(end).ok())
        .ok_or(BuildError::Time { now_unix })
}

fn xor(bytes: &mut [u8; HEADER_LENGTH], with: &[u8; HEADER_LENGTH]) {
    for (byte, with) in bytes.iter_mut().zip(with) {
        *byte ^= with;
    }
}

/// The HPKE context shared with one hop.
struct Context<'a> {
    hop: &'a Hop,
    encapsulated: [u8; ENCAPSULATED_LENGTH],
    hpke: AeadCtxS<Aead, Kdf, Kem>,
}

impl<'a> Context<'a> {
    fn new(hop: &'a Hop, rng: &mut impl CryptoRng) -> Result<Self, BuildError> {
        let unusable = |_: HpkeError| BuildError::Key { id: hop.id };
        let key = Deserializable::from_bytes(hop.key.as_bytes()).map_err(unusable)?;
        let (encapsulated, hpke) =
            setup_sender_with_rng::<Aead, Kdf, Kem>(&OpModeS::Base, &key, &info(&hop.id), rng)
                .map_err(unusable)?;
        Ok(Context {
            hop,
            encapsulated: encapsulated.to_bytes().into(),
            hpke,
        })
    }

    fn unusable(&self) -> impl Fn(HpkeError) -> BuildError + use<> {
        let id = self.hop.id;
        move |_| BuildError::Key { id }
    }

    fn header_keystream(&self) -> Result<[u8; HEADER_LENGTH], BuildError> {
        let key = self.hpke.header_key().map_err(self.unusable())?;
        let mut keystream = [0; HEADER_LENGTH];
        apply_header_keystream(key.as_bytes(), &mut keystream);
        Ok(keystream)
    }

    fn seal(
        &mut self,
        role: Role,
        expiry: u32,
        rest: &[u8; REST_LENGTH],
    ) -> Result<[u8; HEADER_LENGTH], BuildError> {
        let body = Body {
            role,
            expiry,
            payer: self.hop.payer,
        };
        let mut body = body.encode();
        let tag = self
            .hpke
            .seal_inout_detached(InOutBuf::from(&mut body[..]), rest)
            .map_err(self.unusable())?;
        let mut header = [0; HEADER_LENGTH];
        let (encapsulated, sealed) = header.split_at_mut(ENCAPSULATED_LENGTH);
        let (sealed, tail) = sealed.split_at_mut(body::LENGTH);
        let (tag_bytes, tail) =
            tail.split_at_mut(BLOCK_LENGTH - ENCAPSULATED_LENGTH - body::LENGTH);
        encapsulated.copy_from_slice(&self.encapsulated);
        sealed.copy_from_slice(&body);
        tag_bytes.copy_from_slice(&tag.to_bytes());
        tail.copy_from_slice(rest);
        Ok(header)
    }

    fn relay_keys(&self) -> Result<RelayKeys, BuildError> {
        RelayKeys::export(&self.hpke).map_err(self.unusable())
    }

    fn exit_keys(&self) -> Result<ExitKeys, BuildError> {
        ExitKeys::export(&self.hpke).map_err(self.unusable())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filler_is_what_the_relays_append() {
        let keystreams = [1, 2, 4].map(|byte| [byte; HEADER_LENGTH]);
        let expected = [
            [1 ^ 2 ^ 4; BLOCK_LENGTH],
            [2 ^ 4; BLOCK_LENGTH],
            [4; BLOCK_LENGTH],
        ];
        for relays in 0..=3 {
            // By the definition of W-3.7: F(i+1) = (F(i) || 0) xor the end of S(i).
            let filler = filler(&keystreams[..relays]);
            let end = &filler[HEADER_LENGTH - relays * BLOCK_LENGTH..];
            let mut defined = Vec::new();
            for keystream in &keystreams[..relays] {
                defined.extend_from_slice(&[0; BLOCK_LENGTH]);
                let end = &keystream[HEADER_LENGTH - defined.len()..];
                defined
                    .iter_mut()
                    .zip(end)
                    .for_each(|(byte, end)| *byte ^= end);
            }
            assert_eq!(end, defined);
            if relays == 3 {
                assert_eq!(end, expected.as_flattened());
            }
        }
    }
}
