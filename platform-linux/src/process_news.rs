//! Hears which processes begin, become another program, and end
//! (linux/cn_proc.h).

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use nix::sched::{CloneFlags, setns};
use nix::sys::socket::{MsgFlags, send};

use crate::kernel_news::KernelNews;
use crate::sys;

/// What happened to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A process made another, which is the same program yet.
    Fork {
        parent: u32,
        child: u32,
    },
    /// It is another program now.
    Exec(u32),
    /// It calls itself something else.
    Name(u32),
    End(u32),
}

#[derive(Debug)]
pub(crate) struct ProcessNews(KernelNews);

/// Some events are lost.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Lost;

/// The connector's number and value of events about processes.
const PROCESSES: u32 = 1;
const LISTEN: u32 = 1;
/// How far up the processes are followed that started this one.
const ANCESTORS: usize = 32;
const NETLINK_HEADER: usize = 16;
const CONNECTOR_HEADER: usize = 20;
/// Kind, processor and time of an event.
const EVENT_HEADER: usize = 16;
const DONE: u16 = 3;

impl ProcessNews {
    /// The kernel tells it in the first network namespace only. Where that is
    /// not this process's own, it is that of one which has started it.
    pub(crate) fn open() -> io::Result<ProcessNews> {
        let mut opened = listen();
        let mut process = std::process::id();
        for _ in 0..ANCESTORS {
            if opened.is_ok() {
                break;
            }
            let Some(parent) = parent_of(process) else {
                break;
            };
            // Of one that may not be looked into, the others say more.
            if let Ok(listening) = there(parent, listen) {
                opened = listening;
            }
            process = parent;
        }
        opened.map(ProcessNews)
    }

    /// Takes all events there are.
    pub(crate) fn take(&self, mut each: impl FnMut(Event)) -> Result<(), Lost> {
        let lost = self.0.take(|message| {
            if let Some(event) = event(message) {
                each(event);
            }
            false
        });
        if lost { Err(Lost) } else { Ok(()) }
    }
}

impl AsFd for ProcessNews {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn listen() -> io::Result<KernelNews> {
    let news = KernelNews::on(sys::connector_socket()?, &[PROCESSES])?;
    let socket = news.as_fd().as_raw_fd();
    send(socket, &subscription(), MsgFlags::empty())?;
    Ok(news)
}

/// Runs in the network namespace of another process.
fn there<T>(process: u32, work: impl FnOnce() -> T) -> io::Result<T> {
    let own = File::open("/proc/thread-self/ns/net")?;
    let theirs = File::open(format!("/proc/{process}/ns/net"))?;
    setns(theirs, CloneFlags::CLONE_NEWNET)?;
    let made = work();
    setns(own, CloneFlags::CLONE_NEWNET)?;
    Ok(made)
}

fn parent_of(process: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("PPid:"))?;
    line.trim().parse().ok().filter(|parent| *parent != 0)
}

fn subscription() -> Vec<u8> {
    let length = (NETLINK_HEADER + CONNECTOR_HEADER + 4) as u32;
    let mut message = length.to_ne_bytes().to_vec();
    message.extend(DONE.to_ne_bytes());
    message.extend([0; 10]);
    message.extend(PROCESSES.to_ne_bytes());
    message.extend(PROCESSES.to_ne_bytes());
    // Sequence and acknowledgement.
    message.extend([0; 8]);
    message.extend(4_u16.to_ne_bytes());
    message.extend([0; 2]);
    message.extend(LISTEN.to_ne_bytes());
    message
}

fn event(message: &[u8]) -> Option<Event> {
    const FORK: u32 = 0x1;
    const EXEC: u32 = 0x2;
    const NAME: u32 = 0x200;
    const END: u32 = 0x8000_0000;
    let event = message.get(NETLINK_HEADER + CONNECTOR_HEADER..)?;
    let word = |at: usize| {
        let bytes = event.get(at..)?.first_chunk()?;
        Some(u32::from_ne_bytes(*bytes))
    };
    // Of each process its thread, then its own number.
    let number = |at: usize| word(EVENT_HEADER + at * 4);
    let kind = word(0)?;
    let (thread, process) = (number(0)?, number(1)?);
    match kind {
        FORK => {
            let child = number(3)?;
            // Else it is a thread of the same process.
            (child != process && number(2)? == child).then_some(Event::Fork {
                parent: process,
                child,
            })
        }
        EXEC => Some(Event::Exec(process)),
        NAME if thread == process => Some(Event::Name(process)),
        END if thread == process => Some(Event::End(process)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u32, numbers: [u32; 4]) -> Vec<u8> {
        let mut bytes = vec![0; NETLINK_HEADER + CONNECTOR_HEADER];
        bytes.extend(kind.to_ne_bytes());
        bytes.extend([0; 12]);
        numbers
            .iter()
            .for_each(|number| bytes.extend(number.to_ne_bytes()));
        bytes
    }

    #[test]
    fn processes_are_told_from_their_threads() {
        let fork = |numbers| event(&message(1, numbers));
        let forked = Event::Fork {
            parent: 7,
            child: 9,
        };
        assert_eq!(fork([8, 7, 9, 9]), Some(forked));
        assert_eq!(fork([7, 7, 9, 7]), None);
        assert_eq!(event(&message(2, [8, 7, 0, 0])), Some(Event::Exec(7)));
        assert_eq!(
            event(&message(0x8000_0000, [7, 7, 0, 17])),
            Some(Event::End(7))
        );
        assert_eq!(event(&message(0x8000_0000, [8, 7, 0, 17])), None);
        assert_eq!(event(&message(0x200, [7, 7, 0, 0])), Some(Event::Name(7)));
        assert_eq!(event(&message(0, [0; 4])), None);
        let whole = message(1, [7, 7, 9, 9]);
        for end in 0..whole.len() {
            assert_eq!(event(&whole[..end]), None);
        }
    }
}
