//! Nothing of the contract is forgotten: each row of the collector's test matrix has a case or a test that carries its number, and each
//! known weakness of the Go operator has an entry in docs/differences that names its test.
//!
//! A case is a YAML file with `row: V7`, or with a name that begins with `s07-`. A test is a function with the number as a word of its name:
//! `row_a24_a_timeout_of_nothing_is_refused`. `cargo test --test matrix -- --nocapture` shows which is where.

#![expect(clippy::unwrap_used, reason = "a test may panic; so may its functions")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// The tables of the matrix: letter, rows, what they are about.
const TABLES: [(char, u8, &str); 6] = [
    ('A', 26, "the API, defaults, conversion"),
    ('V', 32, "validation"),
    ('O', 46, "objects"),
    ('R', 18, "reconciling, status, upgrade"),
    ('S', 15, "sidecars"),
    ('B', 9, "rules for ServiceAccounts"),
];

/// Rows without a test, and what they wait for.
const ROWS_WAITING: &[(&str, &str)] =
    &[("O41", "the target allocator"), ("O42", "the target allocator"), ("O43", "the target allocator")];

/// Weaknesses: prefix, how many, what they are about.
const WEAKNESSES: [(&str, u8, &str); 4] = [
    ("WS", 7, "security"),
    ("WD", 12, "lost data and stuck states"),
    ("WN", 14, "ports"),
    ("WO", 22, "other"),
];

/// Weaknesses without an entry: what is the same here, and why.
const NO_DIFFERENCE: &[(&str, &str)] = &[
    ("WO7", "the key of the ConfigMap and the file name in the arguments are part of the contract"),
    ("WN11", "Services have no type here either; `nodePort` in `spec.ports` is refused by the API server"),
    ("WO17", "init containers of an application run before its sidecar, unless it is a native one"),
    ("WO20", "an unmanaged collector gets neither condition nor version"),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// All files below a folder with this ending.
fn files(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, ending, found);
        } else if path.extension().is_some_and(|e| e == ending) {
            found.push(path);
        }
    }
}

fn of_crates(folders: &[&str], ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for krate in fs::read_dir(root().join("crates")).unwrap() {
        for folder in folders {
            let folder = krate.as_ref().unwrap().path().join(folder);
            if folder.is_dir() {
                files(&folder, ending, &mut found);
            }
        }
    }
    found.sort();
    found
}

/// `V7` of `v07`; none of anything else.
fn row(word: &str) -> Option<String> {
    let letter = word.chars().next()?.to_ascii_uppercase();
    let number: u8 = word.get(1..).filter(|n| n.bytes().all(|b| b.is_ascii_digit()))?.parse().ok()?;
    let (_, last, _) = TABLES.iter().find(|(table, _, _)| *table == letter)?;
    (1..=*last).contains(&number).then(|| format!("{letter}{number}"))
}

/// The names of test functions in a source.
fn tests(source: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut is_test = false;
    for line in source.lines().map(str::trim) {
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            is_test = true;
        } else if let Some((_, name)) = line.split_once("fn ").filter(|_| is_test) {
            found.push(name.split('(').next().unwrap_or_default());
            is_test = false;
        }
    }
    found
}

/// Each row and where it is shown.
fn shown() -> BTreeMap<String, Vec<String>> {
    let root = root();
    let name = |path: &Path| path.strip_prefix(&root).unwrap().display().to_string();
    let mut shown: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for path in of_crates(&["tests"], "yaml") {
        let text = fs::read_to_string(&path).unwrap();
        let stated = text.lines().find_map(|line| line.strip_prefix("row:")).unwrap_or_default();
        // `s03b-…`: the rows of sidecars are cases about pods, whose own rows are numbers.
        let file = path.file_stem().unwrap().to_string_lossy().into_owned();
        let begin =
            file.split('-').next().unwrap_or_default().trim_end_matches(|c: char| c.is_ascii_lowercase());
        let named = if begin.starts_with('s') { begin } else { "" };
        for row in stated.split(',').chain([named]).filter_map(|word| row(word.trim())) {
            shown.entry(row).or_default().push(name(&path));
        }
    }
    for path in of_crates(&["tests", "src"], "rs") {
        let text = fs::read_to_string(&path).unwrap();
        for test in tests(&text) {
            // `row_o7_…`, `rows_r1_r2_…`; the letter alone would be found in other words.
            let mut words = test.split('_').skip_while(|word| !word.starts_with("row")).skip(1);
            while let Some(row) = words.next().and_then(row) {
                shown.entry(row).or_default().push(format!("{}, {test}", name(&path)));
            }
        }
    }
    shown
}

