//! The plots of the suite.

use super::{ATTACKED, CHURNED, Purpose, Results, THINNED};
use crate::crew::SAMPLE;
use crate::measure::BUCKET;
use crate::options::Attack;
use crate::plot::{Axis, Line, Plot, Style};
use crate::report::{Curves, Report};
use crate::time::{Micros, as_seconds};

/// Names of files and what is in them.
pub(super) fn pictures(results: &Results) -> Vec<(&'static str, Plot)> {
    let runs = |purpose| results.get(&purpose).map_or(&[][..], Vec::as_slice);
    let scale = runs(Purpose::Scale);
    let attacks = runs(Purpose::Attack);
    vec![
        ("routes-found.svg", found(scale)),
        ("gossip-over-time.svg", gossip_over_time(scale)),
        ("gossip-by-size.svg", gossip_by_size(scale)),
        ("records-by-size.svg", records_by_size(scale)),
        ("neighbors.svg", neighbors(scale)),
        ("outside.svg", outside(scale)),
        ("flows-by-churn.svg", by_churn(runs(Purpose::Churn))),
        ("eclipse.svg", eclipse(attacks, runs(Purpose::Descriptors))),
        ("blackhole.svg", blackhole(attacks)),
        ("blackhole-over-time.svg", learning(attacks)),
    ]
}

fn found(runs: &[Report]) -> Plot {
    let until = 480.0;
    let lines = runs.iter().map(|run| {
        let points = run.curves.found.iter().enumerate();
        let points = points.map(|(place, (run, found))| {
            let share = f64::from(*found) / f64::from((*run).max(1));
            (seconds_of(place * THINNED), 100.0 * share)
        });
        line(
            &format!("{} Nodes", run.options.nodes),
            points.take_while(|(time, _)| *time <= until),
            Style::Plain,
        )
    });
    let mut lines: Vec<Line> = lines.collect();
    lines.push(bound("bar: 99 %", until, 99.0));
    Plot {
        title: "Running Nodes that have found a three-hop route".to_owned(),
        x: Axis::until(
            "seconds since the first Node started; starts end at 300 s",
            until,
        ),
        y: Axis::until("percent of the Nodes that run", 100.0),
        lines,
    }
}

/// One line for each run over the minutes, and how many of them the longest run has. A point
/// stands `within` its `width` of time: 0.5 in the middle, 1 at the end.
fn over_minutes(
    runs: &[Report],
    width: Micros,
    within: f64,
    curve: impl Fn(&Curves) -> &[f64],
) -> (Vec<Line>, f64) {
    let width = as_seconds(width) / 60.0;
    let lines = runs.iter().map(|run| {
        let points = curve(&run.curves).iter().enumerate();
        let points = points.map(|(place, value)| (width * (seconds_of(place) + within), *value));
        line(
            &format!("{} Nodes", run.options.nodes),
            points,
            Style::Plain,
        )
    });
    let minutes = runs.iter().map(|run| run.options.minutes);
    (lines.collect(), minutes.fold(1.0, f64::max))
}

fn gossip_over_time(runs: &[Report]) -> Plot {
    let (mut lines, minutes) = over_minutes(runs, BUCKET, 0.5, |curves| &curves.gossip);
    lines.push(bound("bar: 1,000 B/s", minutes, 1_000.0));
    let most = most(&lines);
    Plot {
        title: "Gossip sent by a Node (messages with lengths)".to_owned(),
        x: Axis::linear("minutes", minutes),
        y: Axis::logarithmic(
            "bytes per second and Node",
            10.0,
            10f64.powf(most.log10().ceil()),
        ),
        lines,
    }
}

fn gossip_by_size(runs: &[Report]) -> Plot {
    let of = |name: &str, value: &dyn Fn(&Report) -> f64| {
        let points = runs
            .iter()
            .map(|run| (f64::from(run.options.nodes), value(run)));
        line(name, points, Style::Dots)
    };
    let lines = vec![
        of("mean", &|run| run.gossip.bytes_per_hour / 3_600.0),
        of("95th percentile", &|run| {
            run.gossip.bytes_per_hour_p95 / 3_600.0
        }),
        bound_from("bar: 1,000 B/s", 100.0, 10_000.0, 1_000.0),
    ];
    Plot {
        title: "Gossip of a Node in the settled mesh, by the size of the mesh".to_owned(),
        x: Axis::logarithmic("Nodes", 100.0, 10_000.0),
        y: Axis::linear("bytes per second and Node", most(&lines)),
        lines,
    }
}

