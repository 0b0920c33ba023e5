use proptest::prelude::*;

use super::*;
use crate::flow::{Container, FlowOwner, Group, PARENTS, Parent};

fn addresses() -> impl Strategy<Value = (SocketAddr, SocketAddr)> {
    prop_oneof![
        any::<([u8; 4], u16, [u8; 4], u16)>()
            .prop_map(|(a, p, b, q)| { (SocketAddr::from((a, p)), SocketAddr::from((b, q))) }),
        any::<([u8; 16], u16, [u8; 16], u16)>()
            .prop_map(|(a, p, b, q)| { (SocketAddr::from((a, p)), SocketAddr::from((b, q))) }),
    ]
}

fn requests() -> impl Strategy<Value = Request> {
    let owner =
        (any::<u32>(), any::<bool>(), addresses()).prop_map(|(id, tcp, (source, destination))| {
            let protocol = if tcp { Protocol::Tcp } else { Protocol::Icmp };
            Request::Owner {
                id,
                tuple: FiveTuple {
                    protocol,
                    source,
                    destination,
                },
            }
        });
    prop_oneof![
        Just(Request::Activate),
        any::<u32>().prop_map(|seconds| Request::Suspend { seconds }),
        Just(Request::Resume),
        Just(Request::Stop),
        owner,
        any::<(u32, bool)>().prop_map(|(id, allowed)| Request::LocalNetwork { id, allowed }),
        any::<(u32, u32)>().prop_map(|(id, pid)| Request::Admit { id, pid }),
        (any::<u32>(), any::<Vec<u32>>(), "[a-z/.]{0,90}").prop_map(|(id, users, path)| {
            Request::Bypass {
                id,
                subjects: Subjects {
                    paths: vec!["/usr/bin/curl".into()],
                    names: vec!["steam".into()],
                    users,
                    cgroups: vec![PathBuf::from(&path)],
                    units: vec![path],
                },
            }
        }),
        ("[a-z]{1,15}", any::<u32>()).prop_map(|(tun_name, node_pid)| {
            Request::Hello(Parameters {
                tun_name,
                journal_directory: PathBuf::from("/var/lib/masq/journal"),
                node_pid,
                excluded: vec!["192.0.2.0/24".parse().unwrap()],
                captured: vec!["198.18.0.0/15".parse().unwrap()],
                on_failure: OnFailure::Direct,
                local_network: LocalNetwork::Block,
            })
        }),
    ]
}

fn container() -> impl Strategy<Value = Container> {
    let name = proptest::option::of("[a-z]{1,9}");
    ("[0-9a-f]{12,64}", name).prop_map(|(id, name)| Container { id, name })
}

fn owned() -> impl Strategy<Value = Owned> {
    let optional = |pattern: &'static str| proptest::option::of(pattern);
    let who = (any::<u32>(), any::<u32>(), "[a-z]{0,8}", "[a-zä ]{0,7}");
    let what = (
        "/[a-z/ü]{0,200}",
        optional("/[a-z]{1,30}"),
        optional("/user[.]slice"),
        optional("[a-z]{1,9}[.]service"),
        proptest::option::of(container()),
    );
    let groups = proptest::collection::vec(
        (any::<u32>(), "[a-z]{0,8}").prop_map(|(gid, name)| Group { gid, name }),
        0..4,
    );
    let parents = proptest::collection::vec(
        ("/[a-z/]{0,40}", "[a-z]{1,15}").prop_map(|(path, name)| Parent {
            path: PathBuf::from(path),
            name,
        }),
        0..PARENTS,
    );
    let owner = (who, what, groups, parents).prop_map(
        |((pid, uid, user, name), (path, script, cgroup, unit, container), groups, parents)| {
            Owned::By(Box::new(FlowOwner {
                pid,
                uid,
                user,
                path: PathBuf::from(path),
                name,
                script: script.map(PathBuf::from),
                groups,
                cgroup,
                unit,
                container,
                parents,
            }))
        },
    );
    prop_oneof![
        Just(Owned::Unknown),
        proptest::option::of(container()).prop_map(Owned::Forwarded),
        owner,
    ]
}

