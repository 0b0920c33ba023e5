//! Who answers which request. Pure: the handlers are given, and so is the time.
//!
//! No request is left without an answer: what nobody knows is refused.

use masq_ui_protocol::message::{Crash, Shutdown, UnmarshalError};
use masq_ui_protocol::{Code, Frame, Message, UiError};

/// An answer, and what all other UIs hear because of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    pub answer: Frame,
    pub others: Option<Frame>,
}

impl From<Frame> for Reply {
    fn from(answer: Frame) -> Self {
        Reply {
            answer,
            others: None,
        }
    }
}

/// Answers the requests it knows; None when the opcode is another's.
pub type Handler = Box<dyn FnMut(&Frame, u64) -> Option<Reply>>;

/// What came of a frame.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Told {
    /// For whoever sent it.
    pub answer: Option<Frame>,
    /// For all others.
    pub others: Option<Frame>,
    /// The Node shall end.
    pub end: bool,
}

/// The parts of the original that a UI may ask to crash.
const ACTORS: [&str; 5] = [
    "BLOCKCHAINBRIDGE",
    "DISPATCHER",
    "ACCOUNTANT",
    "CONFIGURATOR",
    "NEIGHBORHOOD",
];

/// All who answer, in order.
#[derive(Default)]
pub struct Dispatch {
    handlers: Vec<Handler>,
    /// Whether the Node was started to crash on request.
    heeds_crash: bool,
}

impl std::fmt::Debug for Dispatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dispatch")
            .field("handlers", &self.handlers.len())
            .field("heeds_crash", &self.heeds_crash)
            .finish()
    }
}

impl Dispatch {
    pub fn new(heeds_crash: bool) -> Dispatch {
        Dispatch {
            handlers: Vec::new(),
            heeds_crash,
        }
    }

    /// The first that knows an opcode answers.
    pub fn add(&mut self, handler: impl FnMut(&Frame, u64) -> Option<Reply> + 'static) {
        self.handlers.push(Box::new(handler));
    }

    /// Has a frame served.
    ///
    /// # Panics
    /// When a UI asks for it and the Node was started to heed that.
    pub fn tell(&mut self, frame: &Frame, now_unix: u64) -> Told {
        let refused = |message: &str| Told {
            answer: Some(refusal(frame, message)),
            ..Told::default()
        };
        if frame.opcode == Crash::OPCODE {
            return match self.crash(frame) {
                Ok(()) => Told::default(),
                Err(error) => refused(&error.message),
            };
        }
        if frame.context_id.is_none() {
            return refused("a request needs a contextId");
        }
        if let Err(error) = &frame.body {
            return refused(&format!("an error is no request: {}", error.message));
        }
        if frame.opcode == Shutdown::OPCODE {
            let answer = answer(frame, |asked: Shutdown| Ok(asked));
            return Told {
                end: answer.body.is_ok(),
                answer: Some(answer),
                others: None,
            };
        }
        let mut handlers = self.handlers.iter_mut();
        match handlers.find_map(|handler| handler(frame, now_unix)) {
            Some(reply) => Told {
                answer: Some(reply.answer),
                others: reply.others,
                end: false,
            },
            None => refused("nobody here knows this opcode"),
        }
    }

    fn crash(&self, frame: &Frame) -> Result<(), UiError> {
        let asked: Crash = frame.clone().message()?;
        if frame.context_id.is_some() {
            return Err(UiError {
                code: Code::UNMARSHAL,
                message: "crash expects no answer and has no contextId".to_owned(),
            });
        }
        if !self.heeds_crash {
            tracing::warn!(
                "a UI asks for a crash; only a Node with crash-point = message heeds it"
            );
            return Ok(());
        }
        if !ACTORS.contains(&asked.actor.as_str()) {
            return Err(UiError {
                code: Code::UNMARSHAL,
                message: format!("actor is one of {}", ACTORS.join(", ")),
            });
        }
        panic!("{}: {}", asked.actor, asked.panic_message);
    }
}

/// The answer to one conversation, or why there is none.
pub fn answer<M: Message, A: Message>(
    frame: &Frame,
    serve: impl FnOnce(M) -> Result<A, UiError>,
) -> Frame {
    match frame.clone().message::<M>().and_then(serve) {
        Ok(answer) => Frame::of(&answer, frame.context_id),
        Err(error) => frame.refusal(error.code, error.message),
    }
}

