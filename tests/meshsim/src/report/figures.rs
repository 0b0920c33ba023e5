//! From what happened to numbers.

use std::collections::HashMap;

use masq_core::record::NodeRecord;

use super::{Cost, Curves, Flows, Gossip, Harm, Kept, Report, Routes, Shape};
use crate::crew::{Outcome, SAMPLE};
use crate::host::LONGEST_FLOW;
use crate::measure::{BUCKET, FlowEnd, Row, YOUNG};
use crate::plan::Session;
use crate::time::{HOUR, MINUTE, Micros, SECOND, as_seconds};

/// A Node younger than this may still be looking for neighbors.
const SETTLED: Micros = 30 * SECOND;
/// What a view and a routing table keep for each record beside it: two maps, links, distances.
const RECORD_OVERHEAD: usize = 320;

pub(super) fn report(outcome: &Outcome) -> Report {
    let found = found(outcome);
    Report {
        options: outcome.plan.options.clone(),
        members: outcome.plan.members.len(),
        digest: format!("{:016x}", outcome.digest),
        routes: routes(outcome, &found),
        gossip: gossip(outcome),
        kept: kept(outcome),
        flows: flows(outcome),
        shape: shape(outcome),
        attack: harm(outcome),
        cost: Cost {
            events: outcome.series.events,
            verified: outcome.verified,
            ..Cost::default()
        },
        curves: Curves {
            gossip: gossip_curve(outcome, &found),
            flows: flow_curve(outcome),
            outside: outcome
                .samples
                .iter()
                .map(|rows| outside(outcome, rows).0)
                .collect(),
            found,
        },
    }
}

/// Of each second, the honest Nodes that run and those that have found a route.
fn found(outcome: &Outcome) -> Vec<(u32, u32)> {
    let end = outcome.plan.options.end();
    let seconds = usize::try_from(end / SECOND).expect("a run has few seconds") + 1;
    let mut changes = vec![(0i32, 0i32); seconds + 1];
    let place = |time: Micros| {
        usize::try_from(time.div_ceil(SECOND)).map_or(seconds, |place| place.min(seconds))
    };
    for (member, tally) in outcome.plan.members.iter().zip(&outcome.tallies) {
        if member.malicious {
            continue;
        }
        for (session, (_, found)) in member.sessions.iter().zip(&tally.joins) {
            let ends = session.end.map_or(Micros::MAX, |(end, _)| end);
            changes[place(session.start)].0 += 1;
            changes[place(ends)].0 -= 1;
            if let Some(found) = found {
                changes[place(*found)].1 += 1;
                changes[place(ends)].1 -= 1;
            }
        }
    }
    changes.pop();
    let mut now = (0, 0);
    let sums = changes.into_iter().map(|change| {
        now = (now.0 + change.0, now.1 + change.1);
        (now.0.unsigned_abs(), now.1.unsigned_abs())
    });
    sums.collect()
}

fn routes(outcome: &Outcome, found: &[(u32, u32)]) -> Routes {
    let ramped = usize::try_from(outcome.plan.options.ramped() / SECOND).unwrap_or(0);
    let reached = found
        .iter()
        .skip(ramped)
        .position(|(run, found)| u64::from(*found) * 100 >= u64::from(*run) * 99);
    let mut took = Vec::new();
    let (mut long, mut never) = (0usize, 0usize);
    for (session, (start, found)) in sessions(outcome) {
        let ends = session
            .end
            .map_or(outcome.plan.options.end(), |(end, _)| end);
        if ends - start >= MINUTE {
            long += 1;
            never += usize::from(found.is_none());
        }
        took.extend(found.map(|found| as_seconds(found - start)));
    }
    took.sort_by(f64::total_cmp);
    Routes {
        until_99_percent: reached.map(as_f64),
        median: quantile(&took, 0.5),
        p95: quantile(&took, 0.95),
        p99: quantile(&took, 0.99),
        longest: quantile(&took, 1.0),
        never_percent: percent(never, long),
    }
}

/// The sessions of honest Nodes, with when each began and found a route.
fn sessions(outcome: &Outcome) -> impl Iterator<Item = (&Session, (Micros, Option<Micros>))> {
    let all = outcome.plan.members.iter().zip(&outcome.tallies);
    all.filter(|(member, _)| !member.malicious)
        .flat_map(|(member, tally)| member.sessions.iter().zip(tally.joins.iter().copied()))
}

