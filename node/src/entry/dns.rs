//! The DNS queries of captured apps, whatever server they ask: answered with
//! fake addresses, by an exit, or by the system's own resolver
//! ([`masq_core::names`] decides).

use super::attempts::Attempts;
use super::course::{Course, Terms, What};
use super::owner::Owner;
use super::record::{Flow, Kind};
use super::{Entry, Way, circuit};
use crate::app::{AppTcp, AppUdp};
use crate::link::Link;
use crate::outside::Outside;
use masq_capture::Protocol;
use masq_core::destination::{Destination, HostName};
use masq_core::failure::{Code, Failure, Place};
use masq_core::frame::{Backward, Forward, Target};
use masq_core::names::{Answer, Question, TcpQueries, Transport, tcp_frame};
use std::cell::Cell;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;
use tokio::task::spawn_local;

/// Apps give up on a question after about this long.
const TIMEOUT: Duration = Duration::from_secs(8);
/// How long one exit gets of it, so that another can be asked.
const ATTEMPT: Duration = Duration::from_millis(3_500);
/// Questions of one app port that wait for their answers.
const OPEN_QUESTIONS: usize = 64;
/// Questions of all apps that wait for their answers.
const ALL_QUESTIONS: usize = 1_024;
/// A connection that asks nothing for this long is closed (RFC 7766 section 6.2.3).
pub(super) const TCP_IDLE: Duration = Duration::from_secs(30);
/// Exits that are asked before an app hears of a failure.
const ATTEMPTS: usize = 2;

pub(super) async fn over_udp<L: Link, O: Outside>(entry: &Rc<Entry<L, O>>, mut app: AppUdp) {
    let tuple = app.tuple();
    let ends = (tuple.source, tuple.destination);
    let open = Rc::new(Cell::new(0_usize));
    while let Some(query) = app.recv().await {
        // Each has an owner of its own: a port may be another's by now.
        let owner = match entry.owner(Protocol::Udp, ends).await {
            Ok(owner) => owner,
            Err(failure) => {
                entry.troubles().note(failure.code, "query dropped");
                continue;
            }
        };
        let (question, whom) = match take(entry, &query, Transport::Udp) {
            Next::Answer(bytes) => {
                if app.sender().send(&bytes).is_err() {
                    return;
                }
                continue;
            }
            Next::Nothing => continue,
            Next::Ask(question, whom) => (question, whom),
        };
        let turn = if open.get() < OPEN_QUESTIONS {
            Turn::take(entry)
        } else {
            None
        };
        let Some(turn) = turn else {
            entry.troubles().note(Code::TooManyFlows, "query refused");
            let _ = app.sender().send(&question.fail(Code::TooManyFlows));
            continue;
        };
        open.set(open.get() + 1);
        let (entry, app, open) = (entry.clone(), app.sender(), open.clone());
        spawn_local(async move {
            let _turn = turn;
            let answer = resolve(&entry, (ends, owner), &question, whom).await;
            // An app that is gone needs no answer.
            let _ = app.send(&answer);
            open.set(open.get() - 1);
        });
    }
}

/// What becomes of a query.
pub(super) enum Next {
    Answer(Vec<u8>),
    Ask(Question, Whom),
    Nothing,
}

/// Who knows an answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Whom {
    /// An exit, or this Node with zero hops.
    Exit,
    /// The system's own resolver.
    Local,
}

/// Answers a query if that can be done here and now.
pub(super) fn take<L: Link, O: Outside>(
    entry: &Entry<L, O>,
    query: &[u8],
    transport: Transport,
) -> Next {
    let now = entry.now();
    match entry.dns.borrow_mut().handle_query(query, transport, now) {
        Answer::Respond(bytes) => Next::Answer(bytes),
        Answer::Drop(_) => Next::Nothing,
        Answer::ResolveAtExit(question) => Next::Ask(question, Whom::Exit),
        Answer::AskLocal(question) => Next::Ask(question, Whom::Local),
    }
}

/// A place among the questions over UDP that wait for their answers.
pub(super) struct Turn<L: Link, O: Outside>(Rc<Entry<L, O>>);

impl<L: Link, O: Outside> Turn<L, O> {
    pub(super) fn take(entry: &Rc<Entry<L, O>>) -> Option<Self> {
        let waiting = entry.questions.get();
        (waiting < ALL_QUESTIONS).then(|| {
            entry.questions.set(waiting + 1);
            Turn(entry.clone())
        })
    }
}

impl<L: Link, O: Outside> Drop for Turn<L, O> {
    fn drop(&mut self) {
        self.0.questions.set(self.0.questions.get() - 1);
    }
}

pub(super) async fn over_tcp<L: Link, O: Outside>(entry: &Rc<Entry<L, O>>, app: &AppTcp) {
    let tuple = app.tuple();
    let ends = (tuple.source, tuple.destination);
    let owner = match entry.owner(Protocol::Tcp, ends).await {
        Ok(owner) => owner,
        Err(failure) => {
            entry.troubles().note(failure.code, "connection refused");
            return app.refuse(super::ending::refusal(&failure));
        }
    };
    app.accept();
    let mut queries = TcpQueries::default();
    loop {
        let next = poll_fn(|cx| {
            app.poll_recv(cx, |data| match queries.push(data) {
                Ok((taken, query)) => (taken, Ok(query)),
                Err(error) => (data.len(), Err(error)),
            })
        });
        let Ok(next) = tokio::time::timeout(TCP_IDLE, next).await else {
            break;
        };
        let query = match next {
            Ok(Some(Ok(Some(query)))) => query,
            Ok(Some(Ok(None))) => continue,
            Ok(None) => break,
            Ok(Some(Err(_))) => {
                let troubles = &entry.services.troubles;
                troubles.note(Code::MalformedQuery, "query too long");
                return app.abort();
            }
            Err(_) => return app.abort(),
        };
        let bytes = match take(entry, &query, Transport::Tcp) {
            Next::Answer(bytes) => bytes,
            Next::Nothing => return app.abort(),
            Next::Ask(question, whom) => {
                resolve(entry, (ends, owner.clone()), &question, whom).await
            }
        };
        if app.send_all(&tcp_frame(&bytes)).await.is_err() {
            return;
        }
    }
    app.finish();
    app.release();
}

