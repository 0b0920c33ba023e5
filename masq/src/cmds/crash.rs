//! `masq crash`: makes a part of the Node panic, for tests.

use anyhow::Result;
use clap::{Args, ValueEnum};
use masq_ui_protocol::message;

use super::Command;
use crate::session::Session;

/// Make a part of the Node panic. Heeded only by a Node started with `crash-point` `Message`.
#[derive(Debug, Args)]
pub(crate) struct Crash {
    /// Which part
    #[arg(value_enum, ignore_case = true, default_value = "BlockchainBridge")]
    actor: Actor,

    /// What it shall say
    #[arg(default_value = "ordered by masq")]
    message: String,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "PascalCase")]
enum Actor {
    Accountant,
    BlockchainBridge,
    Configurator,
    Dispatcher,
    Neighborhood,
}

impl Command for Crash {
    fn execute(self, session: &mut Session) -> Result<u8> {
        let actor = match self.actor {
            Actor::Accountant => "ACCOUNTANT",
            Actor::BlockchainBridge => "BLOCKCHAINBRIDGE",
            Actor::Configurator => "CONFIGURATOR",
            Actor::Dispatcher => "DISPATCHER",
            Actor::Neighborhood => "NEIGHBORHOOD",
        };
        session.tell(&message::Crash {
            actor: actor.to_owned(),
            panic_message: self.message,
        })?;
        Ok(0)
    }
}
