//! Lets user interfaces steer the capture: pause it, resume it, admit a process
//! past it, open or close the local network. Who carries it out is given, and
//! so is the time.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use masq_capture::helper::Subjects;
use masq_ui_protocol::message::{
    AdmitRequest, AdmitResponse, CaptureRequest, CaptureResponse, CaptureState,
    LocalNetworkRequest, LocalNetworkResponse, PauseRequest, PauseResponse, ResumeRequest,
    ResumeResponse,
};
use masq_ui_protocol::{Code, Frame, Message, UiError};

use crate::clock;
use crate::gateway::dispatch::answer;

/// How often a pause is looked at. The clock on the wall counts, so a pause
/// ends in time also when the machine slept meanwhile.
const LOOK: Duration = Duration::from_secs(1);
/// The longest pause, a week: beyond it, stop.
const LONGEST: u64 = 7 * 86_400;

/// Whoever can change the capture.
pub trait Capturer {
    fn state(&self) -> CaptureState;
    /// Each asks for something and waits for nothing; false when it cannot.
    /// For so many seconds, or until it is resumed.
    fn pause(&self, seconds: Option<u64>) -> bool;
    fn resume(&self) -> bool;
    fn admit(&self, pid: u32) -> bool;
    fn set_local_network(&self, allowed: bool) -> bool;
    /// These, and no others, are direct as a whole.
    fn bypass(&self, subjects: Subjects) -> bool;
    /// The user wants the end of the capture.
    fn release(&self);
}

/// Where nothing can be changed: no capture, or one of `masq run`.
#[derive(Debug)]
pub struct Fixed(pub CaptureState);

impl Capturer for Fixed {
    fn state(&self) -> CaptureState {
        self.0
    }

    fn pause(&self, _seconds: Option<u64>) -> bool {
        false
    }

    fn resume(&self) -> bool {
        false
    }

    fn admit(&self, _pid: u32) -> bool {
        false
    }

    fn set_local_network(&self, _allowed: bool) -> bool {
        false
    }

    fn bypass(&self, _subjects: Subjects) -> bool {
        false
    }

    fn release(&self) {}
}

/// The state of what users asked for.
pub struct Steering {
    capturer: Rc<dyn Capturer>,
    /// Whether a flow would find a way now.
    has_way: Box<dyn Fn() -> bool>,
    resumes: Cell<Option<u64>>,
}

impl std::fmt::Debug for Steering {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Steering")
            .field("resumes", &self.resumes)
            .finish_non_exhaustive()
    }
}

impl Steering {
    pub fn new(capturer: Rc<dyn Capturer>, has_way: Box<dyn Fn() -> bool>) -> Steering {
        Steering {
            capturer,
            has_way,
            resumes: Cell::new(None),
        }
    }

    /// What becomes of this machine's traffic.
    pub fn state(&self) -> CaptureState {
        let state = self.capturer.state();
        if state == CaptureState::On && !(self.has_way)() {
            CaptureState::Reconnecting
        } else {
            state
        }
    }

    /// The answer to a frame; None when its opcode is another's.
    pub fn handle(&self, frame: &Frame, now_unix: u64) -> Option<Frame> {
        Some(match frame.opcode.as_str() {
            CaptureRequest::OPCODE => answer(frame, |CaptureRequest {}| {
                Ok(CaptureResponse {
                    state: self.state(),
                    resumes_unix_opt: self.resumes.get(),
                })
            }),
            PauseRequest::OPCODE => answer(frame, |asked: PauseRequest| {
                let seconds = asked.seconds_opt.map(|seconds| seconds.min(LONGEST));
                done(self.capturer.pause(seconds))?;
                let until = seconds.map(|seconds| now_unix.saturating_add(seconds));
                self.resumes.set(until);
                tracing::info!(event = "capture-paused", seconds = asked.seconds_opt);
                Ok(PauseResponse {})
            }),
            ResumeRequest::OPCODE => answer(frame, |ResumeRequest {}| {
                self.resume()?;
                Ok(ResumeResponse {})
            }),
            AdmitRequest::OPCODE => answer(frame, |asked: AdmitRequest| {
                done(self.capturer.admit(asked.pid))?;
                Ok(AdmitResponse {})
            }),
            LocalNetworkRequest::OPCODE => answer(frame, |asked: LocalNetworkRequest| {
                done(self.capturer.set_local_network(asked.allowed))?;
                Ok(LocalNetworkResponse {})
            }),
            _ => return None,
        })
    }

