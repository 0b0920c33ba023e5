//! The configuration as it is, and the three parameters that change while the Node runs.

use super::{Answer, Changed, Configurator, refuse, told, unread, unwritten};
use crate::database::{Setting, VERSION};
use masq_core::config::HopCount;
use masq_ui_protocol::Code;
use masq_ui_protocol::message::{
    ConfigurationRequest, ConfigurationResponse, PaymentThresholds, RatePack, ScanIntervals,
    SetConfigurationRequest, SetConfigurationResponse,
};
use std::str::FromStr;

/// The longest name or value that is looked at.
const LONGEST: usize = 64;
const THRESHOLDS: &str = "1000000000|1200|1200|500000000|21600|500000000";
const INTERVALS: &str = "600|600|600";

impl Configurator {
    pub(super) fn configuration(
        &self,
        asked: ConfigurationRequest,
    ) -> Answer<ConfigurationResponse> {
        // A wrong password is no error here: what is secret is left out.
        let key = match asked.db_password_opt.map(|password| self.unlock(password)) {
            Some(Ok(key)) => Some(key),
            Some(Err(error)) if error.code != Code::BAD_PASSWORD => return Err(error),
            Some(Err(_)) | None => None,
        };
        let consuming = match &key {
            Some(key) => self.consuming_key(key)?,
            None => None,
        };
        let past_neighbors = match &key {
            Some(_) => self
                .store
                .past_neighbors()
                .map_err(|error| unread(&error))?,
            None => Vec::new(),
        };
        let port = match self.config.clandestine_port {
            Some(port) => Some(port.get()),
            None => self.store.port().map_err(|error| unread(&error))?,
        };
        let [debt, maturity, grace, permanent, interval, unban] =
            self.numbers(Setting::PaymentThresholds, THRESHOLDS)?;
        let [pending_payable_sec, payable_sec, receivable_sec] =
            self.numbers(Setting::ScanIntervals, INTERVALS)?;
        let rates = &self.config.rates;
        Ok(ConfigurationResponse {
            blockchain_service_url_opt: self.kept(Setting::BlockchainServiceUrl)?,
            chain_name: self.config.chain.name().to_owned(),
            clandestine_port: port.unwrap_or_default(),
            current_schema_version: VERSION.to_string(),
            earning_wallet_address_opt: self.earning_address()?.map(|address| address.to_string()),
            gas_price: self.number(Setting::GasPrice)?.unwrap_or(1),
            max_block_count: self.number(Setting::MaxBlockCount)?,
            neighborhood_mode: self.config.mode.name().to_owned(),
            port_mapping_protocol: self.kept(Setting::MappingProtocol)?,
            start_block: self.number(Setting::StartBlock)?,
            consuming_wallet_private_key_opt: consuming
                .as_ref()
                .map(|key| key.to_hex().to_string()),
            consuming_wallet_address_opt: consuming.map(|key| key.address().to_string()),
            past_neighbors,
            payment_thresholds: PaymentThresholds {
                debt_threshold_gwei: debt,
                maturity_threshold_sec: maturity,
                payment_grace_period_sec: grace,
                permanent_debt_allowed_gwei: permanent,
                threshold_interval_sec: interval,
                unban_below_gwei: unban,
            },
            rate_pack: RatePack {
                routing_byte_rate: rates.routing_byte,
                routing_service_rate: rates.routing_service,
                exit_byte_rate: rates.exit_byte,
                exit_service_rate: rates.exit_service,
            },
            scan_intervals: ScanIntervals {
                pending_payable_sec,
                payable_sec,
                receivable_sec,
            },
        })
    }

    pub(super) fn set_configuration(
        &self,
        asked: &SetConfigurationRequest,
        changed: &mut Option<Changed>,
    ) -> Answer<SetConfigurationResponse> {
        let value = asked.value.as_str();
        let (setting, value) = match asked.name.as_str() {
            "gas-price" => {
                let price = parsed(value).filter(|price: &u64| *price > 0);
                let what = "gas-price is a number of gwei above 0";
                (Setting::GasPrice, Some(understood(price, what, value)?))
            }
            "min-hops" => {
                let hops = parsed(value).and_then(HopCount::new);
                let what = "min-hops is a number from 1 to 6";
                let hops = understood(hops, what, value)?;
                *changed = Some(Changed::MinHops(hops));
                (Setting::MinHops, Some(hops.get() as u64))
            }
            "start-block" if matches!(value, "none" | "latest") => (Setting::StartBlock, None),
            "start-block" => {
                let what = "start-block is the number of a block, or latest";
                let block = understood(parsed(value), what, value)?;
                (Setting::StartBlock, Some(block))
            }
            other => {
                let what = format!(
                    "{} cannot be set while the Node runs; gas-price, min-hops and start-block can",
                    shortened(other)
                );
                return refuse(Code::UNRECOGNIZED_PARAMETER, what);
            }
        };
        let value = value.map(|value| value.to_string());
        let saved = self.store.save_settings(&[(setting, value.as_deref())]);
        if let Err(error) = saved {
            *changed = None;
            return Err(unwritten(&error));
        }
        Ok(SetConfigurationResponse {})
    }

    pub(super) fn kept(&self, setting: Setting) -> Answer<Option<String>> {
        self.store.setting(setting).map_err(|error| unread(&error))
    }

    fn number(&self, setting: Setting) -> Answer<Option<u64>> {
        let Some(text) = self.kept(setting)? else {
            return Ok(None);
        };
        text.parse().map(Some).map_err(|_| damaged(setting))
    }

    /// A list of numbers as the configuration has it.
    fn numbers<const N: usize>(&self, setting: Setting, usual: &str) -> Answer<[u64; N]> {
        let text = self.kept(setting)?;
        let numbers = text.as_deref().unwrap_or(usual).split('|').map(str::parse);
        let numbers: Result<Vec<u64>, _> = numbers.collect();
        let numbers = numbers.map_err(|_| damaged(setting))?;
        numbers.try_into().map_err(|_| damaged(setting))
    }
}

/// Digits only: a sign is no part of any of these.
fn parsed<T: FromStr>(text: &str) -> Option<T> {
    let digits = text.len() <= LONGEST && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

fn understood<T>(value: Option<T>, what: &str, text: &str) -> Answer<T> {
    value.ok_or_else(|| {
        told(
            Code::NON_PARSABLE_VALUE,
            format!("{what}, not {}", shortened(text)),
        )
    })
}

fn shortened(text: &str) -> String {
    let short: String = text.chars().take(LONGEST).collect();
    format!("{short:?}")
}

pub(super) fn damaged(setting: Setting) -> masq_ui_protocol::UiError {
    told(
        Code::CONFIGURATOR_READ,
        format!("the database has no valid value of {}", setting.name()),
    )
}
