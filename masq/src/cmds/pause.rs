//! `masq pause` and `masq resume`: the usual way for a while, and back.

use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;
use masq_ui_protocol::message::{
    CaptureRequest, CaptureResponse, CaptureState, PauseRequest, PauseResponse, ResumeRequest,
    ResumeResponse,
};

use super::Command;
use crate::client::ORDINARY;
use crate::session::Session;

const STEP: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(10);

/// Let this machine's traffic go its usual way for a while: uncaptured, visible to your provider.
///
/// Connections that the Node carries end. With lockdown everything is refused instead.
#[derive(Debug, Args)]
pub(crate) struct Pause {
    /// For how long, as 90s, 10m or 2h; a week at most [default: until `masq resume`]
    #[arg(long = "for", value_name = "TIME", value_parser = seconds)]
    time: Option<u64>,
}

/// Carry this machine's traffic again after `masq pause`.
///
/// Connections that were made during the pause end.
#[derive(Debug, Args)]
pub(crate) struct Resume {}

impl Command for Pause {
    fn execute(self, session: &mut Session) -> Result<u8> {
        let asked = PauseRequest {
            seconds_opt: self.time,
        };
        let PauseResponse {} = session.request(&asked, ORDINARY)?;
        until(session, |state| state == CaptureState::Paused)?;
        session.print(&match self.time {
            Some(seconds) => format!(
                "Paused: traffic goes its usual way. Capture goes on in {seconds} s, or with \
                 `masq resume`."
            ),
            None => "Paused: traffic goes its usual way until `masq resume`.".to_owned(),
        })?;
        Ok(0)
    }
}

impl Command for Resume {
    fn execute(self, session: &mut Session) -> Result<u8> {
        let ResumeResponse {} = session.request(&ResumeRequest {}, ORDINARY)?;
        until(session, |state| {
            matches!(state, CaptureState::On | CaptureState::Reconnecting)
        })?;
        session.print("Traffic is captured again.")?;
        Ok(0)
    }
}

fn until(session: &mut Session, reached: impl Fn(CaptureState) -> bool) -> Result<()> {
    let mut left = PATIENCE;
    loop {
        let answer: CaptureResponse = session.request(&CaptureRequest {}, ORDINARY)?;
        if reached(answer.state) {
            return Ok(());
        }
        if left.is_zero() {
            bail!("the Node was asked, but its capture has not changed; its log tells more");
        }
        session.wait(STEP)?;
        left = left.saturating_sub(STEP);
    }
}

/// `90`, `90s`, `10m`, `2h`, `1d`.
fn seconds(text: &str) -> Result<u64, String> {
    let wrong = || format!("{text} is no time: write 90s, 10m or 2h");
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    let seconds = number.checked_mul(unit).ok_or_else(wrong)?;
    (1..=7 * 86_400)
        .contains(&seconds)
        .then_some(seconds)
        .ok_or_else(|| format!("{text} is not from 1 s to a week"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_a_unit_and_an_end() {
        assert_eq!(seconds("90"), Ok(90));
        assert_eq!(seconds("10m"), Ok(600));
        assert_eq!(seconds("2h"), Ok(7_200));
        for wrong in [
            "",
            "m",
            "0",
            "8d",
            "1w",
            "-1",
            "99999999999999999999",
            "1 h",
            "ü",
        ] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
