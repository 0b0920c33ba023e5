//! One example of every message of `message::capture`.

use super::Example;
use crate::message::*;

const REQUEST: &str = "Request:";
const ANSWER: &str = "Answer:";

pub(super) fn all() -> Vec<Example> {
    vec![
        Example::of(REQUEST, CaptureRequest {}),
        Example::of(
            ANSWER,
            CaptureResponse {
                state: CaptureState::Paused,
                resumes_unix_opt: Some(1_800_000_600),
            },
        ),
        Example::of(
            REQUEST,
            PauseRequest {
                seconds_opt: Some(600),
            },
        ),
        Example::of(ANSWER, PauseResponse {}),
        Example::of(REQUEST, ResumeRequest {}),
        Example::of(ANSWER, ResumeResponse {}),
        Example::of(REQUEST, AdmitRequest { pid: 4321 }),
        Example::of(ANSWER, AdmitResponse {}),
        Example::of(REQUEST, LocalNetworkRequest { allowed: false }),
        Example::of(ANSWER, LocalNetworkResponse {}),
    ]
}
