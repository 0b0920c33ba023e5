//! Has the kernel lead past the TUN what the rules in force make direct as a whole.

use crate::rules::{Rules, bypass};
use crate::steering::Capturer;
use masq_capture::helper::Subjects;
use masq_core::rules::RuleSet;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

/// How often control groups are looked for: a service that is started again has
/// another one than before.
const LOOK: Duration = Duration::from_secs(5);

/// What was asked for last.
pub(super) struct PassingBy {
    capturer: Rc<dyn Capturer>,
    subjects: RefCell<Subjects>,
}

impl PassingBy {
    pub(super) fn new(capturer: Rc<dyn Capturer>) -> Rc<Self> {
        Rc::new(Self {
            capturer,
            subjects: RefCell::default(),
        })
    }

    /// Asks for what these rules mean, where that is something else than before.
    pub(super) fn follow(&self, rules: &Rules) {
        let whole = rules.with(RuleSet::whole_direct);
        let subjects = bypass::subjects(&whole, user_number);
        if *self.subjects.borrow() == subjects {
            return;
        }
        tracing::info!(event = "passing-by", ?subjects);
        *self.subjects.borrow_mut() = subjects;
        self.ask();
    }

    fn ask(&self) {
        let subjects = self.subjects.borrow().clone();
        if !self.capturer.bypass(subjects) {
            tracing::debug!("what is direct as a whole goes by the Node's own sockets");
        }
    }

    /// Looks for groups, for ever.
    pub(super) async fn keep(&self) {
        loop {
            tokio::time::sleep(LOOK).await;
            let subjects = self.subjects.borrow();
            let named = !subjects.cgroups.is_empty() || !subjects.units.is_empty();
            drop(subjects);
            if named {
                self.ask();
            }
        }
    }
}

#[cfg(target_os = "linux")]
fn user_number(name: &str) -> Option<u32> {
    masq_platform_linux::owner::user_number(name)
}

#[cfg(not(target_os = "linux"))]
fn user_number(_: &str) -> Option<u32> {
    None
}