fn gossip(outcome: &Outcome) -> Gossip {
    let options = &outcome.plan.options;
    let (steady, end) = (options.steady(), options.end());
    let mut young = Vec::new();
    let mut rates = Vec::new();
    let (mut young_messages, mut bytes, mut messages, mut lived) = (0, 0, 0, 0);
    for (member, tally) in outcome.plan.members.iter().zip(&outcome.tallies) {
        if member.malicious {
            continue;
        }
        let starts = tally.joins.iter().filter(|(start, _)| start + YOUNG <= end);
        let starts = starts.count();
        if starts > 0 {
            young.push(as_f64(tally.young.bytes) / as_f64(starts));
            young_messages += tally.young.messages / starts as u64;
        }
        let live: Micros = member
            .sessions
            .iter()
            .map(|session| {
                let ends = session.end.map_or(end, |(end, _)| end).min(end);
                ends.saturating_sub(session.start.max(steady))
            })
            .sum();
        bytes += tally.steady.bytes;
        messages += tally.steady.messages;
        lived += live;
        if live >= 5 * MINUTE.min((end - steady) / 10) {
            rates.push(as_f64(tally.steady.bytes) * as_f64(HOUR) / as_f64(live));
        }
    }
    young.sort_by(f64::total_cmp);
    rates.sort_by(f64::total_cmp);
    let hours = as_f64(lived.max(1)) / as_f64(HOUR);
    Gossip {
        young_bytes: mean(&young),
        young_bytes_p95: quantile(&young, 0.95),
        young_messages: as_f64(young_messages) / as_f64(young.len().max(1)),
        bytes_per_hour: as_f64(bytes) / hours,
        bytes_per_hour_p95: quantile(&rates, 0.95),
        messages_per_hour: as_f64(messages) / hours,
    }
}

/// The looks at the settled mesh.
fn steady_samples(outcome: &Outcome) -> impl Iterator<Item = &Vec<Row>> {
    let before = usize::try_from(outcome.plan.options.steady() / SAMPLE).unwrap_or(0);
    outcome.samples.iter().skip(before)
}

fn honest<'a>(outcome: &'a Outcome, rows: &'a [Row]) -> impl Iterator<Item = &'a Row> {
    let members = &outcome.plan.members;
    let settled = rows.iter().filter(|row| row.age >= SETTLED);
    settled.filter(|row| !members[row.member as usize].malicious)
}

fn kept(outcome: &Outcome) -> Kept {
    let mut records = Vec::new();
    let mut neighbors = Vec::new();
    for rows in steady_samples(outcome) {
        for row in honest(outcome, rows) {
            records.push(as_f64(row.records));
            neighbors.push(as_f64(row.neighbors.len()));
        }
    }
    records.sort_by(f64::total_cmp);
    let most = quantile(&records, 1.0);
    let each = as_f64(size_of::<NodeRecord>() + RECORD_OVERHEAD) + 32.0 * mean(&neighbors);
    Kept {
        records: mean(&records),
        records_p95: quantile(&records, 0.95),
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a number of records"
        )]
        records_most: most as usize,
        bytes: mean(&records) * each,
        bytes_most: most * each,
    }
}

/// The flows whose end was seen however often they waited for a time-out.
fn whole_flows(outcome: &Outcome) -> impl Iterator<Item = &FlowEnd> {
    let last = outcome.plan.options.end().saturating_sub(LONGEST_FLOW);
    let flows = outcome.series.flows.iter();
    flows.filter(move |flow| flow.began <= last)
}

fn flows(outcome: &Outcome) -> Flows {
    let series = &outcome.series;
    let ends: Vec<&FlowEnd> = whole_flows(outcome).collect();
    let within = |attempts: u8| {
        let good = |flow: &&&FlowEnd| flow.succeeded && flow.attempts <= attempts;
        percent(ends.iter().filter(good).count(), ends.len())
    };
    Flows {
        tried: ends.len(),
        first_percent: within(1),
        three_percent: within(3),
        all_percent: within(u8::MAX),
        no_route: outcome.tallies.iter().map(|tally| tally.no_route).sum(),
        no_next_hop: series.no_next_hop,
        link_lost: series.link_lost,
        overdue: series.overdue,
        invented: series.invented,
        busiest_percent: busiest(outcome),
    }
}

fn busiest(outcome: &Outcome) -> f64 {
    let members = outcome.plan.members.iter().zip(&outcome.tallies);
    let serving = members.filter(|(member, _)| member.serves());
    let mut carried: Vec<u64> = serving.map(|(_, tally)| tally.carried).collect();
    carried.sort_unstable_by(|one, other| other.cmp(one));
    let all: u64 = carried.iter().sum();
    let top = (outcome.plan.options.nodes as usize).div_ceil(100);
    100.0 * as_f64(carried.iter().take(top).sum::<u64>()) / as_f64(all.max(1))
}

fn shape(outcome: &Outcome) -> Shape {
    let members = &outcome.plan.members;
    let mut counts: Vec<usize> = Vec::new();
    let mut shape = Shape::default();
    for rows in steady_samples(outcome) {
        for row in honest(outcome, rows).filter(|row| members[row.member as usize].serves()) {
            let degree = row.neighbors.len();
            counts.resize(counts.len().max(degree + 1), 0);
            counts[degree] += 1;
        }
        let (outside, parts) = outside(outcome, rows);
        shape.outside_percent = shape.outside_percent.max(outside);
        shape.parts = shape.parts.max(parts);
        (shape.outside_end_percent, shape.parts_end) = (outside, parts);
    }
    let all: usize = counts.iter().sum();
    let links: usize = counts
        .iter()
        .enumerate()
        .map(|(degree, count)| degree * count)
        .sum();
    shape.degree = as_f64(links) / as_f64(all.max(1));
    shape.degree_most = counts.len().saturating_sub(1);
    shape.few_percent = percent(counts.iter().take(3).sum(), all);
    shape.degrees = counts.iter().map(|count| percent(*count, all)).collect();
    shape
}

