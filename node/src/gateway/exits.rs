//! Which countries a UI may choose for exits, from those there are. Pure.

use masq_core::config::{CountryCode, ExitCountries};
use masq_ui_protocol::message::{CountryGroup, ExitLocationRequest, ExitLocationResponse};
use masq_ui_protocol::{Code, UiError};
use std::collections::{BTreeMap, BTreeSet};

/// What a request is answered, and what flows shall do from now on.
#[derive(Clone, Debug, PartialEq)]
pub struct Resolution {
    /// None when nothing changes.
    pub choice: Option<ExitCountries>,
    pub response: ExitLocationResponse,
}

/// Resolves a request. The countries that are asked for and not there are left
/// out; when none is there, nothing changes and that is an error.
pub fn resolve(
    request: &ExitLocationRequest,
    available: &BTreeSet<CountryCode>,
    current: &ExitCountries,
) -> Result<Resolution, UiError> {
    if request.show_countries {
        return Ok(Resolution {
            choice: None,
            response: ExitLocationResponse {
                exit_countries: Some(available.iter().map(CountryCode::to_string).collect()),
                ..told(current, Vec::new())
            },
        });
    }
    let mut asked: BTreeMap<usize, Vec<CountryCode>> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for group in &request.exit_locations {
        for code in &group.country_codes {
            let country = CountryCode::assigned(code).ok_or_else(|| unknown(code))?;
            // The first mention says how much it is wanted.
            if seen.insert(country) {
                asked.entry(group.priority).or_default().push(country);
            }
        }
    }
    let missing: Vec<String> = seen
        .iter()
        .filter(|country| !available.contains(country))
        .map(CountryCode::to_string)
        .collect();
    if !seen.is_empty() && missing.len() == seen.len() {
        return Err(UiError {
            code: Code::EXIT_COUNTRY_MISSING,
            message: format!(
                "No exit is in any of these countries: {}. The choice stays as it was.",
                missing.join(", ")
            ),
        });
    }
    let groups: Vec<Vec<CountryCode>> = asked
        .into_values()
        .map(|group| {
            let there = group.into_iter().filter(|code| available.contains(code));
            there.collect::<Vec<_>>()
        })
        .filter(|group| !group.is_empty())
        .collect();
    // Without a preference there is nothing to fall back from.
    let fallback = request.fallback_routing || groups.is_empty();
    let choice = ExitCountries { groups, fallback };
    Ok(Resolution {
        response: told(&choice, missing),
        choice: Some(choice),
    })
}

fn told(choice: &ExitCountries, missing: Vec<String>) -> ExitLocationResponse {
    let group = |(place, codes): (usize, &Vec<CountryCode>)| CountryGroup {
        country_codes: codes.iter().map(CountryCode::to_string).collect(),
        priority: place + 1,
    };
    ExitLocationResponse {
        fallback_routing: choice.fallback || choice.is_any(),
        exit_country_selection: choice.groups.iter().enumerate().map(group).collect(),
        exit_countries: None,
        missing_countries: missing,
    }
}

fn unknown(code: &str) -> UiError {
    let code: String = code.chars().take(16).collect();
    UiError {
        code: Code::NON_PARSABLE_VALUE,
        message: format!("{code:?} is not a country: give two letters of ISO 3166-1, such as CZ"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn countries(codes: &[&str]) -> BTreeSet<CountryCode> {
        let code = |code: &&str| CountryCode::assigned(code).unwrap();
        codes.iter().map(code).collect()
    }

    fn asked(groups: &[(usize, &[&str])], fallback: bool) -> ExitLocationRequest {
        let group = |(priority, codes): &(usize, &[&str])| CountryGroup {
            country_codes: codes.iter().map(ToString::to_string).collect(),
            priority: *priority,
        };
        ExitLocationRequest {
            fallback_routing: fallback,
            exit_locations: groups.iter().map(group).collect(),
            show_countries: false,
        }
    }

    fn resolved(groups: &[(usize, &[&str])], fallback: bool) -> Resolution {
        let there = countries(&["CZ", "PL", "SK", "US"]);
        resolve(&asked(groups, fallback), &there, &ExitCountries::default()).unwrap()
    }

    #[test]
    fn groups_are_taken_by_priority() {
        let resolution = resolved(&[(5, &["SK"]), (1, &["CZ", "PL"]), (5, &["US"])], false);
        let choice = resolution.choice.unwrap();
        assert_eq!(choice.to_string(), "CZ,PL|SK,US");
        assert!(!choice.fallback);
        let response = resolution.response;
        assert!(!response.fallback_routing);
        let priorities: Vec<usize> = response
            .exit_country_selection
            .iter()
            .map(|group| group.priority)
            .collect();
        assert_eq!(priorities, [1, 2]);
        assert_eq!(response.exit_countries, None);
    }

    #[test]
    fn what_is_missing_is_left_out_and_told() {
        let resolution = resolved(&[(1, &["DE"]), (2, &["cz", "FR", "CZ"])], true);
        assert_eq!(resolution.choice.unwrap().to_string(), "CZ");
        assert_eq!(resolution.response.missing_countries, ["DE", "FR"]);
        assert_eq!(resolution.response.exit_country_selection[0].priority, 1);
    }

    #[test]
    fn all_missing_is_an_error() {
        let there = countries(&["CZ"]);
        let request = asked(&[(1, &["DE", "FR"])], true);
        let error = resolve(&request, &there, &ExitCountries::default()).unwrap_err();
        assert_eq!(error.code, Code::EXIT_COUNTRY_MISSING);
        assert!(error.message.contains("DE, FR"));
    }

    #[test]
    fn nothing_asked_for_puts_it_back() {
        for fallback in [true, false] {
            let resolution = resolved(&[], fallback);
            let choice = resolution.choice.unwrap();
            assert!(choice.is_any() && choice.fallback);
            assert!(resolution.response.fallback_routing);
        }
    }

    #[test]
    fn what_is_no_country_is_refused() {
        for code in ["ZZ", "", "CZE", "\u{10d}z"] {
            let request = asked(&[(1, &["CZ", code])], true);
            let there = countries(&["CZ"]);
            let error = resolve(&request, &there, &ExitCountries::default()).unwrap_err();
            assert_eq!(error.code, Code::NON_PARSABLE_VALUE, "{code}");
        }
    }

    #[test]
    fn showing_changes_nothing() {
        let current = ExitCountries {
            groups: vec![vec![CountryCode::assigned("SK").unwrap()]],
            fallback: false,
        };
        let request = ExitLocationRequest {
            show_countries: true,
            ..asked(&[], true)
        };
        let resolution = resolve(&request, &countries(&["CZ", "AT"]), &current).unwrap();
        assert_eq!(resolution.choice, None);
        let response = resolution.response;
        assert_eq!(response.exit_countries.unwrap(), ["AT", "CZ"]);
        assert_eq!(response.exit_country_selection[0].country_codes, ["SK"]);
        assert!(!response.fallback_routing);
    }
}
