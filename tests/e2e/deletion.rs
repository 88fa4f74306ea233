//! Deletion of consumers through the command line and over processes that own different tables.

use std::{path::Path, time::Duration};

use serde_json::Value;

use crate::harness::{Ran, Server, journey, run};

const WINDOW: &str = "2017-10-01..2017-12-31";
/// Files of former versions are soon gone.
const GRACE: &str = "limits.erasure_grace_s=1";

fn on(data: &str, args: &[&str]) -> Ran {
    run(args.iter().copied().chain(["--data", data, "--set", GRACE]))
}

/// A consumer who bought from the brand.
fn buyer(data: &str) -> String {
    let listed = on(
        data,
        &[
            "audience",
            "export",
            "purchase(orders, last 60 days) >= 1",
            "--brand",
            "544",
            "--as-of",
            "2017-12-31",
        ],
    );
    listed.ok().lines().next().unwrap().to_owned()
}

fn parts(deletion: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let parts = deletion["parts"].as_array().unwrap().iter();
    parts
        .map(|part| (text(&part["part"]), text(&part["state"])))
        .collect()
}

fn fertility(data: &str) -> i64 {
    let asked = on(
        data,
        &["ask", "fast", "--brand", "544", "--window", WINDOW, "--json"],
    );
    asked.json()["metrics"][0]["numerator"]["count"].as_i64().unwrap()
}

#[test]
fn a_consumer_is_deleted_for_good_from_the_command_line() {
    let (journey, list) = (journey(), tempfile::NamedTempFile::new().unwrap());
    let folder = journey.copy();
    let data = folder.path().to_str().unwrap();
    let key = buyer(data);
    assert!(on(data, &["consumer", "export", &key]).ok().lines().count() > 3);
    std::fs::write(list.path(), format!("{key}\r\n\nnobody\n")).unwrap();
    let list = list.path().to_str().unwrap();
    let deleted = on(
        data,
        &["consumer", "delete", "--file", list, "--erased", "--json"],
    )
    .json();
    assert_eq!(deleted["state"], "DELETION_STATE_ERASED", "{deleted}");
    assert!(
        parts(&deleted)
            .iter()
            .all(|(_, state)| state == "DELETION_STATE_ERASED"),
        "{deleted}"
    );
    assert_eq!(on(data, &["consumer", "export", &key]).ok().trim(), "");
    assert_ne!(buyer(data), key);
    assert!(on(data, &["consumer", "deletions"]).ok().contains("erased"));
    let id = deleted["name"]
        .as_str()
        .unwrap()
        .trim_start_matches("consumerDeletions/")
        .to_owned();
    assert!(
        on(data, &["consumer", "deletions", &id])
            .ok()
            .contains("order_lines")
    );
    on(data, &["index", "verify"]).ok();
    on(data, &["consumer", "delete"]).fails(2, &["KEY"]);
    on(data, &["consumer", "deletions", "none"]).fails(1, &["none"]);
}

/// Parts of a service that does not run wait for it, and a killed process loses nothing.
#[test]
fn each_service_removes_its_own_whenever_it_runs() {
    let journey = journey();
    let folder = journey.copy();
    let data = folder.path().to_str().unwrap();
    let (key, before) = (buyer(data), fertility(data));
    let start = |role: &str| Server::start(Path::new(data), &[role], &[GRACE.to_owned()]);
    let mut consumer = start("consumer");
    let url = consumer.url();
    let state = |url: &str| run(["consumer", "deletions", "--json", "--endpoint", url]).json();
    // Nobody waits for the answer: members are not removed while their service is away.
    let asked = std::thread::spawn({
        let (url, key) = (url.clone(), key.clone());
        move || run(["consumer", "delete", key.as_str(), "--endpoint", url.as_str()])
    });
    wait(|| {
        let listed = run(["consumer", "deletions", "--json", "--endpoint", url.as_str()]).ok();
        let removed = |deletion: &Value| {
            let parts = parts(deletion);
            let of = |part: &str| {
                parts
                    .iter()
                    .any(|(name, state)| name == part && state != "DELETION_STATE_REMOVING")
            };
            of("order_lines") && of("people_index")
        };
        listed
            .lines()
            .next()
            .is_some_and(|line| removed(&serde_json::from_str(line).unwrap()))
    });
    let waiting = parts(&state(&url));
    let members = |parts: &[(String, String)]| {
        parts
            .iter()
            .find(|(part, _)| part == "members")
            .unwrap()
            .1
            .clone()
    };
    assert_eq!(members(&waiting), "DELETION_STATE_REMOVING");
    consumer.kill();
    let _ = asked.join();
    let membership = start("membership");
    let consumer = start("consumer");
    let url = consumer.url();
    wait(|| state(&url)["state"] == "DELETION_STATE_ERASED");
    drop((membership, consumer));
    assert_eq!(fertility(data), before - 1);
    assert_eq!(on(data, &["consumer", "export", &key]).ok().trim(), "");
}

fn wait(mut until: impl FnMut() -> bool) {
    for _ in 0..300 {
        if until() {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("it does not come about");
}
