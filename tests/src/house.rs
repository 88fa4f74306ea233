//! The house, held to its own rules: rooms, directions, circles, the places of a metric, and what its pages point to.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

const SERVICES: [&str; 5] = ["consumer", "product", "content", "membership", "diagnosis"];
/// Where a service meets the contract or the database. `queries` and the gathering of a diagnosis ask the lake and other
/// services, whose failures are statuses; a deletion goes through lake, index and database at once.
const AT_THE_EDGE: [&str; 6] = ["api", "store", "gather", "lib", "queries", "deletion"];
/// What is not for the inner rooms.
const OUTER: [&str; 3] = ["tonic", "prost", "sea_orm"];
/// Folders that hold no page and no source of ours.
const PASSED_BY: [&str; 5] = ["target", "node_modules", ".git", ".dualwheel", "__pycache__"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Files below a folder whose names end so, by their paths from there.
fn files(folder: &Path, end: &str) -> BTreeMap<String, String> {
    let mut folders = vec![folder.to_owned()];
    let mut found = BTreeMap::new();
    while let Some(below) = folders.pop() {
        for entry in fs::read_dir(&below).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if path.is_dir() {
                folders.extend((!PASSED_BY.contains(&name)).then_some(path));
            } else if name.ends_with(end) {
                let key = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                found.insert(key, fs::read_to_string(&path).unwrap());
            }
        }
    }
    found
}

/// The code of a crate: without tests, comments and what is only there for tests.
fn code(crate_folder: &Path) -> BTreeMap<String, String> {
    let mut sources = files(&crate_folder.join("src"), ".rs");
    sources.retain(|path, _| {
        let mut parts = path.split('/');
        !parts.any(|part| ["tests", "tests.rs", "house.rs", "bin"].contains(&part))
    });
    for text in sources.values_mut() {
        let tested = text.split("\n#[cfg(test)]\nmod ").next().unwrap_or_default();
        let lines = tested
            .lines()
            .map(|line| line.split("//").next().unwrap_or_default());
        *text = lines.collect::<Vec<_>>().join("\n");
    }
    sources
}

/// The crates of the workspace whose modules are looked at.
fn crates() -> Vec<PathBuf> {
    let mut crates = Vec::new();
    for folder in ["services", "plugins"] {
        for entry in fs::read_dir(root().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            crates.extend(path.join("src").is_dir().then_some(path));
        }
    }
    assert!(crates.len() >= 12, "{crates:?}");
    crates
}

/// The first names of what follows `crate::` somewhere: one, or those of a list in braces.
fn used(text: &str) -> BTreeSet<String> {
    let word = |text: &str| -> String {
        let text = text.trim_start();
        text.chars()
            .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
            .collect()
    };
    let mut names = BTreeSet::new();
    for (at, found) in text.match_indices("crate::") {
        // Not `$crate::` and not the end of another word.
        let before = text[..at].chars().next_back();
        if before.is_some_and(|c| c == '$' || c.is_alphanumeric() || c == '_') {
            continue;
        }
        let after = &text[at + found.len()..];
        let Some(list) = after.strip_prefix('{') else {
            names.insert(word(after));
            continue;
        };
        let (mut depth, mut start) = (0, 0);
        for (index, c) in list.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => {
                    names.insert(word(&list[start..index]));
                    break;
                }
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    names.insert(word(&list[start..index]));
                    start = index + 1;
                }
                _ => {}
            }
        }
    }
    names
}

/// Which of its modules each module of a crate uses.
fn uses(sources: &BTreeMap<String, String>) -> BTreeMap<String, BTreeSet<String>> {
    let module = |path: &str| {
        let first = path.split('/').next().unwrap_or_default();
        first.strip_suffix(".rs").unwrap_or(first).to_owned()
    };
    let names: BTreeSet<String> = sources.keys().map(|path| module(path)).collect();
    let mut graph: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (path, text) in sources {
        let name = module(path);
        if ["lib", "main"].contains(&name.as_str()) {
            continue;
        }
        let mut found = used(text);
        if !path.contains('/') {
            // From the top of a crate `super` is the crate.
            found.extend(used(&text.replace("super::", "crate::")));
        }
        found.retain(|other| names.contains(other) && *other != name);
        graph.entry(name).or_default().extend(found);
    }
    graph
}

/// The modules that come back to themselves.
fn in_circles(graph: &BTreeMap<String, BTreeSet<String>>) -> Vec<&str> {
    let comes_back = |from: &String| {
        let mut seen = BTreeSet::new();
        let mut next: Vec<&String> = graph[from].iter().collect();
        while let Some(module) = next.pop() {
            if module == from {
                return true;
            }
            if seen.insert(module) {
                next.extend(graph.get(module).into_iter().flatten());
            }
        }
        false
    };
    graph
        .keys()
        .filter(|module| comes_back(module))
        .map(String::as_str)
        .collect()
}