#[test]
fn every_row_of_the_matrix_has_a_case_or_a_test() {
    let shown = shown();
    let mut missing = Vec::new();
    for (letter, last, about) in TABLES {
        println!("{letter}: {about}");
        for row in (1..=last).map(|number| format!("{letter}{number}")) {
            let waiting = ROWS_WAITING.iter().find(|(waiting, _)| *waiting == row);
            match (shown.get(&row), waiting) {
                (Some(places), None) => println!("  {row}: {}", places.join("; ")),
                (None, Some((_, what))) => println!("  {row}: waits for {what}"),
                (Some(places), Some(_)) => missing.push(format!("{row} is not waiting: {places:?}")),
                (None, None) => missing.push(row),
            }
        }
    }
    assert!(missing.is_empty(), "rows without case or test: {missing:?}");
}

/// An entry of docs/differences: its ids, and its text.
fn entries() -> Vec<(String, BTreeSet<String>, String)> {
    let mut pages = Vec::new();
    files(&root().join("docs/differences"), "md", &mut pages);
    let mut entries = Vec::new();
    for page in pages {
        let name = page.file_name().unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(&page).unwrap();
        for entry in text.split("\n### ").skip(1) {
            let Some((ids, _)) = entry.lines().next().unwrap_or_default().split_once(" · ") else {
                continue;
            };
            let ids = ids.split(", ").map(str::to_owned).collect();
            let end = entry.find("\n## ").unwrap_or(entry.len());
            entries.push((name.clone(), ids, entry[..end].to_owned()));
        }
    }
    entries
}

/// What an entry names as its tests, and does not exist.
fn unfounded(entry: &str, sources: &str, names: &BTreeSet<String>) -> Option<Vec<String>> {
    let (_, proof) = entry.split_once("- Test: ").or_else(|| entry.split_once("- Proof: "))?;
    let named: Vec<&str> = proof.split('`').skip(1).step_by(2).collect();
    if named.is_empty() {
        return None;
    }
    let exists = |name: &str| {
        let name = name.rsplit("::").next().unwrap_or(name);
        names.iter().any(|path| path.ends_with(name)) || sources.contains(&format!("fn {name}("))
    };
    Some(named.into_iter().filter(|name| !exists(name)).map(str::to_owned).collect())
}

#[test]
fn every_known_weakness_has_an_entry_with_a_test() {
    let entries = entries();
    let sources: String =
        of_crates(&["tests", "src"], "rs").iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let names: BTreeSet<String> = of_crates(&["tests", "src"], "rs")
        .iter()
        .chain(&of_crates(&["tests"], "yaml"))
        .map(|path| path.display().to_string())
        .collect();
    let mut problems = Vec::new();
    for (prefix, last, about) in WEAKNESSES {
        println!("{prefix}: {about}");
        for id in (1..=last).map(|number| format!("{prefix}{number}")) {
            let of_id: Vec<_> = entries
                .iter()
                .filter(|(page, ids, _)| {
                    (page.starts_with("collector-") || page == "sidecar.md") && ids.contains(&id)
                })
                .collect();
            let same = NO_DIFFERENCE.iter().find(|(same, _)| *same == id);
            match (of_id.is_empty(), same) {
                (true, Some((_, why))) => println!("  {id}: {why}"),
                (true, None) => problems.push(format!("{id} has no entry")),
                (false, Some(_)) => problems.push(format!("{id} has an entry, so something differs")),
                (false, None) => {
                    for (page, _, text) in of_id {
                        println!("  {id}: {page}");
                        match unfounded(text, &sources, &names) {
                            None => problems.push(format!("{page}: {id} names no test")),
                            Some(missing) if missing.is_empty() => {}
                            Some(missing) => {
                                problems.push(format!("{page}: {id} names {missing:?}, which is not there"))
                            }
                        }
                    }
                }
            }
        }
    }
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}
