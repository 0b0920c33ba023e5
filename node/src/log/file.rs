//! The log file: written by a thread of its own, for its owner's eyes alone,
//! begun anew at a size, the earlier ones compressed and the oldest removed.

use file_rotate::compression::Compression;
use file_rotate::suffix::AppendCount;
use file_rotate::{ContentLimit, FileRotate};
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tracing_subscriber::fmt::MakeWriter;

/// Its name, as the original has it.
pub const FILE: &str = "MASQNode_rCURRENT.log";
const MOST_BYTES: usize = 100_000_000;
const MOST_FILES: usize = 50;
/// Lines that may wait.
const MOST_LINES: usize = 4_096;
const FLUSH_LIMIT: Duration = Duration::from_secs(1);

/// There is one log in a process.
static QUEUE: OnceLock<Queue> = OnceLock::new();

#[derive(Debug)]
enum Item {
    Line(Vec<u8>),
    /// Answered when all before it is written.
    Flush(SyncSender<()>),
}

#[derive(Debug)]
pub(super) struct Queue {
    lines: SyncSender<Item>,
    /// Until the file is open.
    out: Mutex<Option<Receiver<Item>>>,
    lost: AtomicU64,
}

impl Queue {
    fn new(most: usize) -> Queue {
        let (lines, out) = sync_channel(most);
        Queue {
            lines,
            out: Mutex::new(Some(out)),
            lost: AtomicU64::new(0),
        }
    }

    fn take_out(&self) -> Option<Receiver<Item>> {
        self.out
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    fn is_open(&self) -> bool {
        self.out
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_none()
    }
}

pub(super) fn queue() -> &'static Queue {
    QUEUE.get_or_init(|| Queue::new(MOST_LINES))
}

/// One line on its way into the queue.
pub(super) struct Line(&'static Queue);

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.0.lines.try_send(Item::Line(bytes.to_vec())) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.0.lost.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for &'static Queue {
    type Writer = Line;

    fn make_writer(&self) -> Line {
        Line(self)
    }
}

/// Opens the file in this folder, which must be there, and writes what waits.
/// Does nothing where lines go to stderr only.
pub fn open_file(folder: &Path) -> io::Result<()> {
    let Some(queue) = QUEUE.get() else {
        return Ok(());
    };
    let Some(out) = queue.take_out() else {
        return Ok(());
    };
    let file = rotating(folder, MOST_BYTES)?;
    let write = move || write_all(&out, file, &queue.lost);
    std::thread::Builder::new()
        .name("log".to_owned())
        .spawn(write)?;
    Ok(())
}

/// Waits a moment until the file has all lines.
pub fn flush() {
    let Some(queue) = QUEUE.get().filter(|queue| queue.is_open()) else {
        return;
    };
    let (done, wait) = sync_channel(1);
    if queue.lines.try_send(Item::Flush(done)).is_ok() {
        // A disk that takes longer misses the last lines.
        let _ = wait.recv_timeout(FLUSH_LIMIT);
    }
}

fn rotating(folder: &Path, bytes: usize) -> io::Result<FileRotate<AppendCount>> {
    let path = folder.join(FILE);
    let mut options = OpenOptions::new();
    options.read(true).create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    // The crate says nothing when it cannot.
    drop(options.open(&path)?);
    Ok(FileRotate::new(
        path,
        AppendCount::new(MOST_FILES),
        ContentLimit::BytesSurpassed(bytes),
        Compression::OnRotate(0),
        Some(options),
    ))
}

/// A full disk costs lines, never the Node.
fn write_all(out: &Receiver<Item>, mut file: impl Write, lost: &AtomicU64) {
    for item in out {
        match item {
            Item::Line(line) => {
                if file.write_all(&line).is_err() {
                    lost.fetch_add(1, Ordering::Relaxed);
                    continue;
                }
                let left_out = lost.swap(0, Ordering::Relaxed);
                if left_out > 0 && writeln!(file, "{left_out} lines were left out").is_err() {
                    lost.fetch_add(left_out, Ordering::Relaxed);
                }
            }
            Item::Flush(done) => {
                let _ = file.flush();
                // Nobody waits any more: so be it.
                let _ = done.try_send(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_wait_for_the_file_and_those_too_many_are_counted() {
        let queue: &'static Queue = Box::leak(Box::new(Queue::new(2)));
        for line in ["one\n", "two\n", "three\n", "four\n"] {
            (&queue).make_writer().write_all(line.as_bytes()).unwrap();
        }
        let out = queue.take_out().unwrap();
        assert!(queue.is_open());
        let mut written = Vec::new();
        let (closed, all) = sync_channel(2);
        while let Ok(item) = out.try_recv() {
            closed.send(item).unwrap();
        }
        drop(closed);
        write_all(&all, &mut written, &queue.lost);
        let text = String::from_utf8(written).unwrap();
        assert_eq!(text, "one\n2 lines were left out\ntwo\n");
    }

    #[test]
    fn the_file_begins_anew_at_its_size_and_is_compressed() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = rotating(folder.path(), 10).unwrap();
        for line in ["first line\n", "second line\n", "third\n"] {
            file.write_all(line.as_bytes()).unwrap();
        }
        drop(file);
        let mut names: Vec<_> = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        let expected = [".1.gz", ".2.gz"].map(|end| format!("{FILE}{end}"));
        assert_eq!(names[1..], expected, "{names:?}");
        assert_eq!(
            std::fs::read_to_string(folder.path().join(FILE)).unwrap(),
            "third\n"
        );
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_reads_the_file() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        drop(rotating(folder.path(), 10).unwrap());
        let about = std::fs::metadata(folder.path().join(FILE)).unwrap();
        assert_eq!(about.permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_error() {
        assert!(rotating(Path::new("/nowhere/at/all"), 10).is_err());
    }
}
