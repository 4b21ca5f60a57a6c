//! `docs/parity.md` names a test for all that it claims, and each of them is there.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn read(path: &str) -> String {
    let whole = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(whole).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The `file::function`s of a line.
fn named(line: &str) -> Vec<(&str, &str)> {
    let quoted = line.split('`').skip(1).step_by(2);
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

#[test]
fn every_defect_is_answered_by_tests_that_exist() {
    let document = read("docs/parity.md");
    let mut answered = BTreeSet::new();
    for line in document.lines() {
        let row = line.strip_prefix("| KD-").map(|rest| (rest, true));
        let Some((rest, is_row)) = row.or_else(|| Some((line.strip_prefix("- **ASK-")?, false))) else {
            continue;
        };
        let tests = named(line);
        assert!(!tests.is_empty(), "no test shows it: {line}");
        for (file, name) in tests {
            assert!(has_test(&read(file), name), "{file} has no test {name}");
        }
        if is_row {
            let cells: Vec<_> = rest.split(" | ").collect();
            assert!(matches!(cells[2], "fixed" | "does not apply"), "{line}");
            answered.insert(cells[0].trim().parse::<u32>().expect("a number"));
        }
    }
    assert_eq!(answered, (1..=24).collect());
}

#[test]
fn a_name_that_is_no_test_is_noticed() {
    let source = "#[test]\nfn there() {}\nfn helper() {}\n#[tokio::test(flavor = \"x\")]\nasync fn waits() {}\n";
    assert!(has_test(source, "there") && has_test(source, "waits"));
    assert!(!has_test(source, "helper") && !has_test(source, "nowhere") && !has_test(source, "the"));
    assert_eq!(named("a `b` `c.rs::d` `e::f`"), [("c.rs", "d")]);
}
