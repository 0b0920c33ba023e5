//! IP packets in, flows out: TCP streams, UDP datagrams and echo requests of a TUN, on smoltcp.
//!
//! Sans-IO: no socket, no thread, no clock, no randomness; packets and the time are arguments.
//! It holds no policy: who may connect where is decided by the caller, which accepts or refuses each flow.
//!
//! # Calling sequence
//! ```text
//! loop {
//!     for each packet the TUN has (a batch):   stack.handle_packet(packet, now)
//!     when poll_timeout()'s deadline passed:   stack.handle_timeout(now)
//!     while let Some(event) = stack.poll_event():   accept, refuse, receive, send, finish ...
//!     while let Some(packet) = stack.poll_transmit(now):
//!         write it to the TUN; stack.transmitted()     (the TUN is full: keep it, wait until writable)
//! }
//! ```
//! Segments are taken in at once; what goes out (data, acknowledgements, window updates) is made by
//! `poll_transmit`, so a batch of packets costs one acknowledgement per flow. While the TUN is full no
//! flow is polled: its data waits in its own bounded buffer and back-pressure reaches its sender.
#![forbid(unsafe_code)]

mod config;
mod counters;
mod device;
mod emit;
mod event;
mod flow;
mod icmp;
mod packet;
mod slab;
mod stack;
mod tcp;
mod timers;
mod udp;

pub use config::Config;
pub use counters::Counters;
pub use event::{Echo, Event, FlowError, Recv, Refusal};
pub use flow::{FiveTuple, Protocol};
pub use slab::FlowId;
pub use stack::Stack;
