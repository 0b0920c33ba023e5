//! The results as lines of text.

use std::fmt::Write;

use super::Report;
use crate::options::Attack;

pub(super) fn table(report: &Report) -> String {
    let mut lines = String::new();
    let options = &report.options;
    let mut title = format!(
        "{} Nodes, {} minutes, {} % churn an hour, seed {}",
        options.nodes, options.minutes, options.churn, options.seed
    );
    if let Some(attack) = options.attack {
        let what = match attack {
            Attack::Eclipse => "surround others",
            Attack::Forge => "forge records",
            Attack::Blackhole => "drop circuits",
        };
        let _ = write!(title, ", {} % malicious that {what}", options.malicious);
    }
    let mut line = |what: &str, value: String| {
        let _ = writeln!(lines, "  {what:<52} {value}");
    };
    let routes = &report.routes;
    let reached = routes.until_99_percent;
    line(
        "99 % have a three-hop route, after the last start",
        reached.map_or("never".to_owned(), |time| format!("{time:.0} s")),
    );
    line(
        "start to first route: median, 95 %, 99 %, longest",
        format!(
            "{:.2} / {:.2} / {:.2} / {:.1} s",
            routes.median, routes.p95, routes.p99, routes.longest
        ),
    );
    line(
        "sessions of a minute or more that found none",
        format!("{:.2} %", routes.never_percent),
    );
    let gossip = &report.gossip;
    line(
        "gossip in the first two minutes: mean, 95 %",
        format!(
            "{:.1} / {:.1} KB, {:.0} messages",
            gossip.young_bytes / 1e3,
            gossip.young_bytes_p95 / 1e3,
            gossip.young_messages
        ),
    );
    line(
        "gossip per Node and hour, settled: mean, 95 %",
        format!(
            "{:.0} / {:.0} KB, {:.0} messages ({:.0} B/s)",
            gossip.bytes_per_hour / 1e3,
            gossip.bytes_per_hour_p95 / 1e3,
            gossip.messages_per_hour,
            gossip.bytes_per_hour / 3_600.0
        ),
    );
    let kept = &report.kept;
    line(
        "records held: mean, 95 %, most",
        format!(
            "{:.0} / {:.0} / {}",
            kept.records, kept.records_p95, kept.records_most
        ),
    );
    line(
        "memory of a view, estimated: mean, most",
        format!("{:.0} / {:.0} KB", kept.bytes / 1e3, kept.bytes_most / 1e3),
    );
    let flows = &report.flows;
    line(
        "flows that open: at first try, in three, in all",
        format!(
            "{:.2} / {:.2} / {:.2} % of {}",
            flows.first_percent, flows.three_percent, flows.all_percent, flows.tried
        ),
    );
    line(
        "failed routes: no link, Node gone, silence, unknown",
        format!(
            "{} / {} / {} / {}, and {} flows without a route",
            flows.no_next_hop, flows.link_lost, flows.overdue, flows.invented, flows.no_route
        ),
    );
    line(
        "share of flows through the busiest 1 %",
        format!("{:.2} %", flows.busiest_percent),
    );
    let shape = &report.shape;
    line(
        "neighbors: mean, most, fewer than three",
        format!(
            "{:.2} / {} / {:.2} %",
            shape.degree, shape.degree_most, shape.few_percent
        ),
    );
    line(
        "outside the largest part, and parts: worst, at the end",
        format!(
            "{:.3} % in {}, {:.3} % in {}",
            shape.outside_percent, shape.parts, shape.outside_end_percent, shape.parts_end
        ),
    );
    if options.attack.is_some() {
        let harm = &report.attack;
        line(
            "honest Nodes eclipsed; their links to malicious",
            format!(
                "{:.2} % ; {:.1} %",
                harm.eclipsed_percent, harm.links_percent
            ),
        );
        line(
            "forged records: refused, believed",
            format!("{} / {}", harm.refused, harm.believed),
        );
        line("circuits swallowed", harm.swallowed.to_string());
    }
    let cost = &report.cost;
    line(
        "simulation: wall, processor, memory, events, records",
        format!(
            "{:.1} s, {:.1} s, {:.0} MB, {}, {}",
            cost.wall,
            cost.processor,
            mega(cost.resident),
            cost.events,
            cost.verified
        ),
    );
    line("digest", report.digest.clone());
    format!("{title}\n{lines}")
}

fn mega(bytes: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let bytes = bytes as f64;
    bytes / 1e6
}
