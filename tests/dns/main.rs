//! `dns_utility` against the real managers of a system's resolver, each in a sandbox of its own.
//!
//! The managers are Debian's, unpacked below the target folder (`cargo xtask setup`). What a test does to
//! `/etc`, `/run`, `/var/lib` and the network is gone with its namespaces. Who is asked for a name is seen
//! by the answer: the server of the network says another address than the one in the Node's place.

#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it should be"
)]

mod crashes;
mod machine;
mod managers;
mod meanwhile;
mod node;
mod own_questions;
mod restarts;
mod rounds;
mod sandbox;
mod servers;
mod state;
mod words;
