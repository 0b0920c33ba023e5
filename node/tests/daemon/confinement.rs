//! What the Daemon holds, as the kernel tells.

use std::fs;

use crate::support::{Daemon, Ui, family, field, is_root, run, sockets};

#[test]
fn the_daemon_has_no_network_socket_but_that_of_uis() {
    if !is_root("the_daemon_has_no_network_socket_but_that_of_uis") {
        return;
    }
    run(async {
        let daemon = Daemon::start().await;
        let mut ui = Ui::connect(daemon.port).await;
        daemon.prepare(&mut ui).await;
        ui.start().await.expect("all is prepared");
        assert_eq!(field(daemon.pid(), "Seccomp").as_deref(), Some("2"));
        assert_eq!(field(daemon.pid(), "NoNewPrivs").as_deref(), Some("1"));
        let own = sockets(daemon.pid());
        let port = format!(":{:04X}", daemon.port);
        let mut seen = 0;
        for table in [
            "tcp", "tcp6", "udp", "udp6", "raw", "raw6", "packet", "netlink",
        ] {
            let table = fs::read_to_string(format!("/proc/net/{table}")).unwrap_or_default();
            for line in table.lines() {
                let words: Vec<&str> = line.split_whitespace().collect();
                if own.iter().any(|inode| words.contains(&inode.as_str())) {
                    assert_eq!(words[1], format!("0100007F{port}"), "{line}");
                    seen += 1;
                }
            }
        }
        assert_eq!(seen, 2, "the listener and one UI");
        let launcher = family(daemon.pid())[1];
        assert_eq!(
            field(launcher, "Seccomp").as_deref(),
            Some("0"),
            "the Node inherits it"
        );
        assert_eq!(sockets(launcher).len(), 1, "the pair with the Daemon");
    });
}
