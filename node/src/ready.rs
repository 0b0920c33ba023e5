//! How a Node tells the Daemon that it is ready, or why it is not: lines into a
//! pipe that it inherited (`--ready-fd`). A Node that nobody watches has none,
//! and then all of this does nothing.

use std::fs::File;
use std::io::Write;

/// The pipe; closed when it is dropped.
#[derive(Debug, Default)]
pub struct Readiness {
    pipe: Option<File>,
}

impl Readiness {
    /// Takes over the pipe that was inherited under this number.
    #[cfg(target_os = "linux")]
    pub fn inherited(number: i32) -> std::io::Result<Readiness> {
        let pipe = Some(masq_platform_linux::inherited::file(number)?);
        Ok(Readiness { pipe })
    }

    /// UIs can connect to this port.
    pub fn ready(&mut self, port: u16) {
        self.tell(&format!("ready {port}\n"));
    }

    /// A parameter, and why the Node cannot start with it.
    pub fn failed(&mut self, name: &str, reason: &str) {
        self.tell(&error_line(name, reason));
    }

    fn tell(&mut self, line: &str) {
        if let Some(pipe) = &mut self.pipe {
            // A Daemon that is gone ends the Node another way.
            let _ = pipe.write_all(line.as_bytes());
        }
    }
}

/// One line, whatever the reason holds; the name is one word.
fn error_line(name: &str, reason: &str) -> String {
    let name = name.split_whitespace().next().unwrap_or("node");
    let reason: Vec<&str> = reason.split_whitespace().collect();
    format!("error {name} {}\n", reason.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_one_line() {
        let line = error_line("ip", "is wrong:\n  1.2.3\n");
        assert_eq!(line, "error ip is wrong: 1.2.3\n");
        assert_eq!(error_line("", "x"), "error node x\n");
    }

    #[test]
    fn nobody_is_told_where_nobody_watches() {
        let mut alone = Readiness::default();
        alone.ready(1);
        alone.failed("ip", "x");
        assert!(alone.pipe.is_none());
    }
}
