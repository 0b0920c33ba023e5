//! The capture helper and its guard alone, for the crash tests of this crate.

use std::process::ExitCode;

use masq_platform_linux::{guard, helper};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let result = match arguments.get(1).map(String::as_str) {
        Some("--capture-guard") => guard::watch(arguments[2].as_ref()),
        Some(_) | None => helper::run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
