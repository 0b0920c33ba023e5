//! The envelope around every message: opcode, context id, and a payload or an error.
//!
//! What cannot be read is answered too: [`FrameError::answer`] is the frame to send back, so that
//! no request is left to time out.

use serde_json::{Map, Value, json};
use thiserror::Error;

use crate::code::Code;
use crate::message::{Kind, Message};

/// One frame.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// What it is about.
    pub opcode: String,
    /// Chosen by the UI for a conversation and repeated in its answer; absent otherwise.
    pub context_id: Option<u64>,
    /// What it says.
    pub body: Body,
}

/// A payload, or why there is none.
pub type Body = Result<Map<String, Value>, UiError>;

/// An error as it stands in a frame.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message} (Code {code})")]
pub struct UiError {
    /// Which.
    pub code: Code,
    /// For a person.
    pub message: String,
}

/// Why a text is not a frame.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum FrameError {
    /// Neither who asks nor what is known.
    #[error("{message}")]
    Illegible {
        /// What is wrong with it.
        message: String,
        /// What came, shortened.
        data: String,
    },
    /// The question is known, its content is not understood.
    #[error("{opcode}: {message}")]
    Body {
        /// The opcode.
        opcode: String,
        /// The context, when an answer is expected.
        context_id: Option<u64>,
        /// What is wrong with it.
        message: String,
        /// What came, shortened.
        data: String,
    },
}

impl Frame {
    /// Reads the text of a frame.
    pub fn parse(text: &str) -> Result<Frame, FrameError> {
        let illegible = |message: String| FrameError::Illegible {
            message,
            data: shorten(text),
        };
        let value: Value = serde_json::from_str(text)
            .map_err(|error| illegible(format!("Couldn't parse text as JSON: {error}")))?;
        let Value::Object(mut object) = value else {
            return Err(illegible("the frame is not a JSON object".to_owned()));
        };
        let opcode = match object.remove("opcode") {
            Some(Value::String(opcode)) => opcode,
            Some(_) => return Err(illegible("opcode is not a string".to_owned())),
            None => return Err(illegible("opcode is missing".to_owned())),
        };
        let context_id = match object.remove("contextId") {
            None | Some(Value::Null) => None,
            Some(value) => Some(value.as_u64().ok_or_else(|| {
                illegible("contextId is not a number from 0 to 2^64 - 1".to_owned())
            })?),
        };
        let wrong = |message: &str| FrameError::Body {
            opcode: opcode.clone(),
            context_id,
            message: message.to_owned(),
            data: shorten(text),
        };
        let body = match (object.remove("payload"), object.remove("error")) {
            (Some(Value::Object(payload)), None) => Ok(payload),
            (None, Some(Value::Object(error))) => {
                let code = error.get("code").and_then(Value::as_u64);
                let message = error.get("message").and_then(Value::as_str);
                match (code, message) {
                    (Some(code), Some(message)) => Err(UiError {
                        code: Code(code),
                        message: message.to_owned(),
                    }),
                    _ => return Err(wrong("the error has no code or no message")),
                }
            }
            (Some(_), None) => return Err(wrong("payload is not an object")),
            (None, Some(_)) => return Err(wrong("error is not an object")),
            (Some(_), Some(_)) => return Err(wrong("there is a payload and an error")),
            (None, None) => return Err(wrong("there is neither a payload nor an error")),
        };
        Ok(Frame {
            opcode,
            context_id,
            body,
        })
    }

    /// A frame with a message.
    pub fn of<M: Message>(message: &M, context_id: Option<u64>) -> Frame {
        debug_assert!(context_id.is_none() || M::KIND == Kind::Conversation);
        let payload = serde_json::to_value(message).expect("messages are maps with text keys");
        let Value::Object(payload) = payload else {
            unreachable!("messages are structures with named fields");
        };
        Frame {
            opcode: M::OPCODE.to_owned(),
            context_id,
            body: Ok(payload),
        }
    }

    /// The answer to this frame that it could not be served.
    pub fn refusal(&self, code: Code, message: impl Into<String>) -> Frame {
        Frame {
            opcode: self.opcode.clone(),
            context_id: self.context_id,
            body: Err(UiError {
                code,
                message: message.into(),
            }),
        }
    }

    /// The message in it.
    ///
    /// Its error is that of the frame, or [`Code::UNMARSHAL`] when the payload is not an `M`.
    pub fn message<M: Message>(self) -> Result<M, UiError> {
        if self.opcode != M::OPCODE {
            return Err(UiError {
                code: Code::UNMARSHAL,
                message: format!("expected {}, got {}", M::OPCODE, shorten(&self.opcode)),
            });
        }
        serde_json::from_value(Value::Object(self.body?)).map_err(|error| UiError {
            code: Code::UNMARSHAL,
            message: format!("{}: {error}", M::OPCODE),
        })
    }

