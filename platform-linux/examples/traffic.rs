//! Small clients and servers, for the tests of this crate: each command does
//! one exchange and ends well or badly.

use std::io::{Error, Read, Result, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::Duration;

use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrStorage, recv, sendto,
    setsockopt, socket, sockopt,
};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["tcp-server", at] => tcp_server(at),
        ["tcp-client", to] => tcp_client(to),
        ["udp-client", to] => udp_client(to),
        ["send", to] => UdpSocket::bind("0.0.0.0:0")?.send_to(b"x", to).map(drop),
        ["bound", interface, to] => bound(interface, to),
        ["unicast-interface", interface, to] => unicast_interface(interface, to),
        ["ping", to] => ping(to),
        _ => Err(Error::other("no such command")),
    }
}

const PATIENCE: Duration = Duration::from_secs(5);

/// Accepts for ever.
fn tcp_server(at: &str) -> Result<()> {
    let listener = TcpListener::bind(at)?;
    loop {
        listener.accept()?;
    }
}

/// Hears `hi` and says `ho` three times, then hears `ok`.
fn tcp_client(to: &str) -> Result<()> {
    let mut stream = TcpStream::connect(to)?;
    stream.set_read_timeout(Some(PATIENCE * 2))?;
    let mut heard = [0; 2];
    for _ in 0..3 {
        std::thread::sleep(Duration::from_millis(100));
        stream.read_exact(&mut heard)?;
        stream.write_all(b"ho")?;
    }
    stream.read_exact(&mut heard)?;
    if &heard == b"ok" {
        Ok(())
    } else {
        Err(Error::other("not ok"))
    }
}

fn udp_client(to: &str) -> Result<()> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.send_to(b"hello", to)?;
    let mut heard = [0; 16];
    let (length, _) = socket.recv_from(&mut heard)?;
    if &heard[..length] == b"hello" {
        Ok(())
    } else {
        Err(Error::other("another answer"))
    }
}

fn bound(interface: &str, to: &str) -> Result<()> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    setsockopt(&socket, sockopt::BindToDevice, &interface.into())?;
    socket.send_to(b"x", to)?;
    Ok(())
}

fn unicast_interface(interface: &str, to: &str) -> Result<()> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    let index = nix::net::if_::if_nametoindex(interface)?;
    let index = index.to_be();
    // SAFETY: IP_UNICAST_IF (ip(7)) reads the four bytes of `index`.
    let set = unsafe {
        nix::libc::setsockopt(
            socket.as_raw_fd(),
            nix::libc::IPPROTO_IP,
            nix::libc::IP_UNICAST_IF,
            (&raw const index).cast(),
            4,
        )
    };
    if set < 0 {
        return Err(Error::last_os_error());
    }
    socket.send_to(b"x", to)?;
    Ok(())
}

/// RFC 792: one echo request, until its reply comes.
fn ping(to: &str) -> Result<()> {
    const REPLY: u8 = 0;
    let to: SocketAddr = format!("{to}:0").parse().map_err(Error::other)?;
    let socket = socket(
        AddressFamily::Inet,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::Icmp,
    )?;
    let timeout = nix::sys::time::TimeVal::new(5, 0);
    setsockopt(&socket, sockopt::ReceiveTimeout, &timeout)?;
    let request = [8, 0, 0xf7, 0xfd, 0, 1, 0, 1];
    sendto(
        socket.as_raw_fd(),
        &request,
        &SockaddrStorage::from(to),
        MsgFlags::empty(),
    )?;
    let mut packet = [0; 64];
    while recv(socket.as_raw_fd(), &mut packet, MsgFlags::empty())? < 21 || packet[20] != REPLY {}
    Ok(())
}
