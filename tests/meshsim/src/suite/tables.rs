//! The tables of the suite.

use std::fmt::Write;

use super::pictures::ends;
use super::{ATTACKED, CHURNED, MINUTES, Purpose, Results};
use crate::options::Attack;
use crate::report::Report;

pub(super) fn tables(results: &Results) -> String {
    let runs = |purpose| results.get(&purpose).map_or(&[][..], Vec::as_slice);
    let mut page =
        "# Simulated\n\nMade by `cargo xtask sim --suite --write docs/simulation`; what it \
                    means is in [simulation.md](../simulation.md).\n"
            .to_owned();
    let common = runs(Purpose::Scale).first();
    if let Some(options) = common.map(|run| &run.options) {
        let _ = writeln!(
            page,
            "\nSizes: {} minutes, {} % churn an hour, seed {}. Churn: {CHURNED} Nodes, attacks: {ATTACKED} \
             Nodes, {} minutes each.",
            options.minutes,
            options.churn,
            options.seed,
            options.minutes.min(MINUTES)
        );
    }
    by_size(&mut page, runs(Purpose::Scale));
    by_churn(&mut page, runs(Purpose::Churn));
    attacks(&mut page, runs(Purpose::Attack), runs(Purpose::Descriptors));
    page
}

fn by_size(page: &mut String, runs: &[Report]) {
    page.push_str("\n## Sizes\n\n| |");
    for run in runs {
        let _ = write!(page, " {} Nodes |", run.options.nodes);
    }
    page.push_str("\n|---|");
    page.push_str(&"---:|".repeat(runs.len()));
    page.push('\n');
    let mut row = |what: &str, value: &dyn Fn(&Report) -> String| {
        let _ = write!(page, "| {what} |");
        for run in runs {
            let _ = write!(page, " {} |", value(run));
        }
        page.push('\n');
    };
    row(
        "99 % have a three-hop route, seconds after the last of the first starts",
        &|run| {
            let reached = run.routes.until_99_percent;
            reached.map_or("never".to_owned(), |time| format!("{time:.0}"))
        },
    );
    row("start to first route, seconds: median", &|run| {
        format!("{:.2}", run.routes.median)
    });
    row("99th percentile", &|run| format!("{:.2}", run.routes.p99));
    row("longest", &|run| format!("{:.1}", run.routes.longest));
    row("gossip of a Node's first two minutes, KB: mean", &|run| {
        format!("{:.0}", run.gossip.young_bytes / 1e3)
    });
    row("95th percentile", &|run| {
        format!("{:.0}", run.gossip.young_bytes_p95 / 1e3)
    });
    row("gossip, settled, KB per Node and hour: mean", &|run| {
        format!("{:.0}", run.gossip.bytes_per_hour / 1e3)
    });
    row("95th percentile", &|run| {
        format!("{:.0}", run.gossip.bytes_per_hour_p95 / 1e3)
    });
    row("the same in bytes per second: mean", &|run| {
        format!("{:.0}", run.gossip.bytes_per_hour / 3_600.0)
    });
    row("messages per Node and hour", &|run| {
        format!("{:.0}", run.gossip.messages_per_hour)
    });
    row("records held: mean", &|run| {
        format!("{:.0}", run.kept.records)
    });
    row("95th percentile", &|run| {
        format!("{:.0}", run.kept.records_p95)
    });
    row("most at any Node", &|run| run.kept.records_most.to_string());
    row("memory of a view, estimated KB: mean", &|run| {
        format!("{:.0}", run.kept.bytes / 1e3)
    });
    row("at the Node with the most", &|run| {
        format!("{:.0}", run.kept.bytes_most / 1e3)
    });
    row("flows tried", &|run| run.flows.tried.to_string());
    row("opened at first try, %", &|run| {
        format!("{:.2}", run.flows.first_percent)
    });
    row("within three tries, %", &|run| {
        format!("{:.3}", run.flows.three_percent)
    });
    row("share of flows through the busiest 1 %, %", &|run| {
        format!("{:.1}", run.flows.busiest_percent)
    });
    row("neighbors: mean", &|run| format!("{:.2}", run.shape.degree));
    row("most", &|run| run.shape.degree_most.to_string());
    row("fewer than three, % of Nodes", &|run| {
        format!("{:.2}", run.shape.few_percent)
    });
    row("outside the largest part at the worst moment, %", &|run| {
        format!("{:.2}", run.shape.outside_percent)
    });
    row("outside it at the end, %", &|run| {
        format!("{:.2}", run.shape.outside_end_percent)
    });
    row("simulation: wall seconds", &|run| {
        format!("{:.0}", run.cost.wall)
    });
    row("processor seconds", &|run| {
        format!("{:.0}", run.cost.processor)
    });
    row("most resident memory, MB", &|run| {
        format!("{}", run.cost.resident / 1_000_000)
    });
    row("events, millions", &|run| {
        format!("{:.1}", run.cost.events as f64 / 1e6)
    });
}

