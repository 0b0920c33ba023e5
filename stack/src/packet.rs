//! Reads the headers of one IP packet from the TUN and says what it carries.
//!
//! Panics on nothing: every length is checked before it is used. Offsets in the result are inside the
//! packet's total length.

use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

use etherparse::{
    IpNumber, Ipv4HeaderSlice, Ipv6HeaderSlice, TcpHeaderSlice, UdpHeaderSlice, ip_number,
};
use smoltcp::wire::{Icmpv4Packet, Icmpv6Packet, Ipv4Packet, TcpPacket, UdpPacket};

/// A packet that can belong to a flow.
#[derive(Debug)]
pub(crate) struct Packet {
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    /// Where the transport header begins.
    pub(crate) transport: usize,
    /// Total length by the IP header; what follows is padding.
    pub(crate) end: usize,
    pub(crate) content: Content,
}

#[derive(Debug)]
pub(crate) enum Content {
    Tcp(Segment),
    Udp {
        source: SocketAddr,
        destination: SocketAddr,
        payload: Range<usize>,
    },
    EchoRequest {
        identifier: u16,
        sequence: u16,
        payload: Range<usize>,
    },
    /// An ICMP error from the local kernel about a UDP packet of ours: its addresses as we sent it.
    Unreachable {
        source: SocketAddr,
        destination: SocketAddr,
    },
    /// A protocol the stack does not carry; it is answered with ICMP protocol unreachable.
    Other,
    /// Something that needs no answer: echo replies, neighbour discovery, multicast reports.
    Ignored,
}

/// The fields of a TCP segment that concern the flow table.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Segment {
    pub(crate) source: SocketAddr,
    pub(crate) destination: SocketAddr,
    pub(crate) sequence: u32,
    pub(crate) acknowledgment: u32,
    pub(crate) syn: bool,
    pub(crate) ack: bool,
    pub(crate) fin: bool,
    pub(crate) rst: bool,
    pub(crate) window: u16,
    pub(crate) payload_len: usize,
}

/// Why a packet was dropped.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Dropped {
    Malformed,
    Fragment,
    Options,
    Martian,
    Checksum,
}

struct Ip {
    source: IpAddr,
    destination: IpAddr,
    protocol: IpNumber,
    header: usize,
    end: usize,
}

pub(crate) fn parse(packet: &[u8], verify: bool) -> Result<Packet, Dropped> {
    let ip = parse_ip(packet, verify)?;
    let payload = &packet[ip.header..ip.end];
    let content = match ip.protocol {
        ip_number::TCP => parse_tcp(&ip, payload, verify)?,
        ip_number::UDP => parse_udp(&ip, payload, verify)?,
        ip_number::ICMP if ip.source.is_ipv4() => parse_icmpv4(&ip, payload, verify)?,
        ip_number::IPV6_ICMP if ip.source.is_ipv6() => parse_icmpv6(&ip, payload, verify)?,
        ip_number::IGMP => Content::Ignored,
        _ => Content::Other,
    };
    Ok(Packet {
        source: ip.source,
        destination: ip.destination,
        transport: ip.header,
        end: ip.end,
        content,
    })
}

fn parse_ip(packet: &[u8], verify: bool) -> Result<Ip, Dropped> {
    let ip = match packet.first().map(|byte| byte >> 4) {
        Some(4) => {
            let header = Ipv4HeaderSlice::from_slice(packet).map_err(|_| Dropped::Malformed)?;
            let end = usize::from(header.total_len());
            if end > packet.len() || end < header.slice().len() {
                return Err(Dropped::Malformed);
            }
            if header.is_fragmenting_payload() {
                return Err(Dropped::Fragment);
            }
            if header.ihl() != 5 {
                return Err(Dropped::Options);
            }
            if verify && !Ipv4Packet::new_unchecked(packet).verify_checksum() {
                return Err(Dropped::Checksum);
            }
            Ip {
                source: header.source_addr().into(),
                destination: header.destination_addr().into(),
                protocol: header.protocol(),
                header: header.slice().len(),
                end,
            }
        }
        Some(6) => {
            let header = Ipv6HeaderSlice::from_slice(packet).map_err(|_| Dropped::Malformed)?;
            let end = header.slice().len() + usize::from(header.payload_length());
            if end > packet.len() || header.payload_length() == 0 {
                return Err(Dropped::Malformed);
            }
            match header.next_header() {
                ip_number::IPV6_FRAG => return Err(Dropped::Fragment),
                next if next.is_ipv6_ext_header_value() => return Err(Dropped::Options),
                _ => {}
            }
            Ip {
                source: header.source_addr().into(),
                destination: header.destination_addr().into(),
                protocol: header.next_header(),
                header: header.slice().len(),
                end,
            }
        }
        _ => return Err(Dropped::Malformed),
    };
    if is_unicast(ip.source) && is_unicast(ip.destination) {
        Ok(ip)
    } else {
        Err(Dropped::Martian)
    }
}

fn is_unicast(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !v4.is_unspecified() && !v4.is_multicast() && v4.octets()[0] < 240,
        IpAddr::V6(v6) => !v6.is_unspecified() && !v6.is_multicast(),
    }
}

