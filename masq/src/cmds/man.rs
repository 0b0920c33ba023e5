//! `masq man`: writes the manual pages.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Args, CommandFactory};

use super::Command;
use crate::arguments::Arguments;
use crate::session::Session;

/// Write the manual pages, one for masq and one for each command.
#[derive(Debug, Args)]
pub(crate) struct Man {
    /// Where to
    #[arg(value_name = "DIRECTORY")]
    directory: PathBuf,
}

impl Command for Man {
    fn execute(self, session: &mut Session) -> Result<u8> {
        let place = self.directory.display();
        fs::create_dir_all(&self.directory).with_context(|| format!("cannot make {place}"))?;
        clap_mangen::generate_to(Arguments::command(), &self.directory)
            .with_context(|| format!("cannot write the pages to {place}"))?;
        session.print(&format!("The pages are in {place}."))?;
        Ok(0)
    }
}
