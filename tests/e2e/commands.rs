//! The commands: configuration, generating, importing and asking.

use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

use dualwheel_proto::facts::{
    AppendRequest, Behavior, BehaviorKind, FactKind, FactRows, append_request,
    fact_service_client::FactServiceClient,
};
use serde_json::{Value, json};

use crate::harness::{
    JOURNEY_BRANDS, Server, command, finish, generate, journey, journey_folder, journey_import, market, run,
};

#[test]
fn configuration_is_laid_on_one_another() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("d.toml");
    fs::write(
        &file,
        "tenant = \"from-file\"\nlisten = \"127.0.0.1:1\"\n[limits]\nconcurrency = 5\nbatch_rows = 7\n",
    )
    .unwrap();
    let mut config = command(["config", "--set", "limits.concurrency=9", "--config"]);
    config
        .arg(&file)
        .env("DUALWHEEL_LISTEN", "127.0.0.1:2")
        .env("DUALWHEEL_LIMITS__CONCURRENCY", "8");
    config.env("DUALWHEEL_DATABASE", "postgres://me:secret@db/state");
    let printed = finish(&mut config).ok();
    for line in [
        "tenant = \"from-file\"",
        "listen = \"127.0.0.1:2\"",
        "concurrency = 9",
        "batch_rows = 7",
    ] {
        assert!(printed.contains(line), "{line} is not in {printed}");
    }
    assert!(
        printed.contains("db/state") && !printed.contains("secret"),
        "{printed}"
    );
    // Days are cut by these; "2025b" and the like.
    let zones = printed.split_once("# time zones: IANA ").unwrap().1.trim();
    assert_eq!(zones, chrono_tz::IANA_TZDB_VERSION);
    assert!(zones >= "2025b", "{zones}");
    // What is printed can be read again.
    let again = folder.path().join("again.toml");
    fs::write(&again, printed.replace("database = ", "# database = ")).unwrap();
    finish(command(["config", "--config"]).arg(&again)).ok();
}

#[test]
fn the_program_tells_its_version_and_help() {
    assert!(run(["--version"]).ok().starts_with("dualwheel "));
    let help = run(["--help"]).ok();
    for name in ["demo", "serve", "import", "generate", "diagnose", "ask", "config"] {
        assert!(help.contains(name), "{name} is not in {help}");
    }
}

/// The files of a folder with their content.
fn content(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries
        .map(|entry| {
            (
                entry.file_name().into_string().unwrap(),
                fs::read(entry.path()).unwrap(),
            )
        })
        .collect()
}

#[test]
fn a_seed_gives_one_market() {
    let [first, second, other] = [7, 7, 8].map(|seed| {
        let folder = tempfile::tempdir().unwrap();
        let told = generate(folder.path(), seed);
        assert!(
            told.contains("order_line: ") && told.contains("facts in "),
            "{told}"
        );
        content(folder.path())
    });
    assert!(
        first.len() >= 11 && first.contains_key("truth.json"),
        "{:?}",
        first.keys()
    );
    assert_eq!(
        first.keys().collect::<Vec<_>>(),
        second.keys().collect::<Vec<_>>()
    );
    for (name, bytes) in &first {
        assert!(
            second[name] == *bytes,
            "{name} differs between two runs with one seed"
        );
    }
    assert!(
        first["truth.json"] != other["truth.json"] || first != other,
        "another seed gives the same market"
    );
    let truth: Value = serde_json::from_slice(&first["truth.json"]).unwrap();
    assert!(truth.as_object().is_some_and(|truth| !truth.is_empty()));
}

