//! What a Node keeps of a circuit beside its keys.

/// Payload bytes that a Node has carried for one circuit; what prices will be put on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Metering {
    /// Bytes towards the exit.
    pub forward: u64,
    /// Bytes towards the originator.
    pub backward: u64,
}

impl Metering {
    /// Bytes of both directions.
    pub fn total(&self) -> u64 {
        self.forward.saturating_add(self.backward)
    }
}
