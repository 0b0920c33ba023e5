//! In which country an IP address is.
//!
//! The table is that of the crate `iptocc`: what the five Regional Internet
//! Registries say of whom they gave each block to, 1.3 MB within the program,
//! read in place, nothing on the heap. `cargo update -p iptocc` renews it. It
//! says where a block is registered, which is where it is used for about 95 of
//! 100 IPv4 addresses; so it is a hint about a Node, never a proof.

use std::net::IpAddr;

use masq_core::config::CountryCode;

/// The country that the address is registered in, if it is registered anywhere.
pub fn country_of(address: IpAddr) -> Option<CountryCode> {
    let code = iptocc::country_code(address.to_canonical())?;
    CountryCode::assigned(code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::{Ipv4Addr, Ipv6Addr};

    fn country(text: &str) -> Option<String> {
        country_of(text.parse().unwrap()).map(|code| code.to_string())
    }

    #[test]
    fn well_known_addresses_are_where_they_are_registered() {
        for (address, expected) in [
            ("8.8.8.8", "US"),
            ("193.0.6.139", "NL"),
            ("2001:67c:2e8:22::c100:68b", "NL"),
            ("217.31.205.50", "CZ"),
            ("2001:1488:0:3::2", "CZ"),
            ("203.178.141.194", "JP"),
            ("200.160.2.3", "BR"),
            ("::ffff:217.31.205.50", "CZ"),
        ] {
            assert_eq!(country(address).as_deref(), Some(expected), "{address}");
        }
    }

    #[test]
    fn addresses_of_nobody_have_no_country() {
        for address in [
            "10.0.0.1",
            "127.0.0.1",
            "192.168.1.1",
            "169.254.0.1",
            "100.64.0.1",
            "224.0.0.1",
            "0.0.0.0",
            "::1",
            "fe80::1",
            "fd00::1",
        ] {
            assert_eq!(country(address), None, "{address}");
        }
    }

    /// A release whose table has lost a part must not pass unseen.
    #[test]
    fn the_table_is_whole() {
        let (mut known, mut countries) = (0, std::collections::BTreeSet::new());
        for top in 0..=u16::MAX {
            let code = country_of(Ipv4Addr::from(u32::from(top) << 16 | 0x101).into());
            known += usize::from(code.is_some());
            countries.extend(code);
        }

        assert!(known > 50_000, "{known} of 65536 blocks");
        assert!(countries.len() > 150, "{} countries", countries.len());
    }

    #[test]
    #[ignore = "a measurement: cargo test --release -p masq-node measure_geoip -- --ignored --nocapture"]
    fn measure_geoip() {
        let start = crate::clock::now();
        let mut known = 0;
        for number in 0..4_000_000u32 {
            let address = Ipv4Addr::from(number.wrapping_mul(2_654_435_761));
            known += usize::from(country_of(address.into()).is_some());
        }
        println!("{:?} each, {known} known", start.elapsed() / 4_000_000);
    }

    proptest! {
        #[test]
        fn no_address_ends_the_process(v4: u32, v6: u128, unicast in 0..1u128 << 125) {
            country_of(Ipv4Addr::from(v4).into());
            country_of(Ipv6Addr::from(v6).into());
            country_of(Ipv6Addr::from(1 << 125 | unicast).into());
        }
    }
}
