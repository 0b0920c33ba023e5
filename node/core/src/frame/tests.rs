use std::net::{IpAddr, SocketAddr};

use bytes::BytesMut;
use proptest::prelude::*;

use super::*;
use crate::destination::{Destination, HostName};
use crate::failure::Code;
use crate::layer::{Onion, SecretKey, StreamLayer};
use crate::resume::Token;

fn pair() -> (Sealer, Opener) {
    let key = SecretKey::new([3; 32]);
    (Sealer::new(&key), Opener::new(&key))
}

fn wire(frames: &[(Kind, &[u8])]) -> BytesMut {
    let mut sealer = pair().0;
    let mut wire = BytesMut::new();
    for (kind, payload) in frames {
        sealer.seal(*kind, &[payload], &mut wire).unwrap();
    }
    wire
}

fn open_all(opener: &mut Opener, wire: &mut BytesMut) -> Result<Vec<(Kind, Vec<u8>)>, OpenError> {
    let mut frames = Vec::new();
    while let Some((kind, payload)) = opener.open(wire)? {
        frames.push((kind, payload.to_vec()));
    }
    Ok(frames)
}

#[test]
fn frames_come_out_as_they_went_in() {
    let (mut sealer, mut opener) = pair();
    let mut wire = BytesMut::new();
    sealer.seal(Kind::Data, &[b"ab", b"cd"], &mut wire).unwrap();
    let fill = |room: &mut [u8]| {
        room[..3].copy_from_slice(b"efg");
        3
    };
    assert_eq!(sealer.seal_data_with(100, &mut wire, fill), Ok(3));
    assert_eq!(sealer.seal_data_with(100, &mut wire, |_| 0), Ok(0));
    let draft = sealer.begin(Kind::Data, &mut wire);
    wire.extend_from_slice(&[7; MAX_PAYLOAD]);
    sealer.finish(draft, &mut wire).unwrap();
    sealer.seal_forward(&Forward::Fin, &mut wire).unwrap();

    assert_eq!(
        open_all(&mut opener, &mut wire).unwrap(),
        [
            (Kind::Data, b"abcd".to_vec()),
            (Kind::Data, b"efg".to_vec()),
            (Kind::Data, vec![7; MAX_PAYLOAD]),
            (Kind::Fin, vec![])
        ]
    );
    assert_eq!(opener.end(&wire), Ok(()));
}

#[test]
fn a_frame_that_is_refused_leaves_the_buffer_as_it_was() {
    let (mut sealer, mut opener) = pair();
    let mut out = BytesMut::from(&b"before"[..]);
    let draft = sealer.begin(Kind::Data, &mut out);
    out.extend_from_slice(&[0; MAX_PAYLOAD + 1]);
    let length = MAX_PAYLOAD + 1;
    assert_eq!(
        sealer.finish(draft, &mut out),
        Err(SealError::TooLong { length })
    );
    assert_eq!(out, b"before"[..]);

    let draft = sealer.begin(Kind::Data, &mut out);
    out.clear();
    assert_eq!(sealer.finish(draft, &mut out), Err(SealError::Buffer));

    sealer.seal(Kind::Data, &[b"next"], &mut out).unwrap();
    assert_eq!(opener.open(&mut out).unwrap().unwrap().1, b"next"[..]);
}

#[test]
fn frames_wait_for_their_last_byte() {
    let mut whole = wire(&[(Kind::Data, &[1; 300]), (Kind::Fin, b"")]);
    let total = whole.len();
    let mut opener = pair().1;
    let mut input = BytesMut::new();
    let mut frames = Vec::new();
    while !whole.is_empty() {
        let missing = Opener::missing(&input);
        assert!((1..=MAX_FRAME).contains(&missing));
        input.extend_from_slice(&whole.split_to(1));
        frames.extend(open_all(&mut opener, &mut input).unwrap());
    }
    assert_eq!(frames, [(Kind::Data, vec![1; 300]), (Kind::Fin, vec![])]);
    assert_eq!(total, 300 + 2 * OVERHEAD);
}

#[test]
fn what_the_opener_misses_is_exact() {
    let mut whole = wire(&[(Kind::Data, &[1; 300])]);
    assert_eq!(Opener::missing(&BytesMut::new()), 2);
    assert_eq!(Opener::missing(&BytesMut::from(&whole[..1])), 1);
    assert_eq!(
        Opener::missing(&BytesMut::from(&whole[..10])),
        300 + OVERHEAD - 10
    );
    assert_eq!(Opener::missing(&whole), 0);
    whole[0] = 0xff;
    assert_eq!(Opener::missing(&whole), MAX_FRAME - whole.len());
}

#[test]
fn lengths_that_no_frame_has_are_refused_at_once() {
    for length in [0_u16, 16, (MAX_FRAME - 1) as u16, u16::MAX] {
        let mut input = BytesMut::from(&length.to_be_bytes()[..]);
        let error = OpenError::Length {
            length: length.into(),
        };
        let mut opener = pair().1;
        assert_eq!(opener.open(&mut input), Err(error));
        assert_eq!(opener.open(&mut BytesMut::new()), Err(error), "final");
    }
}

