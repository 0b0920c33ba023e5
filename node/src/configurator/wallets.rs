//! Wallets: new ones from a new phrase, old ones from what their owner has, and which are there.
//!
//! A wallet that is there is only replaced when the request confirms it.

use super::settings::damaged;
use super::{Answer, Configurator, refuse, told, unread, unwritten};
use crate::database::{Key, Setting};
use masq_core::random::SystemRandom;
use masq_core::secret::Secret;
use masq_core::wallet::{
    Address, CONSUMING_PATH, DerivationPath, EARNING_PATH, Language, Phrase, PrivateKey, Seed,
    WordCount,
};
use masq_ui_protocol::message::{
    GenerateSeedSpec, GenerateWalletsRequest, GenerateWalletsResponse, RecoverSeedSpec,
    RecoverWalletsRequest, RecoverWalletsResponse, WalletAddressesRequest, WalletAddressesResponse,
};
use masq_ui_protocol::{Code, UiError};
use zeroize::Zeroizing;

/// Words of a phrase of which nothing else was said.
const USUAL_WORDS: usize = 24;
/// The longest extra word, in bytes.
const LONGEST_PASSPHRASE: usize = 1_024;
const HOW_TO_REPLACE: &str = "to replace them, confirm it: --replace of masq, or \
                              replaceWallets: true in the message; without their phrase or keys \
                              the old ones are lost";

impl Configurator {
    pub(super) fn generate_wallets(
        &self,
        asked: GenerateWalletsRequest,
    ) -> Answer<GenerateWalletsResponse> {
        let key = self.unlock(asked.db_password)?;
        let paths = (
            asked.consuming_derivation_path_opt,
            asked.earning_derivation_path_opt,
        );
        if asked.seed_spec_opt.is_none() && paths != (None, None) {
            let what = "a derivation path needs seedSpecOpt: say what phrase it belongs to";
            return refuse(Code::MISSING_DATA, what);
        }
        let (phrase, passphrase) = new_phrase(asked.seed_spec_opt)?;
        let consuming_path = path(paths.0.as_deref().unwrap_or(CONSUMING_PATH))?;
        let earning_path = path(paths.1.as_deref().unwrap_or(EARNING_PATH))?;
        let there = self.consuming_key(&key)?.is_some() || self.earning_address()?.is_some();
        if there && !asked.replace_wallets {
            let what = format!("there are wallets already; {HOW_TO_REPLACE}");
            return refuse(Code::CONFIGURATOR_WRITE, what);
        }
        let seed = phrase.seed(passphrase.expose());
        let consuming = derived(&seed, &consuming_path)?;
        let earning = derived(&seed, &earning_path)?;
        self.keep(&key, &consuming, earning.address())?;
        let digits = |key: &PrivateKey| key.to_hex().to_uppercase();
        Ok(GenerateWalletsResponse {
            mnemonic_phrase_opt: Some(phrase.words().map(str::to_owned).collect()),
            consuming_wallet_address: consuming.address().to_string(),
            consuming_wallet_private_key: digits(&consuming),
            earning_wallet_address: earning.address().to_string(),
            earning_wallet_private_key: digits(&earning),
        })
    }

    pub(super) fn recover_wallets(
        &self,
        asked: RecoverWalletsRequest,
    ) -> Answer<RecoverWalletsResponse> {
        let key = self.unlock(asked.db_password)?;
        let seed = asked.seed_spec_opt.map(known_seed).transpose()?;
        let given = asked.consuming_private_key_opt.map(Secret::new);
        let consuming = match (given, &seed) {
            (Some(digits), _) => digits
                .expose()
                .parse()
                .map_err(|error| because(Code::KEY_PAIR_CONSTRUCTION, &error))?,
            (None, Some(seed)) => {
                let text = asked.consuming_derivation_path_opt.as_deref();
                derived(seed, &path(text.unwrap_or(CONSUMING_PATH))?)?
            }
            (None, None) => {
                let what = "without a phrase consumingPrivateKeyOpt must be given";
                return refuse(Code::MISSING_DATA, what);
            }
        };
        let earning = match (asked.earning_address_opt, &seed) {
            (Some(text), _) => text
                .parse()
                .map_err(|error| because(Code::NON_PARSABLE_VALUE, &error))?,
            (None, Some(seed)) => {
                let text = asked.earning_derivation_path_opt.as_deref();
                derived(seed, &path(text.unwrap_or(EARNING_PATH))?)?.address()
            }
            (None, None) => {
                let what = "without a phrase earningAddressOpt must be given";
                return refuse(Code::MISSING_DATA, what);
            }
        };
        if !asked.replace_wallets {
            let there = self.consuming_key(&key)?.map(|key| key.address());
            agree("consuming", there, consuming.address())?;
            agree("earning", self.earning_address()?, earning)?;
        }
        self.keep(&key, &consuming, earning)?;
        Ok(RecoverWalletsResponse {})
    }

