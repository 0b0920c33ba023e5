//! Others that remove or precede our routing rules.

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use masq_lab::{require, wait};

use super::{fetch, ip, sent_past_the_mesh, watch};
use crate::support::{LIMIT, mesh};

/// As systemd-networkd does at its start with `ManageForeignRoutingPolicyRules=yes`, its default.
#[test]
fn rules_that_another_program_removes_are_put_back_and_nothing_leaks_meanwhile() {
    if !require::laboratory() {
        return;
    }
    let mesh = mesh();
    let host = mesh.app().clone();
    watch(&mesh.lab, &mesh.site, &host);
    let count = |family: &str| {
        let output = host.run(LIMIT, "ip", &[family, "rule", "show"]).unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let ours = |line: &&str| line.starts_with('5');
        text.lines().filter(ours).count()
    };
    let target = SocketAddr::new(mesh.site.origin.v4().into(), 7);
    for family in ["-4", "-6"] {
        let before = count(family);
        assert!(before > 5);
        for _ in 0..3 {
            // Flushing takes the rules of the system too, which networkd leaves.
            let output = host.run(LIMIT, "ip", &[family, "rule", "flush"]).unwrap();
            assert!(output.status.success(), "{output:?}");
            let main = [
                "rule add priority 32766 table main",
                "rule add priority 32767 table default",
            ];
            for line in main {
                let words: Vec<&str> = [family].into_iter().chain(line.split(' ')).collect();
                host.run(LIMIT, "ip", &words).unwrap();
            }
            let tried = host.inside(|| TcpStream::connect_timeout(&target, Duration::from_secs(1)));
            drop(tried.unwrap());
        }
        let took = wait::until("the rules", LIMIT, || count(family) == before).unwrap();
        println!("MEASURED: the rules of {family} are back after {took:?}");
        assert!(fetch(&host, family).unwrap().contains("this is the origin"));
        assert_eq!(sent_past_the_mesh(&mesh), 0);
    }
    // A few of them, by their priority.
    ip(&host, "rule del priority 5001\nrule del priority 5100\n");
    assert!(fetch(&host, "-4").unwrap().contains("this is the origin"));
    assert_eq!(sent_past_the_mesh(&mesh), 0);
}