    fn resume(&self) -> Result<(), UiError> {
        done(self.capturer.resume())?;
        self.resumes.set(None);
        tracing::info!(event = "capture-resumed");
        Ok(())
    }

    /// A pause whose time is over ends.
    fn look(&self, now_unix: u64) {
        if self.resumes.get().is_some_and(|until| until <= now_unix) && self.resume().is_err() {
            tracing::warn!("the capture cannot be resumed yet");
        }
    }

    /// Ends pauses in time, for ever.
    pub async fn keep(self: Rc<Self>) {
        loop {
            tokio::time::sleep(LOOK).await;
            self.look(clock::unix_seconds());
        }
    }
}

fn done(asked: bool) -> Result<(), UiError> {
    if asked {
        return Ok(());
    }
    Err(UiError {
        code: Code::UNMARSHAL,
        message: "this Node does not capture this machine's traffic".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Imagined(Cell<CaptureState>);

    impl Capturer for Imagined {
        fn state(&self) -> CaptureState {
            self.0.get()
        }

        fn pause(&self, _seconds: Option<u64>) -> bool {
            self.0.set(CaptureState::Paused);
            true
        }

        fn resume(&self) -> bool {
            self.0.set(CaptureState::On);
            true
        }

        fn admit(&self, _pid: u32) -> bool {
            true
        }

        fn set_local_network(&self, _allowed: bool) -> bool {
            true
        }

        fn bypass(&self, _subjects: Subjects) -> bool {
            true
        }

        fn release(&self) {}
    }

    fn steering(way: bool) -> Steering {
        let capturer = Rc::new(Imagined(Cell::new(CaptureState::On)));
        Steering::new(capturer, Box::new(move || way))
    }

    fn ask<M: Message>(steering: &Steering, message: &M, now: u64) -> Frame {
        steering.handle(&Frame::of(message, Some(1)), now).unwrap()
    }

    #[test]
    fn a_pause_ends_when_its_time_is_over_and_not_before() {
        let steering = steering(true);
        let asked = PauseRequest {
            seconds_opt: Some(600),
        };
        ask(&steering, &asked, 1000);
        steering.look(1599);
        let told = ask(&steering, &CaptureRequest {}, 1599);
        let told: CaptureResponse = told.message().unwrap();
        assert_eq!(told.state, CaptureState::Paused);
        assert_eq!(told.resumes_unix_opt, Some(1600));
        // The machine slept.
        steering.look(9999);
        assert_eq!(steering.state(), CaptureState::On);
    }

    #[test]
    fn a_pause_without_a_time_lasts_until_it_is_resumed() {
        let steering = steering(true);
        ask(&steering, &PauseRequest { seconds_opt: None }, 1000);
        steering.look(u64::MAX);
        assert_eq!(steering.state(), CaptureState::Paused);
        ask(&steering, &ResumeRequest {}, 1001);
        assert_eq!(steering.state(), CaptureState::On);
    }

    #[test]
    fn without_a_way_the_capture_reconnects() {
        assert_eq!(steering(false).state(), CaptureState::Reconnecting);
        let none = Steering::new(Rc::new(Fixed(CaptureState::Off)), Box::new(|| false));
        assert_eq!(none.state(), CaptureState::Off);
        let refused = ask(&none, &ResumeRequest {}, 1);
        assert!(refused.body.is_err());
    }
}