    pub(super) fn wallet_addresses(
        &self,
        asked: WalletAddressesRequest,
    ) -> Answer<WalletAddressesResponse> {
        let key = self.unlock(asked.db_password)?;
        let missing = match (self.consuming_key(&key)?, self.earning_address()?) {
            (Some(consuming), Some(earning)) => {
                return Ok(WalletAddressesResponse {
                    consuming_wallet_address: consuming.address().to_string(),
                    earning_wallet_address: earning.to_string(),
                });
            }
            (Some(consuming), None) => {
                format!(
                    "the consuming wallet is {}, but there is no earning wallet",
                    consuming.address()
                )
            }
            (None, Some(earning)) => {
                format!("the earning wallet is {earning}, but there is no consuming wallet")
            }
            (None, None) => "there is neither a consuming nor an earning wallet".to_owned(),
        };
        let what = format!("{missing}; generate or recover wallets first");
        refuse(Code::MISSING_DATA, what)
    }

    /// The key that pays, if there is one.
    pub(super) fn consuming_key(&self, key: &Key) -> Answer<Option<PrivateKey>> {
        let setting = Setting::ConsumingWalletPrivateKey;
        let secret = self.store.secret(key, setting);
        let Some(digits) = secret.map_err(|error| unread(&error))? else {
            return Ok(None);
        };
        let key = digits.expose().parse();
        key.map(Some).map_err(|_| damaged(setting))
    }

    /// The address that earns, if there is one.
    pub(super) fn earning_address(&self) -> Answer<Option<Address>> {
        let setting = Setting::EarningWalletAddress;
        let Some(text) = self.kept(setting)? else {
            return Ok(None);
        };
        text.parse().map(Some).map_err(|_| damaged(setting))
    }

    fn keep(&self, key: &Key, consuming: &PrivateKey, earning: Address) -> Answer<()> {
        let digits = Secret::new(consuming.to_hex().to_string());
        let secret = (Setting::ConsumingWalletPrivateKey, &digits);
        let earning = earning.to_string();
        let with = [(Setting::EarningWalletAddress, Some(earning.as_str()))];
        let saved = self.store.save_secret(key, secret, &with);
        saved.map_err(|error| unwritten(&error))
    }
}

fn agree(which: &str, there: Option<Address>, new: Address) -> Answer<()> {
    match there {
        Some(there) if there != new => {
            let what = format!(
                "the {which} wallet is {there} already, and this one is {new}; {HOW_TO_REPLACE}"
            );
            refuse(Code::CONFIGURATOR_WRITE, what)
        }
        Some(_) | None => Ok(()),
    }
}

fn new_phrase(spec: Option<GenerateSeedSpec>) -> Answer<(Phrase, Secret)> {
    let (count, name, passphrase) = match spec {
        None => (None, None, None),
        Some(spec) => (
            spec.mnemonic_phrase_size_opt,
            spec.mnemonic_phrase_language_opt,
            spec.mnemonic_passphrase_opt,
        ),
    };
    let passphrase = extra_word(passphrase)?;
    let language = language(name.as_deref())?;
    let count = WordCount::new(count.unwrap_or(USUAL_WORDS))
        .map_err(|error| because(Code::ILLEGAL_MNEMONIC_WORD_COUNT, &error))?;
    let phrase = Phrase::generate(language, count, &mut SystemRandom);
    Ok((phrase, passphrase))
}

fn known_seed(spec: RecoverSeedSpec) -> Answer<Seed> {
    let words: Vec<_> = spec
        .mnemonic_phrase
        .into_iter()
        .map(Zeroizing::new)
        .collect();
    let passphrase = extra_word(spec.mnemonic_passphrase_opt)?;
    let language = language(spec.mnemonic_phrase_language_opt.as_deref())?;
    let mut text = Zeroizing::new(String::with_capacity(
        words.iter().map(|word| word.len() + 1).sum(),
    ));
    for word in &words {
        text.push_str(word);
        text.push(' ');
    }
    let phrase =
        Phrase::parse(language, &text).map_err(|error| because(Code::MNEMONIC_PHRASE, &error))?;
    Ok(phrase.seed(passphrase.expose()))
}

fn language(name: Option<&str>) -> Answer<Language> {
    match name {
        None => Ok(Language::default()),
        Some(name) => name
            .parse()
            .map_err(|error| because(Code::UNRECOGNIZED_MNEMONIC_LANGUAGE, &error)),
    }
}

fn extra_word(passphrase: Option<String>) -> Answer<Secret> {
    let passphrase = Secret::new(passphrase.unwrap_or_default());
    if passphrase.expose().len() > LONGEST_PASSPHRASE {
        let what = format!("a passphrase has at most {LONGEST_PASSPHRASE} bytes");
        return refuse(Code::MNEMONIC_PHRASE, what);
    }
    Ok(passphrase)
}

fn path(text: &str) -> Answer<DerivationPath> {
    text.parse()
        .map_err(|error| because(Code::DERIVATION_PATH, &error))
}

fn derived(seed: &Seed, path: &DerivationPath) -> Answer<PrivateKey> {
    PrivateKey::derive(seed, path).map_err(|error| because(Code::DERIVATION_PATH, &error))
}

fn because(code: Code, error: &dyn std::error::Error) -> UiError {
    told(code, error.to_string())
}
