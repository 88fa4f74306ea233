//! Audiences on the Complete Journey slice: every way to the number of loyal people gives the same one.

use std::{fs, io::Write, process::Stdio};

use serde_json::Value;

use crate::harness::{Ran, command, finish, journey, run};

const DAY: &str = "2017-12-31";

/// A whole number of 64 bits, which canonical JSON writes as text; zero is left out.
fn whole(value: &Value) -> i64 {
    match value {
        Value::Null => 0,
        Value::String(text) => text.parse().unwrap(),
        other => other
            .as_i64()
            .unwrap_or_else(|| panic!("{other} is no whole number")),
    }
}

struct House {
    data: String,
}

impl House {
    fn run(&self, args: &[&str]) -> Ran {
        run(args.iter().copied().chain(["--data", &self.data]))
    }

    fn audience(&self, command: &str, more: &[&str]) -> Ran {
        let mut args = vec!["audience", command, "--brand", "544", "--as-of", DAY];
        args.extend(more);
        self.run(&args)
    }

    fn size(&self, expression: &str) -> i64 {
        whole(&self.audience("estimate", &[expression, "--json"]).json()["size"])
    }

    fn keys(&self, expression: &str) -> Vec<String> {
        let keys = self.audience("export", &[expression]).ok();
        keys.lines().map(str::to_owned).collect()
    }
}

#[test]
fn every_way_to_the_number_of_loyal_people_agrees() {
    let journey = journey();
    let folder = journey.copy();
    let house = House {
        data: folder.path().to_str().unwrap().to_owned(),
    };
    let window = "2017-10-01..2017-12-31";
    let ask = |group: &str| {
        house
            .run(&["ask", group, "--brand", "544", "--window", window, "--json"])
            .json()
    };
    let metrics = ask("aipl");
    let loyal = metrics["metrics"]
        .as_array()
        .unwrap()
        .iter()
        .find(|metric| metric["id"] == "aipl.loyalty")
        .unwrap();
    let loyal = loyal["value"].as_f64().unwrap() as i64;
    assert!(loyal > 100, "{loyal} people are no test");

    assert_eq!(house.size("stage(L)"), loyal);
    assert_eq!(house.size(&format!("stage(L, on: {DAY})")), loyal);
    // The rule itself, said in other terms.
    let rule = "purchase(days, last 365 days) >= 2 or purchase(orders, last 365 days) and behavior(loyal, last 365 days)";
    assert_eq!(house.size(rule), loyal);
    let cells = ask("flow");
    let cells = cells["cells"].as_array().unwrap().iter();
    let moved: i64 = cells
        .filter(|cell| cell["to"] == "L")
        .map(|cell| whole(&cell["people"]))
        .sum();
    assert_eq!(moved, loyal);
    let moves = ["OUT", "A", "I", "P", "L"].map(|from| format!("flow({from} -> L, {window})"));
    assert_eq!(house.size(&moves.join(" or ")), loyal);

    let keys = house.keys("stage(L)");
    assert_eq!(keys.len() as i64, loyal);
    assert!(keys.is_sorted() && keys.windows(2).all(|pair| pair[0] != pair[1]));

    house
        .run(&["audience", "save", "stage(L)", "--brand", "544", "--id", "loyal"])
        .ok();
    let kept = house
        .audience("save", &["audience(loyal)", "--id", "kept", "--freeze", "--json"])
        .json();
    assert_eq!(whole(&kept["size"]), loyal);
    let list = folder.path().join("keys.txt");
    fs::write(&list, keys.join("\r\n") + "\n\n").unwrap();
    let list = list.to_str().unwrap();
    let brought = [
        "audience", "import", list, "--brand", "544", "--id", "brought", "--json",
    ];
    let brought = house.run(&brought).json();
    assert_eq!(
        (whole(&brought["audience"]["size"]), whole(&brought["unknown"])),
        (loyal, 0)
    );
    for name in ["loyal", "kept", "brought"] {
        assert_eq!(house.keys(&format!("audience({name})")), keys, "{name}");
    }
    let all = ["audience(loyal)", "audience(kept)", "audience(brought)", "--json"];
    let compared = house.audience("compare", &all).json();
    for one in compared["audiences"].as_array().unwrap() {
        assert_eq!(whole(&one["size"]), loyal);
    }
    for pair in compared["overlaps"].as_array().unwrap() {
        assert_eq!(
            (whole(&pair["both"]), pair["jaccard"].as_f64()),
            (loyal, Some(1.0))
        );
    }
    let profiled = house.audience("profile", &["audience(kept)", "--json"]).json();
    assert_eq!(whole(&profiled["size"]), loyal);

    // The tables for people.
    let estimated = house
        .audience(
            "estimate",
            &["stage(L) and not purchase(net_gmv, last 30 days) >= 0.01"],
        )
        .ok();
    assert!(
        estimated.contains("purchase(net_gmv, last 30 days) >= 0.01"),
        "{estimated}"
    );
    let listed = house.run(&["audience", "list"]).ok();
    let named = ["loyal", "kept", "brought", "live", "frozen", "imported"];
    assert!(named.iter().all(|name| listed.contains(name)), "{listed}");
    house.audience("compare", &["stage(L)", "stage(P)"]).ok();
    house
        .audience(
            "profile",
            &["stage(L)", "--base", "stage(L) or stage(P)", "--traits", "age"],
        )
        .ok();

    house
        .run(&[
            "audience",
            "update",
            "loyal",
            "--expression",
            "stage(P)",
            "--name",
            "Buyers",
        ])
        .ok();
    assert!(house.run(&["audience", "show", "loyal"]).ok().contains("Buyers"));
    house.run(&["audience", "refresh", "kept", "--as-of", DAY]).ok();
    assert_eq!(house.keys("audience(kept)"), house.keys("stage(P)"));
    house
        .run(&["audience", "delete", "loyal"])
        .fails(1, &["AUDIENCE_IN_USE", "audiences/kept"]);
    house.run(&["audience", "delete", "kept"]).ok();
    house.run(&["audience", "delete", "loyal"]).ok();
    house
        .run(&["audience", "show", "loyal"])
        .fails(1, &["AUDIENCE_UNKNOWN"]);
}

#[test]
fn what_cannot_be_understood_is_told_at_its_place() {
    let journey = journey();
    let folder = journey.copy();
    let house = House {
        data: folder.path().to_str().unwrap().to_owned(),
    };
    house
        .audience("estimate", &["stage(L) and stag(P)"])
        .fails(1, &["line 1, column 14", "stag is no term"]);
    // A list that breaks off leaves no audience of its beginning.
    let mut import = command([
        "audience",
        "import",
        "-",
        "--brand",
        "544",
        "--id",
        "half",
        "--data",
        &house.data,
    ]);
    let mut child = import
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut keys: Vec<u8> = (0..30_000)
        .flat_map(|number| format!("k{number}\n").into_bytes())
        .collect();
    keys.extend(b"k\xff\n");
    // The program may stop reading before the end.
    let _ = child.stdin.take().unwrap().write_all(&keys);
    let ended = child.wait_with_output().unwrap();
    assert!(!ended.status.success());
    let told = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(told.contains("line 30001"), "{told}");
    house
        .run(&["audience", "show", "half"])
        .fails(1, &["AUDIENCE_UNKNOWN"]);
    let missing = finish(&mut command([
        "audience",
        "import",
        "/nowhere/keys",
        "--brand",
        "544",
        "--data",
        &house.data,
    ]));
    missing.fails(1, &["/nowhere/keys"]);
}
