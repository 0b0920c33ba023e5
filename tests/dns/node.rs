//! The switch with a real Node: one that answers names by itself, without others and without a capture.

use std::fs;

use masq_lab::process;

use crate::machine::{self, Asked, Machine};
use crate::managers::Mode;
use crate::sandbox::OWN;

const NODE: &str = "node";
/// The settings of one that only answers names.
pub(crate) const ANSWERS: &str = "capture = false\nentry-dns = true\n";

/// Writes the configuration of a Node with zero hops; the file.
pub(crate) fn configure(settings: &str) -> String {
    let file = format!("{OWN}/node.toml");
    let text = format!(
        "chain = \"dev\"\nneighborhood-mode = \"zero-hop\"\nreal-user = \"65534:65534:/\"\n\
         data-directory = \"{OWN}/data\"\nlog-level = \"debug\"\n{settings}"
    );
    fs::write(&file, text).unwrap();
    file
}

fn start(machine: &mut Machine) {
    machine.stop_node();
    let program = process::binary("MASQNode").unwrap();
    let arguments = ["--config-file", &configure(ANSWERS)];
    machine.daemon(NODE, program.to_str().unwrap(), &arguments);
}

fn names_stop_with_the_node_and_come_back(mode: Mode) {
    machine::with(mode, |machine| {
        let before = machine.state();
        start(machine);
        machine::until("the switch", || {
            machine.utility(&["subvert"]).code == Some(0)
        });
        let asked = machine.upstream.asked();
        // The Node resolves with the servers of before, so the answer is theirs.
        machine::until("an answer", || machine.asked() == Asked::Upstream);
        assert!(machine.upstream.asked() > asked);
        assert_eq!(machine.works("status"), "subverted\n");

        machine.kill(NODE);
        assert_eq!(machine.asked(), Asked::Nobody);
        start(machine);
        machine::until("an answer", || machine.asked() == Asked::Upstream);

        machine.kill(NODE);
        machine.works("revert");
        assert_eq!(machine.asked(), Asked::Upstream);
        machine.is_again(&before, "the way back");
    });
}

#[test]
fn names_of_a_file_stop_with_the_node_and_come_back() {
    names_stop_with_the_node_and_come_back(Mode::File);
}

#[test]
fn names_of_systemd_resolved_stop_with_the_node_and_come_back() {
    names_stop_with_the_node_and_come_back(Mode::Resolved);
}
