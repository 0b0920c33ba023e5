//! What the database says to how a Node is started: whether the chain, the password and the
//! wallets are those that it knows, and what it keeps for the next start.

use crate::database::{Key, Setting, Store, StoreError};
use masq_core::config::{Chain, Mode, NodeConfig};
use masq_core::failure::Code;
use masq_core::secret::Secret;
use masq_core::wallet::{Address, PrivateKey};

/// What a Node is started with.
#[derive(Clone, Copy, Debug)]
pub struct Given<'a> {
    /// Its chain; a database is for one.
    pub chain: Chain,
    /// `db-password`; the first one is set.
    pub password: Option<&'a Secret>,
    /// `consuming-private-key`, for this run only.
    pub consuming: Option<&'a PrivateKey>,
    /// `earning-wallet`, for this run only.
    pub earning: Option<Address>,
    /// Values to keep for later starts, or to forget.
    pub keep: &'a [(Setting, Option<&'a str>)],
}

/// The wallets that a Node works with.
#[derive(Debug, PartialEq, Eq)]
pub struct Wallets {
    /// Who pays; none without the password, or where there is none.
    pub consuming: Option<PrivateKey>,
    /// Who earns; without one earnings are refused.
    pub earning: Option<Address>,
}

/// Makes the database ready for this start, or says why it is not one for it. Nothing is kept
/// when something is wrong.
pub fn start(store: &Store, given: &Given<'_>) -> Result<Wallets, StoreError> {
    store.claim(given.chain)?;
    let key = given
        .password
        .map(|password| store.admit(password))
        .transpose()?;
    let consuming = consuming(store, given.consuming, key.as_ref())?;
    let earning = earning(store, given.earning)?;
    store.save_settings(given.keep)?;
    Ok(Wallets { consuming, earning })
}

/// The same for a whole configuration. Its password is not needed afterwards.
pub fn start_with(store: &Store, config: &NodeConfig) -> Result<Wallets, StoreError> {
    let consuming = match &config.consuming_private_key {
        Some(digits) => Some(digits.expose().parse::<PrivateKey>().map_err(|error| {
            let what = format!("is not used: consuming-private-key: {error}");
            store.failure(Code::BadConfiguration, &what)
        })?),
        None => None,
    };
    let kept = kept(config);
    let keep: Vec<_> = kept
        .iter()
        .map(|(setting, value)| (*setting, value.as_deref()))
        .collect();
    let wallets = start(
        store,
        &Given {
            chain: config.chain,
            password: config.db_password.as_ref(),
            consuming: consuming.as_ref(),
            earning: config.earning_wallet.map(|wallet| Address::new(wallet.0)),
            keep: &keep,
        },
    )?;
    if let Some(port) = config.clandestine_port
        && config.listens()
    {
        store.save_port(port.get())?;
    }
    if wallets.earning.is_none() && config.relays() {
        tracing::warn!(
            "no earning wallet: nobody can pay for what this Node carries, and nobody else earns \
             it; generate or recover wallets, or set earning-wallet"
        );
    }
    Ok(wallets)
}

/// What a later start goes on with when nobody says otherwise. What this mode does not use stays
/// as it was.
fn kept(config: &NodeConfig) -> Vec<(Setting, Option<String>)> {
    let (thresholds, intervals) = (&config.payment_thresholds, &config.scan_intervals);
    let joined = |numbers: &[u64]| {
        let texts: Vec<_> = numbers.iter().map(u64::to_string).collect();
        Some(texts.join("|"))
    };
    let mut kept = vec![
        (Setting::GasPrice, Some(config.gas_price.to_string())),
        (
            Setting::MappingProtocol,
            config.mapping_protocol.map(|one| one.name().to_owned()),
        ),
        (
            Setting::PaymentThresholds,
            joined(&[
                thresholds.debt_threshold_gwei,
                thresholds.maturity_s,
                thresholds.grace_s,
                thresholds.permanent_debt_allowed_gwei,
                thresholds.threshold_interval_s,
                thresholds.unban_below_gwei,
            ]),
        ),
        (
            Setting::ScanIntervals,
            joined(&[
                intervals.pending_payable_s,
                intervals.payable_s,
                intervals.receivable_s,
            ]),
        ),
    ];
    if let Some(url) = &config.blockchain_service_url {
        kept.push((Setting::BlockchainServiceUrl, Some(url.clone())));
    }
    // A mode without protection holds for the start that asks for it.
    if config.mode != Mode::ZeroHop {
        kept.push((
            Setting::NeighborhoodMode,
            Some(config.mode.name().to_owned()),
        ));
        kept.push((Setting::MinHops, Some(config.min_hops.get().to_string())));
    }
    if config.relays() {
        let rates = &config.rates;
        let rates = [
            rates.routing_byte,
            rates.routing_service,
            rates.exit_byte,
            rates.exit_service,
        ];
        kept.push((Setting::RatePack, joined(&rates)));
    }
    kept
}

