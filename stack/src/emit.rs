//! Builds the packets that are not made by smoltcp: resets, ICMP errors and replies, datagrams.
//!
//! All go into the transmit queue; `false` means that it was full.

use std::net::{IpAddr, SocketAddr};

use etherparse::{
    IcmpEchoHeader, Icmpv4Type, Icmpv6Type, IpHeaders, PacketBuilder, PacketBuilderStep, TcpHeader,
    icmpv4, icmpv6,
};

use crate::device::TransmitQueue;
use crate::event::{Echo, Refusal};
use crate::flow::FiveTuple;
use crate::packet::Segment;

/// Answers a segment that belongs to no flow (RFC 9293 section 3.5.2, group 1).
pub(crate) fn reset(queue: &mut TransmitQueue, segment: &Segment) -> bool {
    let Some(ip) = ip(segment.destination.ip(), segment.source.ip()) else {
        return false;
    };
    let mut header = TcpHeader::new(segment.destination.port(), segment.source.port(), 0, 0);
    header.rst = true;
    if segment.ack {
        header.sequence_number = segment.acknowledgment;
    } else {
        header.ack = true;
        let length = segment.payload_len as u32 + u32::from(segment.syn) + u32::from(segment.fin);
        header.acknowledgment_number = segment.sequence.wrapping_add(length);
    }
    let builder = ip.tcp_header(header);
    queue.push(builder.size(0), |buffer| {
        builder.write_to_slice(buffer, &[]).is_ok()
    })
}

/// An acknowledgement without data, or the FIN of a flow.
pub(crate) fn acknowledgment(
    queue: &mut TransmitQueue,
    tuple: &FiveTuple,
    sent: u32,
    received: u32,
    fin: bool,
) -> bool {
    let Some(ip) = ip(tuple.destination.ip(), tuple.source.ip()) else {
        return false;
    };
    let mut header = TcpHeader::new(
        tuple.destination.port(),
        tuple.source.port(),
        sent,
        u16::MAX,
    );
    header.ack = true;
    header.fin = fin;
    header.acknowledgment_number = received;
    let builder = ip.tcp_header(header);
    queue.push(builder.size(0), |buffer| {
        builder.write_to_slice(buffer, &[]).is_ok()
    })
}

/// An ICMP destination unreachable, or its ICMPv6 counterpart, as from the packet's destination.
pub(crate) fn unreachable(
    queue: &mut TransmitQueue,
    quote: &[u8],
    from: IpAddr,
    to: IpAddr,
    why: Refusal,
) -> bool {
    let Some(ip) = ip(from, to) else { return false };
    if from.is_ipv4() {
        use icmpv4::DestUnreachableHeader as Code;
        let code = match why {
            Refusal::Reset | Refusal::PortUnreachable => Code::Port,
            Refusal::HostUnreachable => Code::Host,
            Refusal::NetUnreachable => Code::Network,
            Refusal::AdminProhibited => Code::FilterProhibited,
        };
        let quote = &quote[..quote.len().min(QUOTE_V4)];
        let builder = ip.icmpv4(Icmpv4Type::DestinationUnreachable(code));
        queue.push(builder.size(quote.len()), |buffer| {
            builder.write_to_slice(buffer, quote).is_ok()
        })
    } else {
        use icmpv6::DestUnreachableCode as Code;
        let code = match why {
            Refusal::Reset | Refusal::PortUnreachable => Code::Port,
            Refusal::HostUnreachable => Code::Address,
            Refusal::NetUnreachable => Code::NoRoute,
            Refusal::AdminProhibited => Code::Prohibited,
        };
        let quote = &quote[..quote.len().min(QUOTE_V6)];
        let builder = ip.icmpv6(Icmpv6Type::DestinationUnreachable(code));
        queue.push(builder.size(quote.len()), |buffer| {
            builder.write_to_slice(buffer, quote).is_ok()
        })
    }
}

