//! The nftables table that dies with its owner.
//!
//! A table with the `owner` flag lives as long as the netlink socket that
//! made it. That socket belongs to an `nft -i` of ours that reads a pipe:
//! however this process ends, the pipe closes, `nft` ends and the kernel
//! takes the table away.

use std::io::{BufRead, BufReader, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use masq_capture::plan::RULED;
use masq_capture::states::rules::ruled;
use masq_capture::{CaptureError, FailureCode};

use crate::command;
use crate::sys;

/// A running `nft` and the table that it owns.
#[derive(Debug)]
pub struct OwnedTable {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

impl OwnedTable {
    /// Applies `line`, which adds the table `name`, and waits until it stands.
    pub fn add(name: &str, line: &str) -> Result<OwnedTable, CaptureError> {
        let mut nft = Command::new(command::find("nft")?);
        nft.arg("-i")
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        // A terminal's Ctrl-C reaches the whole group, and must not reach nft.
        sys::after_fork(&mut nft, || {
            nix::unistd::setsid()
                .map(drop)
                .map_err(std::io::Error::from)
        });
        let mut child = nft.spawn().map_err(|error| failed(&error.to_string()))?;
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().expect("the output was piped"));
        let mut table = OwnedTable {
            child,
            stdin,
            stdout,
        };
        let stands = table.send(line).and_then(|()| table.wait_for(name));
        match stands {
            Ok(()) => Ok(table),
            Err(error) => {
                let said = table.last_words();
                Err(failed(&format!("{}: {said}", error.text)))
            }
        }
    }

    /// From here on the subjects of these numbers are direct as a whole.
    pub fn set_ruled(&mut self, name: &str, numbers: &[u16]) -> Result<(), CaptureError> {
        let mut line = format!("flush set inet {name} {RULED}");
        if !numbers.is_empty() {
            let marks = ruled(numbers);
            line += &format!("; add element inet {name} {RULED} {{ {marks} }}");
        }
        self.send(&line)?;
        self.wait_for(name)
    }

    /// Removes the table; returns when the kernel has done so.
    pub fn remove(mut self) {
        self.close();
    }

    fn close(&mut self) {
        self.stdin = None;
        let _ = self.child.wait();
    }

    fn send(&mut self, line: &str) -> Result<(), CaptureError> {
        let stdin = self
            .stdin
            .as_mut()
            .expect("the pipe is open until the table is removed");
        // The last command answers even where no table is listed.
        writeln!(stdin, "{line}\nlist tables inet\ndescribe meta mark")
            .map_err(|error| failed(&error.to_string()))
    }

    /// Reads all that was asked for; the list of tables misses ours where it
    /// was refused.
    fn wait_for(&mut self, name: &str) -> Result<(), CaptureError> {
        let mut stands = false;
        let mut line = String::new();
        loop {
            line.clear();
            match self.stdout.read_line(&mut line) {
                Ok(0) => return Err(failed("it ended")),
                Ok(_) if line.starts_with("meta expression") => break,
                Ok(_) => stands |= line.trim() == format!("table inet {name}"),
                Err(error) => return Err(failed(&error.to_string())),
            }
        }
        if stands {
            Ok(())
        } else {
            Err(failed("the table was refused"))
        }
    }

    fn last_words(&mut self) -> String {
        self.stdin = None;
        let mut text = String::new();
        if let Some(mut stderr) = self.child.stderr.take() {
            let _ = std::io::Read::read_to_string(&mut stderr, &mut text);
        }
        text.lines().next().unwrap_or("no reason given").to_owned()
    }
}

impl Drop for OwnedTable {
    fn drop(&mut self) {
        self.close();
    }
}

impl AsFd for OwnedTable {
    /// Becomes readable (end of file) when `nft` ends.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stdout.get_ref().as_fd()
    }
}

fn failed(text: &str) -> CaptureError {
    CaptureError::new(FailureCode::FirewallUnavailable, format!("nft: {text}"))
}
