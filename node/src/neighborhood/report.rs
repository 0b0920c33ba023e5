//! What the core has to tell, as log lines: an event, and a code where it is
//! a failure.

use masq_core::neighborhood::Report;

pub(super) fn log(report: &Report) {
    let code = report.code();
    let code = code.as_ref().map(tracing::field::display);
    match report {
        Report::Asked { peer, address } => {
            tracing::info!(event = "join-asked", peer = %peer.short(), %address);
        }
        Report::Joined { peer, neighbors } => {
            tracing::info!(event = "joined", peer = %peer.short(), neighbors);
        }
        Report::Passed { peer, reason } => {
            tracing::info!(event = "join-passed", code, peer = %peer.short(), ?reason);
        }
        Report::Unreached {
            peer,
            address,
            reason,
            again_in,
        } => {
            let retry_ms = u64::try_from(again_in.as_millis()).unwrap_or(u64::MAX);
            tracing::warn!(
                event = "join-failed",
                code,
                peer = %peer.short(),
                %address,
                reason = reason.said(),
                remedy = reason.remedy(),
                retry_ms
            );
        }
        Report::Lost { peer, neighbors } => {
            tracing::info!(event = "neighbor-lost", code, peer = %peer.short(), neighbors);
        }
        Report::Misbehaved { peer, offence } => {
            tracing::debug!(event = "misbehaved", code, peer = %peer.short(), %offence);
        }
        Report::Banned { peer, time } => {
            tracing::warn!(event = "banned", code, peer = %peer.short(), seconds = time.as_secs());
        }
        Report::AddressChanged { ip, country } => {
            let country = country.map(|country| country.as_str().to_string());
            tracing::info!(event = "address-changed", %ip, country);
        }
        Report::Recovered { version } => {
            tracing::info!(event = "record-recovered", version);
        }
        Report::Twin => {
            tracing::error!(
                event = "identity-in-use",
                code,
                "another Node uses this key"
            );
        }
    }
}
