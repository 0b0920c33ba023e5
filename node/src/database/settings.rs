//! What the Node was told and keeps: one row a setting, those that are secret sealed.

use super::error::StoreError;
use super::{Store, folder, schema};
use masq_core::config::Chain;
use masq_core::failure::Code;
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::BTreeMap;
use std::path::Path;

macro_rules! settings {
    ($($variant:ident $name:literal $parameter:expr, $secret:literal;)*) => {
        /// A value that outlives the Node.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Setting {
            $($variant,)*
        }

        impl Setting {
            /// Every setting.
            pub const ALL: &'static [Setting] = &[$(Setting::$variant,)*];

            /// Its name in the database.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Setting::$variant => $name,)*
                }
            }

            /// The parameter of the configuration that it is a default for.
            pub const fn parameter(self) -> Option<&'static str> {
                match self {
                    $(Setting::$variant => $parameter,)*
                }
            }

            /// Whether it is only kept sealed.
            pub const fn is_secret(self) -> bool {
                match self {
                    $(Setting::$variant => $secret,)*
                }
            }
        }
    };
}

settings! {
    ChainName "chain_name" Some("chain"), false;
    BlockchainServiceUrl "blockchain_service_url" Some("blockchain-service-url"), false;
    GasPrice "gas_price" Some("gas-price"), false;
    StartBlock "start_block" None, false;
    MaxBlockCount "max_block_count" None, false;
    NeighborhoodMode "neighborhood_mode" Some("neighborhood-mode"), false;
    MinHops "min_hops" Some("min-hops"), false;
    MappingProtocol "mapping_protocol" Some("mapping-protocol"), false;
    PaymentThresholds "payment_thresholds" Some("payment-thresholds"), false;
    RatePack "rate_pack" Some("rate-pack"), false;
    ScanIntervals "scan_intervals" Some("scan-intervals"), false;
    EarningWalletAddress "earning_wallet_address" Some("earning-wallet"), false;
    ConsumingWalletPrivateKey "consuming_wallet_private_key" None, true;
}

impl Store {
    /// The value of a setting that is not secret.
    pub fn setting(&self, setting: Setting) -> Result<Option<String>, StoreError> {
        self.writer.with(|connection| value(connection, setting))
    }

    /// Keeps values, or forgets those that are none; all are on the disk when this returns, or
    /// none is. Secret settings are not taken.
    pub fn save_settings(&self, values: &[(Setting, Option<&str>)]) -> Result<(), StoreError> {
        self.writer.with(|connection| {
            let transaction = connection.unchecked_transaction()?;
            for (setting, value) in values {
                put(&transaction, *setting, *value)?;
            }
            transaction.commit()
        })
    }

    /// Makes the database that of a chain, at the first start, and refuses it for another one.
    pub fn claim(&self, chain: Chain) -> Result<(), StoreError> {
        match self.setting(Setting::ChainName)? {
            None => self.save_settings(&[(Setting::ChainName, Some(chain.name()))]),
            Some(found) if found == chain.name() => Ok(()),
            Some(found) => {
                let what = format!("is for {found}, not for {}", chain.name());
                let path = folder::database(self.folder.path());
                Err(StoreError::new(Code::DatabaseChain, &path, what))
            }
        }
    }
}

/// The kept defaults of a configuration, by the names of their parameters, also while a Node
/// works with them. Nothing is changed; where there is no database there are none.
pub fn settings(data_directory: &Path) -> Result<BTreeMap<String, String>, StoreError> {
    let Some(beside) = schema::open_beside(data_directory)? else {
        return Ok(BTreeMap::new());
    };
    let path = folder::database(data_directory);
    let failed = |error: rusqlite::Error| StoreError::of_sqlite(&path, &error);
    let mut found = BTreeMap::new();
    if beside.version >= schema::WITH_PORT
        && let Some(port) = super::rows::port(&beside.connection).map_err(failed)?
    {
        found.insert("clandestine-port".to_owned(), port.to_string());
    }
    if beside.version >= schema::WITH_SETTINGS {
        for setting in Setting::ALL {
            if let Some(parameter) = setting.parameter()
                && let Some(value) = value(&beside.connection, *setting).map_err(failed)?
            {
                found.insert(parameter.to_owned(), value);
            }
        }
    }
    Ok(found)
}

pub(super) fn value(connection: &Connection, setting: Setting) -> rusqlite::Result<Option<String>> {
    connection
        .query_row(
            "SELECT value FROM setting WHERE name = ?1",
            [setting.name()],
            |row| row.get(0),
        )
        .optional()
        .map(Option::flatten)
}

pub(super) fn sealed(
    connection: &Connection,
    setting: Setting,
) -> rusqlite::Result<Option<Vec<u8>>> {
    connection
        .query_row(
            "SELECT sealed FROM setting WHERE name = ?1",
            [setting.name()],
            |row| row.get(0),
        )
        .optional()
        .map(Option::flatten)
}

pub(super) fn put(
    connection: &Connection,
    setting: Setting,
    value: Option<&str>,
) -> rusqlite::Result<()> {
    assert!(!setting.is_secret(), "a secret is only kept sealed");
    match value {
        Some(value) => connection.execute(
            "INSERT OR REPLACE INTO setting (name, value) VALUES (?1, ?2)",
            params![setting.name(), value],
        ),
        None => connection.execute("DELETE FROM setting WHERE name = ?1", [setting.name()]),
    }
    .map(drop)
}

pub(super) fn put_sealed(
    connection: &Connection,
    setting: Setting,
    sealed: &[u8],
) -> rusqlite::Result<()> {
    connection
        .execute(
            "INSERT OR REPLACE INTO setting (name, sealed) VALUES (?1, ?2)",
            params![setting.name(), sealed],
        )
        .map(drop)
}
