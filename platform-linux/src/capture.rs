//! Carries out a plan: each change goes to the journal with its inverse, then
//! to the kernel; all of it is taken back in reverse.
//!
//! What the kernel takes back by itself when this process and the Node are
//! killed: interface, addresses and routes (with the TUN's descriptor), the
//! firewall table (with `nft`'s socket), the mark (with the link's
//! descriptor). What stays for the next start or `masq repair`: rules that
//! then point to an empty table, an empty control group and, with a strict
//! reverse path filter, `src_valid_mark`.

use std::collections::HashSet;
use std::path::PathBuf;

use masq_capture::helper::{Parameters, TunDescription};
use masq_capture::journal::{Inverse, Journal, Outcome};
use masq_capture::plan::{self, Action, Plan, PlanConfig, Step};
use masq_capture::{CaptureError, FailureCode, Family, FiveTuple, FlowOwner};

pub(crate) mod fault;
mod machine;
mod undo;

pub use undo::{Repair, repair};

use crate::cgroup::{self, Hierarchy, Mark};
use crate::command::{CommandRunner, SystemCommands};
use crate::firewall::OwnedTable;
use crate::journal_file::{self, JournalFile};
use crate::owner::Owners;
use crate::tun::{self, TunDevice};

/// The machine's network while it is captured.
#[derive(Debug)]
pub struct LinuxCapture {
    journal: Journal<JournalFile>,
    runner: SystemCommands,
    hierarchy: Hierarchy,
    config: PlanConfig,
    _mark: Mark,
    table: Option<OwnedTable>,
    owners: Option<Owners>,
    active: bool,
}

impl LinuxCapture {
    /// Cleans what an earlier run left behind, then makes the interface, the
    /// table that leads to it, and the Node's control group. Nothing is
    /// captured yet. The TUN is the caller's to hand on: it lives as long as
    /// its descriptor.
    pub fn prepare(
        parameters: &Parameters,
    ) -> Result<(LinuxCapture, TunDevice, TunDescription), CaptureError> {
        let runner = SystemCommands;
        let mut config = PlanConfig::new(&parameters.tun_name)?;
        config.excluded.clone_from(&parameters.excluded);
        config.captured.clone_from(&parameters.captured);
        config.ipv6 = machine::has_ipv6();
        let place = journal_file::here()?;
        let file = JournalFile::open(&parameters.journal_directory, &place)?;
        config.nft_table = format!("masq_{}", std::process::id());
        let hierarchy = Hierarchy::open()?;
        let mut journal = open_journal(file, place.clone())?;
        report(&undo::undo(&mut journal, |_| true, &runner, &hierarchy)?);
        check_vacant(&runner, &config)?;

        let parent = hierarchy.of_process(parameters.node_pid)?;
        hierarchy.sweep(&parent);
        let group = parent.join(cgroup::group_name(place.namespace, std::process::id()));
        record(
            &mut journal,
            "control-group",
            &[Inverse::RemoveCgroup {
                path: group.clone(),
            }],
        )?;
        let made = make_group(&hierarchy, &group, parameters.node_pid);
        let (mark, tun) = match made.and_then(|mark| {
            fault::point("control-group", "after");
            Ok((mark, TunDevice::create(config.tun())?))
        }) {
            Ok(made) => made,
            Err(error) => {
                report(&undo::undo(&mut journal, |_| true, &runner, &hierarchy)?);
                return Err(error);
            }
        };
        let owners = open_owners(&hierarchy);
        let mut capture = LinuxCapture {
            journal,
            runner,
            hierarchy,
            config,
            _mark: mark,
            table: None,
            owners,
            active: false,
        };
        tun::quiet(capture.config.tun());
        let description = TunDescription {
            name: capture.config.tun().to_owned(),
            mtu: plan::TUN_MTU,
            ipv4: plan::TUN_IPV4,
            ipv6: plan::TUN_IPV6,
            mark: plan::MARK_DIRECT,
        };
        let steps = Plan::new(&capture.config).prepare;
        if let Err(error) = capture.apply_all(&steps) {
            capture.stop();
            return Err(error);
        }
        Ok((capture, tun, description))
    }

    /// Leads the machine's traffic into the TUN; all or nothing.
    pub fn activate(&mut self) -> Result<(), CaptureError> {
        if self.active {
            return Ok(());
        }
        self.config.listening = machine::listening_ports();
        self.config.strict_reverse_path = machine::has_strict_reverse_path();
        let steps = Plan::new(&self.config).activate;
        self.active = true;
        if let Err(error) = self.apply_all(&steps) {
            self.suspend()?;
            return Err(error);
        }
        Ok(())
    }

    /// Leads it past the TUN again.
    pub fn suspend(&mut self) -> Result<(), CaptureError> {
        if !self.active {
            return Ok(());
        }
        fault::point("undo-capture", "before");
        self.undo_steps(|step| step.starts_with("capture-"))?;
        fault::point("undo-capture", "after");
        self.table = None;
        fault::point("undo-firewall", "after");
        self.undo_steps(|step| step.starts_with("exceptions-") || step == "reverse-path")?;
        self.active = false;
        Ok(())
    }

