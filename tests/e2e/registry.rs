//! Partners' models in a brand's hands: published, activated, compared, rolled back and replayed by commands against a running
//! mesh; and what they find of what was planted in a generated market.

use std::{collections::BTreeSet, path::Path};

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    harness::{Ran, Server, command, component, finish, generate, market, run},
    publisher::Publisher,
};

/// Longest time that a call may take: an interpreter of a language is compiled once.
const PATIENT: &str = "deadlines.default_ms=300000";

/// A mesh, and a publisher that it trusts.
struct Mesh {
    server: Server,
    publisher: Publisher,
    _data: TempDir,
}

impl Mesh {
    fn over(data: TempDir) -> Self {
        let server = Server::start(data.path(), &["all"], &[PATIENT.to_owned()]);
        let publisher = Publisher::trusted(|args| ask(&server, &[&["plugin"], args].concat()));
        Self {
            server,
            publisher,
            _data: data,
        }
    }

    fn path(&self, name: &str) -> String {
        self.publisher.path(name)
    }

    /// `dualwheel plugin …` against the mesh.
    fn plugin(&self, args: &[&str]) -> Ran {
        self.ask(&[&["plugin"], args].concat())
    }

    fn ask(&self, args: &[&str]) -> Ran {
        ask(&self.server, args)
    }

    /// Publishes one of the built examples; answers `NAME@VERSION`. It comes at the first try, although calls may take less than
    /// an interpreter does to be compiled.
    fn publish(&self, example: &str) -> String {
        let publish = |args: &[&str]| {
            let at = [
                "--set",
                "deadlines.default_ms=3000",
                "--endpoint",
                &self.server.url(),
            ];
            finish(command([&["plugin"], args].concat()).args(at))
        };
        let name = self.publisher.publish(example, publish);
        name.trim_start_matches("plugins/").replace("/versions/", "@")
    }
}

fn ask(server: &Server, args: &[&str]) -> Ran {
    finish(command(args).args(["--set", PATIENT, "--endpoint", &server.url()]))
}

const KOC: [&str; 4] = ["--brand", "brand-01", "--world", "koc-model"];
const AS_OF: [&str; 4] = ["--brand", "brand-01", "--as-of", "2026-06-30"];

fn scored_by(answer: &Value) -> (&str, &str) {
    let by = &answer["scored_by"];
    (by["source"].as_str().unwrap(), by["model"].as_str().unwrap())
}

