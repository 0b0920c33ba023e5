//! The order of things: observe, write down, act, see that it worked; and
//! the way back. Time and the system come from [`System`].

use std::net::IpAddr;

use crate::Failure;
use crate::detect::{Decision, Manager, detect};
use crate::environment::Environment;
use crate::plan::{self, Step};
use crate::record::Record;

/// Seconds that a manager has to carry out what it took.
const PATIENCE: u64 = 3;
const LOOKS_PER_SECOND: u64 = 20;
/// Looks that find the same file, after which it is taken for the manager's last word.
const SETTLED: u64 = 10;

/// The system whose resolver is switched.
pub trait System {
    fn observe(&mut self) -> Result<Environment, Failure>;
    fn carry_out(&mut self, step: &Step) -> Result<(), Failure>;
    fn load(&mut self) -> Result<Option<Record>, Failure>;
    /// Does not return before the record is safe.
    fn save(&mut self, record: &Record) -> Result<(), Failure>;
    fn forget(&mut self) -> Result<(), Failure>;
    /// Whether anything answers a question for a name at port 53 of this address.
    fn answers(&mut self, server: IpAddr) -> bool;
    /// Waits for one `LOOKS_PER_SECOND`th of a second.
    fn pause(&mut self);
}

/// What a command did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Whether anything was changed.
    pub changed: bool,
    pub trail: Vec<String>,
    /// What others changed meanwhile, and keep.
    pub kept: Vec<String>,
}

/// What is asked now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    pub manager: Manager,
    pub servers: Vec<IpAddr>,
    pub subverted: bool,
    /// Whether the journal has something to undo.
    pub journaled: bool,
    pub trail: Vec<String>,
}

/// The commands over a system.
#[derive(Debug)]
pub struct Utility<S> {
    system: S,
}

impl<S: System> Utility<S> {
    pub fn new(system: S) -> Utility<S> {
        Utility { system }
    }

    /// The system, for tests.
    pub fn system(&mut self) -> &mut S {
        &mut self.system
    }

    pub fn inspect(&mut self) -> Result<Look, Failure> {
        let record = self.system.load().ok().flatten();
        let environment = self.system.observe()?;
        let Decision { manager, mut trail } = detect(&environment);
        let manager = match &record {
            Some(record) if record.manager != manager => {
                trail.push(format!("but it was switched for {}", record.manager));
                record.manager
            }
            Some(_) | None => manager,
        };
        let servers = plan::servers(&environment, manager);
        let subverted = servers == [plan::server(manager)];
        let journaled = record.is_some();
        Ok(Look {
            manager,
            servers,
            subverted,
            journaled,
            trail,
        })
    }

    /// Lets the Node answer; nothing is changed where it does already.
    pub fn subvert(&mut self) -> Result<Report, Failure> {
        let mut report = Report::default();
        if let Some(record) = self.system.load()? {
            let environment = self.system.observe()?;
            if plan::servers(&environment, record.manager) == [record.server] {
                report
                    .trail
                    .push(format!("switched already, for {}", record.manager));
                return Ok(report);
            }
            report
                .trail
                .push("an earlier switch did not last; it is undone first".to_owned());
            self.undo(&record, &mut report)?;
        }
        let environment = self.system.observe()?;
        let decision = detect(&environment);
        report.trail.extend(decision.trail.iter().cloned());
        let servers = plan::servers(&environment, decision.manager);
        if servers == [plan::server(decision.manager)] {
            report
                .trail
                .push("the only server is the Node's already, by nobody's journal".to_owned());
            return Ok(report);
        }
        let (record, steps) = plan::subvert(&environment, &decision)?;
        if !self.system.answers(record.server) {
            return Err(Failure::Refused(format!(
                "nothing answers on {} port 53, so no name would be found any more; start what shall answer there first",
                record.server
            )));
        }
        self.system.save(&record)?;
        report.changed = true;
        match self.switch(&record, &steps) {
            Ok(()) => Ok(report),
            Err(failure) => {
                // What cannot be undone now stays in the journal.
                let _ = self.undo(&record, &mut Report::default());
                Err(failure)
            }
        }
    }

    fn switch(&mut self, record: &Record, steps: &[Step]) -> Result<(), Failure> {
        for step in steps {
            self.system.carry_out(step)?;
        }
        for _ in 0..PATIENCE * LOOKS_PER_SECOND {
            let environment = self.system.observe()?;
            if plan::servers(&environment, record.manager) == [record.server] {
                return Ok(());
            }
            self.system.pause();
        }
        Err(Failure::NotFollowed {
            manager: record.manager.to_string(),
            seconds: PATIENCE,
        })
    }

    /// Brings back what was there; nothing is changed where nothing is noted.
    pub fn revert(&mut self) -> Result<Report, Failure> {
        let mut report = Report::default();
        match self.system.load()? {
            None => report
                .trail
                .push("the journal has nothing to undo".to_owned()),
            Some(record) => self.undo(&record, &mut report)?,
        }
        Ok(report)
    }

    fn undo(&mut self, record: &Record, report: &mut Report) -> Result<(), Failure> {
        report
            .trail
            .push(format!("switched for {}", record.manager));
        report.changed = true;
        let environment = self.system.observe()?;
        let undo = plan::revert(&environment, record)?;
        for step in &undo.steps {
            self.system.carry_out(step)?;
        }
        if undo.kept.is_empty() {
            self.await_return(record)?;
        }
        report.kept.extend(undo.kept);
        let environment = self.system.observe()?;
        if let Some(step) = plan::leftover(&environment, record) {
            report.trail.push(
                "the manager left its old file; what was there before is put back".to_owned(),
            );
            self.system.carry_out(&step)?;
        }
        self.system.forget()
    }

    /// Managers write the file after they have answered.
    fn await_return(&mut self, record: &Record) -> Result<(), Failure> {
        let mut last = None;
        let mut unchanged = 0;
        for _ in 0..PATIENCE * LOOKS_PER_SECOND {
            let environment = self.system.observe()?;
            if record.boot != environment.boot {
                return Ok(());
            }
            let content = environment.resolv_conf.content.clone();
            unchanged = if last == content { unchanged + 1 } else { 0 };
            // Another network than before gives other servers.
            if plan::servers(&environment, record.manager) != [record.server]
                && (content == record.content || unchanged >= SETTLED)
            {
                return Ok(());
            }
            last = content;
            self.system.pause();
        }
        // Whatever the manager has made of it is its own by now.
        Ok(())
    }
}
