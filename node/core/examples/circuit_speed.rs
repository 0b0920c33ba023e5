//! Measures what a circuit costs: set-up, layers, frames, datagrams.
//! `cargo run --release -p masq-core --example circuit_speed`
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a measuring program"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use masq_core::datagram::{ExitDatagrams, OriginatorDatagrams, RelayDatagrams};
use masq_core::frame::{Kind, MAX_PAYLOAD, Opener, Sealer};
use masq_core::identity::{Identity, Validity};
use masq_core::layer::{SecretKey, StreamLayer};
use masq_core::onion::{self, Hop, Opened};
use masq_core::random::SystemRandom;
use masq_core::replay::ReplayCache;

const NOW: u64 = 1_800_000_000;

fn main() {
    let mut rng = SystemRandom;
    let validity = Validity::new(NOW - 10, NOW + 10).unwrap();
    let nodes: Vec<Identity> = (0..6)
        .map(|_| Identity::generate(validity, &mut rng))
        .collect();
    let hops: Vec<Hop> = nodes
        .iter()
        .map(|node| Hop::from((node.id(), node.onion_secrets()[0].public())))
        .collect();

    for count in [1, 3, 6] {
        let each = time(|| {
            black_box(onion::build(&hops[..count], NOW, &mut rng).unwrap());
        });
        println!("build {count} hops            {:8.1} us", each * 1e6);
    }

    let mut replay = ReplayCache::default();
    let each = time_with(
        || onion::build(&hops[..3], NOW, &mut rng).unwrap().0,
        |setup| {
            let node = &nodes[0];
            onion::open(&node.id(), node.onion_secrets(), &mut replay, &setup, NOW).unwrap()
        },
    );
    println!("open, relay             {:8.1} us", each * 1e6);
    let each = time_with(
        || onion::build(&hops[..1], NOW, &mut rng).unwrap().0,
        |setup| {
            let node = &nodes[0];
            onion::open(&node.id(), node.onion_secrets(), &mut replay, &setup, NOW).unwrap()
        },
    );
    println!("open, exit              {:8.1} us", each * 1e6);

    let (setup, keys) = onion::build(&hops[..3], NOW, &mut rng).unwrap();
    let node = &nodes[0];
    let opened = onion::open(&node.id(), node.onion_secrets(), &mut replay, &setup, NOW).unwrap();
    let Opened::Relay { keys: relay, .. } = opened else {
        panic!("the first of three hops is a relay");
    };
    println!(
        "sizes: StreamLayer {} B, Sealer {} B, Opener {} B, RelayDatagrams {} B, RelayKeys {} B",
        size_of::<StreamLayer>(),
        size_of::<Sealer>(),
        size_of::<Opener>(),
        size_of::<RelayDatagrams>(),
        size_of_val(&relay),
    );

    let mut layer = relay.stream_layers().forward;
    let mut onion = keys.stream_layers().forward;
    for size in [100, 1_200, 16 * 1024, 64 * 1024] {
        let mut bytes = vec![7; size];
        let each = time(|| layer.apply(black_box(&mut bytes)));
        let two = time(|| onion.apply(black_box(&mut bytes)));
        println!(
            "layer {size:6} B          {:8.2} GB/s, {} layers {:6.2} GB/s",
            size as f64 / each / 1e9,
            onion.depth(),
            size as f64 / two / 1e9,
        );
    }

    let key = SecretKey::new([1; 32]);
    for size in [100, 1_200, MAX_PAYLOAD] {
        let payload = vec![5; size];
        let (mut sealer, mut opener) = (Sealer::new(&key), Opener::new(&key));
        let mut wire = BytesMut::with_capacity(64 * 1024);
        let seal = time(|| {
            wire.clear();
            sealer.seal(Kind::Data, &[&payload], &mut wire).unwrap();
        });
        let mut sealer = Sealer::new(&key);
        let open = time_with(
            || {
                let mut wire = BytesMut::with_capacity(64 * 1024);
                sealer.seal(Kind::Data, &[&payload], &mut wire).unwrap();
                wire
            },
            |mut wire| opener.open(&mut wire).unwrap().unwrap(),
        );
        println!(
            "frame {size:6} B          seal {:8.2} GB/s, open {:8.2} GB/s",
            size as f64 / seal / 1e9,
            size as f64 / open / 1e9
        );
    }

    let mut originator = OriginatorDatagrams::new(&keys);
    let relay = RelayDatagrams::new(&relay);
    let payload = vec![5; 1_200];
    let mut wire = BytesMut::with_capacity(2_000);
    let seal = time(|| {
        wire.clear();
        originator.seal(&payload, &mut wire).unwrap();
    });
    let step = time(|| relay.forward(&mut wire).unwrap());
    println!(
        "datagram 1200 B          seal for 3 hops {:6.2} us, relay {:6.2} us",
        seal * 1e6,
        step * 1e6
    );
    let (_, keys) = onion::build(&hops[..1], NOW, &mut rng).unwrap();
    let mut exit = ExitDatagrams::new(&keys.exit);
    let mut originator = OriginatorDatagrams::new(&keys);
    let open = time_with(
        || {
            let mut wire = BytesMut::with_capacity(2_000);
            originator.seal(&payload, &mut wire).unwrap();
            wire
        },
        |mut wire| exit.open(&mut wire).unwrap().len(),
    );
    println!(
        "datagram 1200 B          open at the exit {:5.2} us",
        open * 1e6
    );
}

/// Seconds that `work` takes, the least of many batches.
fn time(mut work: impl FnMut()) -> f64 {
    time_with(|| (), |()| work())
}

/// Seconds that `work` takes without `prepare`, the least of many batches: whatever else the
/// machine does only ever adds.
fn time_with<T, R>(mut prepare: impl FnMut() -> T, mut work: impl FnMut(T) -> R) -> f64 {
    const BATCH: u32 = 32;
    let mut least = Duration::MAX;
    let mut spent = Duration::ZERO;
    while spent < Duration::from_millis(300) {
        let inputs: Vec<T> = (0..BATCH).map(|_| prepare()).collect();
        let begin = Instant::now();
        for input in inputs {
            black_box(work(input));
        }
        let batch = begin.elapsed();
        least = least.min(batch);
        spent += batch;
    }
    least.as_secs_f64() / f64::from(BATCH)
}
