//! The filter at work, in threads of their own: it holds for the thread that
//! installs it.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::Command;

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockType, SockaddrIn, bind, connect, sendto, socket,
    socketpair,
};

use super::*;

/// Runs `work` in a thread that is confined.
fn confined<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let thread = std::thread::spawn(|| {
        install(seccompiler::apply_filter).unwrap();
        work()
    });
    thread.join().unwrap()
}

fn refused<T>(result: nix::Result<T>) {
    assert_eq!(result.err(), Some(Errno::EPERM));
}

#[test]
fn no_socket_of_any_kind_is_made() {
    confined(|| {
        for family in [
            AddressFamily::Inet,
            AddressFamily::Inet6,
            AddressFamily::Netlink,
            AddressFamily::Unix,
            AddressFamily::Packet,
        ] {
            for kind in [SockType::Stream, SockType::Datagram, SockType::Raw] {
                refused(socket(family, kind, SockFlag::empty(), None));
            }
        }
        let unix = AddressFamily::Unix;
        refused(socketpair(unix, SockType::Stream, None, SockFlag::empty()));
    });
}

#[test]
fn a_socket_that_is_there_goes_nowhere_else() {
    let family = AddressFamily::Inet;
    let open = |kind| socket(family, kind, SockFlag::empty(), None).unwrap();
    let (stream, datagram) = (open(SockType::Stream), open(SockType::Datagram));
    let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = server.local_addr().unwrap().port();
    confined(move || {
        use std::os::fd::AsRawFd;
        let to = SockaddrIn::new(127, 0, 0, 1, port);
        refused(connect(stream.as_raw_fd(), &to));
        refused(bind(stream.as_raw_fd(), &SockaddrIn::new(127, 0, 0, 1, 0)));
        let none = MsgFlags::empty();
        refused(sendto(datagram.as_raw_fd(), b"x", &to, none));
        let fast = MsgFlags::from_bits_retain(libc::MSG_FASTOPEN);
        refused(nix::sys::socket::send(stream.as_raw_fd(), b"x", fast));
    });
    server.set_nonblocking(true).unwrap();
    assert!(server.accept().is_err(), "nobody came");
}

#[test]
fn no_program_is_started_and_no_process_looked_into() {
    confined(|| {
        assert!(Command::new("/bin/true").status().is_err());
        let mut memory = [0; 8];
        let local = &mut [io::IoSliceMut::new(&mut memory)];
        let remote = &[nix::sys::uio::RemoteIoVec { base: 8, len: 8 }];
        let parent = nix::unistd::getppid();
        refused(nix::sys::uio::process_vm_readv(parent, local, remote));
        refused(nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET));
        refused(nix::sys::signal::kill(nix::unistd::Pid::from_raw(1), None));
    });
}

#[test]
fn uis_are_served() {
    let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = server.local_addr().unwrap().port();
    let client = std::thread::spawn(move || {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        stream.write_all(b"ask").unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        answer
    });
    confined(move || {
        let (mut stream, _) = server.accept().unwrap();
        let mut asked = [0; 3];
        stream.read_exact(&mut asked).unwrap();
        stream.write_all(&asked).unwrap();
    });
    assert_eq!(client.join().unwrap(), b"ask");
}

#[test]
fn files_memory_and_threads_work_on() {
    let folder = tempfile::tempdir().unwrap();
    confined(move || {
        let path = folder.path().join("file");
        std::fs::write(&path, vec![7; 1 << 20]).unwrap();
        assert_eq!(std::fs::read(&path).unwrap().len(), 1 << 20);
        assert!(std::fs::read_to_string("/proc/net/tcp").is_ok());
        assert!(std::fs::read_dir(folder.path()).unwrap().count() > 0);
        std::thread::spawn(|| ()).join().unwrap();
        drop(folder);
    });
}
