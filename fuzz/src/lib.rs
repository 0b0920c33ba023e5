//! The fuzz targets, one function each, as `cargo fuzz` calls them and as `replay` calls them with
//! the committed corpora on a stable compiler.
//!
//! A target panics when a law does not hold: nothing from outside panics, nothing changed is
//! believed, what is read prints and reads back. To fuzz: `cargo +nightly fuzz run onion_open
//! --features libfuzzer`. A new target is a function, a line in [`TARGETS`], a file in
//! `fuzz_targets/`, a `[[bin]]` and a seed in `corpus/`.

#![forbid(unsafe_code)]

mod circuit;
mod gossip;
mod names;
mod packets;
mod rules;
mod text;

pub use circuit::{datagram_open, frame_open, onion_open};
pub use gossip::{gossip_message, gossip_node};
pub use names::{dns_answer, dns_query, names_restore, sniff};
pub use packets::stack_packet;
pub use rules::{rules_decide, rules_parse};
pub use text::{
    config_parse, descriptor_parse, identity_file, record_bytes, record_json, ui_frame,
};

/// Every target by its name, which is also the name of its corpus.
pub const TARGETS: &[(&str, fn(&[u8]))] = &[
    ("onion_open", onion_open),
    ("frame_open", frame_open),
    ("datagram_open", datagram_open),
    ("descriptor_parse", descriptor_parse),
    ("record_json", record_json),
    ("record_bytes", record_bytes),
    ("identity_file", identity_file),
    ("config_parse", config_parse),
    ("ui_frame", ui_frame),
    ("rules_parse", rules_parse),
    ("rules_decide", rules_decide),
    ("dns_query", dns_query),
    ("dns_answer", dns_answer),
    ("sniff", sniff),
    ("names_restore", names_restore),
    ("stack_packet", stack_packet),
    ("gossip_message", gossip_message),
    ("gossip_node", gossip_node),
];