#[test]
fn frames_cannot_be_left_out_repeated_or_swapped() {
    let mut whole = wire(&[(Kind::Data, b"1"), (Kind::Data, b"2")]);
    let second = whole.split_off(whole.len() / 2);
    let first = whole;
    for order in [[&second, &first], [&first, &first]] {
        let mut input = BytesMut::new();
        order.iter().for_each(|part| input.extend_from_slice(part));
        assert!(matches!(
            open_all(&mut pair().1, &mut input),
            Err(OpenError::Sealed { .. })
        ));
    }
}

#[test]
fn a_stream_without_an_authenticated_end_was_cut_off() {
    let ends = [
        (vec![], false),
        (vec![Kind::Data], false),
        (vec![Kind::Data, Kind::Fin], true),
        (vec![Kind::Reset], true),
        (vec![Kind::Failed], true),
        (vec![Kind::Fin, Kind::KeepAlive], true),
        (vec![Kind::Fin, Kind::Reset], true),
    ];
    for (kinds, finished) in ends {
        let mut opener = pair().1;
        let frames: Vec<_> = kinds.iter().map(|kind| (*kind, &b""[..])).collect();
        let mut input = wire(&frames);
        open_all(&mut opener, &mut input).unwrap();
        assert_eq!(opener.end(&input).is_ok(), finished, "{kinds:?}");
        assert_eq!(opener.has_ended(), finished);
        input.extend_from_slice(&[1]);
        assert!(matches!(
            opener.end(&input),
            Err(OpenError::Truncated { bytes: 1, .. })
        ));
    }
}

#[test]
fn only_some_frames_follow_an_end() {
    let (mut sealer, _) = pair();
    let mut out = BytesMut::new();
    sealer.seal(Kind::Fin, &[], &mut out).unwrap();
    for kind in [Kind::Data, Kind::Fin, Kind::Open, Kind::Failed] {
        assert_eq!(
            sealer.seal(kind, &[], &mut out),
            Err(SealError::Ended { kind })
        );
    }
    sealer.seal(Kind::Padding, &[b"x"], &mut out).unwrap();
    sealer.seal(Kind::Ack, &[&[0; 8]], &mut out).unwrap();
    sealer.seal(Kind::Reset, &[], &mut out).unwrap();
    assert!(sealer.seal(Kind::KeepAlive, &[], &mut out).is_err());
}

#[test]
fn a_peer_that_goes_on_after_its_end_is_refused() {
    let mut input = wire(&[(Kind::Fin, b"")]);
    let (mut sealer, mut opener) = pair();
    sealer.skip_to(1);
    sealer.seal(Kind::Data, &[b"more"], &mut input).unwrap();
    assert_eq!(
        open_all(&mut opener, &mut input),
        Err(OpenError::Ended { kind: Kind::Data })
    );
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
    assert_eq!(opener.open(&mut wire).unwrap().unwrap().1, b"last"[..]);
    assert!(wire.is_empty());
    wire.extend_from_slice(&[0, 17]);
    wire.extend_from_slice(&[0; 17]);
    assert_eq!(opener.open(&mut wire), Err(OpenError::UsedUp));
}

#[test]
fn kinds_keep_their_numbers() {
    for code in 0..=u8::MAX {
        match Kind::try_from(code) {
            Ok(kind) => assert_eq!(kind.code(), code),
            Err(error) => assert_eq!(error, KindError { code }),
        }
    }
    assert!((1..=14).all(|code| Kind::try_from(code).is_ok()));
}

fn destinations() -> impl Strategy<Value = Destination> {
    let name = "[a-z0-9_-]{1,63}(\\.[a-z0-9-]{1,63}){0,2}\\.[a-z]{1,20}"
        .prop_filter_map("host names", |text| HostName::parse(&text).ok());
    prop_oneof![
        any::<SocketAddr>().prop_map(Destination::from),
        (name, any::<u16>()).prop_map(|(name, port)| Destination::Name { name, port }),
    ]
}

fn targets() -> impl Strategy<Value = Target> {
    prop_oneof![
        destinations().prop_map(Target::Tcp),
        destinations().prop_map(Target::Udp),
        Just(Target::Resolve),
        any::<IpAddr>().prop_map(|ip| Target::Echo(Host::Ip(ip.to_canonical()))),
    ]
}

