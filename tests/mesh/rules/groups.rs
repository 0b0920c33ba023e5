//! Isolation groups: what belongs together leaves the mesh at one exit, what does not at another.

use std::collections::BTreeSet;

use masq_lab::{require, wait};

use super::{URL, world};
use crate::support::LIMIT;

#[test]
fn flows_of_one_group_share_an_exit_and_those_of_another_have_another() {
    if !require::laboratory() {
        return;
    }
    let world = world(
        |_, _| {},
        |machine| {
            let rule = |app: &str, group: &str| {
                format!(
                    "[[rule]]\napp = \"{}\"\naction = \"mesh\"\nisolation = \"{group}\"\n",
                    machine.app(app)
                )
            };
            rule("alpha", "bank") + &rule("beta", "play")
        },
    );
    let machine = &world.machine;
    // With two exits to draw from, five flows without a group would share one in 1 of 16 runs only.
    for _ in 0..5 {
        for app in ["alpha", "beta"] {
            machine.assert_mesh(app, || machine.get(app, URL));
        }
    }
    let mut exits = [BTreeSet::new(), BTreeSet::new()];
    wait::until("the flows to be seen", LIMIT, || {
        exits = ["alpha", "beta"].map(|app| {
            let flows = machine.flows();
            let of_app = flows.iter().filter(|flow| {
                let owner = flow.app.as_ref().and_then(|owner| owner.name.as_deref());
                owner == Some(app) && flow.received > 20_000
            });
            of_app.filter_map(|flow| flow.exit.clone()).collect()
        });
        exits.iter().all(|exits| !exits.is_empty())
    })
    .unwrap();
    let [alpha, beta] = &exits;
    assert_eq!((alpha.len(), beta.len()), (1, 1), "{exits:?}");
    assert!(alpha.is_disjoint(beta), "{exits:?}");
    machine.control.say(&["shutdown"]).unwrap();
}
