//! The sources of the services, held to what a call is for: there is no store, reader or client without one.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Where work says that it serves nobody's call.
const BACKGROUND: [&str; 6] = [
    "consumer/src/deletion.rs",
    "consumer/src/index/state.rs",
    "diagnosis/src/api/keeper.rs",
    "lake/src/dead_letters.rs",
    "lake/src/erasure/keeper.rs",
    "lake/src/verify.rs",
];

/// Sources of the services by their paths, without tests and without lines of comments.
fn sources() -> Vec<(String, String)> {
    let services = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut folders: Vec<PathBuf> = vec![services.to_owned()];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if path.is_dir() {
                folders.extend((name != "tests").then_some(path));
            } else if name.ends_with(".rs") && !["tests.rs", "house.rs"].contains(&name) {
                let text = fs::read_to_string(&path).unwrap();
                let code = text.split("#[cfg(test)]\nmod").next().unwrap_or_default();
                let code: Vec<&str> = code
                    .lines()
                    .filter(|line| !line.trim_start().starts_with("//"))
                    .collect();
                let path = path.strip_prefix(services).unwrap().to_str().unwrap();
                found.push((path.to_owned(), code.join("\n")));
            }
        }
    }
    assert!(found.len() > 200, "{}", found.len());
    found
}

/// The paths of the sources in which `text` occurs.
fn with(text: &str) -> BTreeSet<String> {
    let with = sources().into_iter().filter(|(_, code)| code.contains(text));
    with.map(|(path, _)| path).collect()
}

/// The bodies of the structs, and the heads of the functions, that begin with `start`.
fn blocks<'a>(code: &'a str, start: &str) -> Vec<&'a str> {
    let begins = code.match_indices(start);
    begins
        .filter_map(|(at, _)| code.get(at..)?.split(['}', ';']).next())
        .collect()
}

#[test]
fn nothing_about_callers_hangs_on_a_task() {
    // How far a job has come is followed by whoever polls its task, and tells nobody anything.
    let on_tasks = with("task_local!");
    assert_eq!(on_tasks, BTreeSet::from(["kit/src/work.rs".to_owned()]));
    assert!(with("tenant_of").is_empty());
}

#[test]
fn a_call_comes_out_of_a_request_in_one_place() {
    for text in ["get::<Call>", "insert(call"] {
        for path in with(text) {
            assert!(
                path == "kit/src/call.rs" || path.starts_with("kit/src/layers"),
                "{path}: {text}"
            );
        }
    }
    assert_eq!(
        with("Call::make(").len(),
        1,
        "calls are made of requests by one layer"
    );
}

#[test]
fn whoever_serves_nobody_says_so_where_it_is_known() {
    let wanted: BTreeSet<String> = BACKGROUND.map(str::to_owned).into();
    assert_eq!(with("Call::background("), wanted);
}

#[test]
fn every_store_is_of_a_call() {
    let mut stores = 0;
    for (path, code) in sources() {
        let is_store = path.contains("/store/") || path.ends_with("/store.rs");
        for fields in blocks(&code, "struct ").into_iter().filter(|_| is_store) {
            let is_own = fields.contains(" database: ");
            stores += usize::from(is_own || fields.contains(": Repository<"));
            assert!(!is_own || fields.contains(" call: Call,"), "{path}: {fields}");
        }
        for head in blocks(&code, "pub fn of(").into_iter().filter(|_| is_store) {
            let arguments = head.split('{').next().unwrap_or_default();
            assert!(
                arguments.starts_with("pub fn of(call: &Call,"),
                "{path}: {arguments}"
            );
        }
        assert!(!is_store || !code.contains("pub fn of(database"), "{path}");
    }
    assert!(stores >= 10, "{stores} stores are found");
}

#[test]
fn every_reader_of_the_lake_is_of_a_call() {
    let lake = |path: &str| path.starts_with("lake/src");
    let mut handles = 0;
    for (path, code) in sources() {
        for line in code.lines().filter(|line| line.contains("-> TenantLake")) {
            handles += 1;
            let is_private = line.trim_start().starts_with("fn ") && lake(&path);
            assert!(line.contains("call: &Call") || is_private, "{path}: {line}");
        }
        let made = code.replace("-> TenantLake {", "");
        assert!(
            lake(&path) || !made.contains("TenantLake {"),
            "{path} makes a handle by itself"
        );
    }
    assert!(handles >= 3, "{handles} ways to the lake are found");
}

#[test]
fn no_client_asks_without_a_call() {
    let asked = ["with_deadline(", "unbounded("];
    for (path, code) in sources() {
        for (at, _) in code.match_indices("client") {
            let after = code.get(at..).unwrap_or_default();
            let called = after.split_once('(').map(|(_, arguments)| arguments.trim_start());
            let bare = called.is_some_and(|arguments| {
                let end = arguments.find(['{', '(', ')', ';', ',']).unwrap_or_default();
                let (first, rest) = arguments.split_at(end);
                rest.starts_with('{') && first.trim_end().ends_with("Request")
            });
            let method = after.split('(').next().unwrap_or_default();
            assert!(!bare || !method.contains('.'), "{path}: {method}");
        }
        for head in asked.iter().flat_map(|name| blocks(&code, &format!("fn {name}"))) {
            assert!(head.contains("(call: &Call"), "{path}: {head}");
        }
    }
}
