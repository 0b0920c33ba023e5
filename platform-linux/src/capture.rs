//! Carries out a plan: each change goes to the journal with its inverse, then
//! to the kernel; all of it is taken back in reverse.
//!
//! What the kernel takes back by itself when this process and the Node are
//! killed: interface, addresses and routes (with the TUN's descriptor), the
//! firewall table that diverts (with `nft`'s socket), the mark (with the
//! link's descriptor). What stays for the next start or `masq repair`: the
//! table that refuses, rules that then point to an empty table, an empty
//! control group and, with a strict reverse path filter, `src_valid_mark`.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;

use masq_capture::helper::{Parameters, TunDescription};
use masq_capture::journal::{Inverse, Journal, Outcome};
use masq_capture::plan::{self, Action, Plan, PlanConfig, Step};
use masq_capture::states::{self, GUARD_TABLE, LocalNetwork, State};
use masq_capture::{CaptureError, FailureCode, Family, FiveTuple, Owned};

mod beside;
mod direct;
pub(crate) mod fault;
mod guard_table;
mod locked;
mod machine;
mod routing;
mod undo;

pub use locked::{apply_lockdown, lift_lockdown};
pub use undo::{Extent, Repair, repair, undo_journals};

use crate::capture_state::{self, CaptureState};
use crate::cgroup::{self, Hierarchy, Mark};
use crate::command::{CommandRunner, SystemCommands};
use crate::firewall::OwnedTable;
use crate::firewall_news::FirewallNews;
use crate::journal_file::{self, JournalFile};
use crate::lockdown;
use crate::owner::Owners;
use crate::routing_news::RoutingNews;
use crate::tun::{self, TunDevice};
use direct::DirectApps;
use guard_table::GuardTable;

/// How much longer than the Node the kernel waits for the end of a pause, in seconds.
const PAUSE_GRACE: u64 = 3;
/// The step that puts the table in place that refuses.
const GUARD_STEP: &str = "guard";

/// The machine's network while it is captured.
#[derive(Debug)]
pub struct LinuxCapture {
    journal: Journal<JournalFile>,
    journal_directory: PathBuf,
    /// Of the network, as its inode.
    namespace: u64,
    runner: SystemCommands,
    hierarchy: Hierarchy,
    config: PlanConfig,
    _mark: Mark,
    guard: GuardTable,
    news: Option<FirewallNews>,
    routing: Option<RoutingNews>,
    table: Option<OwnedTable>,
    direct: DirectApps,
    owners: Option<Owners>,
    state: State,
    /// Traffic was refused before this start, after an end that was none of
    /// the user's.
    was_blocked: bool,
}

/// Why a capture ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The user wants it.
    Asked,
    /// The Node is gone.
    NodeGone,
}

impl LinuxCapture {
    /// Refuses what is not excepted, cleans what an earlier run left behind,
    /// then makes the interface, the table that leads to it, and the Node's
    /// control group. Nothing is captured yet. The TUN is the caller's to hand
    /// on: it lives as long as its descriptor.
    pub fn prepare(
        parameters: &Parameters,
    ) -> Result<(LinuxCapture, TunDevice, TunDescription), CaptureError> {
        let runner = SystemCommands;
        let directory = &parameters.journal_directory;
        let mut config = PlanConfig::new(&parameters.tun_name)?;
        config.excluded.clone_from(&parameters.excluded);
        config.captured.clone_from(&parameters.captured);
        config.on_failure = parameters.on_failure;
        config.local_network = parameters.local_network;
        config.lockdown = lockdown::wanted(directory).is_some();
        config.ipv6 = machine::has_ipv6();
        config.listening = machine::listening_ports();
        let place = journal_file::here()?;
        let file = JournalFile::open(directory, &place)?;
        config.nft_table = format!("masq_{}", std::process::id());
        let hierarchy = Hierarchy::open()?;
        let mut journal = open_journal(file, place.clone())?;
        let inverse = guard_inverse();
        let was_blocked = journal.holds(&inverse) && !journal.is_ending();
        let mut guard = GuardTable::default();
        if config.policy().fails_closed() {
            if !journal.holds(&inverse) {
                record(&mut journal, GUARD_STEP, &[inverse])?;
            }
            let rules = states::rule_set(State::Starting, &config.policy());
            guard.replace(rules, &runner)?;
            fault::point(GUARD_STEP, "after");
        }
        let closed = config.policy().fails_closed();
        let earlier = |step: &str| step != GUARD_STEP || !closed;
        report(&undo::undo(&mut journal, earlier, &runner, &hierarchy)?);
        journal.begin().map_err(|error| unwritten(&error))?;
        let news = FirewallNews::open()
            .inspect_err(|error| tracing::warn!(%error, "the firewall is not watched"))
            .ok();
        let routing = RoutingNews::open()
            .inspect_err(|error| tracing::warn!(%error, "the routing is not watched"))
            .ok();

        let parent = hierarchy.of_process(parameters.node_pid)?;
        hierarchy.sweep(&parent);
        let group = parent.join(cgroup::group_name(place.namespace, std::process::id()));
        let made = check_vacant(&runner, &config)
            .and_then(|()| {
                let path = group.clone();
                let inverse = Inverse::RemoveCgroup { path };
                record(&mut journal, "control-group", &[inverse])
            })
            .and_then(|()| make_group(&hierarchy, &group, parameters.node_pid))
            .and_then(|mark| {
                fault::point("control-group", "after");
                Ok((mark, TunDevice::create(config.tun())?))
            });
        let (mark, tun) = match made {
            Ok(made) => made,
            Err(error) => {
                // An answered refusal leaves the machine as it was found.
                let keeps = was_blocked || config.lockdown;
                let chosen = |step: &str| step != GUARD_STEP || !keeps;
                report(&undo::undo(&mut journal, chosen, &runner, &hierarchy)?);
                return Err(error);
            }
        };
        let owners = open_owners(&hierarchy);
        let mut capture = LinuxCapture {
            journal,
            journal_directory: directory.clone(),
            namespace: place.namespace,
            runner,
            hierarchy,
            config,
            _mark: mark,
            guard,
            news,
            routing,
            table: None,
            direct: DirectApps::default(),
            owners,
            state: State::Starting,
            was_blocked,
        };
        tun::quiet(capture.config.tun());
        capture.tell();
        let description = TunDescription {
            name: capture.config.tun().to_owned(),
            mtu: plan::TUN_MTU,
            ipv4: plan::TUN_IPV4,
            ipv6: plan::TUN_IPV6,
            mark: plan::MARK_DIRECT,
        };
        let steps = Plan::new(&capture.config).prepare;
        if let Err(error) = capture.apply_all(&steps) {
            capture.stop(End::Asked);
            return Err(error);
        }
        Ok((capture, tun, description))
    }

