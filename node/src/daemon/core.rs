//! What the Daemon decides: it answers UIs, owns the setup while no Node runs,
//! has one Node started at a time and tells every UI why it ended.
//!
//! Pure: frames and the launcher's news come in with the time, actions come
//! out. Sockets, processes and sources of settings are the shell's,
//! in [`super`].

mod node;
mod words;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use masq_ui_protocol::message::{
    Redirect, SetupRequest, SetupResponse, SetupResponseValue, StartRequest, StartResponse,
    Undelivered, UnmarshalError,
};
use masq_ui_protocol::{Code, Frame, Message};
use serde_json::Value;

pub use node::{Ending, NodeEvent};
use node::{LastCrash, Phase, Starting};

/// How long a Node may take to say that it is ready.
pub const START: Duration = Duration::from_secs(10);
/// How long the launcher may take to end a Node; it kills within 5 s.
pub const END: Duration = Duration::from_secs(8);
/// A UI that was connected to the Node comes here after its end, and is told
/// of it when it comes within this time.
pub const REMEMBER: Duration = Duration::from_secs(5);

/// The settings that the next Node is started with.
pub trait SetupArea {
    /// What a Node is handed, secrets included.
    type Settings;

    /// Changes values; None clears one.
    fn change(&mut self, values: &[(String, Option<String>)]) -> Changed;

    /// Every value, secrets masked.
    fn values(&self) -> Vec<SetupResponseValue>;

    /// What a Node is started with, or every reason why it cannot be.
    fn launch(&mut self) -> Result<Self::Settings, Vec<(String, String)>>;
}

/// What came of a change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changed {
    /// A value differs from before.
    pub changed: bool,
    /// Parameters that were refused, and why.
    pub errors: Vec<(String, String)>,
}

/// What the shell has to do, in this order.
#[derive(Debug, PartialEq)]
pub enum Action<C, S> {
    /// Send a frame to one UI.
    Send(C, Frame),
    /// Send a frame to every UI but one.
    Broadcast { but: Option<C>, frame: Frame },
    /// Have a Node started.
    Launch { run: u64, settings: S },
    /// Have it ended, by force if need be.
    Kill { run: u64 },
}

/// The state of the Daemon. `C` stands for a connected UI.
#[derive(Debug)]
pub struct Core<C, A: SetupArea> {
    area: A,
    phase: Phase<C>,
    /// Tells the news of one Node from those of an earlier one.
    run: u64,
    last_crash: Option<LastCrash>,
    actions: VecDeque<Action<C, A::Settings>>,
}

impl<C: Copy + Eq, A: SetupArea> Core<C, A> {
    pub fn new(area: A) -> Core<C, A> {
        Core {
            area,
            phase: Phase::Idle,
            run: 0,
            last_crash: None,
            actions: VecDeque::new(),
        }
    }

    /// The number of the Node that was started last.
    pub fn last_run(&self) -> u64 {
        self.run
    }

    /// The next thing to do.
    pub fn poll_action(&mut self) -> Option<Action<C, A::Settings>> {
        self.actions.pop_front()
    }

    /// When to call [`Core::handle_timeout`], and why.
    pub fn poll_timeout(&self) -> Option<(Instant, &'static str)> {
        match &self.phase {
            Phase::Idle | Phase::Running { .. } => None,
            Phase::Starting(starting) => Some((starting.deadline, "the start of the Node")),
            Phase::Ending { deadline, .. } => Some((*deadline, "the end of the Node")),
        }
    }

    /// A UI has connected.
    pub fn handle_connected(&mut self, client: C, now: Instant) {
        let Some(crash) = &self.last_crash else {
            return;
        };
        if now.saturating_duration_since(crash.at) <= REMEMBER {
            let frame = crash.frame.clone();
            self.actions.push_back(Action::Send(client, frame));
        }
    }

    /// A UI said something.
    pub fn handle_frame(&mut self, from: C, frame: Frame, now: Instant) {
        if frame.body.is_err() {
            // An error asks for nothing; only who waits for an answer gets one.
            if frame.context_id.is_some() {
                self.refuse(from, &frame, Code::UNMARSHAL, words::ERROR_IS_NO_REQUEST);
            }
            return;
        }
        match frame.opcode.as_str() {
            SetupRequest::OPCODE => self.setup(from, frame),
            StartRequest::OPCODE => self.start(from, frame, now),
            _ => self.pass_on(from, &frame),
        }
    }

