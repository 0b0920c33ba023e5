use bytes::BytesMut;

use super::*;
use crate::layer::SecretKey;

fn pair() -> (Sealer, Opener) {
    let key = SecretKey::new([3; 32]);
    (Sealer::new(&key), Opener::new(&key))
}

#[test]
fn frames_come_out_as_they_went_in() {
    let (mut sealer, mut opener) = pair();
    let mut wire = BytesMut::new();
    sealer.seal(Kind::Data, &[b"ab", b"cd"], &mut wire).unwrap();
    sealer
        .seal_data_with(100, &mut wire, |room| {
            room[..3].copy_from_slice(b"efg");
            3
        })
        .unwrap();
    sealer.seal_forward(&Forward::Fin, &mut wire).unwrap();

    let mut seen = Vec::new();
    while let Some((kind, payload)) = opener.open(&mut wire).unwrap() {
        seen.push((kind, payload.to_vec()));
    }
    assert_eq!(
        seen,
        [
            (Kind::Data, b"abcd".to_vec()),
            (Kind::Data, b"efg".to_vec()),
            (Kind::Fin, vec![])
        ]
    );
    assert_eq!(opener.end(&wire), Ok(()));
}

#[test]
fn a_used_up_key_refuses() {
    let (mut sealer, mut opener) = pair();
    let mut wire = BytesMut::new();
    sealer.skip_to(MAX_FRAMES - 1);
    opener.skip_to(MAX_FRAMES - 1);
    sealer.seal(Kind::Data, &[b"last"], &mut wire).unwrap();
    assert_eq!(
        sealer.seal(Kind::Data, &[b"more"], &mut wire),
        Err(SealError::UsedUp)
    );
    assert_eq!(&opener.open(&mut wire).unwrap().unwrap().1[..], b"last");
    assert!(wire.is_empty());
    wire.extend_from_slice(&[0, 17]);
    wire.extend_from_slice(&[0; 17]);
    assert_eq!(opener.open(&mut wire), Err(OpenError::UsedUp));
}
