//! The workers: each runs its share of the Nodes; together they make one simulation.
//!
//! No message is faster than [`LEAST_LATENCY`], so within a window of that length no Node can touch
//! another: the workers run one window at a time, each for itself, and hand over what is for others at its
//! end. What happens to a Node is then the same for any number of workers. A Node stays in its thread.

use std::hint;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use anyhow::{Result, anyhow};

use crate::event::{Event, Queue};
use crate::host::{Context, Host};
use crate::ledger::Ledger;
use crate::measure::{Row, Series, Tally};
use crate::memo::Memo;
use crate::options::Attack;
use crate::plan::{LEAST_LATENCY, Plan};
use crate::time::{Micros, SECOND};

/// How often the whole mesh is looked at.
pub const SAMPLE: Micros = 15 * SECOND;

/// What all workers see.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) plan: Plan,
    pub(crate) memo: Arc<Memo>,
    pub(crate) ledger: Ledger,
    /// The instant at which virtual time begins.
    pub(crate) base: Instant,
    /// For each worker, what the others have for it.
    boxes: Vec<Mutex<Vec<Event>>>,
    /// When the next event of each worker is, of this window and of the one before.
    next: [Vec<AtomicU64>; 2],
    meeting: Meeting,
}

/// All that is known at the end.
#[derive(Debug)]
pub struct Outcome {
    /// Who took part.
    pub plan: Plan,
    /// What each did, in the plan's order.
    pub tallies: Vec<Tally>,
    /// What happened over time.
    pub series: Series,
    /// The mesh, every [`SAMPLE`].
    pub samples: Vec<Vec<Row>>,
    /// The same for two runs in which the same happened.
    pub digest: u64,
    /// Records verified and believed, each once.
    pub verified: u64,
    /// Records refused.
    pub refused: u64,
}

/// Runs the plan. `base` is the instant that virtual time begins at; it shows in nothing.
pub fn run(plan: Plan, base: Instant) -> Result<Outcome> {
    let workers = plan.options.threads.clamp(1, 64);
    let clocks = || (0..workers).map(|_| AtomicU64::new(0)).collect();
    let audited = plan.options.audit || plan.options.attack == Some(Attack::Forge);
    let shared = Shared {
        plan,
        memo: Arc::new(Memo::new()),
        ledger: Ledger::new(audited),
        base,
        boxes: (0..workers).map(|_| Mutex::default()).collect(),
        next: [clocks(), clocks()],
        meeting: Meeting::new(workers),
    };
    let shares = thread::scope(|scope| {
        let threads: Vec<_> = (0..workers)
            .map(|number| {
                let shared = &shared;
                scope.spawn(move || Worker::new(number, shared).run())
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().map_err(|_| anyhow!("a worker panicked")))
            .collect::<Result<Vec<Share>>>()
    })?;
    Ok(join(shared, shares))
}

fn join(shared: Shared, shares: Vec<Share>) -> Outcome {
    let mut tallies = vec![Tally::default(); shared.plan.members.len()];
    let mut digests = vec![0; tallies.len()];
    let mut series = Series::default();
    let mut samples: Vec<Vec<Row>> = Vec::new();
    for share in shares {
        for (number, digest, tally) in share.hosts {
            tallies[number as usize] = tally;
            digests[number as usize] = digest;
        }
        series.join(share.series);
        samples.resize(samples.len().max(share.samples.len()), Vec::new());
        for (all, rows) in samples.iter_mut().zip(share.samples) {
            all.extend(rows);
        }
    }
    for rows in &mut samples {
        rows.sort_by_key(|row| row.member);
    }
    series.flows.sort_by_key(|flow| flow.began);
    let digest = digests
        .iter()
        .fold(0, |sum, digest| crate::chance::mix(sum ^ digest));
    Outcome {
        tallies,
        series,
        samples,
        digest,
        verified: shared.memo.verified(),
        refused: shared.memo.refused(),
        plan: shared.plan,
    }
}

/// What one worker brings home.
struct Share {
    hosts: Vec<(u32, u64, Tally)>,
    series: Series,
    samples: Vec<Vec<Row>>,
}

struct Worker<'a> {
    number: usize,
    shared: &'a Shared,
    queue: Queue,
    /// The members whose number is ours modulo the number of workers.
    hosts: Vec<Host>,
    out: Vec<Event>,
    series: Series,
    samples: Vec<Vec<Row>>,
}

