//! What can go wrong while the machine's traffic is being captured: a stable
//! code, a text for the log and a remedy for the user.

use std::fmt;

/// Stable codes of the capture layer; the number is on the wire between the
/// capture helper and the Node.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum FailureCode {
    NotPermitted = 1,
    TunUnavailable = 2,
    CommandMissing = 3,
    CommandFailed = 4,
    MarkUnavailable = 5,
    CgroupUnavailable = 6,
    FirewallUnavailable = 7,
    JournalUnavailable = 8,
    Busy = 9,
    Protocol = 10,
    Configuration = 11,
    Unsupported = 12,
    NamespaceUnavailable = 13,
    HelperGone = 14,
}

impl FailureCode {
    pub const ALL: [FailureCode; 14] = [
        FailureCode::NotPermitted,
        FailureCode::TunUnavailable,
        FailureCode::CommandMissing,
        FailureCode::CommandFailed,
        FailureCode::MarkUnavailable,
        FailureCode::CgroupUnavailable,
        FailureCode::FirewallUnavailable,
        FailureCode::JournalUnavailable,
        FailureCode::Busy,
        FailureCode::Protocol,
        FailureCode::Configuration,
        FailureCode::Unsupported,
        FailureCode::NamespaceUnavailable,
        FailureCode::HelperGone,
    ];

    pub fn number(self) -> u16 {
        self as u16
    }

    pub fn from_number(number: u16) -> Option<FailureCode> {
        FailureCode::ALL
            .into_iter()
            .find(|code| code.number() == number)
    }

    /// The code as it stands in logs.
    pub fn as_str(self) -> &'static str {
        match self {
            FailureCode::NotPermitted => "capture-not-permitted",
            FailureCode::TunUnavailable => "capture-tun-unavailable",
            FailureCode::CommandMissing => "capture-command-missing",
            FailureCode::CommandFailed => "capture-command-failed",
            FailureCode::MarkUnavailable => "capture-mark-unavailable",
            FailureCode::CgroupUnavailable => "capture-cgroup-unavailable",
            FailureCode::FirewallUnavailable => "capture-firewall-unavailable",
            FailureCode::JournalUnavailable => "capture-journal-unavailable",
            FailureCode::Busy => "capture-busy",
            FailureCode::Protocol => "capture-protocol",
            FailureCode::Configuration => "capture-configuration",
            FailureCode::Unsupported => "capture-unsupported",
            FailureCode::NamespaceUnavailable => "capture-namespace-unavailable",
            FailureCode::HelperGone => "capture-helper-gone",
        }
    }

    /// What the user can do about it.
    pub fn remedy(self) -> &'static str {
        match self {
            FailureCode::NotPermitted => "run it as root; `masq run -- COMMAND` needs no privilege",
            FailureCode::TunUnavailable => {
                "load the kernel's `tun` module and see that /dev/net/tun exists"
            }
            FailureCode::CommandMissing => "install iproute2 and nftables",
            FailureCode::CommandFailed => {
                "run `masq repair`, then start again; report the text above"
            }
            FailureCode::MarkUnavailable => {
                "a kernel of 5.7 or later with CONFIG_CGROUP_BPF is needed; until then use `masq run`"
            }
            FailureCode::CgroupUnavailable => {
                "the kernel must offer control groups v2 to this process; until then use `masq run`"
            }
            FailureCode::FirewallUnavailable => {
                "nftables 0.9.9 or later on a kernel of 5.12 or later is needed"
            }
            FailureCode::JournalUnavailable => {
                "make the journal directory writable for root, or name another with `journal-directory`"
            }
            FailureCode::Busy => {
                "another Node captures here, or other rules hold our priorities; end it, or run `masq repair`"
            }
            FailureCode::Protocol => "install Node and helper of the same version",
            FailureCode::Configuration => "correct the value named above",
            FailureCode::Unsupported => "use a Linux machine until this platform is built",
            FailureCode::NamespaceUnavailable => {
                "allow unprivileged user namespaces (see the text above), or run as root"
            }
            FailureCode::HelperGone => "start the Node again; `masq repair` cleans what is left",
        }
    }
}

impl fmt::Display for FailureCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A failure of the capture layer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {text}")]
pub struct CaptureError {
    pub code: FailureCode,
    pub text: String,
}

impl CaptureError {
    pub fn new(code: FailureCode, text: impl Into<String>) -> CaptureError {
        CaptureError {
            code,
            text: text.into(),
        }
    }

    /// The error of a platform whose capture is not built yet.
    pub fn unsupported(what: &str) -> CaptureError {
        CaptureError::new(
            FailureCode::Unsupported,
            format!("{what}: unsupported on this platform"),
        )
    }

    pub fn remedy(&self) -> &'static str {
        self.code.remedy()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_survives_its_number() {
        for code in FailureCode::ALL {
            assert_eq!(FailureCode::from_number(code.number()), Some(code));
        }
        assert_eq!(FailureCode::from_number(0), None);
    }
}
