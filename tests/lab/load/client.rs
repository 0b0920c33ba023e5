//! The asking side, on plain threads: what an app does, without a runtime between it and the kernel.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::{Bulk, Measured, Wish};

const BULK: usize = 256 * 1024;
const PATIENCE: Duration = Duration::from_secs(10);
/// After so many failed connections no more are tried.
const FAILURES: u64 = 3;
/// Windows and buffers have grown by then.
const WARM_UP: Duration = Duration::from_millis(400);

pub(super) fn download(bulk: &Bulk) -> Result<Measured> {
    measure(bulk, Wish::Download, |stream, total, stop| {
        let mut buffer = vec![0; BULK];
        while !stop.load(Ordering::Relaxed) {
            match stream.read(&mut buffer) {
                Ok(count @ 1..) => total.fetch_add(count as u64, Ordering::Relaxed),
                Ok(0) | Err(_) => return false,
            };
        }
        true
    })
}

pub(super) fn upload(bulk: &Bulk) -> Result<Measured> {
    measure(bulk, Wish::Upload, |stream, total, stop| {
        let buffer = vec![0x6d; BULK];
        while !stop.load(Ordering::Relaxed) {
            match stream.write(&buffer) {
                Ok(count @ 1..) => total.fetch_add(count as u64, Ordering::Relaxed),
                Ok(0) | Err(_) => return false,
            };
        }
        true
    })
}

fn measure(
    bulk: &Bulk,
    wish: Wish,
    work: impl Fn(&mut TcpStream, &AtomicU64, &AtomicBool) -> bool + Send + Sync + Copy,
) -> Result<Measured> {
    let total = AtomicU64::new(0);
    let stop = AtomicBool::new(false);
    let failed = AtomicU64::new(0);
    let mut streams = Vec::new();
    for _ in 0..bulk.streams {
        streams.push(open(bulk.target, wish)?);
    }
    thread::scope(|scope| {
        for mut stream in streams {
            let (total, stop, failed) = (&total, &stop, &failed);
            scope.spawn(move || {
                if !work(&mut stream, total, stop) {
                    failed.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        thread::sleep(WARM_UP);
        let (start, before) = (Instant::now(), total.load(Ordering::Relaxed));
        thread::sleep(Duration::from_secs_f64(bulk.seconds));
        let bytes = total.load(Ordering::Relaxed) - before;
        let seconds = start.elapsed().as_secs_f64();
        stop.store(true, Ordering::Relaxed);
        Ok(Measured {
            bytes,
            seconds,
            failed: failed.load(Ordering::Relaxed),
            ..Measured::default()
        })
    })
}

pub(super) fn connections(
    target: SocketAddr,
    duration: Duration,
    parallel: usize,
) -> Result<Measured> {
    let (count, failed) = (AtomicU64::new(0), AtomicU64::new(0));
    let start = Instant::now();
    thread::scope(|scope| {
        for _ in 0..parallel {
            scope.spawn(|| {
                while start.elapsed() < duration {
                    match ask(target, Wish::Answer) {
                        Ok(_) => count.fetch_add(1, Ordering::Relaxed),
                        Err(_) => failed.fetch_add(1, Ordering::Relaxed),
                    };
                }
            });
        }
    });
    Ok(Measured {
        count: count.into_inner(),
        failed: failed.into_inner(),
        seconds: start.elapsed().as_secs_f64(),
        ..Measured::default()
    })
}

pub(super) fn first_byte(target: SocketAddr, count: usize, interval: Duration) -> Result<Measured> {
    let mut measured = Measured::default();
    for _ in 0..count {
        let start = Instant::now();
        match ask(target, Wish::Answer) {
            Ok(_) => measured
                .milliseconds
                .push(start.elapsed().as_secs_f64() * 1e3),
            Err(_) => measured.failed += 1,
        }
        measured.count += 1;
        thread::sleep(interval.saturating_sub(start.elapsed()));
    }
    Ok(measured)
}

pub(super) fn udp(
    target: SocketAddr,
    duration: Duration,
    window: usize,
    size: usize,
) -> Result<Measured> {
    let any: SocketAddr = if target.is_ipv6() {
        "[::]:0".parse()?
    } else {
        "0.0.0.0:0".parse()?
    };
    let socket = Arc::new(UdpSocket::bind(any)?);
    socket.connect(target)?;
    socket.set_read_timeout(Some(Duration::from_millis(100)))?;
    let datagram = vec![0x6d; size];
    let mut buffer = vec![0; 65_536];
    let mut measured = Measured::default();
    let start = Instant::now();
    let mut outstanding = 0usize;
    while start.elapsed() < duration {
        while outstanding < window {
            socket.send(&datagram).context("Failed to send")?;
            outstanding += 1;
        }
        match socket.recv(&mut buffer) {
            Ok(count) => {
                outstanding -= 1;
                measured.count += 1;
                measured.bytes += count as u64;
            }
            Err(_) => {
                measured.failed += outstanding as u64;
                outstanding = 0;
            }
        }
    }
    measured.seconds = start.elapsed().as_secs_f64();
    Ok(measured)
}

pub(super) fn idle(target: SocketAddr, count: usize, report: impl Fn(&Measured)) -> Result<()> {
    let start = Instant::now();
    let mut held = Vec::new();
    let mut measured = Measured::default();
    for number in 0..count {
        match ask(target, Wish::Idle).with_context(|| format!("idle connection {number}")) {
            Ok(stream) => held.push(stream),
            Err(_) => measured.failed += 1,
        }
        if measured.failed == FAILURES {
            break;
        }
    }
    measured.count = held.len() as u64;
    measured.seconds = start.elapsed().as_secs_f64();
    report(&measured);
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

fn open(target: SocketAddr, wish: Wish) -> Result<TcpStream> {
    let mut stream = TcpStream::connect_timeout(&target, PATIENCE)
        .with_context(|| format!("Failed to connect to {target}"))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(&[wish.byte()])?;
    Ok(stream)
}

fn ask(target: SocketAddr, wish: Wish) -> Result<TcpStream> {
    let mut stream = open(target, wish)?;
    stream.read_exact(&mut [0])?;
    Ok(stream)
}
