//! Steps: say what is run, run it, time it; the first that fails ends the run.

use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

/// What has been done, for a summary at the end.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    done: Vec<(String, f64)>,
}

impl Steps {
    /// Runs a program as a step of this name.
    pub(crate) fn command(&mut self, name: &str, command: &mut Command) -> Result<()> {
        self.step(name, || run(command))
    }

    /// Runs a piece of our own as a step of this name.
    #[expect(
        clippy::disallowed_methods,
        reason = "a developer's tool tells how long it took"
    )]
    pub(crate) fn step(&mut self, name: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
        say(&format!("==> {name}"));
        let start = Instant::now();
        let outcome = work();
        let seconds = start.elapsed().as_secs_f64();
        if let Err(error) = outcome {
            say(&format!("==> {name}: FAILED after {seconds:.1} s"));
            return Err(error).with_context(|| name.to_owned());
        }
        self.done.push((name.to_owned(), seconds));
        Ok(())
    }

    pub(crate) fn summary(&self) {
        say("");
        for (name, seconds) in &self.done {
            say(&format!("  ok  {seconds:>7.1} s  {name}"));
        }
    }
}

/// Runs a program to its end; an exit status other than 0 is an error.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let line = line_of(command);
    say(&format!("    {line}"));
    let status = command
        .status()
        .with_context(|| format!("Failed to start {line}"))?;
    if !status.success() {
        bail!("{line}: {status}");
    }
    Ok(())
}

/// The standard output of a program.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let line = line_of(command);
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("Failed to start {line}"))?;
    if !output.status.success() {
        bail!("{line}: {}", output.status);
    }
    String::from_utf8(output.stdout).with_context(|| format!("{line}: the output is not text"))
}

#[expect(
    clippy::print_stdout,
    reason = "a developer's tool speaks on the terminal"
)]
pub(crate) fn say(words: &str) {
    println!("{words}");
}

fn line_of(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(
        command
            .get_args()
            .map(|argument| argument.to_string_lossy().into_owned()),
    );
    words.join(" ")
}
