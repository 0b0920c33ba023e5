//! A pseudo-terminal with `masq` at its other end.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use nix::pty::{Winsize, openpty};
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{LocalFlags, tcgetattr};
use nix::unistd::Pid;

use crate::mock::wait;
use crate::transcript::masq;

pub(crate) struct Terminal {
    keys: File,
    slave: OwnedFd,
    shown: Arc<Mutex<String>>,
    child: Child,
}

impl Terminal {
    /// `masq` at a terminal, its history below `home`.
    pub(crate) fn start(port: u16, words: &[&str], home: &Path) -> Terminal {
        let size = Winsize {
            ws_row: 24,
            ws_col: 120,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        let pty = openpty(Some(&size), None).unwrap();
        let end = || Stdio::from(pty.slave.try_clone().unwrap());
        let child = masq(port, words)
            .env("XDG_DATA_HOME", home)
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .unwrap();
        let shown = Arc::new(Mutex::new(String::new()));
        let seen = Arc::clone(&shown);
        let mut screen = File::from(pty.master.try_clone().unwrap());
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = screen.read(&mut buffer) {
                let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
                seen.lock().unwrap().push_str(&text);
            }
        });
        Terminal {
            keys: File::from(pty.master),
            slave: pty.slave,
            shown,
            child,
        }
    }

    pub(crate) fn shown(&self) -> String {
        self.shown.lock().unwrap().clone()
    }

    pub(crate) fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    /// What Ctrl-C does where the terminal makes a signal of it.
    pub(crate) fn interrupt(&self) {
        let process = i32::try_from(self.child.id()).unwrap();
        kill(Pid::from_raw(process), Signal::SIGINT).unwrap();
    }

    /// Waits until this was shown; the place behind it.
    pub(crate) fn wait_for(&self, text: &str) -> usize {
        self.wait_behind(0, text)
    }

    /// The same, somewhere behind a place.
    pub(crate) fn wait_behind(&self, place: usize, text: &str) -> usize {
        let mut found = None;
        let shown = || {
            self.shown()[place..]
                .find(text)
                .map(|at| place + at + text.len())
        };
        let happened = || {
            found = shown();
            found.is_some()
        };
        let what = format!("`{text}` behind {place}");
        if std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| wait(&what, happened))).is_err()
        {
            panic!("waited in vain for {what} in:\n{:?}", self.shown());
        }
        found.unwrap()
    }

    /// Waits for the end; the exit status.
    pub(crate) fn exit(&mut self) -> Option<i32> {
        let mut status = None;
        wait("the end of masq", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.and_then(|status| status.code())
    }

    /// Whether the terminal works as a shell expects it.
    pub(crate) fn is_cooked(&self) -> bool {
        let modes = tcgetattr(self.slave.as_fd()).unwrap();
        modes
            .local_flags
            .contains(LocalFlags::ICANON | LocalFlags::ECHO)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
