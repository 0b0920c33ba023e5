//! DHKEM(X25519, HKDF-SHA256) of RFC 9180 section 4.1 for the `hpke` crate, with a private key
//! that knows its public half.
//!
//! The crate's own computes public keys anew in every call, a quarter of the time that a hop
//! takes to open a set-up. All else of HPKE is the crate's; tests hold this to the crate's own
//! and to the RFC's vector.

use hpke::hybrid_array::typenum::U32;
use hpke::kdf::{HkdfSha256, Kdf};
use hpke::kem::SharedSecret;
use hpke::{Deserializable, HpkeError, Kem, Serializable, kem::X25519HkdfSha256};
use subtle::{Choice, ConstantTimeEq};
use x25519_dalek::StaticSecret;
use zeroize::Zeroizing;

use crate::random::{self, CryptoRng};

/// The KEM, without the sender authentication that base mode does not use.
#[derive(Debug)]
pub(crate) struct OnionKem;

/// An X25519 private key with its public key.
#[derive(Clone)]
pub(crate) struct KeyPair {
    secret: StaticSecret,
    public: [u8; 32],
}

impl KeyPair {
    pub(crate) fn new(secret: [u8; 32]) -> Self {
        let secret = StaticSecret::from(secret);
        let public = x25519_dalek::PublicKey::from(&secret).to_bytes();
        KeyPair { secret, public }
    }

    pub(crate) fn generate(rng: &mut impl CryptoRng) -> Self {
        KeyPair::new(*Zeroizing::new(random::array(rng)))
    }

    pub(crate) fn public(&self) -> &[u8; 32] {
        &self.public
    }

    pub(crate) fn secret(&self) -> &[u8; 32] {
        self.secret.as_bytes()
    }

    /// The secret of both ends; none when `other` is of low order.
    fn shared_secret(
        &self,
        other: &[u8; 32],
        encapsulated: &[u8; 32],
        recipient: &[u8; 32],
    ) -> Option<SharedSecret<OnionKem>> {
        let exchanged = self.secret.diffie_hellman(&(*other).into());
        if !exchanged.was_contributory() {
            return None;
        }
        let mut context = [0; 64];
        context[..32].copy_from_slice(encapsulated);
        context[32..].copy_from_slice(recipient);
        let mut shared = SharedSecret::default();
        HkdfSha256::extract_and_expand(exchanged.as_bytes(), SUITE, &context, &mut shared.0)
            .ok()?;
        Some(shared)
    }
}

impl Kem for OnionKem {
    type PublicKey = <X25519HkdfSha256 as Kem>::PublicKey;
    type PrivateKey = KeyPair;
    type EncappedKey = <X25519HkdfSha256 as Kem>::EncappedKey;
    type NSecret = U32;

    const KEM_ID: u16 = X25519HkdfSha256::KEM_ID;

    fn sk_to_pk(private: &KeyPair) -> Self::PublicKey {
        Self::PublicKey::from_bytes(private.public()).expect("a public key is any 32 bytes")
    }

    fn derive_keypair(material: &[u8]) -> (KeyPair, Self::PublicKey) {
        let (private, public) = X25519HkdfSha256::derive_keypair(material);
        (KeyPair::new(private.to_bytes().into()), public)
    }

    fn decap(
        recipient: &KeyPair,
        sender: Option<&Self::PublicKey>,
        encapsulated: &Self::EncappedKey,
    ) -> Result<SharedSecret<Self>, HpkeError> {
        let encapsulated = encapsulated.to_bytes().into();
        recipient
            .shared_secret(&encapsulated, &encapsulated, recipient.public())
            .filter(|_| sender.is_none())
            .ok_or(HpkeError::DecapError)
    }

    fn encap_with_rng(
        recipient: &Self::PublicKey,
        sender: Option<(&KeyPair, &Self::PublicKey)>,
        rng: &mut impl CryptoRng,
    ) -> Result<(SharedSecret<Self>, Self::EncappedKey), HpkeError> {
        let ephemeral = KeyPair::generate(rng);
        let recipient = recipient.to_bytes().into();
        let shared = ephemeral
            .shared_secret(&recipient, ephemeral.public(), &recipient)
            .filter(|_| sender.is_none())
            .ok_or(HpkeError::EncapError)?;
        Ok((shared, Self::EncappedKey::from_bytes(ephemeral.public())?))
    }
}