#[test]
fn a_dry_run_shows_and_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let lake = folder.path().join("lake");
    let shown = finish(
        command(journey_import())
            .arg("--dry-run")
            .arg("--data")
            .arg(&lake),
    )
    .ok();
    for word in [
        "facts[1] order_line",
        "paid_amount",
        "nothing was written",
        "188,045",
    ] {
        assert!(shown.contains(word), "`{word}` is not in {shown}");
    }
    assert!(!lake.exists(), "a dry run made the data folder");

    // Every problem is told with its place, as an import would refuse it.
    let csv = folder.path().join("u.csv");
    fs::write(
        &csv,
        "1,2,3,pv,1511544070\n1,2,3,nod,1511544070\n,2,3,pv,1511544070\n",
    )
    .unwrap();
    let source = format!("behaviors={}", csv.display());
    let args = [
        "import",
        "--mapping",
        "taobao-userbehavior",
        "--source",
        &source,
        "--json",
        "--data",
    ];
    let dry = finish(command(args).arg(&lake).arg("--dry-run")).json();
    let real = finish(command(args).arg(&lake).current_dir(folder.path())).json();
    for summary in [&dry, &real] {
        let fact = &summary["facts"][0];
        assert_eq!(
            (&fact["fact"], &fact["accepted"], &fact["refused"]),
            (&"behavior".into(), &1.into(), &2.into())
        );
        let told = |number: usize| {
            let group = &fact["refusals"][number];
            let place = group["first"][0]["place"].as_str().unwrap();
            (
                group["field"].as_str().unwrap(),
                place.rsplit_once("u.csv, ").unwrap().1,
            )
        };
        assert_eq!([told(0), told(1)], [("kind", "line 2"), ("consumer", "line 3")]);
    }
    assert_eq!(dry["facts"][0]["dead_letters"], Value::Array(Vec::new()));
    let letter = real["facts"][0]["dead_letters"][0].as_str().unwrap();
    let kept = fs::read_to_string(folder.path().join(letter)).unwrap();
    assert_eq!(kept.lines().count(), 3, "{kept}");
    assert!(kept.contains("nod"), "{kept}");
}

#[test]
fn an_import_tells_what_it_did_and_can_be_repeated() {
    let data = journey().copy();
    let again = finish(
        command(journey_import())
            .args(["--json", "--data"])
            .arg(data.path()),
    )
    .json();
    let counts: BTreeMap<&str, (i64, i64, i64)> = again["facts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|fact| {
            let number = |field: &str| fact[field].as_i64().unwrap();
            (
                fact["fact"].as_str().unwrap(),
                (number("accepted"), number("refused"), number("repeated")),
            )
        })
        .collect();
    assert_eq!(counts["order_line"], (188_045, 0, 188_045));
    assert_eq!(counts["product"], (7_082, 0, 7_082));
    assert_eq!(counts["consumer_profile"], (801, 0, 801));
    assert!(
        counts
            .values()
            .all(|(accepted, refused, repeated)| *refused == 0 && accepted == repeated),
        "{counts:?}"
    );
    assert!(journey_folder().join("README.md").is_file());
}

fn ask(data: &Path, args: &[&str]) -> crate::harness::Ran {
    finish(command(["ask"]).args(args).arg("--data").arg(data))
}

/// A line for each brand and month, and each as it is answered alone.
#[test]
fn brands_and_months_are_asked_at_once() {
    let data = market().copy();
    let of = |brands: &[&str], more: &[&str]| {
        let brands = brands.iter().flat_map(|brand| ["--brand", brand]);
        let args: Vec<&str> = ["start"]
            .into_iter()
            .chain(brands)
            .chain(more.iter().copied())
            .collect();
        ask(data.path(), &args)
    };
    let quarter = "--window=2026-04-15..2026-06-30";
    let lines = of(&["brand-01", "brand-02"], &[quarter, "--step=1m", "--json"]).ok();
    let lines: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let months = [
        "2026-04-15..2026-04-30",
        "2026-05-01..2026-05-31",
        "2026-06-01..2026-06-30",
    ];
    let asked = ["brand-01", "brand-02"].map(|brand| months.map(|month| (brand, month)));
    assert_eq!(lines.len(), 6);
    for (line, (brand, month)) in lines.iter().zip(asked.concat()) {
        assert_eq!(line["brand"], brand);
        let alone = of(&[brand], &["--window", month, "--json"]).json();
        let values = |metrics: &Value| -> Vec<Value> {
            let metrics = metrics.as_array().unwrap().iter();
            metrics
                .map(|metric| json!([metric["id"], metric["value"], metric["numerator"]]))
                .collect()
        };
        assert_eq!(values(&line["groups"][0]["metrics"]), values(&alone["metrics"]));
        assert_eq!(line["window"], alone["metrics"][0]["window"]);
    }
    let told = of(&["brand-01", "nobody"], &[quarter]).fails(1, &["1 of 2 answers failed"]);
    assert!(!told.is_empty());
    of(&["brand-01"], &[quarter, "--step=1w"]).fails(2, &["1w", "7d or 1m"]);
    ask(data.path(), &["neo", "--brand", "brand-01", quarter, "--step=1m"])
        .fails(1, &["neo", "leave out --step"]);
}

