//! Programs of the system that carry out a change: found in a fixed list of
//! directories, run without a shell and with an empty environment.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use masq_capture::{CaptureError, FailureCode};

/// Runs programs; tests put their own in its place.
pub trait CommandRunner {
    /// Runs `program` with `input` on its standard input; answers its output.
    fn run(&self, program: &str, arguments: &[&str], input: &str) -> Result<String, CaptureError>;
}

/// The system's own programs.
#[derive(Copy, Clone, Debug, Default)]
pub struct SystemCommands;

const DIRECTORIES: [&str; 4] = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"];

/// Where a program is, never by way of the environment's PATH.
pub fn find(program: &str) -> Result<PathBuf, CaptureError> {
    DIRECTORIES
        .iter()
        .map(|directory| Path::new(directory).join(program))
        .find(|path| path.is_file())
        .ok_or_else(|| {
            let text = format!("`{program}` is in none of {}", DIRECTORIES.join(", "));
            CaptureError::new(FailureCode::CommandMissing, text)
        })
}

impl CommandRunner for SystemCommands {
    fn run(&self, program: &str, arguments: &[&str], input: &str) -> Result<String, CaptureError> {
        let failed = |text: String| {
            let call = format!("{program} {}", arguments.join(" "));
            CaptureError::new(FailureCode::CommandFailed, format!("{call}: {text}"))
        };
        let mut child = Command::new(find(program)?)
            .args(arguments)
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| failed(error.to_string()))?;
        if let Some(mut stdin) = child.stdin.take() {
            // A program that stops reading says why on its error output.
            let _ = stdin.write_all(input.as_bytes());
        }
        let output = child
            .wait_with_output()
            .map_err(|error| failed(error.to_string()))?;
        if !output.status.success() {
            return Err(failed(
                String::from_utf8_lossy(&output.stderr)
                    .trim()
                    .replace('\n', "; "),
            ));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_carries_what_the_program_said() {
        let error = SystemCommands
            .run("ip", &["-4", "-batch", "-"], "rule add nonsense\n")
            .unwrap_err();
        assert_eq!(error.code, FailureCode::CommandFailed);
        assert!(error.text.contains("nonsense"), "{error}");
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = SystemCommands.run("no-such-program", &[], "").unwrap_err();
        assert_eq!(error.code, FailureCode::CommandMissing);
    }
}