    /// Whether the firewall's `nft` is to be watched, and by what.
    pub fn table(&self) -> Option<&OwnedTable> {
        self.table.as_ref()
    }

    /// Puts the firewall table back after its owner was ended by somebody.
    pub fn restore_table(&mut self) -> Result<(), CaptureError> {
        self.table = None;
        let steps = Plan::new(&self.config).activate;
        let firewall: Vec<Step> = steps
            .into_iter()
            .filter(|step| matches!(step.action, Action::Nft { .. }))
            .collect();
        self.apply_all(&firewall)
    }

    /// The process behind a flow, where it is one of this machine.
    pub fn owner(&mut self, tuple: &FiveTuple) -> Option<FlowOwner> {
        self.owners.as_mut()?.look_up(tuple)
    }

    /// Undoes everything.
    pub fn stop(mut self) {
        if let Err(error) = self.suspend() {
            tracing::warn!(code = error.code.as_str(), %error, "cannot suspend capture");
        }
        fault::point("undo-rest", "before");
        if let Err(error) = self.undo_steps(|_| true) {
            tracing::warn!(code = error.code.as_str(), %error, "cannot undo capture");
        }
        fault::point("undo-rest", "after");
    }

    fn apply_all(&mut self, steps: &[Step]) -> Result<(), CaptureError> {
        steps.iter().try_for_each(|step| self.apply(step))
    }

    fn apply(&mut self, step: &Step) -> Result<(), CaptureError> {
        record(&mut self.journal, step.name, &step.inverses)?;
        match &step.action {
            Action::Ip { family, lines } => {
                let input = lines.join("\n") + "\n";
                self.runner
                    .run("ip", &[family.option(), "-batch", "-"], &input)?;
            }
            Action::Nft { line } => {
                self.table = Some(OwnedTable::add(&self.config.nft_table, line)?);
            }
            Action::Sysctl { path, value } => std::fs::write(path, value).map_err(|error| {
                let text = format!("write {}: {error}", path.display());
                CaptureError::new(FailureCode::CommandFailed, text)
            })?,
        }
        fault::point(step.name, "after");
        Ok(())
    }

    fn undo_steps(&mut self, chosen: impl Fn(&str) -> bool) -> Result<(), CaptureError> {
        report(&undo::undo(
            &mut self.journal,
            chosen,
            &self.runner,
            &self.hierarchy,
        )?);
        Ok(())
    }
}

fn make_group(
    hierarchy: &Hierarchy,
    group: &std::path::Path,
    node_pid: u32,
) -> Result<Mark, CaptureError> {
    hierarchy.create(group)?;
    let mark = hierarchy.mark_sockets(group, plan::MARK_DIRECT)?;
    hierarchy.add(group, node_pid)?;
    Ok(mark)
}

/// Without owners flows are carried all the same.
fn open_owners(hierarchy: &Hierarchy) -> Option<Owners> {
    let mut owners = Owners::new()
        .inspect_err(|error| tracing::warn!(%error, "flows will have no owner"))
        .ok()?;
    if let Err(error) = owners.record(hierarchy) {
        tracing::info!(%error, "owners of flows are found by search");
    }
    Some(owners)
}

fn open_journal(
    file: JournalFile,
    place: masq_capture::journal::Place,
) -> Result<Journal<JournalFile>, CaptureError> {
    let path: PathBuf = file.path().to_owned();
    Journal::open(file, place).map_err(|error| {
        CaptureError::new(
            FailureCode::JournalUnavailable,
            format!("{}: {error}", path.display()),
        )
    })
}

fn record(
    journal: &mut Journal<JournalFile>,
    step: &str,
    inverses: &[Inverse],
) -> Result<(), CaptureError> {
    journal.record(step, inverses).map_err(|error| {
        CaptureError::new(
            FailureCode::JournalUnavailable,
            format!("write {step}: {error}"),
        )
    })?;
    fault::point(step, "before");
    Ok(())
}

fn report(outcomes: &[Outcome]) {
    for outcome in outcomes {
        if let Outcome::Failed(entry, error) = outcome {
            tracing::warn!(change = entry.change, error, "a change could not be undone");
        }
    }
}

/// Nobody else's rules or routes stand where ours go.
fn check_vacant(runner: &dyn CommandRunner, config: &PlanConfig) -> Result<(), CaptureError> {
    let families: &[Family] = if config.ipv6 {
        &Family::BOTH
    } else {
        &[Family::V4]
    };
    for &family in families {
        let taken: HashSet<u32> = machine::rule_priorities(runner, family)?;
        let ours = plan::PRIORITY..plan::PRIORITY + plan::PRIORITY_SPAN;
        if let Some(priority) = taken.into_iter().find(|priority| ours.contains(priority)) {
            let text = format!("a routing rule of another program has priority {priority}");
            return Err(CaptureError::new(FailureCode::Busy, text));
        }
        if !machine::table_is_empty(runner, family, plan::TABLE) {
            let text = format!("routing table {} of another program is in use", plan::TABLE);
            return Err(CaptureError::new(FailureCode::Busy, text));
        }
    }
    Ok(())
}