#[test]
fn every_group_can_be_asked_by_json_and_as_a_table() {
    let data = market().copy();
    let days = "--window=2026-04-01..2026-06-30";
    let peers = "--peers=brand-02,brand-03,brand-04,brand-05";
    let groups = [
        ("aipl", "aipl.loyalty"),
        ("flow", "flow.advanced"),
        ("fast", "fast.fertility"),
        ("grow", "grow.gain"),
        ("super", "super.star"),
        ("start", "start.reach"),
        ("plus", "plus.capital"),
        ("neo", "neo.solidity"),
    ];
    for (group, id) in groups {
        let answer = ask(
            data.path(),
            &[group, "--brand", "brand-01", days, peers, "--json"],
        )
        .json();
        let metric = answer["metrics"]
            .as_array()
            .unwrap()
            .iter()
            .find(|metric| metric["id"] == id);
        let metric = metric.unwrap_or_else(|| panic!("{group} does not answer {id}"));
        assert!(metric["value"].is_number(), "{metric}");
        for field in ["unit", "window", "as_of", "definition", "data_version"] {
            assert!(!metric[field].is_null(), "{id} has no {field}");
        }
    }
    let answer = ask(
        data.path(),
        &["index", "--brand", "brand-01", days, peers, "--json"],
    )
    .json();
    assert_eq!(answer["diagnosis"]["index"]["id"], "index");
    let table = ask(data.path(), &["fast", "--brand", "brand-01", days]).ok();
    assert!(table.lines().count() > 5, "{table}");
    let chinese = ask(
        data.path(),
        &["fast", "--brand", "brand-01", days, "--lang", "zh"],
    )
    .ok();
    assert!(chinese != table, "{chinese}");
}

#[test]
fn cuts_by_category_are_named_and_add_up() {
    let data = journey().copy();
    let days = "--window=2017-10-01..2017-12-31";
    let answer = ask(
        data.path(),
        &[
            "grow",
            "--brand",
            JOURNEY_BRANDS[6],
            days,
            "--by",
            "category",
            "--json",
        ],
    )
    .json();
    let gmv = |cut: bool| -> Vec<f64> {
        let metrics = answer["metrics"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|metric| metric["id"] == "grow.gmv");
        metrics
            .filter(|metric| metric["segments"].is_array() == cut)
            .map(|metric| metric["value"].as_f64().unwrap())
            .collect()
    };
    let (whole, cuts) = (gmv(false), gmv(true));
    assert_eq!(whole.len(), 1);
    assert!(cuts.len() > 5, "{cuts:?}");
    assert!(
        (cuts.iter().sum::<f64>() - whole[0]).abs() < 1e-6,
        "{cuts:?} do not add up to {whole:?}"
    );
    let categories = answer["metrics"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|metric| metric["segments"][0]["value"].as_str());
    assert!(
        categories
            .clone()
            .all(|category| category.split('/').count() <= 2)
    );
    assert!(categories.clone().any(|category| category.contains('/')));
}

#[test]
fn a_running_mesh_and_a_folder_give_one_answer() {
    let data = market().copy();
    let question = [
        "super",
        "--brand",
        "brand-02",
        "--window=2026-04-01..2026-06-30",
        "--by",
        "lifecycle",
        "--json",
    ];
    let by_folder = ask(data.path(), &question).json();
    let server = Server::all(data.path());
    let by_mesh = finish(
        command(["ask"])
            .args(question)
            .args(["--endpoint", &server.url()]),
    )
    .json();
    assert_eq!(by_folder, by_mesh);
    let diagnose = [
        "diagnose",
        "--brand",
        "brand-02",
        "--window=2026-04-01..2026-06-30",
        "--peers",
        "brand-01,brand-03,brand-04",
    ];
    let report = data.path().join("report.html");
    let mut command = command(diagnose);
    command
        .args([
            "--mode",
            "brand-led",
            "--json",
            "--endpoint",
            &server.url(),
            "--report",
        ])
        .arg(&report);
    let diagnosis = finish(&mut command).json();
    assert_eq!(diagnosis["modes"], serde_json::json!(["brand-led"]));
    assert!(fs::read_to_string(report).unwrap().contains("brand-02"));
}

