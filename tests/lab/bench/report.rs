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
    document(folder, rows)
}

/// Writes `results.md` from the `results.json` beside it.
pub(super) fn render(folder: &Path) -> Result<()> {
    let json =
        fs::read_to_string(folder.join("results.json")).context("Failed to read results.json")?;
    document(
        folder,
        &serde_json::from_str::<Vec<Row>>(&json).context("results.json is a list of rows")?,
    )
}

fn document(folder: &Path, rows: &[Row]) -> Result<()> {
    let document = format!(
        "# Measured\n\n{}\n\nMade by `cargo xtask bench --write docs/bench`. All subjects ran in one run, each in a\n\
         laboratory of the same shape on one machine; ratios count, absolute values are that machine's.\n\n{}",
        machine(),
        markdown(rows)
    );
    fs::write(folder.join("results.md"), document).context("Failed to write results.md")
}

/// A table of the subjects, then one of their processes, which are named `SUBJECT:PROCESS`.
fn markdown(rows: &[Row]) -> String {
    let (processes, subjects): (Vec<&Row>, Vec<&Row>) =
        rows.iter().partition(|row| row.subject.contains(':'));
    let mut text = grid(
        &subjects,
        |row| format!("{}, {} hops", row.subject, row.hops),
        |row| row.case.clone(),
    );
    if !processes.is_empty() {
        text.push_str("\nOf each process:\n\n");
        text.push_str(&grid(
            &processes,
            |row| row.subject.split(':').nth(1).unwrap_or_default().to_owned(),
            |row| {
                format!(
                    "{}, {}, {} hops",
                    row.case,
                    row.subject.split(':').next().unwrap_or_default(),
                    row.hops
                )
            },
        ));
    }
    text
}

/// One line a case, one column for each of what `column` names.
fn grid(rows: &[&Row], column: impl Fn(&Row) -> String, line: impl Fn(&Row) -> String) -> String {
    let mut columns: Vec<String> = Vec::new();
    let mut lines: Vec<(String, usize, String)> = Vec::new();
    let place = |row: &Row| (line(row), row.streams, row.unit.clone());
    for row in rows {
        if !columns.contains(&column(row)) {
            columns.push(column(row));
        }
        if !lines.contains(&place(row)) {
            lines.push(place(row));
        }
    }
    let mut text = String::from("| case | streams | unit |");
    for name in &columns {
        let _ = write!(text, " {name} |");
    }
    text.push_str("\n|---|---|---|");
    text.push_str(&"---:|".repeat(columns.len()));
    text.push('\n');
    for wanted in &lines {
        let (case, streams, unit) = wanted;
        let _ = write!(text, "| {case} | {streams} | {unit} |");
        for name in &columns {
            match rows
                .iter()
                .find(|row| place(row) == *wanted && column(row) == *name)
            {
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