    fn setup(&mut self, from: C, frame: Frame) {
        let Some(context) = self.context_of(from, &frame) else {
            return;
        };
        let request: SetupRequest = match frame.clone().message() {
            Ok(request) => request,
            Err(error) => return self.refuse(from, &frame, error.code, &error.message),
        };
        let running = !matches!(self.phase, Phase::Idle);
        let changed = if running || request.values.is_empty() {
            Changed::default()
        } else {
            let values: Vec<_> = request
                .values
                .into_iter()
                .map(|value| (value.name, value.value))
                .collect();
            self.area.change(&values)
        };
        let response = SetupResponse {
            running,
            values: self.area.values(),
            errors: changed.errors,
        };
        self.send(from, Frame::of(&response, Some(context)));
        if changed.changed {
            let news = SetupResponse {
                errors: Vec::new(),
                ..response
            };
            self.actions.push_back(Action::Broadcast {
                but: Some(from),
                frame: Frame::of(&news, None),
            });
        }
    }

    fn start(&mut self, from: C, frame: Frame, now: Instant) {
        let Some(context) = self.context_of(from, &frame) else {
            return;
        };
        let parsed: Result<StartRequest, _> = frame.clone().message();
        if let Err(error) = parsed {
            return self.refuse(from, &frame, error.code, &error.message);
        }
        match &self.phase {
            Phase::Idle => {}
            Phase::Starting(_) => {
                let why = "Could not launch Node: another start is under way";
                return self.refuse(from, &frame, Code::NODE_ALREADY_RUNNING, why);
            }
            Phase::Running { .. } => {
                let why = "Could not launch Node: already running";
                return self.refuse(from, &frame, Code::NODE_ALREADY_RUNNING, why);
            }
            Phase::Ending { pid, .. } => {
                let why = format!("Could not launch Node: process {pid} has not ended yet");
                return self.refuse(from, &frame, Code::NODE_ALREADY_RUNNING, &why);
            }
        }
        match self.area.launch() {
            Err(reasons) => {
                let why = words::setup_is_wrong(&reasons);
                self.refuse(from, &frame, Code::NODE_LAUNCH, &why);
            }
            Ok(settings) => {
                self.run += 1;
                self.last_crash = None;
                self.phase = Phase::Starting(Starting {
                    asker: from,
                    context,
                    pid: None,
                    reasons: Vec::new(),
                    deadline: now + START,
                });
                self.actions.push_back(Action::Launch {
                    run: self.run,
                    settings,
                });
            }
        }
    }

    /// What is the Node's to answer.
    fn pass_on(&mut self, from: C, frame: &Frame) {
        let running = match &self.phase {
            Phase::Running { port, .. } => Ok(*port),
            Phase::Idle => Err("Node is not running"),
            Phase::Starting(_) => Err("Node is not running yet; it is being started"),
            Phase::Ending { .. } => Err("Node is not running; it is being ended"),
        };
        let answer = match (running, frame.context_id) {
            (Ok(port), context_id) => Frame::of(
                &Redirect {
                    port,
                    opcode: frame.opcode.clone(),
                    context_id,
                    payload: payload(frame),
                },
                None,
            ),
            (Err(why), Some(_)) => {
                let why = format!("Cannot handle {} request: {why}", frame.opcode);
                return self.refuse(from, frame, Code::NODE_NOT_RUNNING, &why);
            }
            (Err(_), None) => Frame::of(
                &Undelivered {
                    opcode: frame.opcode.clone(),
                },
                None,
            ),
        };
        self.send(from, answer);
    }

    /// News of the Node that was started as number `run`.
    pub fn handle_node(&mut self, run: u64, event: NodeEvent, now: Instant) {
        if run != self.run {
            return;
        }
        match event {
            NodeEvent::Started { pid } => {
                if let Phase::Starting(starting) = &mut self.phase {
                    starting.pid = Some(pid);
                }
            }
            NodeEvent::NotStarted(why) => {
                if let Some(starting) = self.take_starting() {
                    let why = words::not_started(&why);
                    self.answer_start(&starting, Err(why));
                }
            }
            NodeEvent::Reason { name, reason } => {
                if let Phase::Starting(starting) = &mut self.phase {
                    starting.reasons.push((name, reason));
                }
            }
            NodeEvent::Ready { port } => self.ready(port),
            NodeEvent::Ended { how, last_lines } => self.ended(&how, &last_lines, now),
        }
    }

