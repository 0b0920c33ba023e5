//! What the stack dropped, refused and sent, for the caller to show.

/// Monotonic counts since the stack was made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// IP packets handed in.
    pub packets_in: u64,
    /// IP packets handed out.
    pub packets_out: u64,
    /// Truncated, contradictory or otherwise unreadable packets.
    pub malformed: u64,
    /// IP fragments; a TUN of this MTU makes none.
    pub fragments: u64,
    /// IPv4 options and IPv6 extension headers.
    pub options: u64,
    /// Addresses or ports that no flow can have: unspecified, multicast, broadcast, port zero.
    pub martians: u64,
    /// Wrong checksums, where they are checked.
    pub checksums: u64,
    /// Protocols other than TCP, UDP and ICMP echo.
    pub unsupported: u64,
    /// TCP segments of no known flow.
    pub unknown_flow: u64,
    /// RST segments sent for refused, unknown or aborted flows.
    pub resets_sent: u64,
    /// ICMP errors sent.
    pub icmp_sent: u64,
    /// ICMP errors withheld by the rate limit.
    pub icmp_limited: u64,
    /// SYNs refused because there are as many flows as allowed.
    pub tcp_full: u64,
    /// TCP flows whose buffers were given back while they were quiet.
    pub parked: u64,
    /// Parked flows that got buffers again.
    pub revived: u64,
    /// Times that a flow's lost retransmission timer was started again.
    pub nudged: u64,
    /// UDP flows evicted because there are as many as allowed.
    pub udp_evicted: u64,
    /// Datagrams and echo requests dropped because the caller did not fetch its events.
    pub datagrams_dropped: u64,
    /// Packets dropped because the transmit queue was full.
    pub transmit_full: u64,
}