    /// Leads the machine's traffic into the TUN; all or nothing. Where it
    /// fails after a pause, traffic is refused.
    pub fn activate(&mut self) -> Result<(), CaptureError> {
        if self.state == State::On {
            return Ok(());
        }
        if self.state == State::Paused {
            self.config.listening = machine::listening_ports();
        }
        self.config.strict_reverse_path = machine::has_strict_reverse_path();
        self.enter(State::Starting)?;
        self.settle_beside_others()?;
        let steps = Plan::new(&self.config).activate;
        let applied = self.apply_all(&steps).and_then(|()| self.tell_ruled());
        if let Err(error) = applied {
            self.release()?;
            return Err(error);
        }
        self.was_blocked = false;
        self.enter(State::On)
    }

    /// Leads it past the TUN again; after so many seconds, if they are any, it
    /// is refused, should nobody have resumed the capture by then.
    pub fn suspend(&mut self, seconds: u32) -> Result<(), CaptureError> {
        if self.state != State::On {
            return Ok(());
        }
        self.release()?;
        let ends = capture_state::unix_now() + u64::from(seconds) + PAUSE_GRACE;
        self.config.pause_ends = (seconds > 0).then_some(ends);
        self.enter(State::Paused)
    }

    /// Undoes what an activation did, but for the table that refuses.
    fn release(&mut self) -> Result<(), CaptureError> {
        fault::point("undo-capture", "before");
        self.undo_steps(|step| step.starts_with("capture-"))?;
        fault::point("undo-capture", "after");
        self.table = None;
        fault::point("undo-firewall", "after");
        self.undo_steps(|step| step.starts_with("exceptions-") || step == "reverse-path")
    }

    /// Has the rules of a state, where they differ from those that stand.
    fn enter(&mut self, state: State) -> Result<(), CaptureError> {
        let lockdown = lockdown::wanted(&self.journal_directory);
        self.config.lockdown = lockdown.is_some();
        let policy = self.config.policy();
        if policy.fails_closed() {
            if !self.journal.holds(&guard_inverse()) {
                record(&mut self.journal, GUARD_STEP, &[guard_inverse()])?;
            }
            let rules = states::rule_set(state, &policy);
            if self.guard.differs(&rules) {
                self.guard.replace(rules, &self.runner)?;
            }
        }
        self.state = state;
        self.tell();
        Ok(())
    }

    /// Whether apps reach the networks around this machine, from now on.
    pub fn set_local_network(&mut self, wish: LocalNetwork) -> Result<(), CaptureError> {
        self.config.local_network = wish;
        self.enter(self.state)?;
        if self.config.policy().fails_closed() || self.table.is_none() {
            return Ok(());
        }
        self.restore_table()
    }

    /// Says to everybody what the capture does.
    fn tell(&self) {
        let state = CaptureState {
            state: self.state,
            since_unix: capture_state::unix_now(),
            helper: Some(std::process::id()),
            on_failure: self.config.on_failure,
            local_network: self.config.local_network,
            lockdown: self.config.lockdown,
            pause_ends: self.config.pause_ends,
            journal_directory: self.journal_directory.clone(),
        };
        if let Err(error) = capture_state::write(&state) {
            tracing::warn!(%error, "the state of the capture cannot be told");
        }
    }

