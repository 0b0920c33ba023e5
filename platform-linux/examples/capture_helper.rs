//! The capture helper alone, for the crash tests of this crate.

fn main() -> std::process::ExitCode {
    match masq_platform_linux::helper::run() {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(_) => std::process::ExitCode::FAILURE,
    }
}
