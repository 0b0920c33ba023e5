//! Countries, and in which of them flows shall leave the mesh.

use std::fmt;

/// A country as two capital letters (ISO 3166-1 alpha-2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CountryCode([u8; 2]);

/// In which countries flows shall leave the mesh.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExitCountries {
    /// Countries that are wanted equally, the most wanted first; none stands for any.
    pub groups: Vec<Vec<CountryCode>>,
    /// Whether others are taken when none of these can be had.
    pub fallback: bool,
}

impl CountryCode {
    /// Two letters in any case; whether a country has them is not asked.
    pub fn new(text: &str) -> Option<CountryCode> {
        let code: [u8; 2] = text.to_ascii_uppercase().into_bytes().try_into().ok()?;
        code.iter()
            .all(u8::is_ascii_uppercase)
            .then_some(CountryCode(code))
    }

    /// Two letters in any case that ISO 3166-1 assigns to a country.
    pub fn assigned(text: &str) -> Option<CountryCode> {
        CountryCode::new(text).filter(CountryCode::is_assigned)
    }

    /// Whether ISO 3166-1 assigns the letters to a country.
    pub fn is_assigned(&self) -> bool {
        let codes = ASSIGNED.as_bytes().as_chunks::<3>().0;
        codes.iter().any(|code| code[..2] == self.0)
    }

    /// The two letters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("ZZ")
    }
}

impl fmt::Display for CountryCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl ExitCountries {
    /// Whether every country will do.
    pub fn is_any(&self) -> bool {
        self.groups.is_empty()
    }

    /// How much a country is wanted, 0 being most; none if it is not allowed.
    pub fn rank(&self, country: CountryCode) -> Option<usize> {
        let group = self
            .groups
            .iter()
            .position(|group| group.contains(&country));
        let other = self.is_any() || self.fallback;
        group.or(other.then_some(self.groups.len()))
    }
}

/// `CZ,PL|SK`, as in the configuration.
impl fmt::Display for ExitCountries {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, group) in self.groups.iter().enumerate() {
            if at > 0 {
                formatter.write_str("|")?;
            }
            let codes: Vec<&str> = group.iter().map(CountryCode::as_str).collect();
            formatter.write_str(&codes.join(","))?;
        }
        Ok(())
    }
}

/// Every code with a separator behind it.
const ASSIGNED: &str = "\
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR \
    BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ \
    EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW \
    GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY \
    KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV \
    MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY \
    QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG \
    TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM \
    ZW ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_assigned_code_is_known_and_others_are_not() {
        let codes: Vec<&str> = ASSIGNED.split_whitespace().collect();

        assert_eq!(codes.len(), 249);
        assert!(codes.is_sorted_by(|one, next| one < next));
        assert_eq!(ASSIGNED.len(), 3 * codes.len());
        assert!(
            codes
                .iter()
                .all(|code| CountryCode::assigned(code).is_some())
        );
        assert!(CountryCode::assigned("cz").is_some());
        for wrong in ["ZZ", "EU", "UK", "XX", "C", "CZE", "", "D ", " D"] {
            assert_eq!(CountryCode::assigned(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn countries_of_one_group_are_equal_and_others_follow_only_as_fallback() {
        let code = |text| CountryCode::new(text).unwrap();
        let mut wanted = ExitCountries {
            groups: vec![vec![code("CZ"), code("PL")], vec![code("SK")]],
            fallback: false,
        };

        let ranks =
            |wanted: &ExitCountries| ["CZ", "PL", "SK", "DE"].map(|text| wanted.rank(code(text)));
        assert_eq!(ranks(&wanted), [Some(0), Some(0), Some(1), None]);
        wanted.fallback = true;
        assert_eq!(ranks(&wanted), [Some(0), Some(0), Some(1), Some(2)]);
        assert_eq!(wanted.to_string(), "CZ,PL|SK");
        assert_eq!(ExitCountries::default().rank(code("DE")), Some(0));
    }
}
