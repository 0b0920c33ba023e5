//! Hears that somebody changed the machine's rules of routing, or took a route away.
//!
//! systemd-networkd does so at its start, with all that it has not made
//! itself. What it was is not looked at closely: whoever hears of it compares.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::socket::SockProtocol;

use crate::kernel_news::KernelNews;

/// The kernel's news of rules and routes (rtnetlink(7)).
#[derive(Debug)]
pub(crate) struct RoutingNews(KernelNews);

/// Rules and routes of IPv4, routes and rules of IPv6.
const GROUPS: [u32; 4] = [7, 8, 11, 19];
const DELETED_ROUTE: u16 = 25;
const NEW_RULE: u16 = 32;
const DELETED_RULE: u16 = 33;
const HEADER: usize = 16;
/// `rtm_table` behind the header: 252 stands for a number that needs more than a byte.
const TABLE: usize = HEADER + 4;
const LARGE: u8 = 252;

impl RoutingNews {
    pub(crate) fn open() -> io::Result<RoutingNews> {
        let news = KernelNews::open(SockProtocol::NetlinkRoute, &GROUPS)?;
        Ok(RoutingNews(news))
    }

    /// Takes all news; whether something of ours may be gone or come second.
    pub(crate) fn concern(&self) -> bool {
        self.0.take(concerns)
    }
}

impl AsFd for RoutingNews {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Routes of usual tables come and go with interfaces, and are not ours.
fn concerns(mut rest: &[u8]) -> bool {
    while let Some(header) = rest.first_chunk::<HEADER>() {
        let length = u32::from_ne_bytes([header[0], header[1], header[2], header[3]]) as usize;
        let Some(message) = rest.get(..length.max(HEADER)) else {
            return true;
        };
        match u16::from_ne_bytes([header[4], header[5]]) {
            NEW_RULE | DELETED_RULE => return true,
            DELETED_ROUTE if message.get(TABLE) == Some(&LARGE) => return true,
            _ => {}
        }
        rest = rest
            .get(length.max(HEADER).next_multiple_of(4)..)
            .unwrap_or_default();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u16, table: u8) -> Vec<u8> {
        let mut message = 28u32.to_ne_bytes().to_vec();
        message.extend(kind.to_ne_bytes());
        message.extend([0; 10]);
        message.extend([2, 0, 0, 0, table, 0, 0, 0, 0, 0, 0, 0]);
        message
    }

    #[test]
    fn only_what_can_be_ours_is_of_concern() {
        let added_route = message(24, LARGE);
        let common_route = message(DELETED_ROUTE, 254);
        assert!(!concerns(&[]));
        assert!(!concerns(&[added_route.clone(), common_route].concat()));
        assert!(concerns(
            &[added_route, message(DELETED_RULE, 252)].concat()
        ));
        assert!(concerns(&message(DELETED_ROUTE, LARGE)));
        assert!(concerns(&message(NEW_RULE, 252)));
        // A piece of a message tells nothing; then it is better to look.
        assert!(concerns(&message(DELETED_RULE, 252)[..20]));
    }
}
