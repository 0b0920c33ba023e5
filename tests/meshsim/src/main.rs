//! `masq-sim`: one run, or the suite that fills `docs/simulation`.

#![forbid(unsafe_code)]

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result};
use clap::Parser;
use masq_meshsim::crew;
use masq_meshsim::options::Options;
use masq_meshsim::plan::Plan;
use masq_meshsim::report::Report;
use masq_meshsim::suite;

#[derive(Parser)]
#[command(about = "Thousands of Nodes in virtual time")]
struct Cli {
    #[command(flatten)]
    run: Options,
    /// Run everything that docs/simulation shows; the options above are what the runs have in common
    #[arg(long, requires = "write")]
    suite: bool,
    /// Write results and plots into this folder
    #[arg(long)]
    write: Option<PathBuf>,
    /// Run nothing; draw tables and plots anew from the results.json in this folder
    #[arg(long, conflicts_with_all = ["suite", "write"])]
    render: Option<PathBuf>,
    /// Print the results as JSON
    #[arg(long)]
    print_json: bool,
    /// All options of a run as JSON
    #[arg(long, hide = true)]
    options: Option<String>,
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<()> {
    let options = match &cli.options {
        Some(text) => serde_json::from_str(text).context("Failed to read the options")?,
        None => cli.run,
    };
    if let Some(folder) = &cli.render {
        return suite::render(folder);
    }
    if let (true, Some(folder)) = (cli.suite, &cli.write) {
        return suite::run(&options, folder);
    }
    let report = simulate(options)?;
    if let Some(folder) = &cli.write {
        fs::create_dir_all(folder)?;
        let text = serde_json::to_string_pretty(&report)?;
        fs::write(folder.join("run.json"), text)
            .with_context(|| format!("Failed to write into {}", folder.display()))?;
    }
    match cli.print_json {
        true => writeln!(io::stdout(), "{}", serde_json::to_string(&report)?)?,
        false => write!(io::stdout(), "{}", report.table())?,
    }
    Ok(())
}

#[expect(
    clippy::disallowed_methods,
    reason = "tells how long it took; virtual time begins at any instant"
)]
fn simulate(options: Options) -> Result<Report> {
    let start = Instant::now();
    let outcome = crew::run(Plan::new(options), start)?;
    let mut report = Report::new(&outcome);
    report.cost.wall = start.elapsed().as_secs_f64();
    report.cost.processor = processor();
    report.cost.resident = resident();
    Ok(report)
}

/// The most memory that this process ever had, in bytes; 0 where it cannot be told.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().split(' ').next()?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1_024
}

/// Seconds of processor time of all threads; 0 where it cannot be told.
fn processor() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Behind the name, which may hold blanks: user and system time are the 12th and 13th.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let ticks = fields.split_whitespace().skip(11).take(2);
    ticks
        .filter_map(|ticks| ticks.parse::<f64>().ok())
        .sum::<f64>()
        / TICKS
}

/// Of a second, on every Linux.
const TICKS: f64 = 100.0;