#[test]
fn a_partners_model_comes_into_a_brands_hands() {
    let mesh = Mesh::over(planted().0);
    let koc = |args: &[&str]| mesh.ask(&[&["koc", "--json"], &AS_OF[..], args].concat()).json();
    let before = koc(&[]);
    assert_eq!(scored_by(&before), ("MODEL_SOURCE_BUILT_IN", "koc-default"));
    assert_eq!(before["cells"].as_array().unwrap().len(), 12);

    let affinity = mesh.publish("koc-affinity");
    let listed = mesh.plugin(&["list"]).ok();
    assert!(listed.contains(&affinity) && listed.contains("acme"), "{listed}");
    let wrong = [
        "activate",
        &affinity,
        "--brand",
        "brand-01",
        "--parameter",
        "missing_decay=7",
    ];
    mesh.plugin(&wrong).fails(1, &["missing_decay"]);
    mesh.plugin(&["activate", "nobody@1.0.0", "--brand", "brand-01"])
        .fails(1, &["PLUGIN_UNKNOWN"]);
    let right = [
        "activate",
        &affinity,
        "--brand",
        "brand-01",
        "--parameter",
        "missing_decay=1",
        "--keep-inputs",
    ];
    mesh.plugin(&right).ok();
    let after = koc(&[]);
    assert_eq!(scored_by(&after), ("MODEL_SOURCE_PLUGIN", "koc-affinity"));
    assert_eq!(after["scored_by"]["parameters"]["missing_decay"], 1.0);
    // Who is a candidate is the service's to say, and each of them is in one cell or in none.
    assert_eq!(after["metrics"][0]["value"], before["metrics"][0]["value"]);
    let people = |board: &Value| -> i64 {
        let parts = [&board["cells"], &board["unclassed"]].map(|part| part.as_array().unwrap().iter());
        // A part without people is left out.
        parts
            .into_iter()
            .flatten()
            .filter_map(|part| part["people"].as_i64())
            .sum()
    };
    assert_eq!(
        people(&after) as f64,
        after["metrics"][0]["value"].as_f64().unwrap()
    );
    assert_eq!(people(&after), people(&before));
    let listed = koc(&["--list", "5"]);
    assert_eq!(listed["candidates"].as_array().unwrap().len(), 5);
    assert_eq!(listed["scored_by"]["run"], after["scored_by"]["run"]);

    // The run of it, and the same once more.
    let runs = mesh.plugin(&[&["runs"], &KOC[..]].concat()).ok();
    let id = after["scored_by"]["run"]
        .as_str()
        .unwrap()
        .trim_start_matches("pluginRuns/");
    assert!(runs.contains(id), "{runs}");
    let replayed = mesh.plugin(&["replay", id]).ok();
    assert!(
        replayed.starts_with("rows: the same; answer: the same"),
        "{replayed}"
    );
    // On a partner's machine the rows give the same answer, to the last bit.
    let recorded = mesh.plugin(&[&["runs", "--json"], &KOC[..]].concat()).ok();
    let mut recorded = recorded
        .lines()
        .map(|run| serde_json::from_str::<Value>(run).unwrap());
    let recorded = recorded
        .find(|run| run["name"].as_str().unwrap().ends_with(id))
        .unwrap();
    let rows = mesh.path("rows.arrow");
    let told = mesh.plugin(&["fixtures", id, "--out", &rows]).ok();
    assert!(told.contains("--parameter missing_decay=1"), "{told}");
    let local = component("koc-affinity").display().to_string();
    let decay = ["--parameter", "missing_decay=1"];
    let local = run([&["plugin", "run", &local, "--input", &rows, "--json"], &decay[..]].concat()).json();
    assert_eq!(local["input_hash"], recorded["input_hash"]);
    assert_eq!(local["output_hash"], recorded["output_hash"]);

    // A second model beside it, which becomes the active one, and back again.
    let python = mesh.publish("koc-python");
    mesh.plugin(&[&["shadow", &python], &KOC[..]].concat()).ok();
    koc(&[]);
    wait_for(|| {
        mesh.plugin(&[&["runs"], &KOC[..]].concat())
            .ok()
            .contains("rank correlation")
    });
    mesh.plugin(&[&["promote"], &KOC[..]].concat()).ok();
    let model = python.split('@').next().unwrap();
    assert_eq!(scored_by(&koc(&[])), ("MODEL_SOURCE_PLUGIN", model));
    mesh.plugin(&[&["rollback"], &KOC[..]].concat()).ok();
    assert_eq!(koc(&[])["scored_by"], after["scored_by"]);
    let history = mesh.plugin(&[&["history"], &KOC[..]].concat()).ok();
    for told in ["activated", "shadow set", "promoted", "rolled back"] {
        assert!(history.contains(told), "{told}: {history}");
    }

    // The second one is retired, then removed; what answers is not.
    let retired = mesh.plugin(&["retire", &python]).ok();
    assert!(retired.contains("is retired"), "{retired}");
    mesh.plugin(&["activate", &python, "--brand", "brand-01"])
        .fails(1, &["PLUGIN_RETIRED"]);
    mesh.plugin(&["delete", &affinity])
        .fails(1, &["PLUGIN_IN_USE", "brand-01"]);
    mesh.plugin(&["delete", &python]).ok();
    let listed = mesh.plugin(&["list"]).ok();
    assert!(
        listed.contains(&affinity) && !listed.contains(&python),
        "{listed}"
    );

    // A second key comes and goes, and the model answers on.
    let (old, new) = (mesh.path("acme.pub"), mesh.path("new.pub"));
    run(["plugin", "keygen", "--out", &mesh.path("new")]).ok();
    let keys = || mesh.plugin(&["publishers"]).ok();
    let one = keys();
    mesh.plugin(&["trust", "acme", "--key", &new, "--also"]).ok();
    assert_ne!(keys(), one);
    mesh.plugin(&["distrust", "acme", "--key", &new]).ok();
    assert_eq!(keys(), one);
    mesh.plugin(&["distrust", "acme", "--key", &old])
        .fails(1, &["PUBLISHER_KEYS"]);
    assert_eq!(koc(&[])["scored_by"], after["scored_by"]);

    // Trusted no longer: the built-in model says so.
    mesh.plugin(&["distrust", "acme"]).ok();
    let text = mesh.ask(&[&["koc"], &AS_OF[..]].concat()).ok();
    assert!(
        text.contains("built in, because") && text.contains("PLUGIN_UNTRUSTED"),
        "{text}"
    );
    mesh.plugin(&[&["deactivate"], &KOC[..]].concat()).ok();
    assert_eq!(koc(&[])["cells"], before["cells"]);
}

