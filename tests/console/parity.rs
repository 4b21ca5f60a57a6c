//! `docs/parity.md` names at least one test for each row, and all these tests exist.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn read(path: &str) -> String {
    let whole = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(whole).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The `file::function`s of a cell.
fn named(cell: &str) -> Vec<(&str, &str)> {
    let quoted = cell.split('`').skip(1).step_by(2);
    quoted
        .filter_map(|it| it.split_once("::"))
        .filter(|(file, _)| file.ends_with(".rs"))
        .collect()
}

/// Whether a source has a test of this name.
fn has_test(source: &str, name: &str) -> bool {
    let declared = source.split("#[test]").chain(source.split("#[tokio::test")).skip(1);
    let of = |part: &str| {
        part.split("fn ")
            .nth(1)
            .and_then(|rest| rest.split('(').next())
            .map(str::to_owned)
    };
    declared.filter_map(of).any(|found| found == name)
}

/// The rows of the table below a heading: the name that each has, and its cells.
fn rows<'a>(document: &'a str, heading: &str) -> Vec<(&'a str, Vec<&'a str>)> {
    let (_, rest) = document.split_once(heading).expect("the heading");
    let section = rest.split("\n## ").next().unwrap_or_default();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.map(|row| {
        let (name, cells) = row.split_once("` | ").expect("a name");
        (name, cells.split(" | ").collect())
    })
    .collect()
}

#[test]
fn every_defect_and_request_is_shown_by_tests_that_exist() {
    let document = read("docs/parity.md");
    let (defects, requests) = (rows(&document, "\n## Defects\n"), rows(&document, "\n## Requests\n"));
    for (name, cells) in &defects {
        assert!(matches!(cells[1], "fixed" | "does not apply"), "{name}: {}", cells[1]);
    }
    let all: Vec<_> = defects.iter().chain(&requests).collect();
    for (row, cells) in &all {
        let tests = named(cells.last().expect("a cell"));
        assert!(!tests.is_empty(), "no test shows {row}");
        for (file, name) in tests {
            assert!(has_test(&read(file), name), "{file} has no test {name}");
        }
    }
    let names: BTreeSet<_> = all.iter().map(|(name, _)| name).collect();
    assert_eq!((defects.len(), requests.len(), names.len()), (24, 7, 31));
}

#[test]
fn a_name_that_is_no_test_is_noticed() {
    let source = "#[test]\nfn there() {}\nfn helper() {}\n#[tokio::test(flavor = \"x\")]\nasync fn waits() {}\n";
    assert!(has_test(source, "there") && has_test(source, "waits"));
    assert!(!has_test(source, "helper") && !has_test(source, "nowhere") && !has_test(source, "the"));
    assert_eq!(named("a `b` `c.rs::d` `e::f`"), [("c.rs", "d")]);
}