proptest! {
    #[test]
    fn messages_of_the_originator_read_back(
        target in targets(),
        bytes in prop::collection::vec(any::<u8>(), 0..100),
        code: u16,
        count: u64,
        token: [u8; 32],
        which in 0..10,
    ) {
        let message = match which {
            0 => Forward::Open(target),
            1 => Forward::Data(&bytes),
            2 => Forward::Fin,
            3 => Forward::Datagram(&bytes),
            4 => Forward::Query(&bytes),
            5 => Forward::Reset(Code::from_number(code)),
            6 => Forward::KeepAlive,
            7 => Forward::Ack(count),
            8 => Forward::Resume { token: Token::new(token), received: count },
            _ => Forward::Padding(&bytes),
        };
        let mut out = BytesMut::new();
        message.encode(&mut out).unwrap();
        prop_assert_eq!(Forward::decode(message.kind(), &out), Ok(message.clone()));
        if !matches!(which, 1 | 3 | 4 | 9) {
            out.extend_from_slice(&[0]);
            prop_assert!(Forward::decode(message.kind(), &out).is_err());
        }
    }

    #[test]
    fn messages_of_the_exit_read_back(
        remote: Option<SocketAddr>,
        bytes in prop::collection::vec(any::<u8>(), 0..100),
        code: u16,
        detail in "\\PC{0,60}",
        count: u64,
        which in 0..11,
    ) {
        let message = match which {
            0 => Backward::Opened(remote.map(|remote| SocketAddr::new(remote.ip(), remote.port()))),
            1 => Backward::Data(&bytes),
            2 => Backward::Fin,
            3 => Backward::Datagram(&bytes),
            4 => Backward::Answer(&bytes),
            5 => Backward::Failed { code: Code::from_number(code), detail: &detail },
            6 => Backward::Reset(Code::from_number(code)),
            7 => Backward::KeepAlive,
            8 => Backward::Ack(count),
            9 => Backward::Resumed(count),
            _ => Backward::Padding(&bytes),
        };
        let mut out = BytesMut::new();
        message.encode(&mut out).unwrap();
        prop_assert_eq!(Backward::decode(message.kind(), &out), Ok(message));
    }

    #[test]
    fn any_detail_can_be_sent(code: u16, detail in "(?s).{0,600}") {
        let failed = Backward::Failed { code: Code::from_number(code), detail: &detail };
        let mut out = BytesMut::new();
        failed.encode(&mut out).unwrap();
        let Ok(Backward::Failed { detail: read, .. }) = Backward::decode(Kind::Failed, &out) else {
            return Err(TestCaseError::fail("a failure reads back"));
        };
        prop_assert!(read.len() <= MAX_DETAIL);
        prop_assert!(read.chars().count() == detail.chars().count() || read.len() > MAX_DETAIL - 4);
    }

    #[test]
    fn any_payload_is_read_or_refused(
        kind in 1..=14_u8,
        payload in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let kind = Kind::try_from(kind).unwrap();
        if let Ok(message) = Forward::decode(kind, &payload) {
            prop_assert_eq!(message.kind(), kind);
        }
        if let Ok(message) = Backward::decode(kind, &payload) {
            prop_assert_eq!(message.kind(), kind);
        }
    }

    #[test]
    fn any_flipped_bit_of_a_layered_stream_is_refused(
        relays in 0..=5_u8,
        payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..400), 1..6),
        cuts in prop::collection::vec(1..200_usize, 1..20),
        flip in prop::option::of((any::<prop::sample::Index>(), 0..=5_u8)),
    ) {
        let layer = |relay| StreamLayer::new(&SecretKey::new([relay; 32]));
        let mut stream = wire(&payloads.iter().map(|bytes| (Kind::Data, &bytes[..])).collect::<Vec<_>>());
        Onion::new((0..relays).map(layer)).apply(&mut stream);

        let mut relays: Vec<_> = (0..relays).map(layer).collect();
        let flip = flip.map(|(bit, link)| (bit.index(stream.len() * 8), link));
        let (mut opener, mut input, mut offset) = (pair().1, BytesMut::new(), 0);
        let mut outcome = Ok(Vec::new());
        for cut in cuts.into_iter().cycle() {
            let mut chunk = stream.split_to(cut.min(stream.len()));
            let end = offset + chunk.len();
            for link in 0..=relays.len() {
                if let Some((bit, at)) = flip
                    && (offset..end).contains(&(bit / 8))
                    && link == usize::from(at).min(relays.len())
                {
                    chunk[bit / 8 - offset] ^= 1 << (bit % 8);
                }
                if let Some(relay) = relays.get_mut(link) {
                    relay.apply(&mut chunk);
                }
            }
            offset = end;
            input.extend_from_slice(&chunk);
            if let Ok(frames) = &mut outcome {
                match open_all(&mut opener, &mut input) {
                    Ok(more) => frames.extend(more),
                    Err(error) => outcome = Err(error),
                }
            }
            if stream.is_empty() {
                break;
            }
        }
        match (outcome, flip) {
            (Ok(frames), None) => {
                let expected: Vec<_> = payloads.into_iter().map(|bytes| (Kind::Data, bytes)).collect();
                prop_assert_eq!(frames, expected);
            }
            (Ok(frames), Some(_)) => {
                // A longer length is noticed when the stream ends, at the latest.
                prop_assert!(frames.len() < payloads.len());
                prop_assert!(opener.end(&input).is_err());
            }
            (Err(error), flip) => prop_assert!(flip.is_some(), "{}", error),
        }
    }

    #[test]
    fn random_bytes_open_to_nothing(bytes in prop::collection::vec(any::<u8>(), 0..40_000)) {
        let mut input = BytesMut::from(&bytes[..]);
        let mut opener = pair().1;
        if let Ok(frames) = open_all(&mut opener, &mut input) {
            prop_assert!(frames.is_empty() && input.len() < MAX_FRAME);
        }
    }
}
