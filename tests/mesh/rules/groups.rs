//! Isolation groups: what belongs together leaves the mesh at one exit, what does not at another.

use std::collections::BTreeSet;
use std::fs;

use masq_lab::{Mesh, MeshPlan, NodePlan, require, wait};

use super::URL;
use crate::support::{LIMIT, assert_nothing_leaked};

const APPS: [(&str, &str); 2] = [("alpha", "bank"), ("beta", "play")];

/// Copies of curl, each in a group of its own.
fn adjust(name: &str, node: &mut NodePlan) {
    if name != "originator" {
        return;
    }
    let folder = node.host.folder().unwrap();
    let rules = APPS.map(|(app, group)| {
        let path = folder.join(app);
        fs::copy("/usr/bin/curl", &path).unwrap();
        let path = path.display();
        format!("[[rule]]\napp = \"{path}\"\naction = \"mesh\"\nisolation = \"{group}\"\n")
    });
    let rules = node.host.write("rules.toml", rules.concat()).unwrap();
    node.set("rules-file", rules.to_string_lossy().into_owned());
}

#[test]
fn flows_of_one_group_share_an_exit_and_those_of_another_have_another() {
    if !require::laboratory() {
        return;
    }
    let plan = MeshPlan {
        adjust,
        ..MeshPlan::default()
    };
    // Neither of the two exits is a neighbor.
    let mesh = Mesh::start(&plan).unwrap();
    let folder = mesh.app().folder().unwrap();
    // Without groups five flows would share one of them in 1 of 16 runs only.
    for _ in 0..5 {
        for (app, _) in APPS {
            let program = folder.join(app).to_string_lossy().into_owned();
            let output = mesh.app().run(LIMIT, &program, &["-sSf", URL]).unwrap();
            assert_eq!(output.stdout.len(), 20_000, "{app}");
        }
    }
    let mut exits = [BTreeSet::new(), BTreeSet::new()];
    wait::until("the flows to be seen", LIMIT, || {
        let flows = mesh.originator.flows().unwrap();
        exits = APPS.map(|(app, _)| {
            let of_app = flows.iter().filter(|flow| {
                let owner = flow.app.as_ref().and_then(|owner| owner.name.as_deref());
                owner == Some(app) && flow.received > 20_000
            });
            of_app.filter_map(|flow| flow.exit.clone()).collect()
        });
        flows.iter().filter(|flow| flow.received > 20_000).count() == 10
    })
    .unwrap();
    let [alpha, beta] = &exits;
    assert_eq!((alpha.len(), beta.len()), (1, 1), "{exits:?}");
    assert!(alpha.is_disjoint(beta), "{exits:?}");
    assert_nothing_leaked(&mesh);
}
