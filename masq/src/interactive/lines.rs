//! Reads commands in a thread of its own, one whenever it is asked for, so that the session can
//! listen meanwhile.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result};
use rustyline::config::Configurer;
use rustyline::error::ReadlineError;
use rustyline::history::MemHistory;
use rustyline::{ColorMode, Config, Editor};
use tokio::sync::mpsc;

use super::complete::Prompt;
use super::history::{self, History, Keep};
use super::screen::Printer;

const PROMPT: &str = "masq> ";

/// What was read.
#[derive(Debug)]
pub(super) enum Read {
    Line(String),
    /// There is no more, or the person wants no more.
    End,
    Failed(String),
}

enum Wish {
    Next,
    Remember(String),
}

pub(super) struct Lines {
    wishes: SyncSender<Wish>,
    read: mpsc::Receiver<Read>,
    reader: JoinHandle<()>,
}

impl Lines {
    /// With a prompt; and what prints above it, where the terminal can do that.
    pub(super) fn of_terminal() -> Result<(Lines, Option<Printer>)> {
        let config = Config::builder().color_mode(ColorMode::Disabled).build();
        let mut editor: Editor<Prompt, MemHistory> =
            Editor::with_history(config, MemHistory::new()).context("cannot use the terminal")?;
        editor.set_auto_add_history(false);
        editor.set_helper(Some(Prompt::new()));
        let kept = History::of_user();
        for line in kept.iter().flat_map(History::load) {
            let _ = editor.add_history_entry(line);
        }
        let printer = editor.create_external_printer().ok();
        let printer = printer.map(|printer| Box::new(printer) as Printer);
        let lines = Lines::start(move |wish| match wish {
            Wish::Remember(line) => {
                if history::keep(&line) >= Keep::InMemory {
                    let _ = editor.add_history_entry(line.as_str());
                }
                if let (Keep::InFile, Some(kept)) = (history::keep(&line), &kept) {
                    // A full disk is no reason to stop.
                    let _ = kept.add(&line);
                }
                None
            }
            Wish::Next => Some(match editor.readline(PROMPT) {
                Ok(line) => Read::Line(line),
                Err(ReadlineError::Eof | ReadlineError::Interrupted) => Read::End,
                Err(error) => Read::Failed(error.to_string()),
            }),
        });
        Ok((lines, printer))
    }

    /// Line by line from standard input.
    pub(super) fn of_input() -> Lines {
        Lines::start(|wish| match wish {
            Wish::Remember(_) => None,
            Wish::Next => {
                let mut line = String::new();
                Some(match io::stdin().read_line(&mut line) {
                    Ok(0) => Read::End,
                    Ok(_) => Read::Line(line.trim_end().to_owned()),
                    Err(error) => Read::Failed(error.to_string()),
                })
            }
        })
    }

    fn start(mut reader: impl FnMut(Wish) -> Option<Read> + Send + 'static) -> Lines {
        let (wishes, wished): (SyncSender<Wish>, Receiver<Wish>) = sync_channel(4);
        let (write, read) = mpsc::channel(1);
        let reader = thread::spawn(move || {
            for wish in wished {
                if let Some(read) = reader(wish)
                    && write.blocking_send(read).is_err()
                {
                    return;
                }
            }
        });
        Lines {
            wishes,
            read,
            reader,
        }
    }

    /// Waits until what shall be remembered is, when no line is awaited.
    pub(super) fn finish(self) {
        drop(self.wishes);
        // A reader that panicked has nothing more to remember.
        let _ = self.reader.join();
    }

    /// The next line is wanted.
    pub(super) fn ask(&mut self) {
        // A reader that is gone is noticed by `next`.
        let _ = self.wishes.send(Wish::Next);
    }

    pub(super) async fn next(&mut self) -> Read {
        self.read.recv().await.unwrap_or(Read::End)
    }

    /// This line shall be found again, unless it holds a secret.
    pub(super) fn remember(&mut self, line: &str) {
        let _ = self.wishes.send(Wish::Remember(line.to_owned()));
    }
}