    fn ready(&mut self, port: u16) {
        let Some(starting) = self.take_starting() else {
            return;
        };
        let pid = starting.pid.unwrap_or_default();
        self.phase = Phase::Running { pid, port };
        let response = StartResponse {
            new_process_id: pid,
            redirect_ui_port: port,
        };
        self.answer_start(&starting, Ok(response));
    }

    fn ended(&mut self, how: &Ending, last_lines: &[String], now: Instant) {
        match std::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Idle => {}
            Phase::Starting(starting) => {
                let why = words::died_at_once(starting.pid, how, &starting.reasons, last_lines);
                self.answer_start(&starting, Err(why));
            }
            Phase::Ending { starting, pid, .. } => {
                if let Some(starting) = starting {
                    let why = words::unresponsive(pid, &starting.reasons, last_lines);
                    self.answer_start(&starting, Err(why));
                }
            }
            Phase::Running { pid, .. } => {
                if *how == Ending::Code(0) {
                    return;
                }
                let frame = words::crashed(pid, how, last_lines);
                self.last_crash = Some(LastCrash {
                    frame: frame.clone(),
                    at: now,
                });
                self.actions
                    .push_back(Action::Broadcast { but: None, frame });
            }
        }
    }

    /// The launcher is gone, and with it all news of a Node.
    pub fn handle_launcher_lost(&mut self, why: &str, now: Instant) {
        let event = NodeEvent::Ended {
            how: Ending::Unknown(why.to_owned()),
            last_lines: Vec::new(),
        };
        self.handle_node(self.run, event, now);
    }

    /// A deadline has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self
            .poll_timeout()
            .is_none_or(|(deadline, _)| now < deadline)
        {
            return;
        }
        match std::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Starting(starting) => {
                self.actions.push_back(Action::Kill { run: self.run });
                self.phase = Phase::Ending {
                    pid: starting.pid.unwrap_or_default(),
                    starting: Some(starting),
                    deadline: now + END,
                };
            }
            Phase::Ending { starting, pid, .. } => {
                if let Some(starting) = starting {
                    self.answer_start(&starting, Err(words::unkillable(pid)));
                }
                // Its end, should it come, opens the setup again.
                self.actions.push_back(Action::Kill { run: self.run });
                self.phase = Phase::Ending {
                    starting: None,
                    pid,
                    deadline: now + END,
                };
            }
            phase @ (Phase::Idle | Phase::Running { .. }) => self.phase = phase,
        }
    }

    fn take_starting(&mut self) -> Option<Starting<C>> {
        match std::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Starting(starting) => Some(starting),
            phase @ (Phase::Idle | Phase::Running { .. } | Phase::Ending { .. }) => {
                self.phase = phase;
                None
            }
        }
    }

    fn answer_start(&mut self, starting: &Starting<C>, result: Result<StartResponse, String>) {
        let asked = Frame::of(&StartRequest {}, Some(starting.context));
        let frame = match result {
            Ok(response) => Frame::of(&response, Some(starting.context)),
            Err(why) => asked.refusal(Code::NODE_LAUNCH, why),
        };
        self.send(starting.asker, frame);
    }

    /// The context of a request that needs one; without it the asker is told.
    fn context_of(&mut self, from: C, frame: &Frame) -> Option<u64> {
        if frame.context_id.is_none() {
            let complaint = UnmarshalError {
                message: format!("{} is a conversation and needs a contextId", frame.opcode),
                bad_data: words::shorten(&frame.opcode),
            };
            self.send(from, Frame::of(&complaint, None));
        }
        frame.context_id
    }

    fn refuse(&mut self, to: C, asked: &Frame, code: Code, why: &str) {
        self.send(to, asked.refusal(code, why));
    }

    fn send(&mut self, to: C, frame: Frame) {
        self.actions.push_back(Action::Send(to, frame));
    }
}

/// The payload as the text that goes into a redirect.
fn payload(frame: &Frame) -> String {
    match &frame.body {
        Ok(payload) => Value::Object(payload.clone()).to_string(),
        Err(_) => "{}".to_owned(),
    }
}

#[cfg(test)]
mod tests;
