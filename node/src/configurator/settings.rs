//! The configuration as it is, and the three parameters that change while the Node runs.

use super::{Answer, Changed, Configurator, refuse, told, unread, unwritten};
use crate::database::{Setting, VERSION};
use masq_core::config::HopCount;
use masq_core::wallet::Address;
use masq_ui_protocol::Code;
use masq_ui_protocol::message::{
    ConfigurationRequest, ConfigurationResponse, PaymentThresholds, RatePack, ScanIntervals,
    SetConfigurationRequest, SetConfigurationResponse,
};
use std::str::FromStr;

/// The longest name or value that is looked at.
const LONGEST: usize = 64;

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
        let of_this_run = self.config.earning_wallet;
        let earning = self
            .earning_address()?
            .or(of_this_run.map(|wallet| Address::new(wallet.0)));
        let (thresholds, intervals) =
            (&self.config.payment_thresholds, &self.config.scan_intervals);
        let (rates, protocol) = (&self.config.rates, self.config.mapping_protocol);
        Ok(ConfigurationResponse {
            blockchain_service_url_opt: self.config.blockchain_service_url.clone(),
            chain_name: self.config.chain.name().to_owned(),
            clandestine_port: port.unwrap_or_default(),
            current_schema_version: VERSION.to_string(),
            earning_wallet_address_opt: earning.map(|address| address.to_string()),
            gas_price: self.config.gas_price,
            max_block_count: self.number(Setting::MaxBlockCount)?,
            neighborhood_mode: self.config.mode.name().to_owned(),
            port_mapping_protocol: protocol.map(|one| one.name().to_owned()),
            start_block: self.number(Setting::StartBlock)?,
            consuming_wallet_private_key_opt: consuming
                .as_ref()
                .map(|key| key.to_hex().to_string()),
            consuming_wallet_address_opt: consuming.map(|key| key.address().to_string()),
            past_neighbors,
            payment_thresholds: PaymentThresholds {
                debt_threshold_gwei: thresholds.debt_threshold_gwei,
                maturity_threshold_sec: thresholds.maturity_s,
                payment_grace_period_sec: thresholds.grace_s,
                permanent_debt_allowed_gwei: thresholds.permanent_debt_allowed_gwei,
                threshold_interval_sec: thresholds.threshold_interval_s,
                unban_below_gwei: thresholds.unban_below_gwei,
            },
            rate_pack: RatePack {
                routing_byte_rate: rates.routing_byte,
                routing_service_rate: rates.routing_service,
                exit_byte_rate: rates.exit_byte,
                exit_service_rate: rates.exit_service,
            },
            scan_intervals: ScanIntervals {
                pending_payable_sec: intervals.pending_payable_s,
                payable_sec: intervals.payable_s,
                receivable_sec: intervals.receivable_s,
            },
        })
    }

    pub(super) fn set_configuration(
        &mut self,
        asked: &SetConfigurationRequest,
        changed: &mut Option<Changed>,
    ) -> Answer<SetConfigurationResponse> {
        let value = asked.value.as_str();
        match asked.name.as_str() {
            "gas-price" => {
                let price = parsed(value).filter(|price: &u64| *price > 0);
                let what = "gas-price is a number of gwei above 0";
                let price = understood(price, what, value)?;
                self.save(Setting::GasPrice, Some(price))?;
                self.config.gas_price = price;
            }
            "min-hops" => {
                let hops = parsed(value).and_then(HopCount::new);
                let hops = understood(hops, "min-hops is a number from 1 to 6", value)?;
                self.save(Setting::MinHops, Some(hops.get() as u64))?;
                *changed = Some(Changed::MinHops(hops));
            }
            "start-block" if matches!(value, "none" | "latest") => {
                self.save(Setting::StartBlock, None)?;
            }
            "start-block" => {
                let what = "start-block is the number of a block, or latest";
                let block = understood(parsed(value), what, value)?;
                self.save(Setting::StartBlock, Some(block))?;
            }
            other => {
                let what = format!(
                    "{} cannot be set while the Node runs; gas-price, min-hops and start-block can",
                    shortened(other)
                );
                return refuse(Code::UNRECOGNIZED_PARAMETER, what);
            }
        }
        Ok(SetConfigurationResponse {})
    }

    fn save(&self, setting: Setting, value: Option<u64>) -> Answer<()> {
        let value = value.map(|value| value.to_string());
        let saved = self.store.save_settings(&[(setting, value.as_deref())]);
        saved.map_err(|error| unwritten(&error))
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
