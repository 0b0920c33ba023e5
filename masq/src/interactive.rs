//! `masq` without a command: many commands in one session.
//!
//! At a terminal there is a prompt with history and completion, and what the Daemon and the Node
//! tell is shown above the line that is being typed. Otherwise commands are read line by line.

use std::cell::RefCell;
use std::io::{self, IsTerminal, Write};
use std::rc::Rc;

use anyhow::{Context, Result};
use clap::Parser;

use crate::arguments::{Line, Order};
use crate::client::{Failure, Heard};
use crate::cmds::Command;
use crate::session::Session;

mod broadcast;
mod complete;
mod history;
mod lines;
mod screen;
mod terminal;

use lines::{Lines, Read};
use screen::Screen;

/// Runs until the input ends, `exit`, or the Daemon is gone; the exit status.
pub(crate) fn run(port: u16) -> Result<u8> {
    let at_terminal = io::stdin().is_terminal();
    let saved = terminal::Saved::now();
    let screen = Rc::new(RefCell::new(Screen::default()));
    let told = Rc::clone(&screen);
    let listener = move |heard| match heard {
        Heard::Broadcast(frame) => told.borrow_mut().show(broadcast::notice(frame)),
        Heard::Illegible(reason) => told.borrow_mut().show(broadcast::illegible(&reason)),
    };
    let mut session = Session::interactive(port, Box::new(listener))?;
    session.connect()?;
    let mut lines = if at_terminal {
        let (lines, printer) = Lines::of_terminal()?;
        screen.borrow_mut().use_printer(printer);
        lines
    } else {
        Lines::of_input()
    };
    loop {
        lines.ask();
        match session.until(lines.next()) {
            Ok(Read::Line(line)) => {
                if order(&line, &mut session, &mut lines)? == After::End {
                    lines.finish();
                    return Ok(0);
                }
            }
            Ok(Read::End) => {
                lines.finish();
                return terminated(at_terminal).map(|()| 0);
            }
            Err(Failure::Interrupted) => {
                saved.restore();
                return terminated(at_terminal).map(|()| 0);
            }
            Ok(Read::Failed(reason)) => {
                saved.restore();
                anyhow::bail!("cannot read the next command: {reason}");
            }
            Err(failure) => {
                saved.restore();
                // The line being typed, if there is one, stays above.
                let before = if at_terminal { "\n" } else { "" };
                let notice = format!(
                    "{before}masq: {failure}; it is probably gone. The Node may run on; masq ends."
                );
                writeln!(io::stderr(), "{notice}").context("cannot write to standard error")?;
                return Ok(1);
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum After {
    Continue,
    End,
}

/// Does one line. Whatever is wrong with it is said, and the session goes on.
fn order(line: &str, session: &mut Session, lines: &mut Lines) -> Result<After> {
    let words = match shell_words::split(line) {
        Ok(words) => words,
        Err(_) => {
            complain("a quotation mark is not closed")?;
            return Ok(After::Continue);
        }
    };
    if words.first().is_none_or(|word| word.starts_with('#')) {
        return Ok(After::Continue);
    }
    lines.remember(line);
    let order = match Line::try_parse_from(&words) {
        Ok(line) => line.order,
        Err(error) => {
            let text = error.render().to_string();
            if error.use_stderr() {
                complain(text.trim_end().trim_start_matches("error: "))?;
            } else {
                session.print(&text)?;
            }
            return Ok(After::Continue);
        }
    };
    match order {
        Order::Exit => return Ok(After::End),
        Order::Version => session.print(concat!("masq ", env!("CARGO_PKG_VERSION")))?,
        Order::Command(command) => {
            if let Err(error) = command.execute(session) {
                complain(&format!("{error:#}"))?;
            }
        }
    }
    Ok(After::Continue)
}

fn complain(error: &str) -> Result<()> {
    writeln!(io::stderr(), "error: {error}").context("cannot write to standard error")
}

/// Kept apart from results when those are read by a program.
fn terminated(at_terminal: bool) -> Result<()> {
    let written = if at_terminal {
        writeln!(io::stdout(), "Terminated")
    } else {
        writeln!(io::stderr(), "Terminated")
    };
    written.context("cannot write the last line")
}
