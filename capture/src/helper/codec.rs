//! Fixed-size fields, little endian; a text is its length and zero-padded
//! UTF-8, cut at a character boundary where it is too long.

use super::MESSAGE_SIZE;

#[derive(Debug)]
pub(super) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    pub(super) fn message(kind: u8) -> Writer {
        let mut bytes = Vec::with_capacity(MESSAGE_SIZE);
        bytes.push(kind);
        Writer { bytes }
    }

    pub(super) fn u8(&mut self, value: u8) {
        self.bytes.push(value);
    }

    pub(super) fn u16(&mut self, value: u16) {
        self.array(&value.to_le_bytes());
    }

    pub(super) fn u32(&mut self, value: u32) {
        self.array(&value.to_le_bytes());
    }

    pub(super) fn array(&mut self, value: &[u8]) {
        self.bytes.extend_from_slice(value);
    }

    pub(super) fn text(&mut self, value: &str, limit: usize) {
        let length = value.floor_char_boundary(limit);
        self.u16(u16::try_from(length).expect("limits of texts are below 64 KiB"));
        self.array(&value.as_bytes()[..length]);
        self.bytes.resize(self.bytes.len() + limit - length, 0);
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        debug_assert!(self.bytes.len() <= MESSAGE_SIZE);
        self.bytes.resize(MESSAGE_SIZE, 0);
        self.bytes
    }
}

#[derive(Debug)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// None unless `bytes` has a message's length; starts after the kind.
    pub(super) fn message(bytes: &'a [u8]) -> Option<Reader<'a>> {
        (bytes.len() == MESSAGE_SIZE).then(|| Reader { rest: &bytes[1..] })
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[value]| value)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (value, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(*value)
    }

    pub(super) fn text(&mut self, limit: usize) -> Option<String> {
        let length = usize::from(self.u16()?);
        let (field, rest) = self.rest.split_at_checked(limit)?;
        self.rest = rest;
        String::from_utf8(field.get(..length)?.to_vec()).ok()
    }
}