fn wait_for(holds: impl Fn() -> bool) {
    for _ in 0..300 {
        if holds() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    panic!("it did not come");
}

/// The shadow is asked after the answer: a command that is done with it waits for the shadow, whose record the next one finds.
#[test]
fn a_shadow_is_recorded_before_a_command_on_a_data_folder_ends() {
    let (facts, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    generate(facts.path(), 7);
    let on_data = |args: &[&str]| finish(command(args).arg("--data").arg(data.path()));
    on_data(&["import", "--facts", &facts.path().display().to_string()]).ok();
    let plugin = |args: &[&str]| on_data(&[&["plugin"], args].concat());
    let publisher = Publisher::trusted(plugin);
    let name = publisher.publish("koc-affinity", plugin);
    let affinity = name.trim_start_matches("plugins/").replace("/versions/", "@");
    for brand in ["brand-01", "brand-02", "brand-03"] {
        let of = ["--brand", brand, "--world", "koc-model"];
        plugin(&[&["shadow", &affinity], &of[..]].concat()).ok();
        let board = on_data(&["koc", "--json", "--brand", brand, "--as-of", "2026-06-30"]).json();
        assert_eq!(scored_by(&board).0, "MODEL_SOURCE_BUILT_IN");
        let runs = plugin(&[&["runs", "--json"], &of[..]].concat()).ok();
        let runs: Vec<Value> = runs
            .lines()
            .map(|run| serde_json::from_str(run).unwrap())
            .collect();
        assert_eq!(runs.len(), 1, "{brand}");
        assert_eq!(runs[0]["role"], "PLUGIN_ROLE_SHADOW");
        assert_eq!(runs[0]["comparisons"].as_array().unwrap().len(), 3);
    }
}

/// A market of two brands with planted KOCs, and what was planted.
fn planted() -> (TempDir, Value) {
    let (facts, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let sizes = [
        "--brands",
        "2",
        "--consumers",
        "30000",
        "--facts",
        "300000",
        "--seed",
        "11",
    ];
    finish(command(["generate", "--out"]).arg(facts.path()).args(sizes)).ok();
    finish(
        command(["import", "--facts"])
            .arg(facts.path())
            .arg("--data")
            .arg(data.path()),
    )
    .ok();
    let truth = std::fs::read(facts.path().join("truth.json")).unwrap();
    (data, serde_json::from_slice(&truth).unwrap())
}

#[test]
fn active_models_find_what_was_planted() {
    let (data, truth) = planted();
    let mesh = Mesh::over(data);
    let check = |koc: &str, style: &str| {
        for brand in ["brand-01", "brand-02"] {
            assert_koc(&mesh, &truth, brand, koc);
        }
        assert_style(&mesh, &truth, style);
    };
    check("koc-default", "style-trend-default");
    for (koc, style) in [("koc-affinity", "style-momentum"), ("koc-python", "style-js")] {
        let plugins = [mesh.publish(koc), mesh.publish(style)];
        for (plugin, brand) in plugins
            .iter()
            .flat_map(|plugin| ["brand-01", "brand-02"].map(|brand| (plugin, brand)))
        {
            mesh.plugin(&["activate", plugin, "--brand", brand, "--fallback", "none"])
                .ok();
        }
        let [koc, style] = plugins.each_ref().map(|plugin| plugin.split('@').next().unwrap());
        check(koc, style);
    }
}

/// Of the best k candidates of a brand, k being the planted KOCs among them, at least nine tenths are planted.
fn assert_koc(mesh: &Mesh, truth: &Value, brand: &str, model: &str) {
    let planted: BTreeSet<&str> = truth["kocs"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|koc| koc["brand"] == brand)
        .map(|koc| koc["consumer"].as_str().unwrap())
        .collect();
    let args = [
        "koc",
        "--json",
        "--brand",
        brand,
        "--as-of",
        "2026-06-30",
        "--list",
        "1000",
    ];
    let listed = mesh.ask(&args).json();
    assert_eq!(scored_by(&listed).1, model);
    let candidates = listed["candidates"].as_array().unwrap().iter();
    let is_planted: Vec<bool> = candidates
        .map(|candidate| planted.contains(candidate["consumer"].as_str().unwrap()))
        .collect();
    // Some of them are no members any more.
    let count = is_planted.iter().filter(|planted| **planted).count();
    assert!(
        count >= 5 && is_planted.len() > 10 * count,
        "{brand}: {count} of {}",
        is_planted.len()
    );
    let found = is_planted[..count].iter().filter(|planted| **planted).count();
    assert!(
        found * 10 >= count * 9,
        "{model} found {found} of {count} for {brand}"
    );
}

/// The planted style is the best of its category.
fn assert_style(mesh: &Mesh, truth: &Value, model: &str) {
    let rising = &truth["rising_style"];
    let category = rising["category"].as_str().unwrap();
    let args = [
        "trends",
        "--json",
        "--brand",
        "brand-01",
        "--as-of",
        "2026-06-30",
        "--category",
        category,
    ];
    let listed = mesh.ask(&args).json();
    assert_eq!(scored_by(&listed).1, model);
    let best = &listed["trends"][0];
    assert_eq!(
        (&best["value"], best["rank"].as_i64()),
        (&rising["style"], Some(1)),
        "{model}: {listed}"
    );
}

#[test]
fn bad_input_is_told_with_its_cure() {
    let mesh = Mesh::over(market().copy());
    let component = component("koc-affinity").display().to_string();
    let unsigned = mesh.path("none.sig");
    let publish = |publisher: &str, signature: &str| {
        mesh.plugin(&[
            "publish",
            &component,
            "--publisher",
            publisher,
            "--signature",
            signature,
        ])
    };
    publish("acme", &unsigned).fails(1, &["plugin sign"]);
    let other = mesh.path("other");
    run(["plugin", "keygen", "--out", &other]).ok();
    run(["plugin", "sign", &component, "--key", &other, "--out", &unsigned]).ok();
    publish("acme", &unsigned).fails(1, &["PLUGIN_SIGNATURE"]);
    publish("nobody", &unsigned).fails(1, &["PUBLISHER_UNKNOWN"]);
    let not_there = Path::new("/nowhere/x.wasm");
    mesh.plugin(&["publish", not_there.to_str().unwrap(), "--publisher", "acme"])
        .fails(1, &["/nowhere/x.wasm"]);
    mesh.plugin(&["activate", "koc-affinity", "--brand", "brand-01"])
        .fails(2, &["NAME@VERSION"]);
    mesh.plugin(&["replay", "nothing"])
        .fails(1, &["PLUGIN_RUN_UNKNOWN"]);
    mesh.plugin(&[&["rollback"], &KOC[..]].concat())
        .fails(1, &["PLUGIN_NOTHING_BEFORE"]);
    mesh.ask(&["koc", "--brand", "brand-99", "--as-of", "2026-06-30"])
        .fails(1, &["BRAND_UNKNOWN"]);
    mesh.ask(&["koc", "--brand", "brand-01", "--as-of", "2999-01-01"])
        .fails(1, &["as_of", "future"]);
    mesh.ask(&["trends", "--brand", "brand-01", "--as-of", "2999-01-01"])
        .fails(1, &["as_of", "future"]);
}
