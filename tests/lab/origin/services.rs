//! The origin's plain services on TCP and UDP.

use std::time::Duration;

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

use crate::content;

pub(super) async fn echo(mut stream: TcpStream) -> Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        match stream.read(&mut buffer).await? {
            0 => break,
            count => stream.write_all(&buffer[..count]).await?,
        }
    }
    Ok(stream.shutdown().await?)
}

pub(super) async fn digest(mut stream: TcpStream) -> Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    let mut hasher = content::Hasher::default();
    let mut total = 0u64;
    loop {
        match stream.read(&mut buffer).await? {
            0 => break,
            count => {
                hasher.update(&buffer[..count]);
                total += count as u64;
            }
        }
    }
    stream
        .write_all(format!("{total} {}\n", hasher.finish()).as_bytes())
        .await?;
    Ok(stream.shutdown().await?)
}

pub(super) async fn source(mut stream: TcpStream) -> Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    let mut position = 0;
    loop {
        content::fill(position, &mut buffer);
        stream.write_all(&buffer).await?;
        position += buffer.len() as u64;
    }
}

pub(super) async fn speak_first(mut stream: TcpStream) -> Result<()> {
    stream.write_all(b"220 origin ready\r\n").await?;
    echo(stream).await
}

pub(super) async fn silence(mut stream: TcpStream) -> Result<()> {
    let mut buffer = vec![0; 4096];
    while stream.read(&mut buffer).await? > 0 {}
    Ok(())
}

/// Echoes datagrams; one that begins with `delay MILLISECONDS` comes back after that time.
pub(super) async fn udp_echo(socket: UdpSocket) -> Result<()> {
    let socket = std::sync::Arc::new(socket);
    let mut buffer = vec![0; 65_536];
    loop {
        let Ok((count, peer)) = socket.recv_from(&mut buffer).await else {
            continue;
        };
        match delay_of(&buffer[..count]) {
            None => drop(socket.send_to(&buffer[..count], peer).await),
            Some(delay) => {
                let (socket, datagram) = (socket.clone(), buffer[..count].to_vec());
                tokio::spawn(async move {
                    tokio::time::sleep(delay).await;
                    let _ = socket.send_to(&datagram, peer).await;
                });
            }
        }
    }
}

fn delay_of(datagram: &[u8]) -> Option<Duration> {
    let text = std::str::from_utf8(datagram).ok()?;
    let milliseconds = text.strip_prefix("delay ")?.split_whitespace().next()?;
    Some(Duration::from_millis(milliseconds.parse().ok()?))
}