impl Serializable for KeyPair {
    type OutputSize = U32;

    fn write_exact(&self, bytes: &mut [u8]) {
        bytes.copy_from_slice(self.secret());
    }
}

impl Deserializable for KeyPair {
    fn from_bytes(bytes: &[u8]) -> Result<Self, HpkeError> {
        let secret = bytes
            .try_into()
            .map_err(|_| HpkeError::IncorrectInputLength(32, bytes.len()))?;
        Ok(KeyPair::new(secret))
    }
}

impl ConstantTimeEq for KeyPair {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.secret().ct_eq(other.secret())
    }
}

/// RFC 9180 section 4.1: `"KEM" || kem_id`.
const SUITE: &[u8] = b"KEM\x00\x20";

const _: () = assert!(X25519HkdfSha256::KEM_ID == 0x0020);

#[cfg(test)]
mod tests {
    use hpke::aead::AesGcm256;
    use hpke::{OpModeR, OpModeS, setup_receiver, setup_sender_with_rng};

    use super::*;
    use crate::random::seeded::Seeded;

    #[test]
    fn the_vector_of_the_rfc_comes_out() {
        // RFC 9180 appendix A.1.1.
        let recipient = KeyPair::new(hex(
            "4612c550263fc8ad58375df3f557aac531d26850903e55a9f23f21d8534e8ac8",
        ));
        let encapsulated: [u8; 32] =
            hex("37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431");
        assert_eq!(
            *recipient.public(),
            hex("3948cfe0ad1ddb695d780e59077195da6c56506b027329794ab02bca80815c4d")
        );
        let encapsulated = Deserializable::from_bytes(&encapsulated).unwrap();
        let shared = OnionKem::decap(&recipient, None, &encapsulated).unwrap();
        assert_eq!(
            <[u8; 32]>::from(shared.0),
            hex("fe0e18c9f024ce43799ae393c7e8fe8fce9d218875e8227b0187c04e7d2ea1fc")
        );
    }

    #[test]
    fn both_ends_agree_with_the_ends_of_the_crate() {
        let mut rng = Seeded::new(1);
        for _ in 0..20 {
            let ours = KeyPair::generate(&mut rng);
            let theirs = Deserializable::from_bytes(ours.secret()).unwrap();
            let public = OnionKem::sk_to_pk(&ours);

            let (encapsulated, sender) = setup_sender_with_rng::<AesGcm256, HkdfSha256, OnionKem>(
                &OpModeS::Base,
                &public,
                b"info",
                &mut rng,
            )
            .unwrap();
            let receiver = setup_receiver::<AesGcm256, HkdfSha256, X25519HkdfSha256>(
                &OpModeR::Base,
                &theirs,
                &encapsulated,
                b"info",
            )
            .unwrap();
            let (mut sent, mut received) = ([0; 32], [0; 32]);
            sender.export(b"label", &mut sent).unwrap();
            receiver.export(b"label", &mut received).unwrap();
            assert_eq!(sent, received);

            let (encapsulated, mut sender) = setup_sender_with_rng::<
                AesGcm256,
                HkdfSha256,
                X25519HkdfSha256,
            >(
                &OpModeS::Base, &public, b"info", &mut rng
            )
            .unwrap();
            let mut receiver = setup_receiver::<AesGcm256, HkdfSha256, OnionKem>(
                &OpModeR::Base,
                &ours,
                &encapsulated,
                b"info",
            )
            .unwrap();
            let sealed = sender.seal(b"text", b"aad").unwrap();
            assert_eq!(receiver.open(&sealed, b"aad").unwrap(), b"text");
        }
    }

    #[test]
    fn keys_of_low_order_share_nothing() {
        let mut rng = Seeded::new(2);
        let zero = Deserializable::from_bytes(&[0; 32]).unwrap();
        assert!(OnionKem::encap_with_rng(&zero, None, &mut rng).is_err());
        let zero = Deserializable::from_bytes(&[0; 32]).unwrap();
        assert!(OnionKem::decap(&KeyPair::generate(&mut rng), None, &zero).is_err());
    }

    fn hex(text: &str) -> [u8; 32] {
        std::array::from_fn(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap())
    }
}
