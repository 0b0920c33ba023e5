//! The serving side: one thread for connections that wait, one more for each that carries bulk.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::thread;

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

use super::Wish;

const BULK: usize = 256 * 1024;

pub(super) fn run(listen: SocketAddr) -> Result<()> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(serve(listen))
}

async fn serve(listen: SocketAddr) -> Result<()> {
    let socket = socket_with_backlog(listen)?;
    let udp = UdpSocket::bind(listen)
        .await
        .context("Failed to listen on UDP")?;
    tokio::spawn(echo(udp));
    loop {
        if let Ok((stream, _)) = socket.accept().await {
            tokio::spawn(handle(stream));
        }
    }
}

fn socket_with_backlog(listen: SocketAddr) -> Result<TcpListener> {
    let socket = if listen.is_ipv6() {
        tokio::net::TcpSocket::new_v6()?
    } else {
        tokio::net::TcpSocket::new_v4()?
    };
    socket.set_reuseaddr(true)?;
    socket
        .bind(listen)
        .with_context(|| format!("Failed to listen on {listen}"))?;
    Ok(socket.listen(4096)?)
}

async fn echo(socket: UdpSocket) {
    let mut buffer = vec![0; 65_536];
    loop {
        if let Ok((count, peer)) = socket.recv_from(&mut buffer).await {
            let _ = socket.send_to(&buffer[..count], peer).await;
        }
    }
}

async fn handle(mut stream: TcpStream) -> Result<()> {
    stream.set_nodelay(true)?;
    let wish = Wish::from_byte(stream.read_u8().await?);
    match wish {
        Some(Wish::Answer) => {
            stream.write_all(b"a").await?;
            stream.shutdown().await?;
        }
        Some(Wish::Idle) => {
            stream.write_all(b"i").await?;
            while stream.read(&mut [0; 64]).await? > 0 {}
        }
        Some(Wish::Download) => on_a_thread(stream, |mut stream| {
            let buffer = vec![0x6d; BULK];
            while stream.write_all(&buffer).is_ok() {}
        })?,
        Some(Wish::Upload) => on_a_thread(stream, |mut stream| {
            let mut buffer = vec![0; BULK];
            let mut total = 0u64;
            while let Ok(count @ 1..) = stream.read(&mut buffer) {
                total += count as u64;
            }
            let _ = stream.write_all(&total.to_be_bytes());
        })?,
        None => {}
    }
    Ok(())
}

fn on_a_thread(
    stream: TcpStream,
    work: impl FnOnce(std::net::TcpStream) + Send + 'static,
) -> Result<()> {
    let stream = stream.into_std()?;
    stream.set_nonblocking(false)?;
    thread::spawn(move || work(stream));
    Ok(())
}
