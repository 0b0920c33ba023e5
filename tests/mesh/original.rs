//! `docs/original-tests.md` names tests; they exist.

use std::fs;
use std::path::Path;

#[test]
fn every_test_that_the_table_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let document = fs::read_to_string(root.join("docs/original-tests.md")).unwrap();
    let mut named = 0;
    for quoted in document.split('`').skip(1).step_by(2) {
        let Some((file, test)) = quoted.split_once("::") else {
            continue;
        };
        let source =
            fs::read_to_string(root.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert!(
            source.contains(&format!("fn {test}(")),
            "{file} has no test {test}"
        );
        named += 1;
    }
    assert!(named > 40, "{named} tests are named");
}

#[test]
fn every_one_of_the_originals_tests_has_a_row() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let document = fs::read_to_string(root.join("docs/original-tests.md")).unwrap();
    let table = document.split("\n## ").next().unwrap();
    let rows = table
        .lines()
        .filter(|line| line.starts_with("| ") && line.contains(": `"));
    let answered = rows.filter(|row| {
        let cell = row.split(" | ").nth(2).unwrap_or_default();
        cell.contains("::") || cell.contains("waits for") || cell.contains("the same")
    });
    assert_eq!(answered.count(), 36);
}
