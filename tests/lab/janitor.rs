//! Who cleans up when the owner cannot.
//!
//! A laboratory writes its name, its owner's pid and the owner's start time to `/run/masq-lab/NAME/owner`
//! before it makes anything. Three things remove it: the owner's `Drop`; a janitor process that waits for
//! the end of a pipe from the owner (so also after `kill -9`); and every later start, which sweeps those
//! whose owner is gone.

use std::fs;
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};

use crate::namespace;

const ROOT: &str = "/run/masq-lab";

/// The folder of the laboratory of this name.
pub fn folder(name: &str) -> PathBuf {
    Path::new(ROOT).join(name)
}

/// Records this process as the owner.
pub fn record(name: &str) -> Result<()> {
    let folder = folder(name);
    let in_the_making = Path::new(ROOT).join(format!(".{name}"));
    fs::create_dir_all(&in_the_making)
        .with_context(|| format!("Failed to make {}", in_the_making.display()))?;
    let pid = std::process::id();
    let start = start_time(pid).context("Failed to read the own start time")?;
    fs::write(in_the_making.join("owner"), format!("{pid} {start}\n"))?;
    fs::rename(&in_the_making, &folder)
        .with_context(|| format!("Failed to make {}", folder.display()))
}

/// Starts the process that removes the laboratory when `stdin` of it closes.
pub fn start(name: &str, program: &Path) -> Result<Child> {
    Command::new(program)
        .args(["janitor", name])
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("Failed to start {}", program.display()))
}

/// The janitor's own loop: waits for the end of its input, then removes.
pub fn run(name: &str) -> Result<()> {
    io::stdin().read_to_end(&mut Vec::new())?;
    remove(name)
}

/// Removes every laboratory whose owner is gone.
pub fn sweep() -> Result<()> {
    let Ok(entries) = fs::read_dir(ROOT) else {
        return Ok(());
    };
    for entry in entries.flatten() {
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        if !name.starts_with('.') && !owner_lives(&name) {
            remove(&name)?;
        }
    }
    Ok(())
}

/// Removes the namespaces and the folder of one laboratory; to do so twice is harmless.
pub fn remove(name: &str) -> Result<()> {
    let prefix = format!("{name}.");
    let mut outcome = Ok(());
    if let Ok(entries) = fs::read_dir("/run/netns") {
        for entry in entries.flatten() {
            let Ok(namespace) = entry.file_name().into_string() else {
                continue;
            };
            if namespace.starts_with(&prefix)
                && let Err(error) = namespace::remove(&namespace)
                && namespace::path(&namespace).exists()
            {
                outcome = Err(error);
            }
        }
    }
    if outcome.is_ok()
        && let Err(error) = fs::remove_dir_all(folder(name))
        && error.kind() != io::ErrorKind::NotFound
    {
        outcome = Err(error.into());
    }
    outcome
}

fn owner_lives(name: &str) -> bool {
    let Ok(owner) = fs::read_to_string(folder(name).join("owner")) else {
        return false;
    };
    let mut words = owner.split_whitespace();
    let pid = words.next().and_then(|word| word.parse().ok());
    let start = words.next().and_then(|word| word.parse().ok());
    match (pid, start) {
        (Some(pid), Some(start)) => start_time(pid) == Some(start),
        _ => false,
    }
}

/// The start time of a process in clock ticks since boot: field 22 of `/proc/PID/stat`, proc(5).
fn start_time(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let after_name = &stat[stat.rfind(')')? + 1..];
    after_name.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_time_of_a_living_process_is_stable() {
        let own = std::process::id();
        assert!(start_time(own).is_some());
        assert_eq!(start_time(own), start_time(own));
        assert_eq!(start_time(u32::MAX), None);
    }
}
