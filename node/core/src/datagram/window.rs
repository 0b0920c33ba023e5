//! The window of datagram numbers that have come (after RFC 6479): a ring of bits that moves
//! forward a word at a time, so that no shift is needed.

/// Numbers that may arrive out of order by up to [`Window::SIZE`].
#[derive(Clone, Debug)]
pub struct Window {
    /// The highest number that came, plus one.
    next: u64,
    bits: [u64; WORDS],
}

const WORDS: usize = 32;

impl Window {
    /// How far behind the newest a number may be and still be told from a repetition.
    pub const SIZE: u64 = 64 * (WORDS as u64 - 1);

    /// Whether the number has not come and is not too old to tell.
    pub fn is_new(&self, number: u64) -> bool {
        if number >= self.next {
            return true;
        }
        self.next - number <= Self::SIZE && self.bits[word(number)] & bit(number) == 0
    }

    /// Notes that the number has come.
    pub fn mark(&mut self, number: u64) {
        if number >= self.next {
            let newest = self.next.saturating_sub(1) / 64;
            let passed = (number / 64 - newest).min(WORDS as u64);
            for step in 1..=passed {
                self.bits[((newest + step) % WORDS as u64) as usize] = 0;
            }
            self.next = number.saturating_add(1);
        }
        self.bits[word(number)] |= bit(number);
    }
}

impl Default for Window {
    fn default() -> Self {
        Window {
            next: 0,
            bits: [0; WORDS],
        }
    }
}

fn word(number: u64) -> usize {
    (number / 64 % WORDS as u64) as usize
}

fn bit(number: u64) -> u64 {
    1 << (number % 64)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_number_comes_once_in_any_order() {
        let mut window = Window::default();
        for number in [0, 5, 3, 4_000, 3_999, 4_000 - Window::SIZE + 1] {
            assert!(window.is_new(number), "{number}");
            window.mark(number);
            assert!(!window.is_new(number), "{number}");
        }
        assert!(!window.is_new(4_000 - Window::SIZE));
        assert!(window.is_new(4_001));
    }

    #[test]
    fn the_last_number_does_not_overflow() {
        let mut window = Window::default();
        window.mark(u64::MAX - 1);
        assert!(!window.is_new(u64::MAX - 1));
        assert!(window.is_new(u64::MAX));
        assert!(!window.is_new(0));
    }

    proptest! {
        #[test]
        fn it_agrees_with_a_set(steps in prop::collection::vec((0_u64..3_000, any::<bool>()), 1..400)) {
            let mut window = Window::default();
            let (mut seen, mut highest) = (HashSet::new(), None);
            let mut base = 0;
            for (offset, forward) in steps {
                base = if forward { base + offset } else { base };
                let number = if forward { base } else { base.saturating_sub(offset) };
                let recent = highest.is_none_or(|highest| number + Window::SIZE > highest);
                prop_assert_eq!(window.is_new(number), recent && !seen.contains(&number));
                if window.is_new(number) {
                    window.mark(number);
                    seen.insert(number);
                    highest = highest.max(Some(number));
                }
            }
        }
    }
}
