//! The benchmark's results on the terminal, as a document, as JSON.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::Row;

#[expect(clippy::print_stdout, reason = "the results are this program's output")]
pub(super) fn say(words: &str) {
    println!("{words}");
}

pub(super) fn row(row: &Row) {
    say(&format!(
        "  {:<16} {:<22} {:>6} {:>12.3} {}",
        row.case, row.subject, row.streams, row.value, row.unit
    ));
}

/// One line a case, one column a subject.
pub(super) fn table(rows: &[Row]) {
    say(&markdown(rows));
}

/// Writes `results.md` and `results.json` into `folder`.
pub(super) fn write(folder: &Path, rows: &[Row]) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("Failed to make {}", folder.display()))?;
    let json = rows
        .iter()
        .map(serde_json::to_string)
        .collect::<Result<Vec<_>, _>>()?;
    fs::write(
        folder.join("results.json"),
        format!("[\n{}\n]\n", json.join(",\n")),
    )?;
    let document = format!(
        "# Measured\n\n{}\n\nMade by `cargo xtask bench --write docs/bench`. All subjects ran in one run, each in a\n\
         laboratory of the same shape on one machine; ratios count, absolute values are that machine's.\n\n{}",
        machine(),
        markdown(rows)
    );
    fs::write(folder.join("results.md"), document)?;
    Ok(())
}

fn markdown(rows: &[Row]) -> String {
    let mut columns: Vec<(String, u8)> = Vec::new();
    let mut lines: Vec<(String, usize, String)> = Vec::new();
    for row in rows {
        let (column, line) = (
            (row.subject.clone(), row.hops),
            (row.case.clone(), row.streams, row.unit.clone()),
        );
        if !columns.contains(&column) {
            columns.push(column);
        }
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    let mut text = String::from("| case | streams | unit |");
    for (subject, hops) in &columns {
        let _ = write!(text, " {subject}, {hops} hops |");
    }
    text.push_str("\n|---|---|---|");
    text.push_str(&"---:|".repeat(columns.len()));
    text.push('\n');
    for (case, streams, unit) in &lines {
        let _ = write!(text, "| {case} | {streams} | {unit} |");
        for (subject, hops) in &columns {
            let cell = rows.iter().find(|row| {
                (&row.case, row.streams, &row.subject, row.hops) == (case, *streams, subject, *hops)
            });
            match cell {
                Some(row) if row.value >= 100.0 => drop(write!(text, " {:.0} |", row.value)),
                Some(row) => drop(write!(text, " {:.2} |", row.value)),
                None => text.push_str(" |"),
            }
        }
        text.push('\n');
    }
    text
}

fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("", |rest| rest.trim_start_matches([' ', '\t', ':']));
    format!(
        "Machine: {cores} cores ({}), Linux {}.",
        model.trim(),
        kernel.trim()
    )
}
