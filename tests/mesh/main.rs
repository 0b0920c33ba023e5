//! Whole-system tests: real processes in network namespaces, one topology a file.
//!
//! They need root, TUN and network namespaces; where these are missing they say `SKIPPED:` and why, and
//! fail if `MASQ_REQUIRE_LAB=1`.

mod laboratory;
