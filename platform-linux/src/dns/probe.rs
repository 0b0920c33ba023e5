//! Whether a resolver answers at an address.

use std::io;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::time::Duration;

/// Any resolver knows this name by itself (RFC 6761 section 6.3).
const QUESTION: &[u8] =
    b"\x4d\x51\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x09localhost\x00\x00\x01\x00\x01";
const TRIES: u32 = 3;
const PATIENCE: Duration = Duration::from_millis(700);

/// Whether any answer comes, of whatever code.
pub(super) fn answers(server: IpAddr, port: u16) -> bool {
    (0..TRIES).any(|_| asked_once(server, port).unwrap_or(false))
}

fn asked_once(server: IpAddr, port: u16) -> io::Result<bool> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.connect((server, port))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.send(QUESTION)?;
    let mut answer = [0; 512];
    let length = socket.recv(&mut answer)?;
    let id_and_flags = answer.get(..length.min(3)).unwrap_or_default();
    // The same number, and the bit that makes it a response (RFC 1035 section 4.1.1).
    Ok(id_and_flags.len() == 3
        && id_and_flags.starts_with(&QUESTION[..2])
        && id_and_flags[2] & 0x80 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_told_from_silence_and_from_an_echo() {
        let server = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = server.local_addr().unwrap().port();
        let (asker, answer) = (
            std::thread::spawn(move || answers(IpAddr::V4(Ipv4Addr::LOCALHOST), port)),
            |bit: u8| {
                let mut bytes = [0; 512];
                let (length, from) = server.recv_from(&mut bytes).unwrap();
                bytes[2] |= bit;
                server.send_to(&bytes[..length], from).unwrap();
            },
        );
        // A question that comes back is no answer; the next try gets one.
        answer(0);
        answer(0x80);
        assert!(asker.join().unwrap());
        drop(server);
        assert!(!answers(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
    }
}
