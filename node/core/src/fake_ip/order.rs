//! A doubly linked list over slot numbers: which name was used longest ago.

/// No slot.
pub(super) const NONE: u32 = u32::MAX;

/// Slots from the one used longest ago to the one used last, each at most once.
#[derive(Debug)]
pub(super) struct Order {
    links: Vec<Link>,
    oldest: u32,
    newest: u32,
}

#[derive(Debug, Clone, Copy)]
struct Link {
    older: u32,
    newer: u32,
}

impl Default for Order {
    fn default() -> Order {
        Order {
            links: Vec::new(),
            oldest: NONE,
            newest: NONE,
        }
    }
}

impl Order {
    pub(super) fn oldest(&self) -> u32 {
        self.oldest
    }

    /// Appends a slot that is not in the list.
    pub(super) fn push_newest(&mut self, slot: u32) {
        let index = slot as usize;
        if index >= self.links.len() {
            self.links.resize(
                index + 1,
                Link {
                    older: NONE,
                    newer: NONE,
                },
            );
        }
        self.links[index] = Link {
            older: self.newest,
            newer: NONE,
        };
        match self.newest {
            NONE => self.oldest = slot,
            newest => self.links[newest as usize].newer = slot,
        }
        self.newest = slot;
    }

    /// Takes out a slot that is in the list.
    pub(super) fn remove(&mut self, slot: u32) {
        let Link { older, newer } = self.links[slot as usize];
        match older {
            NONE => self.oldest = newer,
            older => self.links[older as usize].newer = newer,
        }
        match newer {
            NONE => self.newest = older,
            newer => self.links[newer as usize].older = older,
        }
        self.links[slot as usize] = Link {
            older: NONE,
            newer: NONE,
        };
    }

    /// The slots from the oldest to the newest.
    pub(super) fn iter(&self) -> impl Iterator<Item = u32> {
        let mut next = self.oldest;
        std::iter::from_fn(move || {
            let slot = next;
            if slot == NONE {
                return None;
            }
            next = self.links[slot as usize].newer;
            Some(slot)
        })
    }
}
