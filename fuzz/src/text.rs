//! What people and files give: configurations, descriptors, records, identities.

use masq_core::config::NodeConfig;
use masq_core::descriptor::Descriptor;
use masq_core::identity::Identity;
use masq_core::record::NodeRecord;
use masq_ui_protocol::message::{
    ExitLocationRequest, FinancialsRequest, RecoverWalletsRequest, SetupRequest,
};
use masq_ui_protocol::{Code, Frame};

/// Reads a descriptor and a list of them.
pub fn descriptor_parse(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    match text.parse::<Descriptor>() {
        Ok(descriptor) => assert_eq!(descriptor.to_string().parse(), Ok(descriptor)),
        Err(error) => assert!(error.to_string().len() < 600),
    }
    if let Ok(list) = Descriptor::parse_list(text) {
        let printed: Vec<_> = list.iter().map(Descriptor::to_string).collect();
        assert_eq!(Descriptor::parse_list(&printed.join(",")), Ok(list));
    }
}

/// Reads a record as it stands in a nodes file.
pub fn record_json(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    if let Ok(record) = NodeRecord::from_json(text) {
        assert_eq!(NodeRecord::from_json(&record.to_json()), Ok(record));
    }
}

/// Reads a record as it comes from a neighbor.
pub fn record_bytes(data: &[u8]) {
    if let Ok(record) = NodeRecord::from_bytes(data) {
        assert_eq!(record.to_bytes(), data);
        assert_eq!(
            NodeRecord::peek(data),
            Some((record.id(), record.version()))
        );
    }
}

/// Reads a Node's own identity file.
pub fn identity_file(data: &[u8]) {
    if let Ok(identity) = Identity::from_bytes(data) {
        assert_eq!(*identity.to_bytes(), data);
    }
}

/// Reads a frame of a user interface: it reads back, or is answered with one that does.
pub fn ui_frame(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    match Frame::parse(text) {
        Ok(frame) => {
            assert_eq!(Frame::parse(&frame.to_text()).as_ref(), Ok(&frame));
            let refusal = frame.refusal(Code::UNMARSHAL, text);
            assert_eq!(Frame::parse(&refusal.to_text()), Ok(refusal));
            // Whatever its opcode says, no payload is more than wrong.
            let _ = frame.clone().message::<SetupRequest>();
            let _ = frame.clone().message::<ExitLocationRequest>();
            let _ = frame.clone().message::<FinancialsRequest>();
            let _ = frame.message::<RecoverWalletsRequest>();
        }
        Err(error) => {
            let answer = error.answer();
            assert_eq!(Frame::parse(&answer.to_text()), Ok(answer));
        }
    }
}

/// Reads a configuration file.
pub fn config_parse(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    if let Err(errors) = NodeConfig::parse(text) {
        assert!(!errors.0.is_empty());
        assert!(errors.to_string().lines().count() > errors.0.len());
    }
}
