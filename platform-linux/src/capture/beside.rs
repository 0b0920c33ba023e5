//! Keeps our routing rules before those of others, and their tunnels alive.
//!
//! wg-quick and its like take a priority below all that are there, so whoever
//! comes last is asked first. The helper hears of it and moves ours: first they
//! stand in both places, then in the new one alone.

use masq_capture::beside::Others;
use masq_capture::plan::{Action, Plan, Step};
use masq_capture::{CaptureError, FailureCode, Family};

use super::LinuxCapture;
use crate::command::CommandRunner;

impl LinuxCapture {
    /// Finds a place for rules that do not stand yet.
    pub(super) fn settle_beside_others(&mut self) -> Result<(), CaptureError> {
        let others = self.others(None)?;
        let Some(priority) = others.place(None) else {
            let text = "routing rules of other programs leave no room for ours";
            return Err(CaptureError::new(FailureCode::Busy, text));
        };
        if !others.are_behind(priority) {
            tracing::warn!(
                "routing rules of another program come first: what it leads away is refused"
            );
        }
        (self.config.priority, self.config.moved) = (priority, false);
        self.config.tunnels = others.tunnels;
        Ok(())
    }

    /// Goes along with what others have changed.
    pub(super) fn follow_others(&mut self) -> Result<(), CaptureError> {
        let now = self.config.priority;
        let others = self.others(Some(now))?;
        let place = others.place(Some(now));
        let gains = place.is_some_and(|place| others.are_behind(place));
        let stays = others.are_behind(now) || !gains;
        if stays && others.tunnels == self.config.tunnels {
            return Ok(());
        }
        let Some(place) = place else {
            tracing::warn!("routing rules of other programs leave no room for ours");
            return Ok(());
        };
        let before = self.config.clone();
        (self.config.priority, self.config.moved) = (place, !before.moved);
        self.config.tunnels = others.tunnels;
        tracing::info!(priority = place, tunnels = ?self.config.tunnels, "our routing rules move");
        // What is excepted from now on passes the firewall first.
        self.enter(self.state)?;
        let steps = Plan::new(&self.config).activate.into_iter();
        let rules: Vec<Step> = steps
            .filter(|step| matches!(step.action, Action::Ip { .. }))
            .collect();
        if let Err(error) = self.apply_all(&rules) {
            let broken = self.config.clone();
            self.config = before;
            self.undo_steps(|step| broken.names_rules(step))?;
            return Err(error);
        }
        self.undo_steps(|step| before.names_rules(step))?;
        self.restore_table()
    }

    fn others(&self, ours: Option<u32>) -> Result<Others, CaptureError> {
        let mut others = Others::default();
        for family in Family::BOTH {
            let rules = self
                .runner
                .run("ip", &[family.option(), "rule", "show"], "");
            match rules {
                Ok(rules) => others.read(&rules, ours),
                Err(error) if family == Family::V4 => return Err(error),
                // A kernel without IPv6.
                Err(_) => {}
            }
        }
        Ok(others)
    }
}