    /// Whether the firewall's `nft` is to be watched, and by what.
    pub fn table(&self) -> Option<&OwnedTable> {
        self.table.as_ref()
    }

    /// Tells that the firewall has changed; to be followed by [`Self::look_after_guard`].
    pub fn news(&self) -> Option<BorrowedFd<'_>> {
        self.news.as_ref().map(AsFd::as_fd)
    }

    /// Puts the table that refuses back where somebody has taken from it.
    pub fn look_after_guard(&mut self) -> Result<(), CaptureError> {
        let concern = self
            .news
            .as_ref()
            .is_some_and(|news| news.concern(GUARD_TABLE));
        if concern && self.guard.is_damaged(&self.runner) {
            tracing::warn!("another program changed our firewall table; putting it back");
            self.guard.repeat(&self.runner)?;
        }
        Ok(())
    }

    /// Tells that the routing has changed; to be followed by [`Self::look_after_routing`].
    pub fn routing_news(&self) -> Option<BorrowedFd<'_>> {
        self.routing.as_ref().map(AsFd::as_fd)
    }

    /// Tells that processes have changed; to be followed by [`Self::look_after_programs`].
    pub fn program_news(&self) -> Option<BorrowedFd<'_>> {
        self.direct.news()
    }

    /// Puts rules and routes back where somebody has taken them away.
    pub fn look_after_routing(&mut self) -> Result<(), CaptureError> {
        let concern = self.routing.as_ref().is_some_and(RoutingNews::concern);
        if !concern || self.state != State::On {
            return Ok(());
        }
        self.follow_others()?;
        let count = routing::restore(&self.config, &self.runner)?;
        if count > 0 {
            tracing::warn!(
                count,
                "another program removed our routing rules; putting them back"
            );
        }
        Ok(())
    }

    /// Puts the firewall table back after its owner was ended by somebody.
    pub fn restore_table(&mut self) -> Result<(), CaptureError> {
        self.table = None;
        let steps = Plan::new(&self.config).activate;
        let firewall: Vec<Step> = steps
            .into_iter()
            .filter(|step| matches!(step.action, Action::Nft { .. }))
            .collect();
        self.apply_all(&firewall)?;
        self.tell_ruled()
    }

    /// Whose a flow is.
    pub fn owner(&mut self, tuple: &FiveTuple) -> Owned {
        let owners = self.owners.as_mut();
        owners.map_or(Owned::Unknown, |owners| owners.look_up(tuple))
    }

    /// Undoes everything that the end asks for.
    pub fn stop(mut self, end: End) {
        // A start that fails answers why, and leaves the machine as it was
        // found: refusing, where that is how it was found.
        let keeps_block = self.config.policy().fails_closed()
            && (end == End::NodeGone || (self.was_blocked && self.state == State::Starting));
        if !keeps_block && let Err(error) = self.journal.begin_end() {
            tracing::warn!(%error, "the end is not in the journal");
        }
        if self.state == State::On
            && let Err(error) = self.release()
        {
            tracing::warn!(code = error.code.as_str(), %error, "cannot suspend capture");
        }
        let state = if keeps_block {
            State::Error
        } else {
            State::Off
        };
        if let Err(error) = self.enter(state) {
            tracing::warn!(code = error.code.as_str(), %error, "cannot change the firewall");
        }
        fault::point("undo-rest", "before");
        let keeps_table = keeps_block || self.config.lockdown;
        if let Err(error) = self.undo_steps(|step| step != GUARD_STEP || !keeps_table) {
            tracing::warn!(code = error.code.as_str(), %error, "cannot undo capture");
        }
        fault::point("undo-rest", "after");
        if !keeps_table {
            capture_state::forget();
        } else if let Some(state) = capture_state::read() {
            tell_of_end(CaptureState {
                helper: None,
                ..state
            });
        }
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

/// Says that nobody keeps the capture any more, and what stays.
fn tell_of_end(state: CaptureState) {
    let known = state.helper.is_none() && state.state != State::Error;
    let ended = CaptureState {
        state: if known { state.state } else { State::Error },
        since_unix: capture_state::unix_now(),
        helper: None,
        ..state
    };
    if let Err(error) = capture_state::write(&ended) {
        tracing::warn!(%error, "the state of the capture cannot be told");
    }
}

fn guard_inverse() -> Inverse {
    Inverse::DeleteTable {
        name: GUARD_TABLE.to_owned(),
    }
}

fn unwritten(error: &std::io::Error) -> CaptureError {
    CaptureError::new(FailureCode::JournalUnavailable, format!("write: {error}"))
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
        if !machine::table_is_empty(runner, family, plan::TABLE) {
            let text = format!("routing table {} of another program is in use", plan::TABLE);
            return Err(CaptureError::new(FailureCode::Busy, text));
        }
    }
    Ok(())
}
