//! What becomes of each class of traffic in each state: the specification, as
//! data. `docs/security.md` shows it, and tests hold rules and packets to it.

use super::{LocalNetwork, Policy, State};

/// A kind of traffic that is told apart.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    Tcp4,
    Tcp6,
    Udp4,
    Udp6,
    Echo4,
    Echo6,
    /// Neither TCP, UDP nor an echo request.
    OtherProtocol,
    /// Port 53 of any server but one on loopback, local networks included.
    Dns,
    Dhcp,
    NeighborDiscovery,
    /// mDNS among it.
    Multicast,
    /// Private networks, bridges of containers among them.
    LocalNetwork,
    /// Containers and machines behind this one, to the Internet.
    Forwarded,
    /// Of services on this machine, to those who connected to them.
    Answer,
    /// Of containers, likewise.
    PublishedAnswer,
    Loopback,
    /// Of the Node itself.
    Own,
    /// Apps that are ruled direct as a whole.
    DirectApp,
    /// The packets that another program's tunnel consists of.
    Tunnel,
}

impl Class {
    pub const ALL: [Class; 19] = [
        Class::Tcp4,
        Class::Tcp6,
        Class::Udp4,
        Class::Udp6,
        Class::Echo4,
        Class::Echo6,
        Class::OtherProtocol,
        Class::Dns,
        Class::Forwarded,
        Class::DirectApp,
        Class::LocalNetwork,
        Class::Multicast,
        Class::Dhcp,
        Class::NeighborDiscovery,
        Class::Answer,
        Class::PublishedAnswer,
        Class::Loopback,
        Class::Own,
        Class::Tunnel,
    ];

    /// As the documentation calls it.
    pub fn describe(self) -> &'static str {
        match self {
            Class::Tcp4 => "TCP, IPv4",
            Class::Tcp6 => "TCP, IPv6",
            Class::Udp4 => "UDP, IPv4",
            Class::Udp6 => "UDP, IPv6",
            Class::Echo4 => "echo requests (ping), IPv4",
            Class::Echo6 => "echo requests (ping), IPv6",
            Class::OtherProtocol => "other IP protocols",
            Class::Dns => "DNS, port 53 of any server",
            Class::Dhcp => "DHCP",
            Class::NeighborDiscovery => "IPv6 neighbor discovery",
            Class::Multicast => "multicast and broadcast, mDNS",
            Class::LocalNetwork => "local networks",
            Class::Forwarded => "containers and machines behind this one",
            Class::Answer => "answers to connections from outside",
            Class::PublishedAnswer => "the same, of containers",
            Class::Loopback => "loopback",
            Class::Own => "the Node's own connections",
            Class::DirectApp => "apps ruled direct as a whole",
            Class::Tunnel => "the packets of another program's tunnel",
        }
    }

    fn is_ipv6(self) -> bool {
        matches!(self, Class::Tcp6 | Class::Udp6 | Class::Echo6)
    }

    /// Whether the switch of the local network governs it.
    fn is_local(self) -> bool {
        matches!(self, Class::LocalNetwork | Class::Multicast)
    }
}

/// What becomes of it.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Into the TUN, where the Node carries it.
    Captured,
    /// Its sender is told at once that it goes nowhere.
    Refused,
    /// It is excepted from the capture.
    Through,
    /// As if there was no capture.
    Direct,
}

impl Fate {
    pub fn word(self) -> &'static str {
        match self {
            Fate::Captured => "captured",
            Fate::Refused => "refused",
            Fate::Through => "let through",
            Fate::Direct => "direct",
        }
    }

    /// Whether it leaves this machine and nobody carries it.
    pub fn leaves_uncaptured(self) -> bool {
        match self {
            Fate::Through | Fate::Direct => true,
            Fate::Captured | Fate::Refused => false,
        }
    }
}