/// Where no answer is expected, an error of its own says what is wrong.
fn refusal(frame: &Frame, message: &str) -> Frame {
    let opcode: String = frame.opcode.chars().take(64).collect();
    let message = format!("{opcode}: {message}");
    match frame.context_id {
        Some(_) => frame.refusal(Code::UNMARSHAL, message),
        None => {
            let error = UnmarshalError {
                message,
                bad_data: opcode,
            };
            Frame::of(&error, None)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use masq_ui_protocol::message::{
        CheckPasswordRequest, CheckPasswordResponse, ConnectionStatusRequest, NewPassword,
    };

    const NOW: u64 = 1_800_000_000;

    fn parsed(text: &str) -> Frame {
        Frame::parse(text).unwrap()
    }

    #[test]
    fn the_first_who_knows_an_opcode_answers() {
        let mut dispatch = Dispatch::new(false);
        for matches in [true, false] {
            dispatch.add(move |frame, now| {
                assert_eq!(now, NOW);
                (frame.opcode == CheckPasswordRequest::OPCODE).then(|| Reply {
                    answer: answer(frame, |_: CheckPasswordRequest| {
                        Ok(CheckPasswordResponse { matches })
                    }),
                    others: Some(Frame::of(&NewPassword {}, None)),
                })
            });
        }
        let asked = CheckPasswordRequest {
            db_password_opt: None,
        };
        let told = dispatch.tell(&Frame::of(&asked, Some(3)), NOW);
        let answer = told.answer.unwrap();
        assert_eq!(answer.context_id, Some(3));
        assert_eq!(
            answer.message(),
            Ok(CheckPasswordResponse { matches: true })
        );
        assert!(told.others.is_some());
        assert!(!told.end);
    }

    #[test]
    fn what_nobody_knows_is_refused() {
        let mut dispatch = Dispatch::new(false);
        let told = dispatch.tell(&Frame::of(&ConnectionStatusRequest {}, Some(3)), NOW);
        let answer = told.answer.unwrap();
        assert_eq!(answer.opcode, "connectionStatus");
        assert_eq!(answer.context_id, Some(3));
        assert_eq!(answer.body.unwrap_err().code, Code::UNMARSHAL);
        let told = dispatch.tell(&parsed(r#"{"opcode":"booga","payload":{}}"#), NOW);
        assert_eq!(told.answer.unwrap().opcode, "unmarshalError");
    }

    #[test]
    fn a_request_without_a_context_or_with_an_error_is_refused() {
        let mut dispatch = Dispatch::new(true);
        dispatch.add(|_, _| panic!("nobody is asked"));
        for text in [
            r#"{"opcode":"shutdown","payload":{}}"#,
            r#"{"opcode":"shutdown","error":{"code":1,"message":"x"}}"#,
            r#"{"opcode":"crash","error":{"code":1,"message":"x"}}"#,
            r#"{"opcode":"crash","payload":{"actor":"NOBODY","panicMessage":"x"}}"#,
        ] {
            let told = dispatch.tell(&parsed(text), NOW);
            assert_eq!(told.answer.unwrap().opcode, "unmarshalError", "{text}");
            assert!(!told.end);
        }
        for text in [
            r#"{"opcode":"shutdown","contextId":1,"error":{"code":1,"message":"x"}}"#,
            r#"{"opcode":"crash","contextId":1,"payload":{"actor":"DISPATCHER","panicMessage":""}}"#,
        ] {
            let told = dispatch.tell(&parsed(text), NOW);
            let error = told.answer.unwrap().body.unwrap_err();
            assert_eq!(error.code, Code::UNMARSHAL, "{text}");
        }
    }

    #[test]
    fn shutdown_is_answered_and_ends() {
        let told = Dispatch::new(false).tell(&Frame::of(&Shutdown {}, Some(9)), NOW);
        assert_eq!(told.answer, Some(Frame::of(&Shutdown {}, Some(9))));
        assert!(told.end);
    }

    #[test]
    fn a_crash_is_heeded_only_when_the_node_was_started_so() {
        let text = r#"{"opcode":"crash","payload":{"actor":"DISPATCHER","panicMessage":"boom"}}"#;
        let told = Dispatch::new(false).tell(&parsed(text), NOW);
        assert_eq!(told, Told::default());
        let crashed = std::panic::catch_unwind(|| {
            Dispatch::new(true).tell(&parsed(text), NOW);
        });
        let said = crashed.unwrap_err();
        assert_eq!(said.downcast_ref::<String>().unwrap(), "DISPATCHER: boom");
    }
}
