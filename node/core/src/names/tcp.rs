//! DNS over a stream: two bytes of length before each message (RFC 1035 section 4.2.2).

use super::MAX_QUERY;

/// A length that no query has; the caller resets the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a query of {0} bytes; at most {MAX_QUERY} are read")]
pub struct TooLong(pub usize);

/// Cuts a stream into queries; holds at most one of them.
#[derive(Debug, Default)]
pub struct TcpQueries {
    buffer: Vec<u8>,
}

impl TcpQueries {
    /// Takes bytes up to the end of the current query: how many, and the query if it is complete.
    ///
    /// Call again with the rest until nothing is left.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(usize, Option<Vec<u8>>), TooLong> {
        let mut taken = self.fill(bytes, 2);
        let Some(length) = self.buffer.first_chunk() else {
            return Ok((taken, None));
        };
        let length: usize = u16::from_be_bytes(*length).into();
        if length > MAX_QUERY {
            return Err(TooLong(length));
        }
        taken += self.fill(&bytes[taken..], 2 + length);
        if self.buffer.len() < 2 + length {
            return Ok((taken, None));
        }
        let query = self.buffer.split_off(2);
        self.buffer.clear();
        Ok((taken, Some(query)))
    }

    fn fill(&mut self, bytes: &[u8], wanted: usize) -> usize {
        let missing = wanted.saturating_sub(self.buffer.len()).min(bytes.len());
        self.buffer.extend_from_slice(&bytes[..missing]);
        missing
    }
}

/// An answer with its length in front. Answers have at most 65,535 bytes.
pub fn tcp_frame(message: &[u8]) -> Vec<u8> {
    let length = u16::try_from(message.len()).unwrap_or(u16::MAX);
    let mut framed = Vec::with_capacity(2 + usize::from(length));
    framed.extend_from_slice(&length.to_be_bytes());
    framed.extend_from_slice(&message[..length.into()]);
    framed
}
