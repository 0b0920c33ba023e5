//! The name server of the laboratory's zone, authoritative, over UDP and TCP (RFC 1035).
//!
//! | name below the zone | answer |
//! |---|---|
//! | the zone itself, `www`, any not named here | A and AAAA of the origin, TXT, MX |
//! | `v4only`, `v6only` | one family |
//! | `private`, `loopback`, `zero` | an A record that no exit may connect to by default |
//! | `slow` | as any, after 500 ms |
//! | `silent` | no answer at all |
//! | `failing` | SERVFAIL |
//! | `big` | TXT of 3,000 bytes: truncated over UDP |
//! | `nx`, `*.nx` | NXDOMAIN |

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use hickory_proto::op::{Message, MessageType, OpCode, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, MX, SOA, TXT};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

const TTL: u32 = 60;

/// The zone and where its names point.
#[derive(Clone, Debug)]
pub struct Zone {
    pub origin: String,
    pub v4: Ipv4Addr,
    pub v6: Ipv6Addr,
    /// A label that gets SERVFAIL, as at a resolver that is broken for one site.
    pub fail: Option<String>,
}

/// Answers until the process ends; each question is printed on a line of its own.
pub async fn run(zone: Zone) -> Result<()> {
    let zone = Arc::new(zone);
    let address: SocketAddr = (Ipv6Addr::UNSPECIFIED, 53).into();
    let tcp = TcpListener::bind(address)
        .await
        .context("Failed to listen on TCP port 53")?;
    let udp = Arc::new(
        UdpSocket::bind(address)
            .await
            .context("Failed to listen on UDP port 53")?,
    );
    let of_tcp = zone.clone();
    tokio::spawn(async move {
        loop {
            if let Ok((stream, _)) = tcp.accept().await {
                tokio::spawn(serve_stream(stream, of_tcp.clone()));
            }
        }
    });
    let mut buffer = vec![0; 4096];
    loop {
        let Ok((count, peer)) = udp.recv_from(&mut buffer).await else {
            continue;
        };
        let (zone, udp, question) = (zone.clone(), udp.clone(), buffer[..count].to_vec());
        tokio::spawn(async move {
            if let Some(answer) = answer(&zone, &question, "udp").await {
                let _ = udp.send_to(&answer, peer).await;
            }
        });
    }
}

async fn serve_stream(mut stream: TcpStream, zone: Arc<Zone>) -> Result<()> {
    loop {
        let length = stream.read_u16().await?;
        let mut question = vec![0; usize::from(length)];
        stream.read_exact(&mut question).await?;
        let Some(answer) = answer(&zone, &question, "tcp").await else {
            continue;
        };
        let mut framed = Vec::with_capacity(answer.len() + 2);
        framed.extend(u16::try_from(answer.len())?.to_be_bytes());
        framed.extend(answer);
        stream.write_all(&framed).await?;
    }
}

async fn answer(zone: &Zone, question: &[u8], transport: &str) -> Option<Vec<u8>> {
    let request = Message::from_vec(question).ok()?;
    let query = request.queries.first()?;
    announce(&format!(
        "{transport} {} {}",
        query.query_type(),
        query.name()
    ));
    let label = label_of(&zone.origin, query.name());
    match label.as_deref() {
        Some("silent") => return None,
        Some("slow") => tokio::time::sleep(Duration::from_millis(500)).await,
        _ => {}
    }
    let mut response = Message::new(request.metadata.id, MessageType::Response, OpCode::Query);
    response.metadata.authoritative = true;
    response.metadata.recursion_desired = request.metadata.recursion_desired;
    response.metadata.recursion_available = true;
    response.add_query(query.clone());
    match records(zone, label.as_deref(), query.query_type()) {
        Ok(found) => {
            if found.is_empty() {
                response.add_authority(authority(zone)?);
            }
            for data in found {
                response.add_answer(Record::from_rdata(query.name().clone(), TTL, data));
            }
        }
        Err(code) => {
            response.metadata.response_code = code;
            response.add_authority(authority(zone)?);
        }
    }
    let encoded = response.to_vec().ok()?;
    let limit = if transport == "udp" {
        usize::from(request.max_payload())
    } else {
        usize::from(u16::MAX)
    };
    if encoded.len() > limit {
        response.truncate().to_vec().ok()
    } else {
        Some(encoded)
    }
}

fn records(zone: &Zone, label: Option<&str>, kind: RecordType) -> Result<Vec<RData>, ResponseCode> {
    let Some(label) = label else {
        return Err(ResponseCode::NXDomain);
    };
    if label == "nx" || label.ends_with(".nx") {
        return Err(ResponseCode::NXDomain);
    }
    if label == "failing" || zone.fail.as_deref() == Some(label) {
        return Err(ResponseCode::ServFail);
    }
    let v4 = match label {
        "v6only" => None,
        "private" => Some(Ipv4Addr::new(10, 77, 0, 1)),
        "loopback" => Some(Ipv4Addr::LOCALHOST),
        "zero" => Some(Ipv4Addr::UNSPECIFIED),
        _ => Some(zone.v4),
    };
    let v6 = match label {
        "v4only" | "private" | "loopback" | "zero" => None,
        _ => Some(zone.v6),
    };
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the record types of all the world"
    )]
    let data = match kind {
        RecordType::A => v4.map(|address| RData::A(A(address))),
        RecordType::AAAA => v6.map(|address| RData::AAAA(AAAA(address))),
        RecordType::TXT if label == "big" => Some(RData::TXT(TXT::new(vec!["b".repeat(250); 12]))),
        RecordType::TXT => Some(RData::TXT(TXT::new(vec![
            "this is the laboratory".to_owned(),
        ]))),
        RecordType::MX => Name::from_str(&format!("mail.{}.", zone.origin))
            .ok()
            .map(|name| RData::MX(MX::new(10, name))),
        _ => None,
    };
    Ok(data.into_iter().collect())
}

fn authority(zone: &Zone) -> Option<Record> {
    let name = Name::from_str(&format!("{}.", zone.origin)).ok()?;
    let soa = SOA::new(name.clone(), name.clone(), 1, 3600, 600, 86_400, 60);
    Some(Record::from_rdata(name, TTL, RData::SOA(soa)))
}

/// What stands before the zone's name; empty for the zone itself, `None` outside of it.
fn label_of(zone: &str, name: &Name) -> Option<String> {
    let name = name.to_ascii().to_ascii_lowercase();
    let name = name.trim_end_matches('.').strip_suffix(zone)?;
    match name.strip_suffix('.') {
        Some(label) => Some(label.to_owned()),
        None => name.is_empty().then(String::new),
    }
}

#[expect(
    clippy::print_stdout,
    reason = "the log of questions is this program's output"
)]
fn announce(line: &str) {
    println!("{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_cut_at_the_zone() {
        let label = |name: &str| label_of("example.test", &Name::from_str(name).unwrap());
        assert_eq!(label("example.test."), Some(String::new()));
        assert_eq!(label("WWW.Example.test."), Some("www".to_owned()));
        assert_eq!(label("badexample.test."), None);
        assert_eq!(label("elsewhere.test."), None);
    }
}
