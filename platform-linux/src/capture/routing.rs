//! Puts back rules and routes of ours that another program took away.

use masq_capture::plan::{self, Action, Plan, PlanConfig};
use masq_capture::{CaptureError, Family};

use super::machine;
use crate::command::CommandRunner;

/// Adds what is missing, in the plan's order; how many lines that were.
/// Their inverses stand in the journal since they were made first.
pub(super) fn restore(
    config: &PlanConfig,
    runner: &dyn CommandRunner,
) -> Result<usize, CaptureError> {
    let plan = Plan::new(config);
    let mut count = 0;
    for family in Family::BOTH {
        let steps = plan.prepare.iter().chain(&plan.activate);
        let lines: Vec<&String> = steps
            .filter_map(|step| match &step.action {
                Action::Ip { family: of, lines } if *of == family => Some(lines),
                Action::Ip { .. } | Action::Nft { .. } | Action::Sysctl { .. } => None,
            })
            .flatten()
            .collect();
        if lines.is_empty() {
            continue;
        }
        let standing = machine::rule_priorities(runner, family)?;
        let routed = !machine::table_is_empty(runner, family, plan::TABLE);
        let missing: Vec<&str> = lines
            .into_iter()
            .map(String::as_str)
            .filter(|line| match priority(line) {
                Some(priority) => !standing.contains(&priority),
                None => line.starts_with("route add ") && !routed,
            })
            .collect();
        if missing.is_empty() {
            continue;
        }
        count += missing.len();
        let input = missing.join("\n") + "\n";
        runner.run("ip", &[family.option(), "-batch", "-"], &input)?;
    }
    Ok(count)
}

fn priority(line: &str) -> Option<u32> {
    let rest = line.strip_prefix("rule add priority ")?;
    rest.split(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    /// A machine with these rules of IPv4, and none of IPv6.
    struct Machine {
        rules: &'static str,
        route: &'static str,
        added: RefCell<Vec<String>>,
    }

    impl CommandRunner for Machine {
        fn run(
            &self,
            _program: &str,
            arguments: &[&str],
            input: &str,
        ) -> Result<String, CaptureError> {
            if arguments.contains(&"-batch") {
                self.added
                    .borrow_mut()
                    .extend(input.lines().map(str::to_owned));
                return Ok(String::new());
            }
            Ok(if arguments.contains(&"rule") {
                self.rules
            } else {
                self.route
            }
            .to_owned())
        }
    }

    #[test]
    fn what_is_missing_and_nothing_else_comes_back() {
        let mut config = PlanConfig::new("masq0").unwrap();
        config.ipv6 = false;
        let lines = |machine: &Machine| {
            restore(&config, machine).unwrap();
            machine.added.take()
        };
        let bare = Machine {
            rules: "0:\tfrom all lookup local\n32766:\tfrom all lookup main\n",
            route: "",
            added: RefCell::default(),
        };
        let all = lines(&bare);
        assert!(all.len() > 10, "{all:?}");
        assert!(all[0].starts_with("route add default dev masq0"), "{all:?}");
        let one = Machine {
            rules: "5001:\tfrom all fwmark 0x4d510000/0xffff0000 goto 5199\n",
            route: "default dev masq0 scope link\n",
            added: RefCell::default(),
        };
        let rest = lines(&one);
        assert_eq!(rest.len(), all.len() - 2);
        assert!(rest.iter().all(|line| priority(line) != Some(5001)));
    }
}
