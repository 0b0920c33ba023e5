//! A process that outlives a killed capture helper for a moment: it does
//! nothing but wait for the helper's end, then undoes what the journal still
//! names, but for the table that refuses what nobody carries any more.
//!
//! The kernel takes back by itself what carries traffic (the TUN, its routes,
//! the firewall table that diverts); what the guard takes away are rules that
//! then lead nowhere, and the empty control group.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use masq_capture::{CaptureError, FailureCode};

use crate::capture::{self, Extent, Repair};
use crate::process;

/// The name of the process in the system's lists.
const NAME: &str = "masq-capture-guard";
/// The helper's locks may last a little longer than its pipe.
const ATTEMPTS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(25);

/// The helper's hold on its guard; dropping it lets the guard end.
#[derive(Debug)]
pub struct Guard {
    child: Child,
}

impl Guard {
    /// Starts `program --capture-guard directory`.
    pub fn start(program: &Path, directory: &Path) -> io::Result<Guard> {
        let child = Command::new(program)
            .arg0(NAME)
            .arg("--capture-guard")
            .arg(directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()?;
        Ok(Guard { child })
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        // It ends by itself whether or not we see it.
        let _ = self.child.wait();
    }
}

/// The guard itself: returns when there is nothing left to guard.
pub fn watch(directory: &Path) -> Result<(), CaptureError> {
    let failed = |what: &str, error: io::Error| {
        CaptureError::new(FailureCode::HelperGone, format!("{what}: {error}"))
    };
    process::leave_terminal().map_err(|error| failed("setsid", error))?;
    process::hold_end_signals().map_err(|error| failed("hold signals", error))?;
    let pipe = io::stdin().as_fd().try_clone_to_owned();
    let mut pipe = File::from(pipe.map_err(|error| failed("standard input", error))?);
    let mut nothing = [0; 1];
    while !matches!(pipe.read(&mut nothing), Ok(0) | Err(_)) {}
    for _ in 1..ATTEMPTS {
        if done(&capture::undo_journals(directory, Extent::AllButTheBlock)) {
            return Ok(());
        }
        std::thread::sleep(PAUSE);
    }
    capture::undo_journals(directory, Extent::AllButTheBlock).map(|_| ())
}

fn done(repairs: &Result<Vec<Repair>, CaptureError>) -> bool {
    repairs
        .as_ref()
        .is_ok_and(|repairs| repairs.iter().all(|repair| repair.outcome.is_ok()))
}
