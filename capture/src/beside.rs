//! Tunnels of other programs, as their routing rules tell of them: which mark
//! their own packets have, and where routes stand that they see as local.
//!
//! Known are the two ways in which a program keeps its own packets out of its
//! own tunnel: `not fwmark M lookup T` of WireGuard and whoever sets it up
//! (wg-quick, NetworkManager, Mullvad and others), and Tailscale's fixed mark
//! and table. Pure: reads what `ip rule show` prints.

use std::collections::BTreeSet;

use crate::address::{Network, SHARED};
use crate::plan::{PRIORITY, PRIORITY_SPAN};

/// What tells the packets of a tunnel itself; only root can set a mark.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TunnelMark {
    pub value: u32,
    pub mask: u32,
    /// WireGuard is UDP, and so is what its mark is good for here.
    pub udp_only: bool,
}

/// The tunnels beside us.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tunnels {
    pub marks: BTreeSet<TunnelMark>,
    /// Routing tables whose routes, but for a default one, lead to local networks.
    pub tables: BTreeSet<u32>,
}

impl Tunnels {
    /// Networks that are local because of a tunnel, besides those that always are.
    pub fn nearby(&self) -> &'static [Network] {
        if self.tables.contains(&TAILSCALE_TABLE) {
            &SHARED
        } else {
            &[]
        }
    }
}

const TAILSCALE_TABLE: u32 = 52;
const TAILSCALE: TunnelMark = TunnelMark {
    value: 0x8_0000,
    mask: 0xff_0000,
    udp_only: false,
};
/// Below the first rule of Tailscale, which has fixed ones.
const TOP: u32 = PRIORITY + PRIORITY_SPAN;

/// Routing rules that are not ours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Others {
    pub tunnels: Tunnels,
    /// Their priorities, without that of the local table.
    priorities: BTreeSet<u32>,
}

impl Others {
    /// Takes in the rules of a family, but for those of ours that begin here.
    pub fn read(&mut self, text: &str, ours: Option<u32>) {
        for line in text.lines() {
            let Some((priority, rule)) = line.split_once(':') else {
                continue;
            };
            let Ok(priority) = priority.trim().parse() else {
                continue;
            };
            let own = ours.is_some_and(|first| (first..first + PRIORITY_SPAN).contains(&priority));
            if priority == 0 || own {
                continue;
            }
            self.priorities.insert(priority);
            let words: Vec<&str> = rule.split_whitespace().collect();
            match words[..] {
                ["not", "from", "all", "fwmark", mark, "lookup", table, ..] => {
                    if let (Some(value), Ok(_)) = (number(mark), table.parse::<u32>()) {
                        self.tunnels.marks.insert(TunnelMark {
                            value,
                            mask: u32::MAX,
                            udp_only: true,
                        });
                    }
                }
                [
                    "from",
                    "all",
                    "fwmark",
                    "0x80000/0xff0000",
                    "lookup",
                    "main",
                    ..,
                ] => {
                    self.tunnels.marks.insert(TAILSCALE);
                }
                ["from", "all", "lookup", "52", ..] => {
                    self.tunnels.tables.insert(TAILSCALE_TABLE);
                }
                _ => {}
            }
        }
    }

    /// Whether ours that begin here are asked before all of them.
    pub fn are_behind(&self, ours: u32) -> bool {
        self.priorities.first().is_none_or(|first| *first > ours)
    }

    /// Where ours can begin: before all of them, where there is room, and not
    /// where ours stand now.
    pub fn place(&self, ours: Option<u32>) -> Option<u32> {
        let vacant = |first: u32| {
            let wanted = first..first + PRIORITY_SPAN;
            let apart = ours.is_none_or(|one| one.abs_diff(first) >= PRIORITY_SPAN);
            first > 0 && apart && self.priorities.range(wanted).next().is_none()
        };
        let top = self.priorities.first().map_or(TOP, |first| TOP.min(*first));
        let below = |top: u32| top.checked_sub(PRIORITY_SPAN);
        let before = [below(top), ours.filter(|one| *one < top).and_then(below)];
        let anywhere = [Some(PRIORITY), Some(2 * PRIORITY)];
        let places = before.into_iter().chain(anywhere).flatten();
        places.into_iter().find(|first| vacant(*first))
    }
}