fn records_by_size(runs: &[Report]) -> Plot {
    let of = |name: &str, value: &dyn Fn(&Report) -> f64| {
        let points = runs
            .iter()
            .map(|run| (f64::from(run.options.nodes), value(run)));
        line(name, points, Style::Dots)
    };
    let most = |run: &Report| f64::from(u32::try_from(run.kept.records_most).unwrap_or(u32::MAX));
    let lines = vec![
        of("mean", &|run| run.kept.records),
        of("95th percentile", &|run| run.kept.records_p95),
        of("most at any Node", &most),
        bound_from("bound: 1,024", 100.0, 10_000.0, 1_024.0),
        line(
            "all Nodes",
            [(100.0, 100.0), (10_000.0, 10_000.0)].into_iter(),
            Style::Bound,
        ),
    ];
    Plot {
        title: "Records that a Node holds, by the size of the mesh".to_owned(),
        x: Axis::logarithmic("Nodes", 100.0, 10_000.0),
        y: Axis::until("records", 1_200.0),
        lines: clipped(lines, 1_200.0),
    }
}

fn neighbors(runs: &[Report]) -> Plot {
    let run = runs.iter().max_by_key(|run| run.options.nodes);
    let degrees = run.map_or(&[][..], |run| &run.shape.degrees);
    let points = degrees.iter().enumerate();
    let points = points.map(|(degree, share)| (seconds_of(degree), *share));
    let nodes = run.map_or(0, |run| run.options.nodes);
    let lines = vec![line("settled mesh", points, Style::Bars)];
    Plot {
        title: format!("Neighbors of the Nodes that serve, {nodes} Nodes"),
        x: Axis::until("neighbors", 12.0),
        y: Axis::linear("percent of the Nodes", most(&lines)),
        lines,
    }
}

fn outside(runs: &[Report]) -> Plot {
    let (lines, minutes) = over_minutes(runs, SAMPLE, 1.0, |curves| &curves.outside);
    Plot {
        title: "Nodes outside the largest connected part of the mesh".to_owned(),
        x: Axis::linear("minutes", minutes),
        y: Axis::linear("percent of the Nodes that run for 30 s", most(&lines)),
        lines,
    }
}

fn by_churn(runs: &[Report]) -> Plot {
    let of = |name: &str, value: &dyn Fn(&Report) -> f64| {
        let points = runs
            .iter()
            .map(|run| (run.options.churn, 100.0 - value(run)));
        line(name, points, Style::Dots)
    };
    let churn = runs.iter().map(|run| run.options.churn).fold(1.0, f64::max);
    let lines = vec![
        of("at first try", &|run| run.flows.first_percent),
        of("within three tries", &|run| run.flows.three_percent),
        bound("bar: 1 %", churn, 1.0),
    ];
    Plot {
        title: format!("Flows that do not open under churn, {CHURNED} Nodes"),
        x: Axis::linear("percent of the Nodes that leave in an hour", churn),
        y: Axis::linear("percent of flows", most(&lines)),
        lines,
    }
}

fn eclipse(one: &[Report], three: &[Report]) -> Plot {
    let of = |name: &str, runs: &[Report]| {
        let runs = runs
            .iter()
            .filter(|run| run.options.attack == Some(Attack::Eclipse));
        let points = runs.map(|run| (run.options.malicious, run.attack.eclipsed_percent));
        line(name, points, Style::Dots)
    };
    let lines = vec![
        of("one descriptor each", one),
        of("three descriptors", three),
        line(
            "as many as attack",
            [(0.0, 0.0), (30.0, 30.0)].into_iter(),
            Style::Bound,
        ),
    ];
    Plot {
        title: format!("Honest Nodes all of whose neighbors are malicious, {ATTACKED} Nodes"),
        x: Axis::until("percent of malicious Nodes", 30.0),
        y: Axis::linear("percent of honest Nodes", most(&lines)),
        lines,
    }
}

