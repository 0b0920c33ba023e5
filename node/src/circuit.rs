//! The ends of a circuit's stream: frames sealed for the far end, then the
//! relays' layers, then the link; and the same backwards.
//!
//! The originator's layers are those of its relays; an exit has none of its
//! own ([`Onion::default`]).

use crate::link::{LinkRecv, LinkSend, StreamError};
use bytes::BytesMut;
use masq_core::failure::{Code, Failure};
use masq_core::frame::{
    Backward, Draft, Forward, Kind, MAX_FRAME, MAX_PAYLOAD, OVERHEAD, OpenError, Opener, SealError,
    Sealer,
};
use masq_core::layer::Onion;
use masq_core::resume::CountError;

/// Sealed bytes gathered before they are handed to the link.
const GATHER: usize = 4 * MAX_FRAME;
/// Of a flow's bytes, as many as [`Sender::data`] takes at once.
pub const GATHERED_DATA: usize = 4 * MAX_PAYLOAD;

/// Why a circuit ended before both sides finished.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CircuitError {
    #[error(transparent)]
    Stream(#[from] StreamError),
    #[error("a frame cannot be sealed: {0}")]
    Seal(#[from] SealError),
    #[error("the peer's frames do not open: {0}")]
    Open(#[from] OpenError),
    #[error("the peer sent a frame that makes no sense here")]
    Unexpected,
    #[error("the peer counts wrongly: {0}")]
    Count(#[from] CountError),
}

impl CircuitError {
    /// Whether the far end broke the protocol, and no link.
    pub fn is_malformed(&self) -> bool {
        match self {
            CircuitError::Stream(_) | CircuitError::Open(OpenError::Truncated { .. }) => false,
            CircuitError::Open(_)
            | CircuitError::Seal(_)
            | CircuitError::Unexpected
            | CircuitError::Count(_) => true,
        }
    }

    /// Whether the circuit is lost and the flow may go on over another one
    /// (W-5.10): nothing that the far end has said itself.
    pub fn is_loss(&self) -> bool {
        match self {
            CircuitError::Stream(_) | CircuitError::Seal(SealError::UsedUp) => true,
            CircuitError::Open(error) => match error {
                OpenError::Truncated { .. }
                | OpenError::Sealed { .. }
                | OpenError::Length { .. }
                | OpenError::UsedUp => true,
                OpenError::Kind { .. } | OpenError::Ended { .. } => false,
            },
            CircuitError::Seal(_) | CircuitError::Unexpected | CircuitError::Count(_) => false,
        }
    }

    /// The code of a stream that ended with this error.
    pub fn code(&self) -> Code {
        match self {
            CircuitError::Stream(StreamError::Reset(code) | StreamError::Stopped(code)) => {
                match u16::try_from(*code) {
                    Ok(0) | Err(_) => Code::LinkLost,
                    Ok(number) => Code::from_number(number),
                }
            }
            CircuitError::Stream(StreamError::LinkLost)
            | CircuitError::Open(OpenError::Truncated { .. }) => Code::LinkLost,
            CircuitError::Open(error) => error.code(),
            CircuitError::Seal(_) | CircuitError::Unexpected | CircuitError::Count(_) => {
                Code::BadFrame
            }
        }
    }
}

impl From<CircuitError> for Failure {
    fn from(error: CircuitError) -> Self {
        Failure::new(error.code(), error.to_string())
    }
}

/// The sending end.
#[derive(Debug)]
pub struct Sender<S> {
    send: S,
    sealer: Sealer,
    layers: Onion,
    gathered: BytesMut,
    /// Bytes at the front of `gathered` that pass the layers by.
    preamble: usize,
    /// A flush has begun and not ended.
    flushing: bool,
}

impl<S: LinkSend> Sender<S> {
    pub fn new(send: S, sealer: Sealer, layers: Onion) -> Self {
        Self {
            send,
            sealer,
            layers,
            gathered: BytesMut::new(),
            preamble: 0,
            flushing: false,
        }
    }

    /// Number of the circuit's stream on its link.
    pub fn id(&self) -> u64 {
        self.send.id()
    }

    pub fn stopped(&self) -> impl Future<Output = StreamError> + 'static {
        self.send.stopped()
    }

    /// Bytes in front of everything, already as the first hop expects them.
    pub fn preamble(&mut self, bytes: &[u8]) {
        debug_assert!(self.gathered.is_empty());
        self.gathered.extend_from_slice(bytes);
        self.preamble = bytes.len();
    }

    pub fn forward(&mut self, message: &Forward<'_>) -> Result<(), CircuitError> {
        Ok(self.sealer.seal_forward(message, &mut self.gathered)?)
    }

    pub fn backward(&mut self, message: &Backward<'_>) -> Result<(), CircuitError> {
        Ok(self.sealer.seal_backward(message, &mut self.gathered)?)
    }

    /// Seals as much of `data` as should go in one write; returns how much.
    pub fn data(&mut self, data: &[u8]) -> Result<usize, CircuitError> {
        let frames = data.len().min(GATHER).div_ceil(MAX_PAYLOAD);
        self.gathered
            .reserve(data.len().min(GATHER) + frames * OVERHEAD);
        let mut taken = 0;
        while taken < data.len() && self.gathered.len() < GATHER {
            let rest = &data[taken..];
            let amount = rest.len().min(MAX_PAYLOAD);
            self.sealer
                .seal(Kind::Data, &[&rest[..amount]], &mut self.gathered)?;
            taken += amount;
        }
        Ok(taken)
    }

    /// A data frame that is filled where it will be sealed: append at most
    /// [`MAX_PAYLOAD`] bytes to the buffer, then [`Sender::finish_data`].
    pub fn begin_data(&mut self) -> (Draft, &mut BytesMut) {
        self.gathered.reserve(MAX_FRAME);
        let draft = self.sealer.begin(Kind::Data, &mut self.gathered);
        (draft, &mut self.gathered)
    }

    /// What is sealed or drafted and not yet flushed.
    pub fn gathered(&self) -> &[u8] {
        &self.gathered
    }

    pub fn finish_data(&mut self, draft: Draft) -> Result<(), CircuitError> {
        Ok(self.sealer.finish(draft, &mut self.gathered)?)
    }

    pub fn cancel_data(&mut self, draft: Draft) {
        self.sealer.cancel(draft, &mut self.gathered);
    }

    /// Gives everything sealed to the link; waits for its window. When it is
    /// given up on the way, the stream is of no more use.
    pub async fn flush(&mut self) -> Result<(), CircuitError> {
        if self.gathered.is_empty() {
            return Ok(());
        }
        let mut bytes = std::mem::take(&mut self.gathered);
        let preamble = std::mem::take(&mut self.preamble);
        self.layers.apply(&mut bytes[preamble..]);
        self.flushing = true;
        self.send.write(bytes.freeze()).await?;
        self.flushing = false;
        Ok(())
    }

    /// Whether nothing was flushed yet.
    pub fn is_fresh(&self) -> bool {
        self.preamble > 0
    }

    /// Whether the stream takes no more: a flush was given up or failed.
    pub fn is_stuck(&self) -> bool {
        self.flushing
    }

    /// No more bytes: call after a frame that says so.
    pub fn finish(&mut self) {
        self.send.finish();
    }

    pub fn reset(&mut self, code: Code) {
        self.send.reset(u64::from(code.number()));
    }
}

/// The receiving end.
#[derive(Debug)]
pub struct Receiver<R> {
    recv: R,
    opener: Opener,
    layers: Onion,
    arrived: BytesMut,
    on_first: Option<OnFirst>,
}

/// Sees the first frame of a circuit, which proves that the way works.
pub struct OnFirst(pub Box<See>);

type See = dyn FnOnce(Kind, &[u8]);

impl std::fmt::Debug for OnFirst {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OnFirst")
    }
}

impl<R: LinkRecv> Receiver<R> {
    /// `early` has already arrived, and no layer was taken off it.
    pub fn new(recv: R, opener: Opener, mut layers: Onion, mut early: BytesMut) -> Self {
        layers.apply(&mut early);
        Self {
            recv,
            opener,
            layers,
            arrived: early,
            on_first: None,
        }
    }

    #[must_use]
    pub fn on_first(mut self, on_first: OnFirst) -> Self {
        self.on_first = Some(on_first);
        self
    }

    /// The next frame; `None` at an authenticated end. Cancel safe.
    pub async fn next(&mut self) -> Result<Option<(Kind, BytesMut)>, CircuitError> {
        loop {
            if let Some(frame) = self.opener.open(&mut self.arrived)? {
                if let Some(on_first) = self.on_first.take() {
                    (on_first.0)(frame.0, &frame.1);
                }
                return Ok(Some(frame));
            }
            match self.recv.read().await? {
                Some(mut bytes) => {
                    self.layers.apply(&mut bytes);
                    if self.arrived.is_empty() {
                        self.arrived = bytes;
                    } else {
                        self.arrived
                            .reserve(bytes.len().max(Opener::missing(&self.arrived)));
                        self.arrived.extend_from_slice(&bytes);
                    }
                }
                None => {
                    self.opener.end(&self.arrived)?;
                    return Ok(None);
                }
            }
        }
    }

    pub fn stop(&mut self, code: Code) {
        self.recv.stop(u64::from(code.number()));
    }
}
