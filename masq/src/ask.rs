//! Questions to the person: passwords and phrases, yes or no.
//!
//! From the terminal, without showing what is typed; from standard input, a line each, when that
//! is no terminal.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};

use anyhow::{Context, Result, bail};
use rustyline::completion::Completer;
use rustyline::config::{BellStyle, Configurer};
use rustyline::error::ReadlineError;
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::Hinter;
use rustyline::validate::Validator;
use rustyline::{Editor, Helper, history::MemHistory};

/// Asks for something that is not shown while typed.
pub(crate) fn secret(what: &str) -> Result<String> {
    if !io::stdin().is_terminal() {
        return line(what);
    }
    let mut editor: Editor<Hidden, MemHistory> =
        Editor::with_history(rustyline::Config::default(), MemHistory::new())
            .context("cannot use the terminal")?;
    editor.set_helper(Some(Hidden));
    editor.set_bell_style(BellStyle::None);
    editor.set_auto_add_history(false);
    match editor.readline(&format!("{what}: ")) {
        Ok(text) => Ok(text),
        Err(ReadlineError::Eof | ReadlineError::Interrupted) => bail!("no {what} given"),
        Err(error) => Err(error).with_context(|| format!("cannot read the {what}")),
    }
}

/// Asks twice at a terminal, so that a slip of the finger is no password.
pub(crate) fn new_secret(what: &str) -> Result<String> {
    let first = secret(what)?;
    if io::stdin().is_terminal() && secret(&format!("{what} again"))? != first {
        bail!("the two are not the same; nothing was changed");
    }
    Ok(first)
}

/// Asks for yes or no; no when nobody is there.
pub(crate) fn confirm(question: &str) -> Result<bool> {
    if !io::stdin().is_terminal() {
        return Ok(false);
    }
    let mut out = io::stdout().lock();
    write!(out, "{question} [y/N] ")?;
    out.flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes" | "Yes"))
}

fn line(what: &str) -> Result<String> {
    let mut text = String::new();
    let length = io::stdin()
        .read_line(&mut text)
        .with_context(|| format!("cannot read the {what} from standard input"))?;
    if length == 0 {
        bail!("no {what}: give it as argument, or as a line on standard input");
    }
    let text = text.strip_suffix('\n').unwrap_or(&text);
    Ok(text.strip_suffix('\r').unwrap_or(text).to_owned())
}

/// Shows asterisks for what is typed.
struct Hidden;

impl Highlighter for Hidden {
    fn highlight<'l>(&self, line: &'l str, _position: usize) -> Cow<'l, str> {
        Cow::Owned("*".repeat(line.chars().count()))
    }

    fn highlight_char(&self, _line: &str, _position: usize, _kind: CmdKind) -> bool {
        true
    }
}

impl Completer for Hidden {
    type Candidate = String;
}

impl Hinter for Hidden {
    type Hint = String;
}

impl Validator for Hidden {}

impl Helper for Hidden {}
