//! The capture helper (`MASQNode --capture-helper`): the privileged process
//! beside one Node. The platform crate carries out everything; here its log
//! and its exit status are set up.

use masq_capture::CaptureError;
use std::process::ExitCode;

/// Serves the Node at the other end of descriptor 3 until it is gone.
pub fn run() -> ExitCode {
    finish(platform::run)
}

/// Waits for the end of the helper that started this process, then undoes what
/// it left.
#[cfg(target_os = "linux")]
pub fn guard(journal_directory: &std::path::Path) -> ExitCode {
    finish(|| masq_platform_linux::guard::watch(journal_directory))
}

fn finish(work: impl FnOnce() -> Result<(), CaptureError>) -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    // One is set already where the caller has its own.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .try_init();
    match work() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(
                code = error.code.as_str(),
                remedy = error.remedy(),
                "capture helper ended: {}",
                error.text
            );
            ExitCode::FAILURE
        }
    }
}

#[cfg(target_os = "linux")]
use masq_platform_linux::helper as platform;
#[cfg(target_os = "macos")]
use masq_platform_macos as platform;
#[cfg(target_os = "windows")]
use masq_platform_windows as platform;
