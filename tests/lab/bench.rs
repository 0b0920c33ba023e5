//! The benchmark: the same traffic over the Node, the direct path, and the peers that are installed.
//!
//! Every subject is measured in a laboratory of the same shape, in one run, so that ratios mean something
//! on any machine. Values are of the traffic generator, CPU and memory of `/proc`.

mod cases;
mod peers;
mod report;
mod subject;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

use subject::Subject;

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Case {
    Download,
    Upload,
    Connections,
    FirstByte,
    Udp,
    Wire,
    Idle,
}

#[derive(Clone, Debug, Args)]
pub struct Options {
    /// Only this case (several times: these)
    #[arg(long)]
    case: Vec<Case>,
    /// Only with this number of hops (several times: these)
    #[arg(long)]
    hops: Vec<u8>,
    /// Only with this number of streams
    #[arg(long)]
    streams: Vec<usize>,
    /// Only this subject: ours, direct, or a peer (several times: these)
    #[arg(long)]
    subject: Vec<String>,
    /// How long each throughput is measured
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// How many idle connections are held
    #[arg(long, default_values_t = [1000, 10_000])]
    idle: Vec<usize>,
    /// Measure nothing; write results.md anew from the results.json in this folder
    #[arg(long, conflicts_with = "write")]
    render: Option<PathBuf>,
    /// Write results.md and results.json into this folder
    #[arg(long)]
    write: Option<PathBuf>,
}

/// One measured value.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Row {
    pub case: String,
    pub subject: String,
    pub hops: u8,
    pub streams: usize,
    pub value: f64,
    pub unit: String,
}

/// Measures all that `options` ask for, prints a table, and writes the results if asked to.
pub fn run(options: &Options) -> Result<()> {
    if let Some(folder) = &options.render {
        return report::render(folder);
    }
    let mut rows = Vec::new();
    for (name, hops) in subjects(options) {
        report::say(&format!("{name}, {hops} hops:"));
        match Subject::start(&name, hops) {
            Ok(mut subject) => cases::measure(options, &mut subject, &mut |row| {
                report::row(&row);
                rows.push(row);
            }),
            Err(error) => report::say(&format!("  not measured: {error:#}")),
        }
    }
    report::table(&rows);
    if let Some(folder) = &options.write {
        report::write(folder, &rows)?;
    }
    Ok(())
}

fn subjects(options: &Options) -> Vec<(String, u8)> {
    let all = [
        ("direct", 0),
        ("redsocks", 0),
        ("ours", 0),
        ("ours", 1),
        ("ours", 3),
        ("tor", 3),
    ];
    all.into_iter()
        .filter(|(name, hops)| {
            let named =
                options.subject.is_empty() || options.subject.iter().any(|wanted| wanted == name);
            let counted = options.hops.is_empty() || options.hops.contains(hops);
            named && counted && (subject::is_installed(name) || !options.subject.is_empty())
        })
        .map(|(name, hops)| (name.to_owned(), hops))
        .collect()
}