    /// The text of the frame.
    pub fn to_text(&self) -> String {
        let mut text = String::from("{\"opcode\":");
        text.push_str(&Value::from(self.opcode.as_str()).to_string());
        if let Some(context_id) = self.context_id {
            text.push_str(&format!(",\"contextId\":{context_id}"));
        }
        let (name, body) = match &self.body {
            Ok(payload) => ("payload", Value::Object(payload.clone())),
            Err(error) => (
                "error",
                json!({ "code": error.code.0, "message": error.message }),
            ),
        };
        text.push_str(&format!(",\"{name}\":{body}}}"));
        text
    }
}

impl FrameError {
    /// What to send back.
    pub fn answer(&self) -> Frame {
        match self {
            FrameError::Body {
                opcode,
                context_id: Some(context_id),
                message,
                ..
            } => Frame {
                opcode: opcode.clone(),
                context_id: Some(*context_id),
                body: Err(UiError {
                    code: Code::UNMARSHAL,
                    message: message.clone(),
                }),
            },
            FrameError::Illegible { message, data } | FrameError::Body { message, data, .. } => {
                Frame::of(
                    &crate::message::UnmarshalError {
                        message: message.clone(),
                        bad_data: data.clone(),
                    },
                    None,
                )
            }
        }
    }
}

/// What of a wrong text is repeated: enough to recognize it.
fn shorten(text: &str) -> String {
    text.chars().take(1_024).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::message::{CheckPasswordRequest, Shutdown};

    #[test]
    fn frames_read_back() {
        let asked = CheckPasswordRequest {
            db_password_opt: Some("a \"b\"".to_owned()),
        };
        let frame = Frame::of(&asked, Some(u64::MAX));
        let text = frame.to_text();
        assert_eq!(
            text,
            r#"{"opcode":"checkPassword","contextId":18446744073709551615,"payload":{"dbPasswordOpt":"a \"b\""}}"#
        );
        let read = Frame::parse(&text).unwrap();
        assert_eq!(read, frame);
        assert_eq!(read.message::<CheckPasswordRequest>(), Ok(asked));
        assert_eq!(
            Frame::of(&Shutdown {}, Some(1)).to_text(),
            r#"{"opcode":"shutdown","contextId":1,"payload":{}}"#
        );
    }

    #[test]
    fn errors_read_back() {
        let refused = Frame::of(&Shutdown {}, Some(4)).refusal(Code::NODE_NOT_RUNNING, "no");
        let text = refused.to_text();
        assert_eq!(
            text,
            r#"{"opcode":"shutdown","contextId":4,"error":{"code":9223372036854775810,"message":"no"}}"#
        );
        let error = Frame::parse(&text).unwrap().message::<Shutdown>();
        assert_eq!(
            error.unwrap_err().to_string(),
            "no (Code 8000_0000_0000_0002)"
        );
    }

    #[test]
    fn what_is_no_frame_is_answered() {
        for text in [
            "",
            "booga",
            "[]",
            "{}",
            r#"{"opcode":3}"#,
            r#"{"opcode":"setup","contextId":-1,"payload":{}}"#,
            r#"{"opcode":"setup"}"#,
        ] {
            let answer = Frame::parse(text).unwrap_err().answer();
            assert_eq!(answer.opcode, "unmarshalError", "{text}");
            assert_eq!(answer.body.unwrap()["badData"], text);
        }
        for body in [
            "",
            r#","payload":3"#,
            r#","error":{}"#,
            r#","error":[]"#,
            r#","payload":{},"error":{"code":1,"message":""}"#,
        ] {
            let text = format!(r#"{{"opcode":"setup","contextId":7{body}}}"#);
            let answer = Frame::parse(&text).unwrap_err().answer();
            assert_eq!(
                (answer.opcode.as_str(), answer.context_id),
                ("setup", Some(7))
            );
            assert_eq!(answer.body.unwrap_err().code, Code::UNMARSHAL);
        }
    }

    #[test]
    fn a_payload_of_another_shape_is_an_error() {
        let text = r#"{"opcode":"checkPassword","contextId":1,"payload":{"dbPasswordOpt":5}}"#;
        let error = Frame::parse(text)
            .unwrap()
            .message::<CheckPasswordRequest>();
        assert_eq!(error.unwrap_err().code, Code::UNMARSHAL);
        let error = Frame::parse(text).unwrap().message::<Shutdown>();
        assert_eq!(error.unwrap_err().code, Code::UNMARSHAL);
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_answered(text in "\\PC{0,80}") {
            match Frame::parse(&text) {
                Ok(frame) => prop_assert_eq!(Frame::parse(&frame.to_text()), Ok(frame)),
                Err(error) => {
                    let answer = error.answer().to_text();
                    prop_assert!(Frame::parse(&answer).is_ok());
                }
            }
        }
    }
}
