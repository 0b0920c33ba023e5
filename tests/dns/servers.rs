//! Name servers that answer every question for an address with the same one.

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use hickory_proto::op::{Message, MessageType, OpCode};
use hickory_proto::rr::rdata::A;
use hickory_proto::rr::{RData, Record, RecordType};

/// Long enough that an answer out of a cache would be noticed.
const TTL: u32 = 600;

/// One server; dropped, it is deaf.
#[derive(Debug)]
pub(crate) struct Server {
    asked: Arc<AtomicUsize>,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(crate) fn start(socket: UdpSocket, address: Ipv4Addr) -> Server {
        let (asked, ends) = (Arc::default(), Arc::default());
        let thread = thread::spawn({
            let (asked, ends) = (Arc::clone(&asked), Arc::clone(&ends));
            move || serve(&socket, address, &asked, &ends)
        });
        Server {
            asked,
            ends,
            thread: Some(thread),
        }
    }

    /// How many questions came so far.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // Its panic has been printed.
            let _ = thread.join();
        }
    }
}

fn serve(socket: &UdpSocket, address: Ipv4Addr, asked: &AtomicUsize, ends: &AtomicBool) {
    socket
        .set_read_timeout(Some(Duration::from_millis(20)))
        .unwrap();
    let mut buffer = [0; 4096];
    while !ends.load(Ordering::Relaxed) {
        let Ok((length, peer)) = socket.recv_from(&mut buffer) else {
            continue;
        };
        asked.fetch_add(1, Ordering::Relaxed);
        if let Some(answer) = answer(&buffer[..length], address) {
            // Whoever has gone does not want it.
            let _ = socket.send_to(&answer, peer);
        }
    }
}

fn answer(question: &[u8], address: Ipv4Addr) -> Option<Vec<u8>> {
    let request = Message::from_vec(question).ok()?;
    let query = request.queries.first()?;
    let mut response = Message::new(request.metadata.id, MessageType::Response, OpCode::Query);
    response.metadata.recursion_desired = request.metadata.recursion_desired;
    response.metadata.recursion_available = true;
    response.add_query(query.clone());
    if query.query_type() == RecordType::A {
        let data = RData::A(A(address));
        response.add_answer(Record::from_rdata(query.name().clone(), TTL, data));
    }
    response.to_vec().ok()
}
