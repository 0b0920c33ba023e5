//! Network namespaces by name: `ip netns` keeps them, a thread enters them.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context, Result, bail};
use nix::sched::{CloneFlags, setns};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Where `ip netns` mounts the namespace of this name.
pub fn path(name: &str) -> PathBuf {
    PathBuf::from("/run/netns").join(name)
}

pub fn create(name: &str) -> Result<()> {
    ip(&["netns", "add", name])
}

/// Removes the namespace and ends every process that is in it.
pub fn remove(name: &str) -> Result<()> {
    if !path(name).exists() {
        return Ok(());
    }
    end_processes_in(name);
    ip(&["netns", "delete", name])
}

/// Runs `work` on a thread of its own inside the namespace.
pub fn inside<R: Send>(name: &str, work: impl FnOnce() -> R + Send) -> Result<R> {
    let path = path(name);
    thread::scope(|scope| {
        let worker = scope.spawn(|| -> Result<R> {
            enter(&path)?;
            Ok(work())
        });
        match worker.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// Moves the calling thread into the namespace at `path`.
pub fn enter(path: &std::path::Path) -> Result<()> {
    let file = File::open(path).with_context(|| format!("Failed to open {}", path.display()))?;
    setns(file, CloneFlags::CLONE_NEWNET)
        .with_context(|| format!("Failed to enter {}", path.display()))
}

/// The processes whose network namespace is the one of this name.
pub fn processes_in(name: &str) -> Vec<Pid> {
    let Ok(identity) = fs::metadata(path(name)).map(|meta| (meta.dev(), meta.ino())) else {
        return Vec::new();
    };
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok())
        .filter(|pid| {
            fs::metadata(format!("/proc/{pid}/ns/net"))
                .is_ok_and(|meta| (meta.dev(), meta.ino()) == identity)
        })
        .map(Pid::from_raw)
        .collect()
}

fn end_processes_in(name: &str) {
    let own = Pid::this();
    for _ in 0..50 {
        let found: Vec<Pid> = processes_in(name)
            .into_iter()
            .filter(|pid| *pid != own)
            .collect();
        if found.is_empty() {
            return;
        }
        for pid in found {
            // Gone between the look and the signal is as good.
            let _ = kill(pid, Signal::SIGKILL);
        }
        thread::sleep(std::time::Duration::from_millis(20));
    }
}

/// Runs `ip` with these arguments.
pub fn ip(arguments: &[&str]) -> Result<()> {
    run_quiet("ip", arguments, None)
}

/// Runs a whole batch of `ip` commands inside a namespace, one a line.
pub fn ip_batch(name: &str, lines: &str) -> Result<()> {
    run_quiet("ip", &["-n", name, "-batch", "-"], Some(lines))
}

/// Runs a program that says nothing when all is well.
pub fn run_quiet(program: &str, arguments: &[&str], input: Option<&str>) -> Result<()> {
    use std::io::Write;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(if input.is_some() {
            Stdio::piped()
        } else {
            Stdio::null()
        })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("Failed to start {program}"))?;
    if let (Some(input), Some(mut stdin)) = (input, child.stdin.take()) {
        stdin.write_all(input.as_bytes())?;
    }
    let output = child.wait_with_output()?;
    if !output.status.success() {
        bail!(
            "{program} {}: {}\n{}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr).trim(),
            input.unwrap_or_default()
        );
    }
    Ok(())
}
