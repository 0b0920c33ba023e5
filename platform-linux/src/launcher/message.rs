//! What the Daemon and the launcher say to each other: a tag, the number of the
//! Node, and a fixed field or a short text. Pure.

/// What the Daemon orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Start a Node; its configuration is the descriptor beside the message.
    Launch { run: u64 },
    /// Have it end, by force if need be.
    Kill { run: u64 },
}

/// What the launcher tells of a Node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// Its process is there.
    Started { pid: u32 },
    /// It could not be started.
    NotStarted(String),
    /// The Node's own reason why it cannot go on: a parameter and what is wrong.
    Reason { name: String, reason: String },
    /// It listens for UIs.
    Ready { port: u16 },
    /// One of the last lines of its error output; comes before [`Report::Ended`].
    LastLine(String),
    /// Its process is gone.
    Ended(Ending),
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    Code(i32),
    Signal(i32),
}

/// The longest text of a report, in bytes.
pub(super) const TEXT: usize = 1024;

impl Order {
    pub fn encode(self) -> Vec<u8> {
        match self {
            Order::Launch { run } => message(1, run, &[]),
            Order::Kill { run } => message(2, run, &[]),
        }
    }

    pub fn decode(bytes: &[u8]) -> Option<Order> {
        match split(bytes)? {
            (1, run, []) => Some(Order::Launch { run }),
            (2, run, []) => Some(Order::Kill { run }),
            _ => None,
        }
    }
}

impl Report {
    pub fn encode(&self, run: u64) -> Vec<u8> {
        match self {
            Report::Started { pid } => message(1, run, &pid.to_le_bytes()),
            Report::NotStarted(why) => message(2, run, cut(why).as_bytes()),
            Report::Reason { name, reason } => {
                let text = format!("{name} {reason}");
                message(3, run, cut(&text).as_bytes())
            }
            Report::Ready { port } => message(4, run, &port.to_le_bytes()),
            Report::LastLine(line) => message(5, run, cut(line).as_bytes()),
            Report::Ended(Ending::Code(code)) => message(6, run, &code.to_le_bytes()),
            Report::Ended(Ending::Signal(signal)) => message(7, run, &signal.to_le_bytes()),
        }
    }

    /// A report and the number of the Node that it is about.
    pub fn decode(bytes: &[u8]) -> Option<(u64, Report)> {
        let (tag, run, rest) = split(bytes)?;
        let text = || String::from_utf8(rest.to_vec()).ok();
        let report = match tag {
            1 => Report::Started {
                pid: u32::from_le_bytes(rest.try_into().ok()?),
            },
            2 => Report::NotStarted(text()?),
            3 => {
                let text = text()?;
                let (name, reason) = text.split_once(' ')?;
                Report::Reason {
                    name: name.to_owned(),
                    reason: reason.to_owned(),
                }
            }
            4 => Report::Ready {
                port: u16::from_le_bytes(rest.try_into().ok()?),
            },
            5 => Report::LastLine(text()?),
            6 => Report::Ended(Ending::Code(i32::from_le_bytes(rest.try_into().ok()?))),
            7 => Report::Ended(Ending::Signal(i32::from_le_bytes(rest.try_into().ok()?))),
            _ => return None,
        };
        Some((run, report))
    }
}

fn message(tag: u8, run: u64, rest: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag];
    bytes.extend_from_slice(&run.to_le_bytes());
    bytes.extend_from_slice(rest);
    bytes
}

fn split(bytes: &[u8]) -> Option<(u8, u64, &[u8])> {
    let (tag, rest) = bytes.split_first()?;
    let (run, rest) = rest.split_first_chunk()?;
    Some((*tag, u64::from_le_bytes(*run), rest))
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(TEXT)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_read_back() {
        for order in [Order::Launch { run: 1 }, Order::Kill { run: u64::MAX }] {
            assert_eq!(Order::decode(&order.encode()), Some(order));
        }
        let reports = [
            Report::Started { pid: 7 },
            Report::NotStarted("no such file".to_owned()),
            Report::Reason {
                name: "ip".to_owned(),
                reason: "is of no use".to_owned(),
            },
            Report::Ready { port: 40_000 },
            Report::LastLine(String::new()),
            Report::Ended(Ending::Code(101)),
            Report::Ended(Ending::Signal(9)),
        ];
        for report in reports {
            assert_eq!(Report::decode(&report.encode(3)), Some((3, report)));
        }
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let long = Report::LastLine("€".repeat(1000));
        let Some((0, Report::LastLine(line))) = Report::decode(&long.encode(0)) else {
            panic!("unread");
        };
        assert_eq!(line.len(), 1023);
    }

    #[test]
    fn what_is_no_message_is_refused() {
        for bytes in [&b""[..], b"\x01", &[1; 8], &[9; 13], &[4; 20], &[3; 9]] {
            assert_eq!(Order::decode(bytes), None);
            assert_eq!(Report::decode(bytes), None);
        }
    }
}