fn replies() -> impl Strategy<Value = Reply> {
    prop_oneof![
        Just(Reply::Active),
        Just(Reply::Suspended),
        Just(Reply::Stopped),
        (any::<u32>(), owned()).prop_map(|(id, owned)| Reply::Owner { id, owned }),
        (any::<(u32, bool)>(), "\\PC{0,200}").prop_map(|((id, refused), text)| Reply::Done {
            id,
            refused: refused.then(|| CaptureError::new(FailureCode::CgroupUnavailable, text)),
        }),
        (0..FailureCode::ALL.len(), "\\PC{0,200}").prop_map(|(code, text)| Reply::Failed(
            CaptureError::new(FailureCode::ALL[code], text)
        )),
        any::<(u32, [u8; 4], [u8; 16], u32)>().prop_map(|(mtu, ipv4, ipv6, mark)| {
            Reply::Tun(TunDescription {
                name: "masq0".to_owned(),
                mtu,
                ipv4: ipv4.into(),
                ipv6: ipv6.into(),
                mark,
            })
        }),
    ]
}

proptest! {
    #[test]
    fn a_request_survives_the_wire(request in requests()) {
        prop_assert_eq!(Request::decode(&request.encode()), Some(request));
    }

    #[test]
    fn a_reply_survives_the_wire(reply in replies()) {
        let bytes = reply.encode();
        prop_assert!(bytes.len() <= OWNER_LIMIT);
        if !matches!(reply, Reply::Owner { .. }) {
            prop_assert_eq!(bytes.len(), MESSAGE_SIZE);
        }
        prop_assert_eq!(Reply::decode(&bytes), Some(reply));
    }

    #[test]
    fn any_bytes_are_decoded_or_refused(
        bytes in proptest::collection::vec(any::<u8>(), 0..1200),
        kind in any::<u8>(),
        exact in any::<bool>(),
    ) {
        let mut bytes = bytes;
        if exact {
            bytes.resize(MESSAGE_SIZE, 0);
            bytes[0] = kind;
        }
        let _ = Request::decode(&bytes);
        let _ = Reply::decode(&bytes);
    }
}

#[test]
fn a_long_text_is_cut_at_a_character() {
    let text = "ü".repeat(2000);
    let reply = Reply::Failed(CaptureError::new(FailureCode::CommandFailed, text));
    let Some(Reply::Failed(error)) = Reply::decode(&reply.encode()) else {
        panic!("not decoded");
    };
    assert_eq!(error.text, "ü".repeat(450));
}

#[test]
fn a_tuple_of_mixed_families_is_refused() {
    let tuple = FiveTuple {
        protocol: Protocol::Tcp,
        source: "1.2.3.4:5".parse().unwrap(),
        destination: "[::1]:5".parse().unwrap(),
    };
    assert_eq!(
        Request::decode(&Request::Owner { id: 1, tuple }.encode()),
        None
    );
}

#[test]
fn of_an_owner_with_too_long_texts_the_farthest_parents_are_left_out() {
    let long = "x".repeat(5000);
    let parent = Parent {
        path: PathBuf::from(&long),
        name: long.clone(),
    };
    let group = Group {
        gid: 7,
        name: "users".to_owned(),
    };
    let owner = FlowOwner {
        pid: 1,
        path: PathBuf::from(&long),
        script: Some(PathBuf::from(&long)),
        cgroup: Some(long.clone()),
        unit: Some(long.clone()),
        user: long.clone(),
        groups: vec![group; 100],
        parents: vec![parent; 100],
        ..FlowOwner::default()
    };
    let owned = Owned::By(Box::new(owner));
    let bytes = Reply::Owner { id: 1, owned }.encode();
    assert!(bytes.len() <= OWNER_LIMIT);
    let Some(Reply::Owner {
        owned: Owned::By(owner),
        ..
    }) = Reply::decode(&bytes)
    else {
        panic!("not decoded");
    };
    assert_eq!((owner.pid, owner.groups.len()), (1, 32));
    assert!((1..PARENTS).contains(&owner.parents.len()));
}
