//! What is captured, and how: packet devices, the identity and the owner of
//! a flow, the protocol between Node and capture helper, the plan of changes
//! to the machine's network, what passes in which state of the capture, and
//! the journal that undoes it all.
//!
//! No operating-system call is made here: the platform crates implement
//! [`PacketDevice`], [`journal::Storage`] and carry out the steps of a
//! [`plan::Plan`].
#![forbid(unsafe_code)]

pub mod address;
pub mod beside;
pub mod device;
pub mod failure;
pub mod flow;
pub mod helper;
pub mod journal;
pub mod plan;
pub mod states;

pub use address::{Family, Network};
pub use device::PacketDevice;
pub use failure::{CaptureError, FailureCode};
pub use flow::{Container, FiveTuple, FlowOwner, Owned, Protocol};
