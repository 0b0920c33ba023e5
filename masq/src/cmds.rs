//! One module a command: a structure whose doc comment is the help, and what it does.

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::session::Session;

pub(crate) mod blocked;
pub(crate) mod change_password;
pub(crate) mod check_password;
pub(crate) mod completions;
pub(crate) mod configuration;
pub(crate) mod connection_status;
pub(crate) mod connections;
pub(crate) mod crash;
pub(crate) mod descriptor;
pub(crate) mod doctor;
pub(crate) mod exit_location;
pub(crate) mod financials;
pub(crate) mod generate_wallets;
mod language;
pub(crate) mod local_network;
pub(crate) mod lockdown;
pub(crate) mod man;
mod measure;
pub(crate) mod neighborhood_graph;
pub(crate) mod pause;
pub(crate) mod recover_wallets;
pub(crate) mod repair;
mod replace;
pub(crate) mod rules;
pub(crate) mod run;
pub(crate) mod scan;
pub(crate) mod selftest;
pub(crate) mod service;
pub(crate) mod set_configuration;
pub(crate) mod set_password;
pub(crate) mod setup;
pub(crate) mod shutdown;
pub(crate) mod start;
pub(crate) mod status;
pub(crate) mod wallet_addresses;
pub(crate) mod why;

/// A command that was read.
pub(crate) trait Command {
    /// Does it; the exit status, or why it failed.
    fn execute(self, session: &mut Session) -> Result<u8>;
}

macro_rules! commands {
    ($($(#[$attribute:meta])* $name:ident($module:ident),)*) => {
        /// All commands.
        #[derive(Subcommand)]
        pub(crate) enum Commands {
            $($(#[$attribute])* $name($module::$name),)*
        }

        impl Command for Commands {
            fn execute(self, session: &mut Session) -> Result<u8> {
                match self {
                    $(Commands::$name(command) => command.execute(session),)*
                }
            }
        }
    };
}

commands! {
    ChangePassword(change_password),
    CheckPassword(check_password),
    Completions(completions),
    Configuration(configuration),
    ConnectionStatus(connection_status),
    Connections(connections),
    Crash(crash),
    Descriptor(descriptor),
    Doctor(doctor),
    ExitLocation(exit_location),
    Financials(financials),
    GenerateWallets(generate_wallets),
    LocalNetwork(local_network),
    Lockdown(lockdown),
    Man(man),
    NeighborhoodGraph(neighborhood_graph),
    Pause(pause),
    RecoverWallets(recover_wallets),
    Repair(repair),
    Resume(pause),
    Rules(rules),
    Run(run),
    Scan(scan),
    Selftest(selftest),
    Service(service),
    SetConfiguration(set_configuration),
    SetPassword(set_password),
    Setup(setup),
    #[command(visible_alias = "stop")]
    Shutdown(shutdown),
    Start(start),
    Status(status),
    WalletAddresses(wallet_addresses),
    Why(why),
}

impl Commands {
    /// The exit status when the command itself could not be done.
    pub(crate) fn failure(&self) -> u8 {
        if matches!(self, Commands::Run(_)) {
            run::OWN_FAILURE
        } else {
            1
        }
    }
}

/// Of every command that reads.
#[derive(Debug, Args)]
pub(crate) struct Json {
    /// Print the answer as JSON
    #[arg(long)]
    json: bool,
}