/// Percent of the honest Nodes that are outside the largest part, and how many parts are of three or more.
fn outside(outcome: &Outcome, rows: &[Row]) -> (f64, usize) {
    let sizes = parts(outcome, rows);
    let all: usize = sizes.iter().sum();
    let largest = sizes.iter().copied().max().unwrap_or(0);
    let real = sizes.iter().filter(|size| **size >= 3).count();
    (percent(all - largest, all), real)
}

/// The sizes of the parts of the graph that honest Nodes make among themselves.
fn parts(outcome: &Outcome, rows: &[Row]) -> Vec<usize> {
    let honest: Vec<&Row> = honest(outcome, rows).collect();
    let places: HashMap<u32, usize> = honest
        .iter()
        .enumerate()
        .map(|(place, row)| (row.member, place))
        .collect();
    let mut linked: Vec<Vec<usize>> = vec![Vec::new(); honest.len()];
    for (place, row) in honest.iter().enumerate() {
        for other in row.neighbors.iter().filter_map(|other| places.get(other)) {
            // A client names its servers; they do not name it.
            linked[place].push(*other);
            linked[*other].push(place);
        }
    }
    let mut seen = vec![false; honest.len()];
    let mut sizes = Vec::new();
    for start in 0..honest.len() {
        if std::mem::replace(&mut seen[start], true) {
            continue;
        }
        let mut open = vec![start];
        let mut size = 0;
        while let Some(place) = open.pop() {
            size += 1;
            for &other in &linked[place] {
                if !std::mem::replace(&mut seen[other], true) {
                    open.push(other);
                }
            }
        }
        sizes.push(size);
    }
    sizes
}

fn harm(outcome: &Outcome) -> Harm {
    let members = &outcome.plan.members;
    let mut harm = Harm {
        refused: outcome.refused,
        believed: outcome
            .tallies
            .iter()
            .map(|tally| tally.believed_forgeries)
            .sum(),
        swallowed: outcome.tallies.iter().map(|tally| tally.swallowed).sum(),
        ..Harm::default()
    };
    let Some(rows) = outcome.samples.last() else {
        return harm;
    };
    let is_malicious = |member: &u32| members[*member as usize].malicious;
    let malicious = rows.iter().filter(|row| is_malicious(&row.member)).count();
    harm.malicious_percent = percent(malicious, rows.len());
    let (mut run, mut eclipsed, mut links, mut bad) = (0, 0, 0, 0);
    for row in honest(outcome, rows) {
        let wrong = row
            .neighbors
            .iter()
            .filter(|other| is_malicious(other))
            .count();
        run += 1;
        links += row.neighbors.len();
        bad += wrong;
        eclipsed += usize::from(wrong > 0 && wrong == row.neighbors.len());
    }
    harm.eclipsed_percent = percent(eclipsed, run);
    harm.links_percent = percent(bad, links);
    harm
}

fn gossip_curve(outcome: &Outcome, found: &[(u32, u32)]) -> Vec<f64> {
    let width = usize::try_from(BUCKET / SECOND).expect("a bucket has few seconds");
    let buckets = outcome.series.sent.iter().enumerate();
    let rates = buckets.map(|(place, sent)| {
        let lives = found.iter().skip(place * width).take(width);
        let lived: u64 = lives.map(|(run, _)| u64::from(*run)).sum();
        as_f64(sent.bytes) / as_f64(lived.max(1))
    });
    rates.collect()
}

fn flow_curve(outcome: &Outcome) -> Vec<(u32, f64, f64)> {
    let mut minutes: Vec<[usize; 3]> = Vec::new();
    for flow in whole_flows(outcome) {
        let place = usize::try_from(flow.began / MINUTE).expect("a run has few minutes");
        minutes.resize(minutes.len().max(place + 1), [0; 3]);
        let minute = &mut minutes[place];
        minute[0] += 1;
        minute[1] += usize::from(flow.succeeded && flow.attempts == 1);
        minute[2] += usize::from(flow.succeeded && flow.attempts <= 3);
    }
    let curve = minutes.into_iter().map(|[all, first, three]| {
        let count = u32::try_from(all).unwrap_or(u32::MAX);
        (count, percent(first, all), percent(three, all))
    });
    curve.collect()
}

/// Counts in these reports are far below 2^53.
fn as_f64(count: impl TryInto<u64>) -> f64 {
    let count = count.try_into().unwrap_or(u64::MAX);
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let value = count as f64;
    value
}

fn percent(part: usize, whole: usize) -> f64 {
    100.0 * as_f64(part) / as_f64(whole.max(1))
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / as_f64(values.len().max(1))
}

/// Of sorted values, the one below which this share lies.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a place in a list"
    )]
    let place = (share * as_f64(sorted.len().saturating_sub(1))).round() as usize;
    sorted.get(place).copied().unwrap_or(0.0)
}