fn consuming(
    store: &Store,
    given: Option<&PrivateKey>,
    key: Option<&Key>,
) -> Result<Option<PrivateKey>, StoreError> {
    let setting = Setting::ConsumingWalletPrivateKey;
    let differs = |what: &str| Err(store.failure(Code::WalletDiffers, what));
    let Some(key) = key else {
        return match given {
            Some(_) if store.has_secret(setting)? => differs(
                "has a consuming wallet, and without db-password it is not known whether it is \
                 that of consuming-private-key",
            ),
            given => Ok(given.cloned()),
        };
    };
    let Some(digits) = store.secret(key, setting)? else {
        return Ok(given.cloned());
    };
    let Ok(there) = digits.expose().parse::<PrivateKey>() else {
        return Err(store.failure(Code::DatabaseDamaged, "has a consuming wallet that is none"));
    };
    match given {
        Some(given) if *given != there => differs(&format!(
            "has the consuming wallet {}, and consuming-private-key is that of {}",
            there.address(),
            given.address()
        )),
        Some(_) | None => Ok(Some(there)),
    }
}

fn earning(store: &Store, given: Option<Address>) -> Result<Option<Address>, StoreError> {
    let Some(text) = store.setting(Setting::EarningWalletAddress)? else {
        return Ok(given);
    };
    let Ok(there) = text.parse::<Address>() else {
        return Err(store.failure(Code::DatabaseDamaged, "has an earning wallet that is none"));
    };
    match given {
        Some(given) if given != there => {
            let what = format!("has the earning wallet {there}, and earning-wallet is {given}");
            Err(store.failure(Code::WalletDiffers, &what))
        }
        Some(_) | None => Ok(Some(there)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::Cost;

    const KEY: &str = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
    const EARNING: &str = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";

    fn word(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    fn store(folder: &tempfile::TempDir) -> Store {
        Store::open(folder.path()).unwrap().0.with_cost(Cost::LEAST)
    }

    fn bare() -> Given<'static> {
        Given {
            chain: Chain::Dev,
            password: None,
            consuming: None,
            earning: None,
            keep: &[],
        }
    }

    #[test]
    fn a_first_start_takes_what_it_is_given_and_keeps_no_wallet() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(&folder);
        let (password, key) = (word("first"), KEY.parse().unwrap());
        let earning = EARNING.parse().ok();
        let given = Given {
            password: Some(&password),
            consuming: Some(&key),
            earning,
            keep: &[(Setting::GasPrice, Some("9"))],
            ..bare()
        };
        let found = start(&store, &given).unwrap();
        let consuming = Some(key.clone());
        assert_eq!(found, Wallets { consuming, earning });
        store.unlock(&password).unwrap();
        assert_eq!(
            store.setting(Setting::GasPrice).unwrap().as_deref(),
            Some("9")
        );
        let found = start(&store, &bare()).unwrap();
        let nobody = Wallets {
            consuming: None,
            earning: None,
        };
        assert_eq!(found, nobody);
    }

    #[test]
    fn a_start_must_agree_with_the_database_and_changes_nothing_if_not() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(&folder);
        let password = word("first");
        store.set_password(&password).unwrap();
        let key = store.unlock(&password).unwrap();
        let secret = (Setting::ConsumingWalletPrivateKey, &word(KEY));
        let with = [(Setting::EarningWalletAddress, Some(EARNING))];
        store.save_secret(&key, secret, &with).unwrap();
        store.claim(Chain::Dev).unwrap();

        let own: PrivateKey = KEY.parse().unwrap();
        let other: PrivateKey = "1".repeat(64).parse().unwrap();
        let wrong = word("second");
        let keep = [(Setting::GasPrice, Some("9"))];
        let known = Given {
            password: Some(&password),
            keep: &keep,
            ..bare()
        };
        for (given, code) in [
            (
                Given {
                    chain: Chain::BaseSepolia,
                    ..known
                },
                Code::DatabaseChain,
            ),
            (
                Given {
                    password: Some(&wrong),
                    ..known
                },
                Code::WrongPassword,
            ),
            (
                Given {
                    consuming: Some(&other),
                    ..known
                },
                Code::WalletDiffers,
            ),
            (
                Given {
                    consuming: Some(&own),
                    password: None,
                    ..known
                },
                Code::WalletDiffers,
            ),
            (
                Given {
                    earning: Some(other.address()),
                    ..known
                },
                Code::WalletDiffers,
            ),
        ] {
            let error = start(&store, &given).unwrap_err();
            assert_eq!(error.code, code, "{error}");
            assert!(!error.to_string().contains(KEY), "{error}");
            assert_eq!(store.setting(Setting::GasPrice).unwrap(), None);
        }
        let found = start(
            &store,
            &Given {
                consuming: Some(&own),
                ..known
            },
        )
        .unwrap();
        assert_eq!(found.consuming, Some(own));
        assert_eq!(found.earning, EARNING.parse().ok());
        let found = start(&store, &bare()).unwrap();
        assert_eq!(
            (found.consuming, found.earning),
            (None, EARNING.parse().ok())
        );
    }

    #[test]
    fn what_a_configuration_says_is_kept_for_a_start_that_says_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let text = "chain = \"dev\"\nclandestine-port = 4747\nmin-hops = 4\ngas-price = 9\n\
                    mapping-protocol = \"pmp\"\nscan-intervals = \"1|2|3\"\n\
                    rate-pack = \"1|2|3|4\"\npayment-thresholds = \"10|2|3|4|5|6\"\n\
                    blockchain-service-url = \"https://chain.example\"\n";
        let told = NodeConfig::parse(text).unwrap();
        start_with(&store(&folder), &told).unwrap();

        let database = crate::database::settings(folder.path()).unwrap();
        let database = database.into_iter();
        let sources = masq_core::config::Sources {
            database: database
                .map(|(name, text)| (name, Secret::new(text)))
                .collect(),
            ..Default::default()
        };
        assert_eq!(NodeConfig::from_sources(&sources).unwrap(), told);

        // Without hops and others there is nothing to say of these, so they stay.
        let text = "chain = \"dev\"\nneighborhood-mode = \"zero-hop\"\ncapture = false\n";
        start_with(&store(&folder), &NodeConfig::parse(text).unwrap()).unwrap();
        let database = crate::database::settings(folder.path()).unwrap();
        assert_eq!(
            (&*database["min-hops"], &*database["rate-pack"]),
            ("4", "1|2|3|4")
        );
        assert_eq!(database["neighborhood-mode"], "standard");
        assert!(!database.contains_key("mapping-protocol"));
    }

    #[test]
    fn a_configured_key_that_is_none_is_refused_and_not_repeated() {
        let folder = tempfile::tempdir().unwrap();
        let zeros = "0".repeat(64);
        let text = format!("chain = \"dev\"\nconsuming-private-key = \"{zeros}\"\n");
        let config = NodeConfig::parse(&text).unwrap();
        let error = start_with(&store(&folder), &config).unwrap_err();
        assert_eq!(error.code, Code::BadConfiguration);
        assert!(!error.to_string().contains(&zeros), "{error}");
    }
}