impl<'a> Worker<'a> {
    fn new(number: usize, shared: &'a Shared) -> Worker<'a> {
        let workers = shared.boxes.len();
        let mut out = Vec::new();
        let members = (0..).take(shared.plan.members.len());
        let hosts = members
            .skip(number)
            .step_by(workers)
            .map(|member| {
                let mut host = Host::new(member, shared);
                host.schedule(shared, &mut out);
                host
            })
            .collect();
        let mut queue = Queue::default();
        for event in out.drain(..) {
            queue.push(event);
        }
        Worker {
            number,
            shared,
            queue,
            hosts,
            out,
            series: Series::default(),
            samples: Vec::new(),
        }
    }

    fn run(mut self) -> Share {
        let end = self.shared.plan.options.end();
        let mut sample_at = SAMPLE;
        let mut even = true;
        let mut handed_over = Micros::MAX;
        loop {
            let own = self.queue.next().unwrap_or(Micros::MAX).min(handed_over);
            let next = self.meet(own, even);
            even = !even;
            self.collect();
            while sample_at <= end && sample_at <= next {
                self.sample(sample_at);
                sample_at += SAMPLE;
            }
            if next >= end {
                break;
            }
            let window = (next + LEAST_LATENCY).min(sample_at);
            handed_over = self.work(window);
        }
        let hosts = self.hosts.into_iter().map(Host::finish).collect();
        Share {
            hosts,
            series: self.series,
            samples: self.samples,
        }
    }

    /// Waits for the others; returns when the next event of any worker is.
    fn meet(&self, own: Micros, even: bool) -> Micros {
        let next = &self.shared.next[usize::from(even)];
        next[self.number].store(own, Ordering::Release);
        self.shared.meeting.wait();
        next.iter()
            .map(|next| next.load(Ordering::Acquire))
            .min()
            .unwrap_or(Micros::MAX)
    }

    fn collect(&mut self) {
        let mut waiting = self.shared.boxes[self.number]
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for event in waiting.drain(..) {
            self.queue.push(event);
        }
    }

    /// Handles what is before `window`; returns the time of the first event for another worker.
    fn work(&mut self, window: Micros) -> Micros {
        let workers = self.shared.boxes.len();
        let mut first = Micros::MAX;
        let mut others: Vec<Vec<Event>> = (0..workers).map(|_| Vec::new()).collect();
        while let Some(event) = self.queue.pop_before(window) {
            let host = &mut self.hosts[event.to as usize / workers];
            let mut context = Context {
                shared: self.shared,
                now: event.at,
                out: &mut self.out,
                series: &mut self.series,
            };
            host.handle(event.what, &mut context);
            self.series.events += 1;
            for event in self.out.drain(..) {
                let worker = event.to as usize % workers;
                if worker == self.number {
                    self.queue.push(event);
                } else {
                    first = first.min(event.at);
                    others[worker].push(event);
                }
            }
        }
        for (events, waiting) in others.into_iter().zip(&self.shared.boxes) {
            if !events.is_empty() {
                let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
                waiting.extend(events);
            }
        }
        first
    }

    fn sample(&mut self, now: Micros) {
        let rows = self
            .hosts
            .iter()
            .filter_map(|host| host.row(now, self.shared));
        self.samples.push(rows.collect());
    }
}

/// Where the workers wait for each other; they spin first, for windows are short.
#[derive(Debug)]
struct Meeting {
    workers: usize,
    arrived: AtomicUsize,
    round: AtomicUsize,
    lock: Mutex<()>,
    next: Condvar,
}

impl Meeting {
    /// How often a worker looks before it goes to sleep.
    const SPINS: u32 = 2_000;

    fn new(workers: usize) -> Meeting {
        Meeting {
            workers,
            arrived: AtomicUsize::new(0),
            round: AtomicUsize::new(0),
            lock: Mutex::new(()),
            next: Condvar::new(),
        }
    }

    fn wait(&self) {
        let round = self.round.load(Ordering::Acquire);
        if self.arrived.fetch_add(1, Ordering::AcqRel) + 1 == self.workers {
            self.arrived.store(0, Ordering::Release);
            let _all = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
            self.round.fetch_add(1, Ordering::AcqRel);
            self.next.notify_all();
            return;
        }
        for _ in 0..Self::SPINS {
            if self.round.load(Ordering::Acquire) != round {
                return;
            }
            hint::spin_loop();
        }
        let mut waiting = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        while self.round.load(Ordering::Acquire) == round {
            waiting = self
                .next
                .wait(waiting)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}
