//! `masq run -- COMMAND`: one program over the mesh, without privilege.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;

use super::Command;
use crate::session::Session;

/// Exit status when the command could not be run for a reason of our own.
pub(crate) const OWN_FAILURE: u8 = 125;

/// Run a command whose whole network is a Node of yours.
///
/// The command gets a network namespace with nothing in it but a way to the
/// Node: all its connections and name look-ups are carried, and nothing can
/// leave another way. No root is needed and no setting of the machine
/// changes. Without a configuration file the Node connects by itself (zero
/// hops).
///
/// Programs that already run and are asked over a Unix socket to do the work
/// (a browser with an open window, a container daemon) stay outside.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit status: the command's own; 128 + N if signal N ended it; \
    125 if masq itself failed, 126 if the command cannot be executed, 127 if it was not found."
)]
pub(crate) struct Run {
    /// Past the Node instead: while it captures the machine, this command's connections go the
    /// usual way, at the speed of the line
    #[arg(long, conflicts_with_all = ["config_file", "node", "verbose"])]
    direct: bool,

    /// The Node's configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    config_file: Option<PathBuf>,

    /// The Node's program [default: MASQNode beside masq, then of PATH]
    #[arg(long, value_name = "FILE")]
    node: Option<PathBuf>,

    /// Show the Node's log on standard error
    #[arg(short, long)]
    verbose: bool,

    /// The command and its arguments
    #[arg(
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "COMMAND"
    )]
    command: Vec<OsString>,
}

#[cfg(target_os = "linux")]
impl Command for Run {
    fn execute(self, session: &mut Session) -> Result<u8> {
        use anyhow::anyhow;
        use masq_platform_linux::supervise;

        if self.direct {
            return direct(session, &self.command);
        }

        let run = supervise::Run {
            node: self.node.map_or_else(find_node, Ok)?,
            config_file: self.config_file,
            command: self.command,
            verbose: self.verbose,
        };
        let status = supervise::run(&run)
            .map_err(|error| anyhow!("{error}\n  remedy: {}", error.remedy()))?;
        u8::try_from(status).context("the command's exit status is no byte")
    }
}

#[cfg(not(target_os = "linux"))]
impl Command for Run {
    fn execute(self, _session: &mut Session) -> Result<u8> {
        let error = masq_capture::CaptureError::unsupported("masq run");
        Err(anyhow::anyhow!("{error}\n  remedy: {}", error.remedy())).context(format!("{self:?}"))
    }
}

/// Becomes the command, once the Node has this process pass by.
#[cfg(target_os = "linux")]
fn direct(session: &mut Session, command: &[OsString]) -> Result<u8> {
    use std::os::unix::process::CommandExt;

    use masq_ui_protocol::message::{AdmitRequest, AdmitResponse};

    let pid = std::process::id();
    let AdmitResponse {} = session
        .request(&AdmitRequest { pid }, crate::client::ORDINARY)
        .context("a running Node is needed that captures this machine")?;
    let mut left = PATIENCE;
    while !is_admitted()? {
        if left.is_zero() {
            anyhow::bail!(
                "the Node has not let this process pass by; its log tells why. Without --direct \
                 it is carried"
            );
        }
        session.wait(STEP)?;
        left = left.saturating_sub(STEP);
    }
    let (program, arguments) = command.split_first().context("no command")?;
    let error = std::process::Command::new(program).args(arguments).exec();
    let not_found = error.kind() == std::io::ErrorKind::NotFound;
    let status = if not_found { 127 } else { 126 };
    let _ = std::io::Write::write_fmt(
        &mut std::io::stderr(),
        format_args!("masq: {}: {error}\n", program.to_string_lossy()),
    );
    Ok(status)
}

#[cfg(target_os = "linux")]
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(3);
#[cfg(target_os = "linux")]
const STEP: std::time::Duration = std::time::Duration::from_millis(10);

#[cfg(target_os = "linux")]
fn is_admitted() -> Result<bool> {
    let groups = std::fs::read_to_string("/proc/self/cgroup")?;
    Ok(groups.contains("/masq-direct-"))
}

pub(super) fn find_node() -> Result<PathBuf> {
    let own = std::env::current_exe().context("cannot find the own program")?;
    let beside = own.parent().map(|directory| directory.join("MASQNode"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    beside
        .into_iter()
        .chain(std::env::split_paths(&path).map(|directory| directory.join("MASQNode")))
        .find(|candidate| candidate.is_file())
        .context("MASQNode is neither beside masq nor in PATH; name it with --node")
}
