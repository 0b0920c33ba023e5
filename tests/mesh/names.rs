//! Names, and what the user sees when one leads nowhere.

use masq_lab::{process, require};

use crate::support::{LIMIT, assert_nothing_leaked, dig, mesh, resolve};

#[test]
fn questions_are_answered_and_none_leaves_the_mesh() {
    if !require::laboratory() {
        return;
    }
    let mesh = mesh();
    let v4 = resolve(mesh.app(), "www.example.test", "A");
    assert!(
        matches!(v4, std::net::IpAddr::V4(address) if address.octets()[0] == 198),
        "{v4}"
    );
    let v6 = resolve(mesh.app(), "www.example.test", "AAAA");
    assert!(v6.is_ipv6());
    for transport in ["+notcp", "+tcp"] {
        assert!(
            dig(&mesh, &[transport, "TXT", "www.example.test"]).contains("this is the laboratory")
        );
        assert!(dig(&mesh, &[transport, "MX", "example.test"]).contains("mail.example.test"));
        assert!(
            dig(&mesh, &[transport, "TXT", "nx.example.test"]).contains("NXDOMAIN"),
            "{transport}"
        );
    }
    assert!(dig(&mesh, &["TXT", "big.example.test"]).contains("bbbbbbbb"));
    assert!(dig(&mesh, &["@192.0.2.53", "+short", "A", "any.example.test"]).starts_with("198."));
    assert_nothing_leaked(&mesh);
}

#[test]
fn the_name_is_resolved_at_the_exit_only() {
    if !require::laboratory() {
        return;
    }
    let mesh = mesh();
    let output = mesh
        .curl(LIMIT, &["http://at-the-exit.example.test/"])
        .unwrap();
    assert!(process::text(&output).unwrap().contains("origin"));
    assert!(mesh.site.questions().contains("at-the-exit.example.test"));
    assert_nothing_leaked(&mesh);
}

#[test]
fn a_name_that_does_not_exist_gives_a_page_and_a_tls_alert() {
    if !require::laboratory() {
        return;
    }
    let mesh = mesh();
    let page = mesh
        .curl(LIMIT, &["-i", "http://nx.example.test/"])
        .unwrap();
    let page = process::text(&page).unwrap();
    assert!(
        page.contains("MASQ") && page.contains("name-not-found"),
        "{page}"
    );
    let tls = mesh
        .curl(LIMIT, &["-v", "https://nx.example.test/"])
        .unwrap();
    let words = String::from_utf8_lossy(&tls.stderr).into_owned();
    assert_eq!(tls.status.code(), Some(35), "{words}");
    assert!(words.contains("unrecognized name"), "{words}");
}

#[test]
fn an_exit_refuses_private_addresses_by_name_and_by_number() {
    if !require::laboratory() {
        return;
    }
    let mesh = mesh();
    for url in [
        "http://private.example.test/",
        "http://loopback.example.test/",
        "http://10.77.0.1/",
    ] {
        let output = mesh.curl(LIMIT, &[url]).unwrap();
        let page = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(page.contains("policy"), "{url}: {output:?}");
        assert!(!page.contains("this is the origin"), "{url}: {page}");
    }
}
