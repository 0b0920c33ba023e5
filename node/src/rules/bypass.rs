//! Which programs the kernel can lead past the TUN by itself, because the rules
//! make them direct as a whole. Pure: who has a name is given.

use masq_capture::helper::Subjects;
use masq_core::rules::{IdPattern, WholeDirect};
use std::path::PathBuf;

/// The most of each kind; what is beyond stays at the Node's own sockets.
const MOST: usize = 256;
/// Fewer of those with long names: all go in one message.
const MOST_PROGRAMS: usize = 64;
const LONGEST_NAME: usize = 255;

/// Those of them that the kernel can tell; a pattern it cannot. `user` is the
/// number of a name that this number's own name is.
pub fn subjects(whole: &[WholeDirect], user: impl Fn(&str) -> Option<u32>) -> Subjects {
    let mut subjects = Subjects::default();
    for one in whole {
        match one {
            WholeDirect::User(IdPattern::Number(number)) => {
                add(&mut subjects.users, Some(*number));
            }
            WholeDirect::User(IdPattern::Name(name)) => add(&mut subjects.users, user(name)),
            WholeDirect::Cgroup(path) => {
                let path = path.trim_matches('/');
                let below_root = (!path.is_empty()).then(|| PathBuf::from(path));
                add(&mut subjects.cgroups, below_root);
            }
            WholeDirect::Unit(unit) => add(&mut subjects.units, Some(unit.clone())),
            WholeDirect::AppPath(name) | WholeDirect::AppName(name)
                if name.len() > LONGEST_NAME => {}
            WholeDirect::AppPath(path) if subjects.paths.len() < MOST_PROGRAMS => {
                add(&mut subjects.paths, Some(PathBuf::from(path)));
            }
            WholeDirect::AppName(name) if subjects.names.len() < MOST_PROGRAMS => {
                add(&mut subjects.names, Some(name.clone()));
            }
            WholeDirect::AppPath(_) | WholeDirect::AppName(_) => {}
        }
    }
    subjects
}

fn add<T: PartialEq>(list: &mut Vec<T>, one: Option<T>) {
    list.extend(one.filter(|one| !list.contains(one) && list.len() < MOST));
}

#[cfg(test)]
mod tests {
    use super::*;
    use masq_core::rules::{NoLists, RuleSet};

    #[test]
    fn what_the_kernel_can_tell_and_nothing_else_is_asked_of_it() {
        let rules = "except = [\"/opt/steam\", \"curl\", \"/opt/games/**\", \"fire*\"]\n\
             [[rule]]\nuser = [1000, \"anna\", \"nobody-of-that-name\", \"1000\"]\naction = \"direct\"\n\
             [[rule]]\ncgroup = \"/user.slice/games/\"\naction = \"direct\"\n\
             [[rule]]\nunit = \"backup\"\naction = \"direct\"\n\
             [[rule]]\nunit = \"late\"\nport = 22\naction = \"direct\"\n";
        let rules = RuleSet::parse(rules, &NoLists).unwrap();
        let found = subjects(&rules.whole_direct(), |name| (name == "anna").then_some(7));
        assert_eq!(found.users, [1000, 7]);
        assert_eq!(found.cgroups, [PathBuf::from("user.slice/games")]);
        assert_eq!(found.units, ["backup.service"]);
        assert_eq!(found.paths, [PathBuf::from("/opt/steam")]);
        assert_eq!(found.names, ["curl"]);
    }
}
