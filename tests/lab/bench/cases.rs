//! How each case is measured.

use std::io::BufRead;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::subject::Subject;
use super::{Case, Options, Row, report};
use crate::load::Measured;

const ALL: [Case; 7] = [
    Case::Download,
    Case::Upload,
    Case::Connections,
    Case::FirstByte,
    Case::Udp,
    Case::Wire,
    Case::Idle,
];
const SETTLED: Duration = Duration::from_secs(2);
const OBSERVED: Duration = Duration::from_secs(5);

/// Measures the wanted cases of one subject; a case that fails is said, and the others go on.
pub(super) fn measure(options: &Options, subject: &mut Subject, found: &mut dyn FnMut(Row)) {
    for case in ALL {
        if !options.case.is_empty() && !options.case.contains(&case) {
            continue;
        }
        let outcome = match case {
            Case::Download | Case::Upload => bulk(options, subject, case, found),
            Case::Connections => connections(options, subject, found),
            Case::FirstByte => first_byte(subject, found),
            Case::Udp => udp(options, subject, found),
            Case::Wire => wire(subject, found),
            Case::Idle => options
                .idle
                .iter()
                .try_for_each(|count| idle(subject, *count, found)),
        };
        if let Err(error) = outcome {
            report::say(&format!("  {case:?}: failed: {error:#}"));
        }
    }
}

fn bulk(
    options: &Options,
    subject: &Subject,
    case: Case,
    found: &mut dyn FnMut(Row),
) -> Result<()> {
    let word = if case == Case::Download {
        "download"
    } else {
        "upload"
    };
    if case == Case::Upload && subject.name == "tor" {
        // Tor's client takes an upload into its memory faster than its network carries it, and
        // the generator counts what was taken.
        report::say("  Upload: not measured for tor");
        return Ok(());
    }
    let target = subject.target.to_string();
    let counts = if options.streams.is_empty() {
        vec![1, 8]
    } else {
        options.streams.clone()
    };
    for streams in counts {
        let (seconds, count) = (options.seconds.to_string(), streams.to_string());
        let before = subject.cpu();
        let measured = subject.load(
            Duration::from_secs_f64(options.seconds) + Duration::from_secs(20),
            &[word, &target, "--seconds", &seconds, "--streams", &count],
        )?;
        warn_of_failures(&measured);
        found(row(subject, word, streams, measured.megabits(), "Mbit/s"));
        if case == Case::Download {
            // The generator counts after its warm-up; the processes worked in it as well.
            let whole = options.seconds + 0.4;
            let gigabytes = measured.bytes as f64 / 1e9 * whole / measured.seconds.max(1e-9);
            let mut total = 0.0;
            for ((label, before), (_, after)) in before.iter().zip(subject.cpu()) {
                total += after - before;
                found(row_of(
                    subject,
                    &format!("{}:{label}", subject.name),
                    "cpu_per_gb",
                    streams,
                    (after - before) / gigabytes,
                    "s",
                ));
            }
            if !before.is_empty() {
                found(row(subject, "cpu_per_gb", streams, total / gigabytes, "s"));
            }
        }
    }
    Ok(())
}

fn connections(options: &Options, subject: &Subject, found: &mut dyn FnMut(Row)) -> Result<()> {
    let (target, seconds) = (subject.target.to_string(), options.seconds.to_string());
    let limit = Duration::from_secs_f64(options.seconds) + Duration::from_secs(30);
    let measured = subject.load(
        limit,
        &[
            "connections",
            &target,
            "--seconds",
            &seconds,
            "--parallel",
            "32",
        ],
    )?;
    warn_of_failures(&measured);
    found(row(
        subject,
        "connections",
        32,
        measured.per_second(),
        "1/s",
    ));
    Ok(())
}

