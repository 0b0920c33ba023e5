//! `masq scan`: looks at the chain without waiting for the next time.

use std::time::Duration;

use anyhow::Result;
use clap::{Args, ValueEnum};
use masq_ui_protocol::message::{ScanRequest, ScanResponse, ScanType};

use super::Command;
use crate::session::Session;

const LIMIT: Duration = Duration::from_secs(10);

/// Look at the chain now. Prints nothing when it is done.
#[derive(Debug, Args)]
pub(crate) struct Scan {
    /// For what
    #[arg(value_enum, ignore_case = true)]
    kind: Kind,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    /// Debts to be paid
    Payables,
    /// Payments of others
    Receivables,
    /// Receipts of own payments
    #[value(name = "pendingpayables")]
    PendingPayables,
}

impl Command for Scan {
    fn execute(self, session: &mut Session) -> Result<u8> {
        let scan_type = match self.kind {
            Kind::Payables => ScanType::Payables,
            Kind::Receivables => ScanType::Receivables,
            Kind::PendingPayables => ScanType::PendingPayables,
        };
        let ScanResponse {} = session.request(&ScanRequest { scan_type }, LIMIT)?;
        Ok(0)
    }
}