fn by_churn(page: &mut String, runs: &[Report]) {
    page.push_str(
        "\n## Churn\n\n| % an hour | at first try, % | within three, % | gossip, B/s | fewer than \
         three neighbors, % | outside the largest part, % |\n|---:|---:|---:|---:|---:|---:|\n",
    );
    for run in runs {
        let _ = writeln!(
            page,
            "| {} | {:.2} | {:.3} | {:.0} | {:.2} | {:.2} |",
            run.options.churn,
            run.flows.first_percent,
            run.flows.three_percent,
            run.gossip.bytes_per_hour / 3_600.0,
            run.shape.few_percent,
            run.shape.outside_percent
        );
    }
}

fn attacks(page: &mut String, runs: &[Report], three: &[Report]) {
    let of = |attack| {
        runs.iter()
            .filter(move |run| run.options.attack == Some(attack))
    };
    page.push_str(
        "\n## Eclipse\n\nMalicious Nodes take everyone who asks and introduce only each other.\n\n\
         | malicious, % | eclipsed, one descriptor, % | links to malicious, % | eclipsed, three \
         descriptors, % | links to malicious, % |\n|---:|---:|---:|---:|---:|\n",
    );
    for (one, more) in of(Attack::Eclipse).zip(three) {
        let _ = writeln!(
            page,
            "| {} | {:.2} | {:.1} | {:.2} | {:.1} |",
            one.options.malicious,
            one.attack.eclipsed_percent,
            one.attack.links_percent,
            more.attack.eclipsed_percent,
            more.attack.links_percent
        );
    }
    page.push_str(
        "\n## Forged records\n\nMalicious Nodes change one bit in a quarter of the records of others \
         that they pass on.\n\n| malicious, % | refused | believed | flows within three tries, % | \
         links to malicious at the end, % |\n|---:|---:|---:|---:|---:|\n",
    );
    for run in of(Attack::Forge) {
        let _ = writeln!(
            page,
            "| {} | {} | {} | {:.2} | {:.1} |",
            run.options.malicious,
            run.attack.refused,
            run.attack.believed,
            run.flows.three_percent,
            run.attack.links_percent
        );
    }
    page.push_str(
        "\n## Dropped circuits\n\nMalicious relays and exits take circuits and say nothing.\n\n\
         | malicious, % | first try, first two minutes, % | first try, last five minutes, % | \
         within three tries, % | within five, % | dropped |\n|---:|---:|---:|---:|---:|---:|\n",
    );
    for run in of(Attack::Blackhole) {
        let (begin, end) = ends(run);
        let _ = writeln!(
            page,
            "| {} | {begin:.1} | {end:.1} | {:.2} | {:.2} | {} |",
            run.options.malicious,
            run.flows.three_percent,
            run.flows.all_percent,
            run.attack.swallowed
        );
    }
}