fn endpoints(ip: &Ip, source: u16, destination: u16) -> Result<(SocketAddr, SocketAddr), Dropped> {
    if source == 0 || destination == 0 {
        return Err(Dropped::Martian);
    }
    Ok((
        SocketAddr::new(ip.source, source),
        SocketAddr::new(ip.destination, destination),
    ))
}

fn parse_tcp(ip: &Ip, payload: &[u8], verify: bool) -> Result<Content, Dropped> {
    let header = TcpHeaderSlice::from_slice(payload).map_err(|_| Dropped::Malformed)?;
    let (source, destination) = endpoints(ip, header.source_port(), header.destination_port())?;
    let contradictory =
        header.syn() && (header.fin() || header.rst()) || header.fin() && header.rst();
    if contradictory {
        return Err(Dropped::Malformed);
    }
    if verify
        && !TcpPacket::new_unchecked(payload)
            .verify_checksum(&ip.source.into(), &ip.destination.into())
    {
        return Err(Dropped::Checksum);
    }
    Ok(Content::Tcp(Segment {
        source,
        destination,
        sequence: header.sequence_number(),
        acknowledgment: header.acknowledgment_number(),
        syn: header.syn(),
        ack: header.ack(),
        fin: header.fin(),
        rst: header.rst(),
        window: header.window_size(),
        payload_len: payload.len() - header.slice().len(),
    }))
}

fn parse_udp(ip: &Ip, payload: &[u8], verify: bool) -> Result<Content, Dropped> {
    let header = UdpHeaderSlice::from_slice(payload).map_err(|_| Dropped::Malformed)?;
    let (source, destination) = endpoints(ip, header.source_port(), header.destination_port())?;
    let length = usize::from(header.length());
    if length < UDP_HEADER || length > payload.len() {
        return Err(Dropped::Malformed);
    }
    let absent = header.checksum() == 0;
    if absent && ip.source.is_ipv6() {
        return Err(Dropped::Checksum);
    }
    if verify
        && !absent
        && !UdpPacket::new_unchecked(payload)
            .verify_checksum(&ip.source.into(), &ip.destination.into())
    {
        return Err(Dropped::Checksum);
    }
    Ok(Content::Udp {
        source,
        destination,
        payload: ip.header + UDP_HEADER..ip.header + length,
    })
}

fn parse_icmpv4(ip: &Ip, payload: &[u8], verify: bool) -> Result<Content, Dropped> {
    if payload.len() < ICMP_HEADER {
        return Err(Dropped::Malformed);
    }
    if verify && !Icmpv4Packet::new_unchecked(payload).verify_checksum() {
        return Err(Dropped::Checksum);
    }
    Ok(match (payload[0], payload[1]) {
        (8, 0) => echo(ip, payload),
        (3, _) => quoted_udp(&payload[ICMP_HEADER..]),
        _ => Content::Ignored,
    })
}

fn parse_icmpv6(ip: &Ip, payload: &[u8], verify: bool) -> Result<Content, Dropped> {
    if payload.len() < ICMP_HEADER {
        return Err(Dropped::Malformed);
    }
    if verify {
        let (IpAddr::V6(source), IpAddr::V6(destination)) = (ip.source, ip.destination) else {
            return Err(Dropped::Malformed);
        };
        if !Icmpv6Packet::new_unchecked(payload).verify_checksum(&source, &destination) {
            return Err(Dropped::Checksum);
        }
    }
    Ok(match (payload[0], payload[1]) {
        (128, 0) => echo(ip, payload),
        (1, _) => quoted_udp(&payload[ICMP_HEADER..]),
        _ => Content::Ignored,
    })
}

fn echo(ip: &Ip, payload: &[u8]) -> Content {
    Content::EchoRequest {
        identifier: u16::from_be_bytes([payload[4], payload[5]]),
        sequence: u16::from_be_bytes([payload[6], payload[7]]),
        payload: ip.header + ICMP_HEADER..ip.end,
    }
}

/// The quote may be cut short, so only the addresses and ports are read.
fn quoted_udp(quote: &[u8]) -> Content {
    let (source, destination, protocol, header) = match quote.first().map(|byte| byte >> 4) {
        Some(4) => match Ipv4HeaderSlice::from_slice(quote) {
            Ok(h) => (
                IpAddr::V4(h.source_addr()),
                IpAddr::V4(h.destination_addr()),
                h.protocol(),
                h.slice().len(),
            ),
            Err(_) => return Content::Ignored,
        },
        Some(6) => match Ipv6HeaderSlice::from_slice(quote) {
            Ok(h) => (
                IpAddr::V6(h.source_addr()),
                IpAddr::V6(h.destination_addr()),
                h.next_header(),
                h.slice().len(),
            ),
            Err(_) => return Content::Ignored,
        },
        _ => return Content::Ignored,
    };
    match quote.get(header..header + 4) {
        Some(&[a, b, c, d]) if protocol == ip_number::UDP => Content::Unreachable {
            source: SocketAddr::new(source, u16::from_be_bytes([a, b])),
            destination: SocketAddr::new(destination, u16::from_be_bytes([c, d])),
        },
        _ => Content::Ignored,
    }
}

const UDP_HEADER: usize = 8;
const ICMP_HEADER: usize = 8;