#[test]
fn modules_do_not_use_each_other_in_circles() {
    let sources = [
        ("a.rs", "use crate::{b::{X, c}, d};"),
        ("b.rs", "crate::e::f()"),
        ("e.rs", "super::a::Y"),
        ("d.rs", ""),
    ];
    let sources = sources.map(|(path, text)| (path.to_owned(), text.to_owned()));
    assert_eq!(in_circles(&uses(&BTreeMap::from(sources))), ["a", "b", "e"]);
    for folder in crates() {
        let graph = uses(&code(&folder));
        let circle = in_circles(&graph);
        assert!(
            circle.is_empty(),
            "{}: {circle:?} in {graph:#?}",
            folder.display()
        );
    }
}

#[test]
fn services_stand_apart() {
    for service in SERVICES {
        let manifest = fs::read_to_string(root().join("services").join(service).join("Cargo.toml")).unwrap();
        for other in SERVICES.iter().filter(|other| **other != service) {
            assert!(
                !manifest.contains(&format!("dualwheel-{other}")),
                "{service} depends on {other}"
            );
        }
    }
}

#[test]
fn every_service_has_its_rooms() {
    for service in SERVICES {
        let folder = root().join("services").join(service);
        for room in ["src/lib.rs", "definitions.yaml", "tests/oracle/main.rs"] {
            assert!(folder.join(room).is_file(), "{service} has no {room}");
        }
        assert!(folder.join("src/api.rs").is_file(), "{service} has no src/api.rs");
        let top = fs::read_to_string(folder.join("src/lib.rs")).unwrap();
        assert!(
            top.contains("\npub const DEFINITIONS: &str"),
            "{service} ships its definitions as DEFINITIONS"
        );
    }
}

/// A topic with parts is `topic.rs` beside the folder `topic/`, everywhere.
#[test]
fn modules_with_parts_are_files_beside_their_folders() {
    let mut topics = 0;
    for folder in crates() {
        for (path, _) in files(&folder.join("src"), ".rs") {
            assert!(!path.ends_with("mod.rs"), "{}: src/{path}", folder.display());
            let parts = path.strip_suffix(".rs").unwrap_or_default();
            topics += usize::from(folder.join("src").join(parts).is_dir());
        }
    }
    assert!(topics > 50, "{topics}");
}

/// Kinds, roles and the like are values; their names are the contract's, and stand nowhere else.
#[test]
fn closed_sets_of_the_facts_are_spelled_once() {
    use dualwheel_proto::{names, words};
    let two_words = |name: &&&str| name.contains('_');
    let sets = [
        &names::ROLE[..],
        &words::ROLE,
        &words::VENUE,
        &words::CONTENT_FORMAT,
    ];
    let of_two = sets.into_iter().flatten().filter(two_words);
    let names = names::BEHAVIOR_KIND.iter().chain(of_two);
    let names: Vec<String> = names.map(|name| format!("\"{name}\"")).collect();
    for folder in crates() {
        for (path, text) in code(&folder) {
            let found = names.iter().find(|name| text.contains(*name));
            assert!(
                found.is_none(),
                "{}: src/{path} spells {found:?}",
                folder.display()
            );
        }
    }
}

#[test]
fn contract_and_database_stay_at_the_edge() {
    for service in SERVICES {
        for (path, text) in code(&root().join("services").join(service)) {
            let first = path.split('/').next().unwrap_or_default();
            if AT_THE_EDGE.contains(&first.strip_suffix(".rs").unwrap_or(first)) {
                continue;
            }
            for outer in OUTER {
                let found = text.contains(&format!("{outer}::"));
                assert!(!found, "services/{service}/src/{path} uses {outer}");
            }
        }
    }
}

/// Ids of the metrics that a definition file has.
fn metrics(definitions: &str) -> Vec<&str> {
    let (_, metrics) = definitions.split_once("\nmetrics:").unwrap();
    let ids = metrics.lines().filter_map(|line| {
        let line = line.trim_start().strip_prefix("- ")?;
        let line = line.strip_prefix('{').unwrap_or(line);
        let id = line.strip_prefix("id: ")?;
        id.split([',', ' ', '}']).next()
    });
    ids.collect()
}