/// A mark without a mask.
fn number(mark: &str) -> Option<u32> {
    let mark = mark.strip_suffix("/0xffffffff").unwrap_or(mark);
    let value = u32::from_str_radix(mark.strip_prefix("0x")?, 16).ok()?;
    (value != 0).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = "0:\tfrom all lookup local\n32766:\tfrom all lookup main\n32767:\tfrom all lookup default\n";

    fn others(text: &str) -> Others {
        let mut others = Others::default();
        others.read(text, None);
        others
    }

    #[test]
    fn a_plain_machine_has_no_tunnel_and_room() {
        let plain = others(PLAIN);
        assert_eq!(plain.tunnels, Tunnels::default());
        assert_eq!(plain.tunnels.nearby(), []);
        assert_eq!(plain.place(None), Some(PRIORITY));
        assert!(plain.are_behind(PRIORITY));
    }

    #[test]
    fn wg_quick_is_known_by_its_rules_before_and_after_us() {
        let before = "32764:\tfrom all lookup main suppress_prefixlength 0\n\
                      32765:\tnot from all fwmark 0xca6c lookup 51820\n";
        let mark = TunnelMark {
            value: 51820,
            mask: u32::MAX,
            udp_only: true,
        };
        let seen = others(before);
        assert_eq!(seen.tunnels.marks, BTreeSet::from([mark]));
        assert!(seen.are_behind(PRIORITY));
        let after = before.replace("3276", "499").replace("4994", "4998");
        let after = after.replace("4995", "4999");
        let seen = others(&after);
        assert_eq!(seen.tunnels.marks, BTreeSet::from([mark]));
        assert!(!seen.are_behind(PRIORITY));
        assert_eq!(seen.place(Some(PRIORITY)), Some(4998 - PRIORITY_SPAN));
        // It ends: back to where ours began.
        let moved = Some(4998 - PRIORITY_SPAN);
        assert_eq!(others(PLAIN).place(moved), Some(PRIORITY));
    }

    #[test]
    fn tailscale_is_known_by_its_mark_and_its_table() {
        let seen = others(
            "5210:\tfrom all fwmark 0x80000/0xff0000 lookup main\n\
             5230:\tfrom all fwmark 0x80000/0xff0000 lookup default\n\
             5250:\tfrom all fwmark 0x80000/0xff0000 unreachable\n\
             5270:\tfrom all lookup 52\n",
        );
        assert_eq!(seen.tunnels.marks, BTreeSet::from([TAILSCALE]));
        assert_eq!(seen.tunnels.tables, BTreeSet::from([52]));
        assert_eq!(seen.tunnels.nearby(), SHARED);
        assert_eq!(seen.place(None), Some(PRIORITY));
        assert!(seen.are_behind(PRIORITY));
    }

    #[test]
    fn rules_that_are_no_tunnels_except_nothing() {
        for rule in [
            "100:\tfrom all fwmark 0x1 lookup 100",
            "100:\tnot from all fwmark 0x1 lookup main",
            "100:\tnot from all fwmark 0x0 lookup 7",
            "100:\tnot from all fwmark 0x1/0xff lookup 7",
            "100:\tnot from 10.0.0.0/8 fwmark 0x1 lookup 7",
            "100:\tfrom all fwmark 0x80000 lookup main",
        ] {
            assert_eq!(others(rule).tunnels, Tunnels::default(), "{rule}");
        }
    }

    #[test]
    fn without_room_before_them_ours_stand_where_there_is_some() {
        let crowded = others("7:\tfrom all lookup 7\n5100:\tfrom all lookup 8\n");
        assert!(!crowded.are_behind(PRIORITY));
        assert_eq!(crowded.place(None), Some(2 * PRIORITY));
        assert_eq!(crowded.place(Some(2 * PRIORITY)), None);
        let mut seen = Others::default();
        seen.read(
            "5000:\tfrom all lookup 28017\n5300:\tfrom all lookup 7\n",
            Some(5000),
        );
        assert!(seen.are_behind(5000));
    }
}
