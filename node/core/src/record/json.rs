//! The JSON form of a record (W-7.3): bytes as base64url without padding, times in unix seconds,
//! no field missing and none beyond those known.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::{Content, EarningAddress, MAX_JSON, NodeRecord, Rates, RecordError, Roles};
use crate::config::CountryCode;
use crate::identity::{NodeId, OnionPublicKey, SignedOnionKey, Validity};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Json {
    id: String,
    onion_key: String,
    onion_not_before: u64,
    onion_not_after: u64,
    onion_signature: String,
    version: u64,
    roles: Vec<Role>,
    accepts: bool,
    country: String,
    rates: JsonRates,
    earning: Option<String>,
    neighbors: Vec<String>,
    signature: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonRates {
    routing_byte: u64,
    routing_service: u64,
    exit_byte: u64,
    exit_service: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Role {
    Relay,
    Exit,
}

pub(super) fn write(record: &NodeRecord) -> String {
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let (roles, rates) = (record.roles(), record.rates());
    let offered = [(roles.relay, Role::Relay), (roles.exit, Role::Exit)];
    let json = Json {
        id: record.id.to_string(),
        onion_key: encode(record.onion.key().as_bytes()),
        onion_not_before: record.onion.validity().not_before(),
        onion_not_after: record.onion.validity().not_after(),
        onion_signature: encode(record.onion.signature()),
        version: record.version(),
        roles: offered
            .into_iter()
            .filter_map(|(offers, role)| offers.then_some(role))
            .collect(),
        accepts: record.accepts(),
        country: record.country().to_string(),
        rates: JsonRates {
            routing_byte: rates.routing_byte,
            routing_service: rates.routing_service,
            exit_byte: rates.exit_byte,
            exit_service: rates.exit_service,
        },
        earning: record.earning().map(|address| encode(&address.0)),
        neighbors: record.neighbors().iter().map(NodeId::to_string).collect(),
        signature: encode(&record.signature),
    };
    serde_json::to_string(&json).expect("strings, numbers and lists become JSON")
}

pub(super) fn read(text: &str) -> Result<NodeRecord, RecordError> {
    if text.len() > MAX_JSON {
        return Err(RecordError::TooLong { length: text.len() });
    }
    let json: Json = serde_json::from_str(text).map_err(|error| RecordError::Json {
        what: error.to_string(),
    })?;
    let onion = SignedOnionKey::unverified(
        OnionPublicKey::new(bytes("onion_key", &json.onion_key)?),
        Validity::new(json.onion_not_before, json.onion_not_after).map_err(|_| {
            RecordError::Field {
                field: "onion_not_after",
                remedy: "a time not before onion_not_before",
            }
        })?,
        bytes("onion_signature", &json.onion_signature)?,
    );
    let content = Content {
        version: json.version,
        roles: Roles {
            relay: json.roles.contains(&Role::Relay),
            exit: json.roles.contains(&Role::Exit),
        },
        accepts: json.accepts,
        country: country(&json.country)?,
        rates: Rates {
            routing_byte: json.rates.routing_byte,
            routing_service: json.rates.routing_service,
            exit_byte: json.rates.exit_byte,
            exit_service: json.rates.exit_service,
        },
        earning: match &json.earning {
            Some(text) => Some(EarningAddress(bytes("earning", text)?)),
            None => None,
        },
        neighbors: json
            .neighbors
            .iter()
            .map(|neighbor| id("neighbors", neighbor))
            .collect::<Result<_, _>>()?,
    };
    let signature = bytes("signature", &json.signature)?;
    NodeRecord::verified(id("id", &json.id)?, onion, content, signature)
}

fn id(field: &'static str, text: &str) -> Result<NodeId, RecordError> {
    text.parse().map_err(|_| RecordError::Field {
        field,
        remedy: "43 characters of base64url",
    })
}

fn bytes<const N: usize>(field: &'static str, text: &str) -> Result<[u8; N], RecordError> {
    let wrong = || RecordError::Field {
        field,
        remedy: "base64url without padding, of the right length",
    };
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| wrong())?;
    bytes.try_into().map_err(|_| wrong())
}

fn country(text: &str) -> Result<CountryCode, RecordError> {
    CountryCode::new(text)
        .filter(|code| code.as_str() == text)
        .ok_or(RecordError::Field {
            field: "country",
            remedy: "two capital letters, ZZ for unknown",
        })
}
