//! A SOCKS 5 server (RFC 1928): CONNECT to an IPv4 address, no authentication. What redsocks needs.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional_with_sizes};
use tokio::net::{TcpListener, TcpStream};

const PORT: u16 = 1080;
const BUFFER: usize = 256 * 1024;

pub(super) fn run() -> Result<()> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(serve())
}

async fn serve() -> Result<()> {
    let address: SocketAddr = (Ipv6Addr::UNSPECIFIED, PORT).into();
    let listener = TcpListener::bind(address)
        .await
        .context("Failed to listen")?;
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(handle(stream));
        }
    }
}

async fn handle(mut client: TcpStream) -> Result<()> {
    client.set_nodelay(true)?;
    let [_version, methods] = read(&mut client).await?;
    client
        .read_exact(&mut vec![0; usize::from(methods)])
        .await?;
    client.write_all(&[5, 0]).await?;
    let [_version, command, _reserved, kind] = read(&mut client).await?;
    if (command, kind) != (1, 1) {
        bail!("only CONNECT to an IPv4 address");
    }
    let address = Ipv4Addr::from(read::<4>(&mut client).await?);
    let port = u16::from_be_bytes(read(&mut client).await?);
    let mut server = TcpStream::connect((address, port)).await?;
    server.set_nodelay(true)?;
    client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await?;
    copy_bidirectional_with_sizes(&mut client, &mut server, BUFFER, BUFFER).await?;
    Ok(())
}

async fn read<const N: usize>(stream: &mut TcpStream) -> Result<[u8; N]> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}
