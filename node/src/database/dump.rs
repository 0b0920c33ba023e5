//! What `--dump-config` prints: every setting, for a person or a program. Nothing is changed, no
//! step towards a newer version is taken, and a Node may be working meanwhile.

use super::error::StoreError;
use super::password::{self, Lock, PasswordError};
use super::settings::{self, Setting};
use super::{folder, rows, schema};
use masq_core::failure::Code;
use masq_core::secret::Secret;
use serde_json::{Map, Value};
use std::path::Path;

/// All settings by their names in camelCase; each is a text or null. What is sealed is in clear
/// with the password, and in hexadecimal digits without.
pub fn dump(data_directory: &Path, password: Option<&Secret>) -> Result<Value, StoreError> {
    let path = folder::database(data_directory);
    let Some(beside) = schema::open_beside(data_directory)? else {
        return Err(StoreError::new(
            Code::DatabaseMissing,
            &path,
            "is not there",
        ));
    };
    let failed = |error: rusqlite::Error| StoreError::of_sqlite(&path, &error);
    // One moment of a database that a Node may be writing to.
    let connection = beside.connection.unchecked_transaction().map_err(failed)?;
    let has_settings = beside.version >= schema::WITH_SETTINGS;
    let lock = if has_settings {
        Lock::read(&connection).map_err(failed)?
    } else {
        None
    };
    let key = match (password, &lock) {
        (None, _) => None,
        (Some(password), Some(lock)) => match lock.open(password, &path) {
            Ok(key) => Some(key),
            Err(PasswordError::Store(error)) => return Err(error),
            Err(PasswordError::Wrong | PasswordError::Present | PasswordError::Absent) => {
                return Err(password::wrong_password(&path));
            }
        },
        (Some(_), None) => {
            let what = "has no password yet";
            return Err(StoreError::new(Code::WrongPassword, &path, what));
        }
    };
    let mut dump = Map::new();
    let mut put = |name: &str, value: Option<String>| {
        dump.insert(camel_case(name), value.map_or(Value::Null, Value::String));
    };
    put("schema_version", Some(beside.version.to_string()));
    let port = if beside.version >= schema::WITH_PORT {
        rows::port(&connection).map_err(failed)?
    } else {
        None
    };
    put("clandestine_port", port.map(|port| port.to_string()));
    for setting in Setting::ALL {
        let value = if !has_settings {
            None
        } else if setting.is_secret() {
            let sealed = settings::sealed(&connection, *setting).map_err(failed)?;
            match (sealed, &key) {
                (None, _) => None,
                (Some(sealed), None) => Some(hex(&sealed)),
                (Some(sealed), Some(key)) => match key.open(setting.name(), &sealed) {
                    Some(text) => Some(text.expose().to_owned()),
                    None => return Err(password::does_not_open(&path, *setting)),
                },
            }
        } else {
            settings::value(&connection, *setting).map_err(failed)?
        };
        put(setting.name(), value);
    }
    let neighbors = rows::past_neighbors(&connection).map_err(failed)?;
    let neighbors = Some(neighbors.join(",")).filter(|list| !list.is_empty());
    put("past_neighbors", neighbors);
    put("example_encrypted", lock.map(|lock| hex(&lock.verifier)));
    Ok(Value::Object(dump))
}

fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let mut text = words.next().unwrap_or_default().to_owned();
    for word in words {
        let (first, rest) = word.split_at(word.len().min(1));
        text.push_str(&first.to_ascii_uppercase());
        text.push_str(rest);
    }
    text
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}
