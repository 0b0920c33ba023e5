//! What apps and resolvers send: DNS messages, the first bytes of flows; and the file of names.

use std::sync::LazyLock;
use std::time::Instant;

use masq_core::fake_ip::FakeIps;
use masq_core::{flow_kind, names};

/// The resolver looks at no clock, so any moment will do.
static NOW: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Answers a query over both transports.
pub fn dns_query(data: &[u8]) {
    names::fuzz_query(data, *NOW);
}

/// Answers a query with what an exit or a local resolver said: a byte with the length of the
/// query, the query, the answer.
pub fn dns_answer(data: &[u8]) {
    names::fuzz_answer(data, *NOW);
}

/// Looks for a name in the first bytes of a flow.
pub fn sniff(data: &[u8]) {
    flow_kind::fuzz_sniff(data);
}

/// Restores the map of names from its file.
pub fn names_restore(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let mut map = FakeIps::new(8, 0, *NOW);
    map.restore(text, *NOW);
    let mut second = FakeIps::new(8, 0, *NOW);
    let restored = second.restore(&map.snapshot(), *NOW);
    assert_eq!((restored.names, restored.refused), (map.len(), 0));
}
