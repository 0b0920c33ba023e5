//! Shows what was heard, above the line that is being typed if there is one.

use std::io::{self, Write};

use rustyline::ExternalPrinter;

use super::broadcast::Notice;
use crate::page;

pub(super) type Printer = Box<dyn ExternalPrinter + Send>;

#[derive(Default)]
pub(super) struct Screen {
    printer: Option<Printer>,
}

impl Screen {
    pub(super) fn use_printer(&mut self, printer: Option<Printer>) {
        self.printer = printer;
    }

    pub(super) fn show(&mut self, notice: Notice) {
        let text = format!("{}\n", page::plain(notice.text.trim_end()));
        let shown = match &mut self.printer {
            Some(printer) => printer.print(text).is_ok(),
            None if notice.strange => io::stderr().write_all(text.as_bytes()).is_ok(),
            None => io::stdout().write_all(text.as_bytes()).is_ok(),
        };
        if !shown {
            self.printer = None;
        }
    }
}
