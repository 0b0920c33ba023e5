use super::*;

fn text(plan: &Plan) -> String {
    let mut text = String::new();
    for (stage, steps) in [("prepare", &plan.prepare), ("activate", &plan.activate)] {
        for step in steps {
            text.push_str(&format!("{stage} {}\n", step.name));
            match &step.action {
                Action::Ip { family, lines } => {
                    for line in lines {
                        text.push_str(&format!("  ip {} {line}\n", family.option()));
                    }
                }
                Action::Nft { line } => {
                    for part in line.split("; ") {
                        text.push_str(&format!("  nft {part}\n"));
                    }
                }
                Action::Sysctl { path, value } => {
                    text.push_str(&format!("  sysctl {} {value}\n", path.display()));
                }
            }
        }
    }
    text
}

#[test]
fn the_plan_of_a_plain_machine() {
    let config = PlanConfig::new("masq0").unwrap();
    check("plain", &Plan::new(&config));
}

#[test]
fn the_plan_of_a_server_without_ipv6_beside_tunnels() {
    let mut config = PlanConfig::new("masq0").unwrap();
    config.ipv6 = false;
    config.listening = vec![22, 443];
    config.strict_reverse_path = true;
    config.excluded = vec![
        "203.0.113.0/24".parse().unwrap(),
        "fd01::/64".parse().unwrap(),
    ];
    config.captured = vec!["198.18.0.0/15".parse().unwrap()];
    let mut others = crate::beside::Others::default();
    others.read(
        "5210:\tfrom all fwmark 0x80000/0xff0000 lookup main\n5270:\tfrom all lookup 52\n\
         32765:\tnot from all fwmark 0xca6c lookup 51820\n",
        None,
    );
    config.tunnels = others.tunnels;
    (config.priority, config.moved) = (4798, true);
    config.on_failure = OnFailure::Direct;
    check("server", &Plan::new(&config));
}

#[test]
fn every_rule_has_its_inverse() {
    let mut config = PlanConfig::new("masq0").unwrap();
    config.excluded = vec!["203.0.113.0/24".parse().unwrap()];
    config.captured = vec!["198.18.0.0/15".parse().unwrap()];
    for step in Plan::new(&config).activate {
        let Action::Ip { family, lines } = &step.action else {
            continue;
        };
        let added: Vec<String> = lines
            .iter()
            .map(|line| line.split(' ').nth(3).unwrap().to_owned())
            .collect();
        let undone: Vec<String> = step
            .inverses
            .iter()
            .map(|inverse| match inverse {
                Inverse::DeleteRule {
                    family: of,
                    priority,
                } => {
                    assert_eq!(of, family);
                    priority.to_string()
                }
                Inverse::FlushTable { .. }
                | Inverse::RemoveCgroup { .. }
                | Inverse::RestoreSysctl { .. }
                | Inverse::DeleteTable { .. } => panic!("{inverse:?}"),
            })
            .collect();
        assert_eq!(added, undone, "{}", step.name);
    }
}

#[test]
fn a_name_that_would_break_a_command_is_refused() {
    for name in ["", "sixteen-bytes-is", "a b", "x\"y", "a;b", "a/b", "ä"] {
        assert!(PlanConfig::new(name).is_err(), "{name}");
    }
}

/// Compares with a snapshot; UPDATE_SNAPSHOTS=1 writes it.
fn check(name: &str, plan: &Plan) {
    let path = format!(
        "{}/src/plan/snapshots/{name}.txt",
        env!("CARGO_MANIFEST_DIR")
    );
    let text = text(plan);
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    assert_eq!(text, std::fs::read_to_string(path).unwrap());
}
