//! What every command says of a machine whose traffic is refused though no Node
//! carries it: why, and each way out.

#[cfg(target_os = "linux")]
use masq_capture::states::State;
#[cfg(target_os = "linux")]
use masq_platform_linux::capture_state::{self, CaptureState};

/// None where nothing is refused, or a Node runs.
#[cfg(target_os = "linux")]
pub(crate) fn sentence() -> Option<String> {
    let state = capture_state::read()?;
    state.is_blocked().then(|| words(&state))
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn sentence() -> Option<String> {
    None
}

/// Undoes the block, where this is root; whether it did.
#[cfg(target_os = "linux")]
pub(crate) fn lift() -> bool {
    let Some(state) = capture_state::read().filter(|state| state.helper.is_none()) else {
        return false;
    };
    masq_platform_linux::capture::repair(&state.journal_directory).is_ok()
        && capture_state::read().is_none()
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn lift() -> bool {
    false
}

#[cfg(target_os = "linux")]
fn words(state: &CaptureState) -> String {
    let at = when(state.since_unix);
    match state.state {
        State::Off | State::Paused => format!(
            "Lockdown refuses this machine's traffic, as no Node carries it since {at}.\n  \
             -> `masq start`, or `sudo masq lockdown off`"
        ),
        State::Starting | State::On | State::Reconnecting | State::Error => format!(
            "This machine's traffic is refused, because the Node ended without being told to, \
             at {at}.\n  -> `masq start` carries it again; `masq shutdown` or `sudo masq repair` \
             lead it its usual way"
        ),
    }
}

/// The time of day in UTC.
#[cfg(target_os = "linux")]
fn when(unix: u64) -> String {
    let of_day = unix % 86_400;
    format!("{:02}:{:02} UTC", of_day / 3_600, of_day / 60 % 60)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use masq_capture::states::{LocalNetwork, OnFailure};

    #[test]
    fn both_reasons_name_every_way_out() {
        let mut state = CaptureState {
            state: State::Error,
            since_unix: 1_800_000_000,
            helper: None,
            on_failure: OnFailure::Block,
            local_network: LocalNetwork::Allow,
            lockdown: false,
            pause_ends: None,
            journal_directory: "/var/lib/masq/journal".into(),
        };
        let text = words(&state);
        for way in ["08:00 UTC", "masq start", "masq shutdown", "masq repair"] {
            assert!(text.contains(way), "{text}");
        }
        state.state = State::Off;
        state.lockdown = true;
        assert!(words(&state).contains("masq lockdown off"));
    }
}
