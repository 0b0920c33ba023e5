use proptest::prelude::*;

use super::*;
use crate::random::seeded::Seeded;

fn validity() -> Validity {
    Validity::new(1_000, 2_000).unwrap()
}

fn identity() -> Identity {
    Identity::generate(validity(), &mut Seeded::new(1))
}

#[test]
fn an_identity_reads_back_with_all_its_keys() {
    let mut rng = Seeded::new(2);
    let mut identity = identity();
    identity.rotate(Validity::new(1_500, 2_500).unwrap(), 1_500, &mut rng);

    let read = Identity::from_bytes(&identity.to_bytes()).unwrap();
    assert_eq!(read.id(), identity.id());
    assert_eq!(read.signed_onion_key(), identity.signed_onion_key());
    assert_eq!(read.onion_secrets().len(), 2);
    for (read, kept) in read.onion_secrets().iter().zip(identity.onion_secrets()) {
        assert_eq!(read.public(), kept.public());
        assert_eq!(read.validity(), kept.validity());
        assert_eq!(read.pair().secret(), kept.pair().secret());
    }
}

#[test]
fn rotation_keeps_keys_in_use_and_no_more_than_fit() {
    let mut rng = Seeded::new(2);
    let mut identity = identity();
    let first = identity.onion_secrets()[0].public();
    identity.rotate(Validity::new(1_900, 3_000).unwrap(), 1_900, &mut rng);
    assert_eq!(identity.onion_secrets()[1].public(), first);

    identity.rotate(Validity::new(2_900, 4_000).unwrap(), 2_900, &mut rng);
    let publics: Vec<_> = identity
        .onion_secrets()
        .iter()
        .map(OnionSecret::public)
        .collect();
    assert_eq!(publics.len(), 2);
    assert!(!publics.contains(&first));

    for _ in 0..10 {
        identity.rotate(Validity::new(2_900, 9_000).unwrap(), 2_900, &mut rng);
    }
    assert_eq!(identity.onion_secrets().len(), MAX_ONION_KEYS);
    Identity::from_bytes(&identity.to_bytes()).unwrap();
}

#[test]
fn an_onion_key_belongs_to_who_signed_it() {
    let identity = identity();
    let signed = identity.signed_onion_key();
    assert_eq!(signed.verify(&identity.id()), Ok(()));

    let other = Identity::generate(validity(), &mut Seeded::new(9)).id();
    assert_eq!(
        signed.verify(&other),
        Err(IdentityError::Signature { id: other })
    );
    let longer = SignedOnionKey::unverified(
        signed.key(),
        Validity::new(1_000, 2_001).unwrap(),
        *signed.signature(),
    );
    assert!(longer.verify(&identity.id()).is_err());
}

#[test]
fn keys_of_small_order_sign_nothing() {
    // The identity point: every message has a signature under it unless strictness forbids.
    let mut point = [0; 32];
    point[0] = 1;
    let mut signature = [0; 64];
    signature[0] = 1;
    assert!(NodeId::new(point).verify(b"any", &signature).is_err());
}

#[test]
fn the_pkcs8_document_is_what_a_tls_library_reads() {
    let identity = identity();
    let pair =
        ring::signature::Ed25519KeyPair::from_pkcs8_maybe_unchecked(&identity.to_pkcs8()).unwrap();
    use ring::signature::KeyPair;
    assert_eq!(pair.public_key().as_ref(), identity.id().as_bytes());
}

#[test]
fn ids_print_as_43_characters_and_read_back() {
    let id = identity().id();
    let text = id.to_string();
    assert_eq!(text.len(), 43);
    assert_eq!(text.parse(), Ok(id));
    assert_eq!(id.short(), text[..8]);
    for wrong in [
        "",
        "AQE",
        &text[..42],
        &format!("{text}A"),
        &format!("{text}="),
    ] {
        assert!(wrong.parse::<NodeId>().is_err(), "{wrong}");
    }
}

#[test]
fn secrets_do_not_print() {
    let identity = identity();
    let text = format!("{identity:?}");
    assert!(text.contains(&identity.id().short()));
    assert!(text.len() < 500);
}

proptest! {
    #[test]
    fn any_damage_is_noticed(position: prop::sample::Index, flip in 1..=u8::MAX) {
        let mut bytes = identity().to_bytes().to_vec();
        let position = position.index(bytes.len());
        bytes[position] ^= flip;
        let damaged = matches!(
            Identity::from_bytes(&bytes),
            Err(IdentityError::Damaged { .. })
        );
        prop_assert!(damaged);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(Identity::from_bytes(&bytes).is_err());
    }
}