/// The answer to a packet whose protocol the stack does not carry.
pub(crate) fn protocol_unreachable(
    queue: &mut TransmitQueue,
    quote: &[u8],
    from: IpAddr,
    to: IpAddr,
) -> bool {
    let Some(ip) = ip(from, to) else { return false };
    if from.is_ipv4() {
        let quote = &quote[..quote.len().min(QUOTE_V4)];
        let kind = Icmpv4Type::DestinationUnreachable(icmpv4::DestUnreachableHeader::Protocol);
        let builder = ip.icmpv4(kind);
        queue.push(builder.size(quote.len()), |buffer| {
            builder.write_to_slice(buffer, quote).is_ok()
        })
    } else {
        let quote = &quote[..quote.len().min(QUOTE_V6)];
        let kind = Icmpv6Type::ParameterProblem(icmpv6::ParameterProblemHeader {
            code: icmpv6::ParameterProblemCode::UnrecognizedNextHeader,
            pointer: NEXT_HEADER_OFFSET_V6,
        });
        let builder = ip.icmpv6(kind);
        queue.push(builder.size(quote.len()), |buffer| {
            builder.write_to_slice(buffer, quote).is_ok()
        })
    }
}

pub(crate) fn echo_reply(queue: &mut TransmitQueue, echo: &Echo) -> bool {
    let Some(ip) = ip(echo.destination, echo.source) else {
        return false;
    };
    let header = IcmpEchoHeader {
        id: echo.identifier,
        seq: echo.sequence,
    };
    let builder = if echo.source.is_ipv4() {
        let builder = ip.icmpv4(Icmpv4Type::EchoReply(header));
        return queue.push(builder.size(echo.payload.len()), |buffer| {
            builder.write_to_slice(buffer, &echo.payload).is_ok()
        });
    } else {
        ip.icmpv6(Icmpv6Type::EchoReply(header))
    };
    queue.push(builder.size(echo.payload.len()), |buffer| {
        builder.write_to_slice(buffer, &echo.payload).is_ok()
    })
}

pub(crate) fn datagram(
    queue: &mut TransmitQueue,
    from: SocketAddr,
    to: SocketAddr,
    payload: &[u8],
) -> bool {
    let Some(ip) = ip(from.ip(), to.ip()) else {
        return false;
    };
    let builder = ip.udp(from.port(), to.port());
    queue.push(builder.size(payload.len()), |buffer| {
        builder.write_to_slice(buffer, payload).is_ok()
    })
}

/// The start of the echo request as its sender made it, for an ICMP error to quote.
pub(crate) fn quote_of_echo(echo: &Echo) -> Vec<u8> {
    let payload = &echo.payload[..echo.payload.len().min(64)];
    let Some(ip) = ip(echo.source, echo.destination) else {
        return Vec::new();
    };
    let header = IcmpEchoHeader {
        id: echo.identifier,
        seq: echo.sequence,
    };
    let mut quote = Vec::with_capacity(QUOTE_V4);
    let written = if echo.source.is_ipv4() {
        ip.icmpv4(Icmpv4Type::EchoRequest(header))
            .write(&mut quote, payload)
    } else {
        ip.icmpv6(Icmpv6Type::EchoRequest(header))
            .write(&mut quote, payload)
    };
    if written.is_err() {
        quote.clear();
    }
    quote
}

/// The start of a datagram from `from` to `to`, for an ICMP error to quote.
pub(crate) fn quote_of_datagram(from: SocketAddr, to: SocketAddr, payload: &[u8]) -> Vec<u8> {
    let mut quote = Vec::with_capacity(QUOTE_V4);
    let Some(ip) = ip(from.ip(), to.ip()) else {
        return quote;
    };
    if ip
        .udp(from.port(), to.port())
        .write(&mut quote, payload)
        .is_err()
    {
        quote.clear();
    }
    quote
}

fn ip(from: IpAddr, to: IpAddr) -> Option<PacketBuilderStep<IpHeaders>> {
    match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            Some(PacketBuilder::ipv4(from.octets(), to.octets(), HOP_LIMIT))
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            Some(PacketBuilder::ipv6(from.octets(), to.octets(), HOP_LIMIT))
        }
        _ => None,
    }
}

const HOP_LIMIT: u8 = 64;
/// The whole error within 576 bytes (RFC 1812 section 4.3.2.3).
const QUOTE_V4: usize = 548;
/// The whole error within the smallest IPv6 MTU (RFC 4443 section 3.1).
const QUOTE_V6: usize = 1232;
const NEXT_HEADER_OFFSET_V6: u32 = 6;
