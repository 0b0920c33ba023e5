//! What the Daemon says when it cannot serve. Pure.

use std::io;

pub(super) const NOT_ROOT: &str =
    "The Daemon needs root, because it starts the Node as root: start it with sudo";

pub(super) fn not_bound(port: u16, error: &io::Error) -> String {
    if error.kind() == io::ErrorKind::AddrInUse {
        format!(
            "ui-port - port {port} of 127.0.0.1 is occupied: another Daemon may be running; end \
             it, or name another port with --ui-port"
        )
    } else {
        format!("ui-port - port {port} of 127.0.0.1 cannot be used: {error}")
    }
}
