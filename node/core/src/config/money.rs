//! The values that concern wallets, debts and the chain.

use std::ops::RangeInclusive;

use crate::record::EarningAddress;
use crate::secret::Secret;
use crate::wallet::Address;

/// The longest text that is taken for an address of a service.
const MAX_URL: usize = 2_048;
/// The longest password.
const MAX_PASSWORD: usize = 1_024;
const MAX_INTERVAL: u64 = 1_000_000_000;

/// When debts are paid, and when debtors are not served any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PaymentThresholds {
    /// Above it a mature debt is paid, in gwei.
    pub debt_threshold_gwei: u64,
    /// From this age on a debt is mature, in seconds.
    pub maturity_s: u64,
    /// How much longer a debtor has, in seconds.
    pub grace_s: u64,
    /// Below it a debt is never paid, in gwei; less than the debt threshold.
    pub permanent_debt_allowed_gwei: u64,
    /// How long the threshold falls, in seconds; never 0.
    pub threshold_interval_s: u64,
    /// Below it a debtor is served again, in gwei.
    pub unban_below_gwei: u64,
}

/// How often the chain is looked at, in seconds; never 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScanIntervals {
    /// For receipts of own payments.
    pub pending_payable_s: u64,
    /// For debts to be paid.
    pub payable_s: u64,
    /// For payments of others.
    pub receivable_s: u64,
}

/// How a router is asked for a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MappingProtocol {
    /// Port Control Protocol (RFC 6887).
    Pcp,
    /// NAT Port Mapping Protocol (RFC 6886).
    Pmp,
    /// UPnP's Internet Gateway Device protocol.
    Igdp,
}

/// Where a Node fails on purpose, for tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CrashPoint {
    /// When a user interface says so.
    Message,
    /// With a panic at the start.
    Panic,
    /// With an error at the start.
    Error,
    /// Nowhere.
    None,
}

impl MappingProtocol {
    const ALL: [MappingProtocol; 3] = [
        MappingProtocol::Pcp,
        MappingProtocol::Pmp,
        MappingProtocol::Igdp,
    ];

    /// The name in configuration files.
    pub const fn name(self) -> &'static str {
        match self {
            MappingProtocol::Pcp => "pcp",
            MappingProtocol::Pmp => "pmp",
            MappingProtocol::Igdp => "igdp",
        }
    }
}

impl CrashPoint {
    const ALL: [CrashPoint; 4] = [
        CrashPoint::Message,
        CrashPoint::Panic,
        CrashPoint::Error,
        CrashPoint::None,
    ];

    /// The name in configuration files.
    pub const fn name(self) -> &'static str {
        match self {
            CrashPoint::Message => "message",
            CrashPoint::Panic => "panic",
            CrashPoint::Error => "error",
            CrashPoint::None => "none",
        }
    }
}

/// Numbers with `|` between them, each in the range and as many as the place has.
pub(super) fn numbers<const COUNT: usize>(
    text: &str,
    range: RangeInclusive<u64>,
) -> Result<[u64; COUNT], String> {
    let parts = text.split('|').map(|part| match part.trim().parse() {
        Ok(number) if range.contains(&number) => Ok(number),
        Ok(_) | Err(_) => Err(format!(
            "{:?} is not a number of {} to {}",
            part.chars().take(30).collect::<String>(),
            range.start(),
            range.end()
        )),
    });
    let parts: Vec<u64> = parts.take(COUNT + 1).collect::<Result<_, String>>()?;
    let supplied = text.split('|').count();
    parts
        .try_into()
        .map_err(|_| format!("{COUNT} values are expected with | between, {supplied} are there"))
}

pub(super) fn payment_thresholds(text: &str) -> Result<PaymentThresholds, String> {
    let [
        debt,
        maturity_s,
        grace_s,
        permanent,
        threshold_interval_s,
        unban,
    ] = numbers(text, 0..=i64::MAX.unsigned_abs())?;
    if debt <= permanent {
        return Err(format!(
            "the debt threshold ({debt} gwei) is not above the permanent debt allowed ({permanent} \
             gwei)"
        ));
    }
    if !(1..=MAX_INTERVAL).contains(&threshold_interval_s) {
        return Err(format!(
            "the threshold interval ({threshold_interval_s} s) is not 1 to {MAX_INTERVAL}"
        ));
    }
    Ok(PaymentThresholds {
        debt_threshold_gwei: debt,
        maturity_s,
        grace_s,
        permanent_debt_allowed_gwei: permanent,
        threshold_interval_s,
        unban_below_gwei: unban,
    })
}

pub(super) fn scan_intervals(text: &str) -> Result<ScanIntervals, String> {
    let [pending_payable_s, payable_s, receivable_s] = numbers(text, 1..=u32::MAX.into())?;
    Ok(ScanIntervals {
        pending_payable_s,
        payable_s,
        receivable_s,
    })
}

pub(super) fn gas_price(text: &str) -> Result<u64, String> {
    let [price] = numbers(text, 1..=u64::MAX)?;
    Ok(price)
}

pub(super) fn on_off(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "on" | "true" => Ok(true),
        "off" | "false" => Ok(false),
        _ => Err("neither on nor off".to_owned()),
    }
}

pub(super) fn mapping_protocol(text: &str) -> Result<MappingProtocol, String> {
    super::values::one_of(&MappingProtocol::ALL, MappingProtocol::name, text)
}

pub(super) fn crash_point(text: &str) -> Result<CrashPoint, String> {
    super::values::one_of(&CrashPoint::ALL, CrashPoint::name, text)
}

pub(super) fn url(text: &str) -> Result<String, String> {
    let rest = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"))
        .ok_or_else(|| "does not begin with http:// or https://".to_owned())?;
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if host.is_empty()
        || text.len() > MAX_URL
        || text.chars().any(|c| c.is_whitespace() || c.is_control())
    {
        return Err("not an address of a service".to_owned());
    }
    Ok(text.to_owned())
}

pub(super) fn earning_wallet(text: &str) -> Result<EarningAddress, String> {
    let address: Address = text
        .parse()
        .map_err(|error: crate::wallet::AddressError| error.to_string())?;
    Ok(EarningAddress(*address.as_bytes()))
}

/// Nothing of the text is repeated in the reason.
pub(super) fn private_key(text: &str) -> Result<Secret, String> {
    if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(Secret::new(text.to_owned()));
    }
    Err(format!(
        "not 64 hexadecimal digits, but {} characters",
        text.chars().count()
    ))
}

pub(super) fn password(text: &str) -> Result<Secret, String> {
    match text.len() {
        1..=MAX_PASSWORD => Ok(Secret::new(text.to_owned())),
        0 => Err("empty".to_owned()),
        _ => Err("too long".to_owned()),
    }
}
