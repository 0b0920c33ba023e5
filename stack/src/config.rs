//! What a caller may choose about the stack: sizes, limits and times.
//!
//! Every limit bounds memory; nothing in the stack grows past what stands here.

use std::time::Duration;

/// Sizes, limits and times of a [`crate::Stack`].
#[derive(Clone, Debug)]
pub struct Config {
    /// Largest IP packet, bytes; at most 65,535.
    pub mtu: usize,
    /// Receive and send buffer of a TCP flow, bytes each; rounded up to a power of two, 64 KiB to 16 MiB.
    /// Flows beyond the first hundreds that are busy at once get smaller ones.
    pub tcp_buffer: usize,
    /// TCP flows at once; a further SYN is answered with RST.
    pub max_tcp_flows: usize,
    /// UDP flows at once; a further one takes the place of the least recently used.
    pub max_udp_flows: usize,
    /// Whether checksums of received packets are checked; the local kernel's need not be.
    pub verify_checksums: bool,
    /// Whether checksums of TCP segments are computed; a device may do it, or do without.
    pub transmit_checksums: bool,
    /// How long an acknowledgement may wait for data to ride on; none: sent with the next transmit.
    pub ack_delay: Option<Duration>,
    /// How long a SYN is held for the caller's decision.
    pub syn_timeout: Duration,
    /// How long the peer may take to complete the handshake, and to answer anything we sent.
    pub stall_timeout: Duration,
    /// TIME-WAIT; the peer is on this machine, so it is short.
    pub time_wait: Duration,
    /// How long a TCP flow is quiet before its buffers are given back; they return with the next byte.
    pub park_after: Duration,
    /// Interval of TCP keep-alives; none are sent by default.
    pub keep_alive: Option<Duration>,
    /// Idle time-out of UDP flows of one question and one answer: DNS, NTP, STUN.
    pub udp_short: Duration,
    /// Idle time-out of QUIC flows (port 443).
    pub udp_quic: Duration,
    /// Idle time-out of other UDP flows.
    pub udp_long: Duration,
    /// Bytes of packets that may wait for the TUN.
    pub transmit_queue: usize,
    /// Events of datagrams and echo requests that may wait for the caller; more are dropped and counted.
    pub max_pending_datagrams: usize,
    /// ICMP errors per second.
    pub icmp_per_second: u32,
    /// Seed of initial sequence numbers.
    pub random_seed: u64,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            mtu: 65_535,
            tcp_buffer: 512 * 1024,
            max_tcp_flows: 32_768,
            max_udp_flows: 8_192,
            verify_checksums: false,
            transmit_checksums: true,
            ack_delay: None,
            syn_timeout: Duration::from_secs(60),
            stall_timeout: Duration::from_secs(120),
            time_wait: Duration::from_secs(2),
            park_after: Duration::from_secs(1),
            keep_alive: None,
            udp_short: Duration::from_secs(10),
            udp_quic: Duration::from_secs(30),
            udp_long: Duration::from_secs(300),
            transmit_queue: 1024 * 1024,
            max_pending_datagrams: 1_024,
            icmp_per_second: 1_000,
            random_seed: 0,
        }
    }
}