fn first_byte(subject: &Subject, found: &mut dyn FnMut(Row)) -> Result<()> {
    let target = subject.target.to_string();
    let limit = Duration::from_secs(60);
    let measured = subject.load(
        limit,
        &[
            "first-byte",
            &target,
            "--count",
            "100",
            "--interval-ms",
            "50",
        ],
    )?;
    warn_of_failures(&measured);
    for (case, share) in [("first_byte_p50", 0.5), ("first_byte_p99", 0.99)] {
        let value = measured
            .percentile(share)
            .context("no connection was answered")?;
        found(row(subject, case, 1, value, "ms"));
    }
    Ok(())
}

fn udp(options: &Options, subject: &Subject, found: &mut dyn FnMut(Row)) -> Result<()> {
    if !subject.carries_datagrams() {
        return Ok(());
    }
    let (target, seconds) = (subject.target.to_string(), options.seconds.to_string());
    let limit = Duration::from_secs_f64(options.seconds) + Duration::from_secs(20);
    let measured = subject.load(limit, &["udp", &target, "--seconds", &seconds])?;
    warn_of_failures(&measured);
    found(row(subject, "udp", 1, measured.per_second(), "1/s"));
    Ok(())
}

/// Bytes on the user's cable for each byte of payload, IP and below not counted in the payload.
fn wire(subject: &Subject, found: &mut dyn FnMut(Row)) -> Result<()> {
    const PAYLOAD: u64 = 50_000_000;
    if let Some(bytes) = subject.bytes_received_for(PAYLOAD)? {
        found(row(
            subject,
            "wire_bytes_per_byte",
            1,
            bytes as f64 / PAYLOAD as f64,
            "bytes",
        ));
    }
    Ok(())
}

fn idle(subject: &Subject, count: usize, found: &mut dyn FnMut(Row)) -> Result<()> {
    if subject.memory().is_empty() {
        return Ok(());
    }
    let before = subject.memory();
    let mut holder = subject.hold(&[
        "idle",
        &subject.target.to_string(),
        "--count",
        &count.to_string(),
    ])?;
    let mut line = String::new();
    let output = holder.stdout.take().context("the output is a pipe")?;
    std::io::BufReader::new(output).read_line(&mut line)?;
    let held: Measured = serde_json::from_str(&line).context("the holder reports")?;
    warn_of_failures(&held);
    if held.failed > 0 {
        bail!("only {} of {count} connections", held.count);
    }
    thread::sleep(SETTLED);
    for ((label, before), (_, after)) in before.iter().zip(subject.memory()) {
        let each = after.saturating_sub(*before) as f64 / held.count.max(1) as f64;
        found(row_of(
            subject,
            &format!("{}:{label}", subject.name),
            "idle_flow_bytes",
            count,
            each,
            "bytes",
        ));
    }
    let (start, used) = (Instant::now(), total(&subject.cpu()));
    thread::sleep(OBSERVED);
    let share = (total(&subject.cpu()) - used) / start.elapsed().as_secs_f64() * 100.0;
    found(row(subject, "idle_cpu", count, share, "%"));
    drop(holder.stdin.take());
    holder.wait()?;
    thread::sleep(SETTLED);
    Ok(())
}

fn total(cpu: &[(String, f64)]) -> f64 {
    cpu.iter().map(|(_, seconds)| seconds).sum()
}

fn warn_of_failures(measured: &Measured) {
    if measured.failed > 0 {
        report::say(&format!("  {} failed", measured.failed));
    }
}

fn row(subject: &Subject, case: &str, streams: usize, value: f64, unit: &str) -> Row {
    row_of(subject, &subject.name, case, streams, value, unit)
}

fn row_of(
    subject: &Subject,
    name: &str,
    case: &str,
    streams: usize,
    value: f64,
    unit: &str,
) -> Row {
    Row {
        case: case.to_owned(),
        subject: name.to_owned(),
        hops: subject.hops,
        streams,
        value: (value * 1000.0).round() / 1000.0,
        unit: unit.to_owned(),
    }
}
