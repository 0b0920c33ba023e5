//! The switch with a real Node: one that answers names by itself, without others and without a capture.

use std::fs;
use std::path::Path;

use masq_lab::process;

use crate::machine::{self, Asked, Machine};
use crate::managers::Mode;

const FOLDER: &str = "/run/node";
const NODE: &str = "node";

fn start(machine: &mut Machine) {
    machine.stop_node();
    let program = process::binary("MASQNode").unwrap();
    let file = Path::new(FOLDER).join("config.toml");
    let arguments = ["--config-file", file.to_str().unwrap()];
    machine.daemon(NODE, program.to_str().unwrap(), &arguments);
}

fn configure() {
    fs::create_dir(FOLDER).unwrap();
    std::os::unix::fs::chown(FOLDER, Some(65534), Some(65534)).unwrap();
    let text = format!(
        "chain = \"dev\"\nneighborhood-mode = \"zero-hop\"\ncapture = false\nentry-dns = true\n\
         data-directory = \"{FOLDER}\"\nreal-user = \"65534:65534:{FOLDER}\"\n"
    );
    fs::write(Path::new(FOLDER).join("config.toml"), text).unwrap();
}

fn names_stop_with_the_node_and_come_back(mode: Mode) {
    machine::with(mode, |machine| {
        let before = machine.state();
        configure();
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
