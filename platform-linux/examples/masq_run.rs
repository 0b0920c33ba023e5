//! `masq run` with another Node: `masq_run NODE COMMAND...`.

use std::io::Write;

use masq_platform_linux::supervise;

fn main() -> std::process::ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let run = supervise::Run {
        node: arguments.next().unwrap_or_default().into(),
        config_file: None,
        command: arguments.collect(),
        verbose: true,
    };
    match supervise::run(&run) {
        Ok(status) => std::process::ExitCode::from(u8::try_from(status).unwrap_or(125)),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "masq: {error}");
            std::process::ExitCode::from(125)
        }
    }
}
