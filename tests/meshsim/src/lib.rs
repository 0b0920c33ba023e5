//! The mesh of thousands of Nodes in one process and in virtual time: the very core that gossips in the
//! Node, with messages for links. A run is a function of its options: the same seed, the same events.
//!
//! [`plan`] draws who takes part, [`host`] is one Node, [`crew`] runs them all, [`measure`] counts,
//! [`report`] says what came of it.

#![forbid(unsafe_code)]

mod adversary;
mod chance;
pub mod crew;
mod event;
mod host;
mod ledger;
pub mod measure;
pub mod memo;
pub mod options;
pub mod plan;
pub mod plot;
pub mod report;
pub mod suite;
pub mod time;
