//! Ranges of records: `minAge-maxAge|min-max`, ages in seconds, amounts in MASQ.

use masq_ui_protocol::message::Range;

use super::amount;

/// The upper end when none is given, and the highest there may be.
const HIGHEST: i128 = i64::MAX as i128;

pub(super) fn payable(text: &str) -> Result<Range<u64>, String> {
    let (ages, min, max) = parse(text)?;
    let unsigned = |gwei: i128| {
        u64::try_from(gwei).map_err(|_| "an amount that is owed is not below zero".to_owned())
    };
    Ok(Range {
        min_age_s: ages.0,
        max_age_s: ages.1,
        min_amount_gwei: unsigned(min)?,
        max_amount_gwei: unsigned(max)?,
    })
}

pub(super) fn receivable(text: &str) -> Result<Range<i64>, String> {
    let (ages, min, max) = parse(text)?;
    let signed = |gwei: i128| i64::try_from(gwei).map_err(|_| "an amount is too large".to_owned());
    Ok(Range {
        min_age_s: ages.0,
        max_age_s: ages.1,
        min_amount_gwei: signed(min)?,
        max_amount_gwei: signed(max)?,
    })
}

fn parse(text: &str) -> Result<((u64, u64), i128, i128), String> {
    let form = || "give minAge-maxAge|min-max, for example 0-86400|0.5-2".to_owned();
    let (ages, amounts) = text.split_once('|').ok_or_else(form)?;
    let (youngest, oldest) = ages.split_once('-').ok_or_else(form)?;
    let age = |text: &str| {
        let seconds = text.parse::<u64>().ok();
        let fits = |seconds: &u64| i64::try_from(*seconds).is_ok();
        seconds
            .filter(fits)
            .ok_or_else(|| format!("`{text}` is not an age in seconds"))
    };
    let ages = (age(youngest)?, age(oldest)?);
    if ages.0 >= ages.1 {
        return Err("the second age must be above the first".to_owned());
    }
    // A sign may stand first, so the dash between is looked for behind it.
    let (min, max) = match amounts.get(1..).and_then(|rest| rest.find('-')) {
        Some(place) => {
            let (min, max) = amounts.split_at(place + 1);
            (min, &max[1..])
        }
        None => (amounts, ""),
    };
    let min = amount::parse(min)?;
    let max = match max {
        "" => HIGHEST,
        some => amount::parse(some)?,
    };
    if min >= max {
        return Err("the second amount must be above the first".to_owned());
    }
    if max > HIGHEST {
        return Err("the second amount is too large".to_owned());
    }
    Ok((ages, min, max))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_may_be_below_zero_and_open_above() {
        let range = |min, max| Range {
            min_age_s: 0,
            max_age_s: 60,
            min_amount_gwei: min,
            max_amount_gwei: max,
        };
        for (amounts, min, max) in [
            ("0-1", 0, 1_000_000_000),
            ("0.5-", 500_000_000, i64::MAX),
            ("0.5", 500_000_000, i64::MAX),
            ("-2-1.5", -2_000_000_000, 1_500_000_000),
            ("-2--1", -2_000_000_000, -1_000_000_000),
            ("-2", -2_000_000_000, i64::MAX),
        ] {
            assert_eq!(receivable(&format!("0-60|{amounts}")), Ok(range(min, max)));
        }
        assert_eq!(payable("0-60|1-2").unwrap().max_amount_gwei, 2_000_000_000);
    }

    #[test]
    fn what_is_no_ascending_range_is_refused() {
        for text in [
            "",
            "1-2",
            "2-1|1-2",
            "1-1|1-2",
            "0-60|2-1",
            "0-60|1-1",
            "0-60|",
            "0-60|-",
            "0-60|é-1",
            "x-60|1-2",
            "0-60|1-99999999999999",
        ] {
            assert!(receivable(text).is_err(), "{text}");
        }
        assert!(payable("0-60|-1-2").is_err());
    }
}
