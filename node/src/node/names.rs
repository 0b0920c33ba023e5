//! Fake addresses outlive the process: they are kept in the data directory.

use crate::entry::Entry;
use crate::link::quic::QuicLink;
use crate::outside::sockets::Sockets;
use masq_core::fake_ip::{self, FakeIps};
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Names that have fake addresses at one time.
const FAKE_NAMES: usize = 65_536;
/// How often new names are written to disk.
const KEEP_NAMES: Duration = Duration::from_secs(2);
const NAMES_FILE: &str = "fake-ips";

/// The names of the last time.
pub(super) fn restored(data_directory: &Path, now: Instant) -> FakeIps {
    let mut fake_ips = FakeIps::new(FAKE_NAMES, rand::random(), now);
    match fs::read_to_string(data_directory.join(NAMES_FILE)) {
        Ok(text) if text.len() <= fake_ip::MAX_SNAPSHOT => {
            let restored = fake_ips.restore(&text, now);
            tracing::debug!(
                names = restored.names,
                refused = restored.refused,
                "names restored"
            );
        }
        Ok(_) => tracing::warn!("{NAMES_FILE} is too long and is not used"),
        // The first start has none.
        Err(_) => {}
    }
    fake_ips
}

/// Apps keep fake addresses longer than this process may live.
pub(super) async fn keep(entry: Rc<Entry<QuicLink, Sockets>>, data_directory: PathBuf) {
    let mut written = entry.with_fake_ips(|names| names.changes());
    loop {
        tokio::time::sleep(KEEP_NAMES).await;
        let changes = entry.with_fake_ips(|names| names.changes());
        if changes != written {
            written = changes;
            write(&entry, &data_directory);
        }
    }
}

pub(super) fn write(entry: &Entry<QuicLink, Sockets>, data_directory: &Path) {
    let path = data_directory.join(NAMES_FILE);
    let text = entry.with_fake_ips(|names| names.snapshot());
    let partial = path.with_extension("new");
    let written = fs::write(&partial, text).and_then(|()| fs::rename(&partial, &path));
    if let Err(error) = written {
        tracing::warn!(%error, path = %path.display(), "names are not kept");
    }
}
