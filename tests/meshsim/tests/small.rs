//! Two hundred Nodes for ten minutes: what the large runs show, small enough for every test run.

use std::time::Instant;

use masq_meshsim::crew;
use masq_meshsim::options::Options;
use masq_meshsim::plan::Plan;
use masq_meshsim::report::Report;

use clap::Parser;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    options: Options,
}

fn options(words: &str) -> Options {
    Line::parse_from(std::iter::once("sim").chain(words.split(' '))).options
}

#[expect(
    clippy::disallowed_methods,
    reason = "virtual time begins at any instant"
)]
fn run(options: Options) -> Report {
    let outcome = crew::run(Plan::new(options), Instant::now()).expect("no worker panics");
    Report::new(&outcome)
}

#[test]
fn two_hundred_nodes_find_routes_and_keep_them_under_churn() {
    let report = run(options(
        "--nodes 200 --minutes 10 --churn 30 --ramp 60 --settle 60 --flow-every 20 --audit --threads 1",
    ));
    let table = report.table();
    let reached = report.routes.until_99_percent;
    assert!(reached.is_some_and(|seconds| seconds <= 10.0), "{table}");
    assert!(report.routes.never_percent < 0.5, "{table}");
    assert!(report.flows.tried > 2_000, "{table}");
    assert!(report.flows.three_percent >= 99.0, "{table}");
    assert_eq!(report.flows.invented, 0, "{table}");
    assert_eq!(report.attack.believed, 0, "{table}");
    assert!(report.shape.degree_most <= 10, "{table}");
    assert!(report.shape.few_percent < 2.0, "{table}");
    assert!(report.kept.records_most <= 1_024, "{table}");
    assert!(report.gossip.bytes_per_hour / 3_600.0 < 1_000.0, "{table}");
}

/// Without a way in at full Nodes 5 % are outside at the end of this run.
#[test]
fn a_mesh_that_grows_fast_is_one_in_the_end() {
    let report = run(options(
        "--nodes 300 --minutes 4 --ramp 8 --settle 60 --flow-every 600 --threads 1 --seed 2",
    ));
    let table = report.table();
    assert!(report.shape.outside_end_percent < 0.1, "{table}");
    assert!(report.shape.degree_most <= 10, "{table}");
}

#[test]
fn the_same_seed_gives_the_same_events_for_any_number_of_threads() {
    let digest = |words: &str| run(options(words)).digest;
    let line = "--nodes 40 --minutes 2 --churn 600 --ramp 15 --settle 15 --flow-every 10";
    let one = digest(&format!("{line} --threads 1"));
    assert_eq!(one, digest(&format!("{line} --threads 1")));
    assert_eq!(one, digest(&format!("{line} --threads 3")));
    assert_ne!(one, digest(&format!("{line} --seed 2")));
}

#[test]
fn no_changed_record_is_believed() {
    let report = run(options(
        "--nodes 60 --minutes 2 --ramp 15 --threads 1 --malicious 20 --attack forge",
    ));
    let table = report.table();
    assert!(report.attack.refused > 0, "{table}");
    assert_eq!(report.attack.believed, 0, "{table}");
}