/// A column of the table.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Column {
    Off,
    Starting,
    On,
    Reconnecting,
    Paused,
    Error,
    /// Off or paused, with lockdown.
    LockedOff,
    LockedPaused,
}

impl Column {
    pub const ALL: [Column; 8] = [
        Column::Off,
        Column::Starting,
        Column::On,
        Column::Reconnecting,
        Column::Paused,
        Column::Error,
        Column::LockedOff,
        Column::LockedPaused,
    ];

    pub fn describe(self) -> &'static str {
        match self {
            Column::Off => "off",
            Column::Starting => "starting",
            Column::On => "on",
            Column::Reconnecting => "reconnecting",
            Column::Paused => "paused",
            Column::Error => "error",
            Column::LockedOff => "off, lockdown",
            Column::LockedPaused => "paused, lockdown",
        }
    }

    fn of(state: State, policy: &Policy) -> Column {
        match state {
            State::Off if policy.lockdown => Column::LockedOff,
            State::Off => Column::Off,
            // The user preferred the way from before.
            State::Starting | State::Error if !policy.fails_closed() => Column::Off,
            State::Starting => Column::Starting,
            State::On => Column::On,
            State::Reconnecting => Column::Reconnecting,
            State::Paused if policy.lockdown => Column::LockedPaused,
            State::Paused => Column::Paused,
            State::Error => Column::Error,
        }
    }
}

/// What becomes of a class of traffic in a state.
pub fn fate(state: State, policy: &Policy, class: Class) -> Fate {
    let column = Column::of(state, policy);
    let fate = cell(column, class);
    let open = matches!(column, Column::Off | Column::Paused);
    if class.is_local() && policy.local_network == LocalNetwork::Block && !open {
        return Fate::Refused;
    }
    if class.is_ipv6() && !policy.ipv6 && fate == Fate::Captured {
        return Fate::Refused;
    }
    fate
}

/// A cell of the table: local networks allowed, IPv6 there, failing closed.
pub fn cell(column: Column, class: Class) -> Fate {
    let index = Column::ALL
        .iter()
        .position(|&one| one == column)
        .expect("every column is in the list");
    row(class)[index]
}

/// In the order of [`Column::ALL`].
fn row(class: Class) -> [Fate; 8] {
    use Fate::{Captured as C, Direct as D, Refused as R, Through as T};
    match class {
        // off, starting, on, reconnecting, paused, error, then locked: off, paused.
        Class::Tcp4 | Class::Tcp6 | Class::Udp4 | Class::Udp6 => [D, R, C, R, D, R, R, R],
        Class::Echo4 | Class::Echo6 | Class::Dns => [D, R, C, R, D, R, R, R],
        Class::Forwarded => [D, R, C, R, D, R, R, R],
        // The Node carries none.
        Class::OtherProtocol => [D, R, R, R, D, R, R, R],
        // Whoever knows which they are has ended, or does not run yet.
        Class::DirectApp => [D, R, D, D, D, R, R, D],
        Class::LocalNetwork | Class::Multicast => [T; 8],
        Class::Dhcp | Class::NeighborDiscovery | Class::Loopback => [T; 8],
        Class::Answer | Class::PublishedAnswer => [T; 8],
        Class::Own => [T; 8],
        // Whoever follows which tunnels there are does not run when off.
        Class::Tunnel => [T, T, T, T, T, T, R, T],
    }
}

/// The table as the documentation has it.
pub fn markdown() -> String {
    let mut text = String::from("| traffic |");
    for column in Column::ALL {
        text.push_str(&format!(" {} |", column.describe()));
    }
    text.push_str("\n|---|");
    text.push_str(&"---|".repeat(Column::ALL.len()));
    text.push('\n');
    for class in Class::ALL {
        text.push_str(&format!("| {} |", class.describe()));
        for column in Column::ALL {
            text.push_str(&format!(" {} |", cell(column, class).word()));
        }
        text.push('\n');
    }
    text
}