#[test]
fn every_metric_has_its_places() {
    let contracts: String = files(&root().join("proto"), ".proto").into_values().collect();
    for service in SERVICES {
        let folder = root().join("services").join(service);
        let definitions = fs::read_to_string(folder.join("definitions.yaml")).unwrap();
        let ids = metrics(&definitions);
        assert!(ids.len() > 8, "{service}: {ids:?}");
        // The means and tracks of a diagnosis are parameters.
        let (parameters, _) = definitions.split_once("\nmetrics:").unwrap();
        let rules: String = code(&folder)
            .into_values()
            .chain([parameters.to_owned()])
            .collect();
        let oracles: String = files(&folder.join("tests"), ".rs").into_values().collect();
        for id in ids {
            // Some ids are put together, and some are only called by their last part.
            let (group, last) = id.rsplit_once('.').unwrap_or((id, id));
            let together = [id.to_owned(), format!("{group}.{{"), format!("{group}.\"")];
            let is_in = |text: &str, alone: &str| {
                text.contains(alone) || together.iter().any(|way| text.contains(way))
            };
            assert!(
                is_in(&rules, &format!("\"{last}\"")),
                "{service}: no rule names {id}"
            );
            assert!(is_in(&oracles, last), "{service}: no oracle names {id}");
            assert!(contracts.contains(group), "no contract tells of {id}");
        }
    }
}

/// What a failure tells programs is what the contract says of its reason.
#[test]
fn the_values_of_failures_are_those_of_the_contract() {
    let contract = fs::read_to_string(root().join("proto/dualwheel/type/v1/error_reason.proto")).unwrap();
    let named: BTreeSet<&str> = between(&contract, "key: \"").collect();
    let sources: Vec<String> = crates()
        .iter()
        .flat_map(|folder| code(folder).into_values())
        .collect();
    let told: BTreeSet<&str> = sources
        .iter()
        .flat_map(|text| between(text, ".with(\""))
        .collect();
    assert!(named.len() > 15, "{named:?}");
    assert_eq!(told, named);
}

/// What stands between each `start` and the next quotation mark.
fn between<'a>(text: &'a str, start: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(start)
        .skip(1)
        .filter_map(|rest| Some(rest.split_once('"')?.0))
}

#[test]
fn sections_that_are_cited_are_there() {
    let page = fs::read_to_string(root().join("services/METHODOLOGY.md")).unwrap();
    let sections: BTreeSet<&str> = page
        .lines()
        .filter(|line| line.starts_with('#'))
        .filter_map(|line| line.trim_start_matches(['#', ' ']).split(' ').next())
        .map(|section| section.trim_end_matches('.'))
        .collect();
    assert!(sections.contains("2.3") && sections.contains("6.4"));
    let mut cited = 0;
    for folder in ["services", "proto", "plugins"] {
        for end in [".rs", ".yaml", ".proto", ".md"] {
            for (path, text) in files(&root().join(folder), end) {
                for (_, after) in text
                    .match_indices("ethodology §")
                    .map(|(at, found)| text.split_at(at + found.len()))
                {
                    let number: String = after
                        .chars()
                        .take_while(|c| c.is_ascii_digit() || *c == '.')
                        .collect();
                    let parts: Vec<&str> = number.trim_end_matches('.').split('.').take(2).collect();
                    let section = parts.join(".");
                    assert!(
                        sections.contains(section.as_str()),
                        "{folder}/{path} cites §{number}"
                    );
                    cited += 1;
                }
            }
        }
    }
    assert!(cited > 15, "{cited}");
}

#[test]
fn every_rpc_is_on_the_page_of_its_crate() {
    for (area, crate_name) in [
        ("consumer", "consumer"),
        ("product", "product"),
        ("content", "content"),
        ("membership", "membership"),
        ("diagnosis", "diagnosis"),
        ("plugin", "plugins"),
        ("facts", "lake"),
        ("metric", "kit"),
        ("job", "kit"),
    ] {
        let page = root().join("services").join(crate_name).join("README.md");
        let text = fs::read_to_string(&page).unwrap();
        let contracts = files(&root().join("proto/dualwheel").join(area), ".proto");
        let mut rpcs = 0;
        for line in contracts.values().flat_map(|contract| contract.lines()) {
            let Some(rest) = line.trim_start().strip_prefix("rpc ") else {
                continue;
            };
            let rpc = rest.split('(').next().unwrap_or_default();
            assert!(
                text.contains(&format!("`{rpc}`")),
                "{} does not name {rpc}",
                page.display()
            );
            rpcs += 1;
        }
        assert!(rpcs > 0, "proto/dualwheel/{area} has no RPC");
    }
}

#[test]
fn pages_point_to_what_is_there() {
    let mut links = 0;
    for (page, text) in files(&root(), ".md") {
        let folder = root().join(&page).parent().unwrap().to_owned();
        let prose: String = text.split("```").step_by(2).collect();
        for (at, _) in prose.match_indices("](") {
            let link = prose[at + 2..].split([')', ' ', '#']).next().unwrap_or_default();
            if link.is_empty() || link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            assert!(folder.join(link).exists(), "{page} points to {link}");
            links += 1;
        }
    }
    assert!(links > 50, "{links}");
}