/// Both ends of a question, and whose it is.
pub(super) type Asker = ((SocketAddr, SocketAddr), Owner);

/// The app's answer to a question that is not answered here; a failure is an
/// answer too.
pub(super) async fn resolve<L: Link, O: Outside>(
    entry: &Rc<Entry<L, O>>,
    (ends, owner): Asker,
    question: &Question,
    whom: Whom,
) -> Vec<u8> {
    let flow = entry.begin(Kind::Dns, ends, None);
    flow.owned(owner);
    flow.asked(question.name());
    flow.sent(question.message().len());
    let asked = async {
        let course = course(entry, &flow, question);
        if whom == Whom::Local {
            // What is of the local network stays there, unless it is blocked.
            course?;
            flow.ruled("local".into(), false);
            return ask_local(entry, question).await;
        }
        match course? {
            Course::Direct if matches!(entry.way.get(), Way::Direct) => {
                ask_direct(entry, question).await
            }
            Course::Direct => ask_local(entry, question).await,
            Course::Mesh(terms) => ask_exits(entry, &flow, question, &terms).await,
        }
    };
    let result = tokio::time::timeout(TIMEOUT, asked)
        .await
        .unwrap_or_else(|_| Err(Code::ResolverFailed.into()));
    match result {
        Ok(answer) => {
            flow.received(answer.len());
            entry.ended(flow, Ok(()));
            answer
        }
        Err(failure) => {
            let answer = question.fail(failure.code);
            entry.ended(flow, Err(failure));
            answer
        }
    }
}

/// What the rules say of a question: the same as of a flow to its name.
fn course<L: Link, O: Outside>(
    entry: &Entry<L, O>,
    flow: &Flow,
    question: &Question,
) -> Result<Course, Failure> {
    let to = match HostName::parse(question.name().trim_end_matches('.')) {
        Ok(name) => Destination::Name {
            name,
            port: super::DNS_PORT,
        },
        // No host has such a name, and no rule is about it.
        Err(_) => Destination::Address(flow.ends().1),
    };
    entry.rule(flow, Protocol::Udp, &to, What::Question)
}

async fn ask_local<L: Link, O: Outside>(
    entry: &Entry<L, O>,
    question: &Question,
) -> Result<Vec<u8>, Failure> {
    let outside = &entry.services.outside;
    let answer = outside.query_local(question.message()).await;
    let answer =
        answer.map_err(|failure| Failure::new(Code::LocalResolver, failure.to_string()))?;
    question
        .answer_from_local(&answer)
        .map_err(|error| Failure::new(Code::LocalResolver, error.to_string()))
}

async fn ask_direct<L: Link, O: Outside>(
    entry: &Entry<L, O>,
    question: &Question,
) -> Result<Vec<u8>, Failure> {
    let answer = entry.services.outside.query(question.message()).await?;
    question
        .answer_from_direct(&answer)
        .map_err(|error| Failure::new(Code::ResolverFailed, error.to_string()))
}

async fn ask_exits<L: Link, O: Outside>(
    entry: &Entry<L, O>,
    flow: &Flow,
    question: &Question,
    terms: &Terms,
) -> Result<Vec<u8>, Failure> {
    let mut attempts = Attempts::new(ATTEMPTS);
    while let Some(circuit) = attempts.next(entry, flow, terms, &Target::Resolve).await {
        let path = circuit.path.clone();
        let asked = tokio::time::timeout(ATTEMPT, ask_exit(circuit, question)).await;
        match asked.unwrap_or_else(|_| Err(Code::CircuitTimedOut.into())) {
            Ok(answer) => return Ok(answer),
            Err(failure) => {
                let mesh = failure.code.place() == Place::Mesh;
                let exclude = !mesh || failure.code == Code::CircuitTimedOut;
                attempts.failed(entry, &path, failure, exclude);
            }
        }
    }
    Err(attempts.into_failure())
}

async fn ask_exit<L: Link>(
    circuit: Box<circuit::Circuit<L>>,
    question: &Question,
) -> Result<Vec<u8>, Failure> {
    let query = [Forward::Query(question.message())];
    let answered = |message: &Backward<'_>| {
        let Backward::Answer(answer) = message else {
            return None;
        };
        Some(from_exit(question, answer))
    };
    let answer = circuit::ask(circuit, &query, answered).await?;
    answer.unwrap_or_else(|| Err(Code::ResolverFailed.into()))
}

fn from_exit(question: &Question, answer: &[u8]) -> Result<Vec<u8>, Failure> {
    question
        .answer_from_exit(answer)
        .map_err(|error| Failure::new(Code::ResolverFailed, error.to_string()))
}