fn blackhole(runs: &[Report]) -> Plot {
    let runs = || {
        runs.iter()
            .filter(|run| run.options.attack == Some(Attack::Blackhole))
    };
    let of = |name: &str, value: &dyn Fn(&Report) -> f64| {
        let points = runs().map(|run| (run.options.malicious, value(run)));
        line(name, points, Style::Dots)
    };
    let lines = vec![
        of("first try, at first", &|run| ends(run).0),
        of("first try, at the end", &|run| ends(run).1),
        of("within three tries", &|run| run.flows.three_percent),
        of("within five tries", &|run| run.flows.all_percent),
        line(
            "first try, blind choice",
            (0..=30u8).map(|share| {
                let honest = 1.0 - f64::from(share) / 100.0;
                (f64::from(share), 100.0 * honest.powi(3))
            }),
            Style::Bound,
        ),
    ];
    Plot {
        title: format!("Flows that open although malicious relays drop circuits, {ATTACKED} Nodes"),
        x: Axis::until("percent of malicious Nodes", 30.0),
        y: Axis::until("percent of flows", 100.0),
        lines,
    }
}

/// Percent of flows that opened at first try in the first two minutes of flows, and in the last five.
pub(super) fn ends(run: &Report) -> (f64, f64) {
    let minutes: Vec<(f64, f64)> = run
        .curves
        .flows
        .iter()
        .filter(|(count, ..)| *count > 0)
        .map(|(count, first, _)| (f64::from(*count), *first))
        .collect();
    let of = |minutes: &[(f64, f64)]| {
        let all: f64 = minutes.iter().map(|(count, _)| count).sum();
        let good: f64 = minutes.iter().map(|(count, first)| count * first).sum();
        good / all.max(1.0)
    };
    let end = minutes.len();
    (
        of(&minutes[..end.min(2)]),
        of(&minutes[end.saturating_sub(5)..]),
    )
}

fn learning(runs: &[Report]) -> Plot {
    let runs: Vec<&Report> = runs
        .iter()
        .filter(|run| run.options.attack == Some(Attack::Blackhole))
        .collect();
    let lines = runs.iter().map(|run| {
        let points = run.curves.flows.iter().enumerate();
        let points = points.filter(|(_, (count, ..))| *count > 0);
        let points = points.map(|(minute, (_, first, _))| (seconds_of(minute) + 0.5, *first));
        let name = format!("{} % malicious", run.options.malicious);
        line(&name, points, Style::Plain)
    });
    let minutes = runs
        .iter()
        .map(|run| run.options.minutes)
        .fold(1.0, f64::max);
    Plot {
        title: "Flows that open at first try, as Nodes learn who drops circuits".to_owned(),
        x: Axis::linear("minutes (flows begin when the mesh has settled)", minutes),
        y: Axis::until("percent of flows", 100.0),
        lines: lines.collect(),
    }
}

fn line(name: &str, points: impl Iterator<Item = (f64, f64)>, style: Style) -> Line {
    Line {
        name: name.to_owned(),
        points: points.collect(),
        style,
    }
}

fn bound(name: &str, to: f64, value: f64) -> Line {
    bound_from(name, 0.0, to, value)
}

fn bound_from(name: &str, from: f64, to: f64, value: f64) -> Line {
    line(name, [(from, value), (to, value)].into_iter(), Style::Bound)
}

/// Leaves out where lines go beyond the picture.
fn clipped(mut lines: Vec<Line>, top: f64) -> Vec<Line> {
    for line in &mut lines {
        if let [(x, y), (_, end)] = line.points[..]
            && end > top
        {
            // Straight lines from the origin only: value and place are in proportion.
            line.points[1] = (x * top / y, top);
        }
    }
    // On a logarithmic axis such a line is a curve.
    for line in &mut lines {
        if line.name == "all Nodes"
            && let [(from, _), (to, _)] = line.points[..]
        {
            let steps = (0..=20u8).map(|step| from * (to / from).powf(f64::from(step) / 20.0));
            line.points = steps.map(|nodes| (nodes, nodes)).collect();
        }
    }
    lines
}

fn most(lines: &[Line]) -> f64 {
    let points = lines.iter().flat_map(|line| &line.points);
    points.map(|(_, value)| *value).fold(1e-3, f64::max)
}

fn seconds_of(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
