//! New onion keys: a Node signs one a day, valid for two, so that who learned
//! of the last one late can still use it.

use masq_core::identity::{Identity, IdentityError, Validity};
use masq_core::random::SystemRandom;

/// A key is announced this long, in seconds...
const ANNOUNCED: u64 = 24 * 3_600;
/// ...and opens set-ups this long.
const VALID: u64 = 48 * 3_600;
/// A key is valid a little before it is made, for clocks that differ.
const BEFORE: u64 = 600;

/// When the newest onion key is to be replaced, unix seconds.
pub fn due(identity: &Identity) -> u64 {
    let validity = identity.signed_onion_key().validity();
    // One of earlier versions is valid for a year.
    let age = validity.not_before().saturating_add(ANNOUNCED);
    age.min(validity.not_after().saturating_sub(ANNOUNCED))
}

/// The same Node with a new onion key, if it is time; older ones still open.
pub fn rotated(identity: &Identity, now_unix: u64) -> Result<Option<Identity>, IdentityError> {
    if now_unix < due(identity) {
        return Ok(None);
    }
    let mut next = Identity::from_bytes(&identity.to_bytes())?;
    let validity = Validity::new(
        now_unix.saturating_sub(BEFORE),
        now_unix.saturating_add(VALID),
    )?;
    next.rotate(validity, now_unix, &mut SystemRandom);
    Ok(Some(next))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 24 * 3_600;

    #[test]
    fn a_key_is_replaced_after_a_day_and_opens_for_two() {
        let validity = Validity::new(1_000_000, 1_000_000 + 365 * DAY).unwrap();
        let first = Identity::generate(validity, &mut SystemRandom);
        assert!(rotated(&first, 1_000_000 + DAY - 1).unwrap().is_none());

        let start = 1_000_000 + DAY;
        let second = rotated(&first, start).unwrap().unwrap();
        assert_eq!(second.id(), first.id());
        assert_ne!(second.signed_onion_key(), first.signed_onion_key());
        assert_eq!(second.onion_secrets().len(), 2);
        assert!(rotated(&second, start + DAY / 2).unwrap().is_none());

        let third = rotated(&second, start + DAY).unwrap().unwrap();
        let old = second.signed_onion_key();
        let opens = |at| {
            let mut secrets = third.onion_secrets().iter();
            secrets.any(|secret| secret.public() == old.key() && secret.opens_at(at))
        };
        assert!(opens(start + DAY) && opens(start + 2 * DAY));
        assert!(!opens(start + 2 * DAY + 3_600));
    }
}
