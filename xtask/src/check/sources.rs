//! Rules about the text of the tree that no compiler knows.

use std::fs;
use std::path::Path;

use anyhow::{Result, bail};

use crate::workspace::{self, Metadata, Package};

/// Longest file of source; above it the file has two subjects.
const LONGEST: usize = 1000;

pub(super) fn check(metadata: &Metadata) -> Result<()> {
    let mut faults = Vec::new();
    for package in metadata.members() {
        unsafe_is_forbidden(package, &mut faults)?;
    }
    let root = workspace::root();
    for path in workspace::tracked_files()? {
        // Neither links nor files deleted but not yet committed, nor binary corpora.
        let Ok(text) = fs::read_to_string(&path) else {
            continue;
        };
        let shown = path.strip_prefix(&root).unwrap_or(&path);
        no_machine_path(shown, &text, &root, &mut faults);
        if path.extension().is_some_and(|extension| extension == "rs") {
            shape(shown, &text, &mut faults);
        }
    }
    if faults.is_empty() {
        return Ok(());
    }
    bail!("{}", faults.join("\n"));
}

/// `unsafe` is for `platform-*` only; every other crate forbids it at each of its roots.
fn unsafe_is_forbidden(package: &Package, faults: &mut Vec<String>) -> Result<()> {
    if package.name.starts_with("masq-platform-") {
        return Ok(());
    }
    for target in &package.targets {
        let is_root = target
            .kind
            .iter()
            .any(|kind| kind == "lib" || kind == "bin");
        if is_root && !fs::read_to_string(&target.src_path)?.contains("#![forbid(unsafe_code)]") {
            faults.push(format!(
                "{}: {} does not forbid unsafe code",
                package.manifest_path.display(),
                target.src_path.display()
            ));
        }
    }
    Ok(())
}

fn no_machine_path(shown: &Path, text: &str, root: &Path, faults: &mut Vec<String>) {
    let own = format!("{}/", root.display());
    let elsewhere = ["/root", "/home"].map(|top| format!("{top}/.cargo"));
    for (number, line) in text.lines().enumerate() {
        if line.contains(&own) || elsewhere.iter().any(|path| line.contains(path)) {
            faults.push(format!(
                "{}:{}: a path of one machine",
                shown.display(),
                number + 1
            ));
        }
    }
}

fn shape(shown: &Path, text: &str, faults: &mut Vec<String>) {
    let lines = text.lines().count();
    if lines > LONGEST {
        faults.push(format!(
            "{}: {lines} lines, at most {LONGEST}",
            shown.display()
        ));
    }
    let is_test = shown.ends_with("tests.rs");
    let first = text
        .lines()
        .find(|line| !line.starts_with("#![") && !line.is_empty());
    if lines > 40 && !is_test && !first.is_some_and(|line| line.starts_with("//!")) {
        faults.push(format!(
            "{}: does not begin with its `//!` header",
            shown.display()
        ));
    }
    let below_tests = shown.components().any(|part| part.as_os_str() == "tests");
    if shown.ends_with("mod.rs") && !below_tests {
        faults.push(format!("{}: name it after its module", shown.display()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_this_machine_is_a_fault() {
        let mut faults = Vec::new();
        no_machine_path(
            Path::new("a"),
            "see /somewhere/tree/file",
            Path::new("/somewhere/tree"),
            &mut faults,
        );
        no_machine_path(
            Path::new("a"),
            "see /elsewhere/tree/file",
            Path::new("/somewhere/tree"),
            &mut faults,
        );
        assert_eq!(faults, ["a:1: a path of one machine"]);
    }

    #[test]
    fn a_long_file_without_a_header_has_two_faults() {
        let mut faults = Vec::new();
        shape(Path::new("a.rs"), &"fn x() {}\n".repeat(1001), &mut faults);
        assert_eq!(faults.len(), 2);
    }
}
