//! What the database says to how a Node is started: whether the chain, the password and the
//! wallets are those that it knows, and what it keeps for the next start.

use crate::database::{PasswordError, Setting, Store, StoreError};
use masq_core::config::Chain;
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
    if let Some(password) = given.password {
        store.admit(password)?;
    }
    let consuming = consuming(store, given)?;
    let earning = earning(store, given.earning)?;
    store.save_settings(given.keep)?;
    Ok(Wallets { consuming, earning })
}

fn consuming(store: &Store, given: &Given<'_>) -> Result<Option<PrivateKey>, StoreError> {
    let setting = Setting::ConsumingWalletPrivateKey;
    let differs = |what: &str| Err(store.failure(Code::WalletDiffers, what));
    if !store.has_secret(setting)? {
        return Ok(given.consuming.cloned());
    }
    let Some(password) = given.password else {
        return match given.consuming {
            Some(_) => differs(
                "has a consuming wallet, and without db-password it is not known whether it is \
                 that of consuming-private-key",
            ),
            None => Ok(None),
        };
    };
    let key = match store.unlock(password) {
        Ok(key) => key,
        Err(PasswordError::Store(error)) => return Err(error),
        Err(error @ (PasswordError::Wrong | PasswordError::Present | PasswordError::Absent)) => {
            return Err(store.failure(Code::WrongPassword, &error.to_string()));
        }
    };
    let Some(digits) = store.secret(&key, setting)? else {
        return Ok(given.consuming.cloned());
    };
    let Ok(there) = digits.expose().parse::<PrivateKey>() else {
        return Err(store.failure(Code::DatabaseDamaged, "has a consuming wallet that is none"));
    };
    match given.consuming {
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
}
