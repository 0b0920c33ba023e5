//! Waiting for the real world: poll, with a deadline and words for what did not happen.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Asks `condition` every 10 ms until it holds; after `limit` the error says what was awaited.
pub fn until(what: &str, limit: Duration, mut condition: impl FnMut() -> bool) -> Result<Duration> {
    until_some(what, limit, || condition().then_some(())).map(|(_, taken)| taken)
}

/// Like [`until`], for a condition that yields a value.
pub fn until_some<T>(
    what: &str,
    limit: Duration,
    mut condition: impl FnMut() -> Option<T>,
) -> Result<(T, Duration)> {
    let start = Instant::now();
    loop {
        if let Some(value) = condition() {
            return Ok((value, start.elapsed()));
        }
        if start.elapsed() > limit {
            bail!("{what}: not within {limit:?}");
        }
        thread::sleep(Duration::from_millis(10));
    }
}
