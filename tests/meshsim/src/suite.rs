//! The suite: every run that `docs/simulation` shows, each in a process of its own so that its memory is
//! its own, and the plots and tables out of their results.

mod pictures;
mod tables;

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::options::{Attack, Options};
use crate::report::Report;

/// What a run is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// Meshes of different size.
    Scale,
    /// Meshes of different churn.
    Churn,
    /// Malicious Nodes, each honest Node with one descriptor.
    Attack,
    /// Malicious Nodes that surround others, each honest Node with three descriptors.
    Descriptors,
}

/// All runs, by purpose.
pub type Results = BTreeMap<Purpose, Vec<Report>>;

/// The mesh whose churn is varied, and the one that is attacked.
const CHURNED: u32 = 1_000;
const ATTACKED: u32 = 500;
/// The longest of these runs, in minutes.
const MINUTES: f64 = 20.0;
const SIZES: [u32; 5] = [100, 300, 1_000, 3_000, 10_000];
const CHURNS: [f64; 4] = [0.0, 10.0, 50.0, 200.0];
const SHARES: [f64; 5] = [1.0, 5.0, 10.0, 20.0, 30.0];
/// Of each curve of routes found, every so many seconds are kept.
const THINNED: usize = 5;

/// Runs everything and writes tables, plots and `results.json` into this folder. `base` gives what all
/// runs have in common.
pub fn run(base: &Options, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("Failed to make {}", folder.display()))?;
    let mut results = Results::new();
    for (purpose, options) in plans(base) {
        let report = apart(&options)?;
        write!(
            io::stdout(),
            "{}\n{}\n",
            purpose_of(purpose),
            report.table()
        )?;
        results.entry(purpose).or_default().push(thinned(report));
        let text = serde_json::to_string(&results)?;
        fs::write(folder.join("results.json"), text + "\n")?;
    }
    render(folder)
}

/// Draws tables and plots anew from the `results.json` in this folder.
pub fn render(folder: &Path) -> Result<()> {
    let path = folder.join("results.json");
    let text =
        fs::read_to_string(&path).with_context(|| format!("Failed to read {}", path.display()))?;
    let results: Results = serde_json::from_str(&text).context("Failed to read the results")?;
    fs::write(folder.join("results.md"), tables::tables(&results))?;
    for (name, plot) in pictures::pictures(&results) {
        fs::write(folder.join(name), plot.to_svg())?;
    }
    Ok(())
}

fn plans(base: &Options) -> Vec<(Purpose, Options)> {
    let with = |change: &dyn Fn(&mut Options)| {
        let mut options = base.clone();
        change(&mut options);
        options
    };
    let mut plans = Vec::new();
    for nodes in SIZES {
        plans.push((Purpose::Scale, with(&|options| options.nodes = nodes)));
    }
    let minutes = base.minutes.min(MINUTES);
    for churn in CHURNS {
        let options = with(&|options| {
            options.nodes = CHURNED;
            options.minutes = minutes;
            options.churn = churn;
        });
        plans.push((Purpose::Churn, options));
    }
    let attacks = [Attack::Eclipse, Attack::Forge, Attack::Blackhole];
    let cases = attacks.map(|attack| (Purpose::Attack, attack, 1));
    for (purpose, attack, descriptors) in
        cases
            .into_iter()
            .chain([(Purpose::Descriptors, Attack::Eclipse, 3)])
    {
        for malicious in SHARES {
            let options = with(&|options| {
                options.nodes = ATTACKED;
                options.minutes = minutes;
                options.malicious = malicious;
                options.attack = Some(attack);
                options.descriptors = descriptors;
            });
            plans.push((purpose, options));
        }
    }
    plans
}

/// Runs in another process of this program.
fn apart(options: &Options) -> Result<Report> {
    let program = std::env::current_exe().context("Failed to find this program")?;
    let output = Command::new(program)
        .arg("--options")
        .arg(serde_json::to_string(options)?)
        .arg("--print-json")
        .stderr(std::process::Stdio::inherit())
        .output()
        .context("Failed to start a run")?;
    if !output.status.success() {
        bail!("a run ended with {}", output.status);
    }
    serde_json::from_slice(&output.stdout).context("Failed to read the results of a run")
}

fn thinned(mut report: Report) -> Report {
    report.curves.found = report.curves.found.into_iter().step_by(THINNED).collect();
    report
}

fn purpose_of(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Scale => "== size",
        Purpose::Churn => "== churn",
        Purpose::Attack => "== attack",
        Purpose::Descriptors => "== attack, three descriptors each",
    }
}
