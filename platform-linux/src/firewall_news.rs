//! Hears that somebody took something out of the machine's firewall.
//!
//! What it was is not looked at closely: whoever hears of it compares.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::socket::SockProtocol;

use crate::kernel_news::KernelNews;

/// The kernel's news of nftables
/// (linux/netfilter/nfnetlink.h, linux/netfilter/nf_tables.h).
#[derive(Debug)]
pub(crate) struct FirewallNews(KernelNews);

const GROUP_NFTABLES: u32 = 7;
const SUBSYSTEM_NFTABLES: u8 = 10;
const DELETED_TABLE: u8 = 2;
const DELETED_CHAIN: u8 = 5;
const DELETED_RULE: u8 = 8;

impl FirewallNews {
    pub(crate) fn open() -> io::Result<FirewallNews> {
        let news = KernelNews::open(SockProtocol::NetlinkNetFilter, &[GROUP_NFTABLES])?;
        Ok(FirewallNews(news))
    }

    /// Takes all news; whether something of the table `name` may be gone.
    pub(crate) fn concern(&self, name: &str) -> bool {
        self.0.take(|messages| takes_from(messages, name))
    }
}

impl AsFd for FirewallNews {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Whether messages say that something is deleted and name the table.
fn takes_from(mut messages: &[u8], name: &str) -> bool {
    let wanted = format!("{name}\0");
    while let Some((length, rest)) = messages.split_first_chunk::<4>() {
        let length = usize::try_from(u32::from_ne_bytes(*length)).unwrap_or(usize::MAX);
        let (Some(&[action, subsystem]), Some(message)) =
            (rest.first_chunk::<2>(), messages.get(..length))
        else {
            return false;
        };
        let deletes = [DELETED_TABLE, DELETED_CHAIN, DELETED_RULE].contains(&action);
        let named = || {
            message
                .windows(wanted.len())
                .any(|part| part == wanted.as_bytes())
        };
        if subsystem == SUBSYSTEM_NFTABLES && deletes && named() {
            return true;
        }
        // Aligned to four bytes (netlink(7)).
        messages = messages
            .get(length.max(16).next_multiple_of(4)..)
            .unwrap_or_default();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(action: u8, table: &str) -> Vec<u8> {
        let body = [&[0; 8][..], table.as_bytes(), b"\0"].concat();
        let length = u32::try_from(16 + body.len()).unwrap();
        let mut bytes = length.to_ne_bytes().to_vec();
        bytes.extend([action, SUBSYSTEM_NFTABLES]);
        bytes.extend([0; 10]);
        bytes.extend(body);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    #[test]
    fn only_what_is_taken_from_the_table_is_a_concern() {
        let other = message(DELETED_TABLE, "filter");
        assert!(!takes_from(&other, "masq_guard"));
        let added = message(0, "masq_guard");
        assert!(!takes_from(&added, "masq_guard"));
        let gone = message(DELETED_RULE, "masq_guard");
        assert!(takes_from(
            &[other, added, gone.clone()].concat(),
            "masq_guard"
        ));
        for end in 0..gone.len() - 3 {
            assert!(!takes_from(&gone[..end], "masq_guard"));
        }
    }
}
