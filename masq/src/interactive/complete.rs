//! What the tabulator key offers: commands, their options, and the words that an option takes.

use clap::{Arg, Command, CommandFactory};
use rustyline::completion::Completer;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::validate::Validator;
use rustyline::{Context, Helper};

use crate::arguments::Line;

pub(super) struct Prompt {
    commands: Command,
}

impl Prompt {
    pub(super) fn new() -> Prompt {
        let mut commands = Line::command();
        commands.build();
        Prompt { commands }
    }

    /// The words that can stand where `typed` ends, and where the last one begins.
    fn offers(&self, typed: &str) -> (usize, Vec<String>) {
        let start = typed
            .rfind(char::is_whitespace)
            .map_or(0, |place| place + 1);
        let (before, begun) = typed.split_at(start);
        let words: Vec<&str> = before.split_whitespace().collect();
        let mut offers = match words.as_slice() {
            [] | ["help"] => self.names(),
            [command, others @ ..] => match self.commands.find_subcommand(command) {
                Some(command) => of_command(command, others.last().copied(), begun),
                None => Vec::new(),
            },
        };
        offers.retain(|offer| offer.starts_with(begun));
        offers.sort();
        offers.dedup();
        (start, offers)
    }

    fn names(&self) -> Vec<String> {
        let commands = self.commands.get_subcommands();
        commands
            .flat_map(|command| {
                let aliases = command.get_visible_aliases();
                std::iter::once(command.get_name()).chain(aliases)
            })
            .map(str::to_owned)
            .collect()
    }
}

fn of_command(command: &Command, last: Option<&str>, begun: &str) -> Vec<String> {
    let long = |arg: &&Arg| arg.get_long().map(|name| format!("--{name}"));
    if begun.starts_with('-') {
        return command
            .get_arguments()
            .filter_map(|arg| long(&arg))
            .collect();
    }
    let option = command
        .get_arguments()
        .find(|arg| last.is_some_and(|last| long(arg).as_deref() == Some(last)))
        .filter(|arg| arg.get_action().takes_values());
    let values = |arg: &Arg| {
        let values = arg.get_possible_values();
        values
            .iter()
            .map(|value| value.get_name().to_owned())
            .collect::<Vec<_>>()
    };
    match option {
        Some(option) => values(option),
        None => command.get_positionals().flat_map(values).collect(),
    }
}

impl Completer for Prompt {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        position: usize,
        _context: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        Ok(self.offers(&line[..position]))
    }
}

impl Highlighter for Prompt {}

impl Hinter for Prompt {
    type Hint = String;
}

impl Validator for Prompt {}

impl Helper for Prompt {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_options_and_values_are_offered() {
        let prompt = Prompt::new();
        let offers = |typed| prompt.offers(typed).1;
        assert_eq!(offers("sh"), ["shutdown"]);
        assert_eq!(offers("st"), ["start", "status", "stop"]);
        assert!(offers("").contains(&"setup".to_owned()));
        assert_eq!(offers("help conf"), ["configuration"]);
        assert_eq!(prompt.offers("scan pay"), (5, vec!["payables".to_owned()]));
        assert_eq!(offers("setup --chain dev --min"), ["--min-hops"]);
        assert_eq!(offers("financials --ordered "), ["age", "balance"]);
        assert!(offers("nothing --").is_empty());
    }
}
