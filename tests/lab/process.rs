//! Processes of the laboratory: where the programs lie, logs, signals, ends within a limit.

use std::env;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::wait;

/// The laboratory's own program, `masq-lab`.
pub fn tool() -> Result<PathBuf> {
    binary("masq-lab")
}

/// A program of this workspace: in `MASQ_BIN_DIR`, or beside the running one.
pub fn binary(name: &str) -> Result<PathBuf> {
    let folder = match env::var_os("MASQ_BIN_DIR") {
        Some(folder) => PathBuf::from(folder),
        None => profile_folder()?,
    };
    let path = folder.join(name);
    if !path.is_file() {
        bail!(
            "{} is not built: run `cargo build --workspace --bins` first",
            path.display()
        );
    }
    Ok(path)
}

/// Cargo's target folder, if the running program lies in one.
pub fn target_folder() -> Option<PathBuf> {
    profile_folder().ok()?.parent().map(Path::to_path_buf)
}

fn profile_folder() -> Result<PathBuf> {
    let executable = env::current_exe().context("Failed to find the own program")?;
    let folder = executable.parent().context("a program lies in a folder")?;
    if folder.ends_with("deps") {
        Ok(folder.parent().unwrap_or(folder).to_path_buf())
    } else {
        Ok(folder.to_path_buf())
    }
}

/// A background process; it is killed when dropped.
#[derive(Debug)]
pub struct Process {
    label: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    pub(crate) fn new(label: String, child: Child, log: PathBuf) -> Self {
        Self { label, child, log }
    }

    pub fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }

    pub fn log_path(&self) -> &Path {
        &self.log
    }

    /// All that the process wrote so far.
    pub fn log(&self) -> String {
        fs::read(&self.log)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    pub fn signal(&self, signal: Signal) -> Result<()> {
        kill(self.pid(), signal)
            .with_context(|| format!("Failed to send {signal} to {}", self.label))
    }

    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits for the end of the process.
    pub fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        let label = self.label.clone();
        let (status, _) = wait::until_some(&format!("the end of {label}"), limit, || {
            self.child.try_wait().ok().flatten()
        })?;
        Ok(status)
    }

    /// `kill -9`, then waits.
    pub fn kill(&mut self) -> Result<ExitStatus> {
        // Already gone is what is wanted.
        let _ = self.child.kill();
        Ok(self.child.wait()?)
    }

    /// Waits until the log has a line for which `wanted` holds.
    pub fn await_log(
        &mut self,
        what: &str,
        limit: Duration,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<Duration> {
        let start = Instant::now();
        loop {
            let log = self.log();
            if log.lines().any(&wanted) {
                return Ok(start.elapsed());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!(
                    "{} ended with {status} before it was {what}:\n{}",
                    self.label,
                    tail(&log, 30)
                );
            }
            if start.elapsed() > limit {
                bail!(
                    "{} was not {what} within {limit:?}:\n{}",
                    self.label,
                    tail(&log, 30)
                );
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs to the end with captured output; killed after `limit`, which is an error.
pub fn output_within(mut command: Command, limit: Duration) -> Result<Output> {
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("Failed to start {command:?}"))?;
    let pid = Pid::from_raw(child.id().cast_signed());
    let (done, finished) = std::sync::mpsc::channel::<()>();
    let watch = std::thread::spawn(move || {
        let timed_out =
            finished.recv_timeout(limit) == Err(std::sync::mpsc::RecvTimeoutError::Timeout);
        if timed_out {
            let _ = kill(pid, Signal::SIGKILL);
        }
        timed_out
    });
    let output = child.wait_with_output()?;
    drop(done);
    if watch.join().unwrap_or(false) {
        bail!(
            "{command:?} did not end within {limit:?}\n{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(output)
}

/// The standard output as text, or an error that tells how the program failed.
pub fn text(output: &Output) -> Result<String> {
    if !output.status.success() {
        bail!(
            "failed with {:?} (signal {:?})\n{}{}",
            output.status.code(),
            output.status.signal(),
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// CPU seconds that a process has used, user and system: fields 14 and 15 of `/proc/PID/stat`, proc(5).
pub fn cpu_seconds(pid: Pid) -> Option<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat[stat.rfind(')')? + 1..].split_whitespace().collect();
    let ticks: u64 = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    // USER_HZ, the unit of these fields, is 100 on every Linux.
    Some(ticks as f64 / 100.0)
}

/// Resident memory of a process in bytes.
pub fn resident_bytes(pid: Pid) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace()
        .nth(1)?
        .parse::<u64>()
        .ok()
        .map(|kib| kib * 1024)
}

/// The last lines of a text.
pub fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}