#[test]
fn what_is_kept_is_for_its_user_alone() {
    let folder = tempfile::tempdir().unwrap();
    let facts = folder.path().join("facts");
    generate(&facts, 7);
    let audit = format!("log.audit={}", folder.path().join("audit.log").display());
    let run = |args: &[&std::ffi::OsStr]| {
        // What most people's shells are set to.
        let mut run = Command::new("sh");
        run.args(["-c", "umask 022; exec \"$@\"", "sh"]);
        run.arg(command([""; 0]).get_program()).args(args);
        // A relative path, of which nothing is there yet.
        run.current_dir(folder.path()).args(["--data", "new/lake"]);
        finish(run.args(["--set", &audit])).ok();
    };
    run(&["import".as_ref(), "--facts".as_ref(), facts.as_os_str()]);
    let save = [
        "audience",
        "save",
        "stage(L)",
        "--brand=brand-01",
        "--as-of=2026-06-30",
        "--freeze",
    ];
    run(&save.map(std::ffi::OsStr::new));
    run(&["compact".as_ref()]);
    let mut left = vec![folder.path().join("new"), folder.path().join("audit.log")];
    let mut seen = 0;
    while let Some(path) = left.pop() {
        let told = path.metadata().unwrap();
        let wanted = if told.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(told.permissions().mode() & 0o777, wanted, "{}", path.display());
        seen += 1;
        if told.is_dir() {
            left.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
    assert!(seen > 50, "only {seen} files were kept");
}

#[test]
fn sums_that_overflow_stop_a_release_too() {
    let manifest = fs::read_to_string(crate::harness::tests_folder().join("../Cargo.toml")).unwrap();
    let (_, release) = manifest.split_once("\n[profile.release]\n").unwrap();
    let release = release.split("\n[").next().unwrap();
    assert!(
        release.lines().any(|line| line == "overflow-checks = true"),
        "{release}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_producer_that_lost_its_place_asks_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::all(folder.path());
    let batch = |sequence: i64| AppendRequest {
        producer: "till-7".to_owned(),
        sequence,
        kind: FactKind::Behavior.into(),
        batch: Some(append_request::Batch::Rows(FactRows {
            behaviors: vec![Behavior {
                event_id: format!("e{sequence}"),
                consumer: "c".to_owned(),
                brand: "b".to_owned(),
                kind: BehaviorKind::Browse.into(),
                occurred_at: Some("2026-05-01T04:00:00Z".parse().unwrap()),
                ..Behavior::default()
            }],
            ..FactRows::default()
        })),
    };
    let batches = tokio_stream::iter([batch(1), batch(2)]);
    let mut client = FactServiceClient::new(server.channel());
    let mut answers = client.append(batches).await.unwrap().into_inner();
    while let Some(answer) = answers.message().await.unwrap() {
        assert_eq!(answer.accepted, 1);
    }
    let url = server.url();
    let ask = |args: &[&str]| {
        let asked = ["lake", "producer", "--endpoint", &url];
        run(asked.iter().chain(args))
    };
    let told = json!({"producer": "till-7", "last_sequences": {"behavior": 2}});
    assert_eq!(ask(&["till-7", "--json"]).json(), told);
    assert!(ask(&["till-7"]).ok().contains("Last sequence"));
    let none = ask(&["till-7", "--kind", "order_line", "--json"]).json();
    assert_eq!(none["last_sequences"], json!({"order_line": 0}));
    assert!(ask(&["nobody"]).ok().contains("nothing was written"));
    ask(&["till-7", "--kind", "money"]).fails(1, &["--kind money", "order_line"]);
    ask(&["till 7"]).fails(1, &["producer", "letters"]);
    // Where nothing runs the folder is asked.
    assert!(server.stop().await.success());
    let data = folder.path().to_str().unwrap();
    let asked = run(["lake", "producer", "till-7", "--json", "--data", data]);
    assert_eq!(asked.json(), told);
}
