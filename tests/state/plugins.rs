//! The plugin registry's rows.

use dualwheel_kit::Call;
use dualwheel_plugins::store::{Activations, Change, Error, Next, Plugins, Publishers, Run, Runs, Setting};
use sea_orm::ConnectionTrait;

use crate::{Place, on_both};

on_both! {
    publishers_are_trusted_with_one_key
    a_name_belongs_to_who_asked_first
    changes_at_once_follow_one_another
    activations_keep_every_bit
    the_newest_run_is_kept_though_the_clock_was_set_back
    what_was_given_last_comes_first_though_the_clock_was_set_back
    what_was_given_stays_however_many_runs_fail
}

const WORLD: i32 = 1;

async fn publishers_are_trusted_with_one_key(database: Place) {
    let publishers = Publishers::of(&Call::background("t"), &database);
    let create = |id: &'static str, key: &'static str| {
        let publishers = publishers.clone();
        async move { publishers.create(id, "出版者".to_owned(), key.to_owned()).await }
    };
    let made = create("p", "key").await.unwrap();
    assert_eq!(create("p", "key").await.unwrap(), made);
    assert!(matches!(create("p", "other").await, Err(Error::Exists(_))));
    assert_eq!(publishers.count().await.unwrap(), 1);
    assert_eq!(
        Publishers::of(&Call::background("u"), &database)
            .count()
            .await
            .unwrap(),
        0
    );
    publishers.delete("p").await.unwrap();
    assert!(matches!(publishers.delete("p").await, Err(Error::Unknown(_))));
}

async fn a_name_belongs_to_who_asked_first(database: Place) {
    let claim = |publisher: String| {
        let plugins = Plugins::of(&Call::background("t"), &database);
        async move { plugins.claim("model", &publisher).await.unwrap() }
    };
    let owners = futures::future::join_all((0..8).map(|number| claim(format!("p{number}")))).await;
    assert!(owners.iter().all(|owner| *owner == owners[0]), "{owners:?}");
}

fn setting(value: f64) -> Setting {
    Setting {
        id: "model".to_owned(),
        version: "1.0.0".to_owned(),
        parameters: [("p".to_owned(), value)].into(),
    }
}

async fn changes_at_once_follow_one_another(database: Place) {
    let activate = |number: usize| {
        let activations = Activations::of(&Call::background("t"), &database);
        async move {
            activations
                .change::<Error>("b", WORLD, None, |current| {
                    let mut next = current.clone();
                    next.active = Some(setting(number as f64));
                    next.before = Some(current.revision).filter(|before| *before > 0);
                    next.change = Change::Activated;
                    Ok(Next::Changed(Box::new(next)))
                })
                .await
                .unwrap()
        }
    };
    let made = futures::future::join_all((0..6).map(activate)).await;
    let mut revisions: Vec<i64> = made.iter().map(|made| made.revision).collect();
    revisions.sort_unstable();
    assert_eq!(revisions, [1, 2, 3, 4, 5, 6]);
    let activations = Activations::of(&Call::background("t"), &database);
    let current = activations.current("b", WORLD).await.unwrap();
    assert_eq!((current.revision, current.before), (6, Some(5)));
    let stale = activations.change::<Error>("b", WORLD, Some("stale"), |_| Ok(Next::Same));
    assert!(matches!(stale.await, Err(Error::Etag(_))));
    assert_eq!(
        Activations::of(&Call::background("u"), &database)
            .current("b", WORLD)
            .await
            .unwrap()
            .revision,
        0
    );
}

async fn activations_keep_every_bit(database: Place) {
    let activations = Activations::of(&Call::background("t"), &database);
    let value = 0.1 + 0.2;
    let changed = activations.change::<Error>("b", WORLD, None, |current| {
        let mut next = current.clone();
        next.active = Some(setting(value));
        next.shadow = Some(setting(-0.0));
        (next.allow_wasi, next.keep_inputs) = (true, true);
        next.change = Change::Shadowed;
        Ok(Next::Changed(Box::new(next)))
    });
    let changed = changed.await.unwrap();
    let read = activations.current("b", WORLD).await.unwrap();
    assert_eq!(read, changed);
    let bits = |setting: &Setting| setting.parameters["p"].to_bits();
    assert_eq!(bits(&read.active.unwrap()), value.to_bits());
    assert_eq!(bits(&read.shadow.unwrap()), (-0.0_f64).to_bits());
}

fn run(id: String) -> Run {
    Run {
        id,
        brand: "b".to_owned(),
        world: WORLD,
        role: 1,
        setting: setting(0.5),
        sha256: "s".to_owned(),
        subject: String::new(),
        day: 100,
        versions: [("members".to_owned(), 1)].into(),
        table_hash: "t".to_owned(),
        rows: 3,
        input_hash: "i".to_owned(),
        output_hash: "o".to_owned(),
        failure: None,
        limits: String::new(),
        micros: 1,
        fuel: 1,
        memory_bytes: 1,
        log: Vec::new(),
        has_inputs: false,
        has_result: true,
        comparisons: Vec::new(),
        given: None,
        made_at: 0,
    }
}

async fn the_newest_run_is_kept_though_the_clock_was_set_back(database: Place) {
    let runs = Runs::of(&Call::background("t"), &database);
    // As many as are kept.
    for at in 0..200 {
        let beyond = runs.add(&run(format!("old-{at:03}"))).await.unwrap();
        assert!(beyond.is_empty());
    }
    let an_hour_ahead = "UPDATE plugin_runs SET made_at = made_at + 3600000000";
    database.execute_unprepared(an_hour_ahead).await.unwrap();
    for (new, oldest) in [("new-1", "old-000"), ("new-0", "old-001")] {
        let beyond = runs.add(&run(new.to_owned())).await.unwrap();
        assert_eq!(beyond.len(), 1);
        assert_eq!(beyond[0].id, oldest);
        runs.delete(oldest).await.unwrap();
        let listed = runs.list("b", WORLD, 1, "").await.unwrap().items;
        let of_question = runs.of_question("b", 1, "", "s", "i").await.unwrap().unwrap();
        for newest in [&listed[0], &of_question] {
            assert_eq!(newest.id, new);
        }
    }
}

async fn what_was_given_last_comes_first_though_the_clock_was_set_back(database: Place) {
    let runs = Runs::of(&Call::background("t"), &database);
    for id in ["never", "one", "two"] {
        runs.add(&run(id.to_owned())).await.unwrap();
    }
    let other = Run {
        subject: "another question".to_owned(),
        ..run("other".to_owned())
    };
    runs.add(&other).await.unwrap();
    let given = async || runs.given("b", WORLD, "", 9).await.unwrap();
    assert_eq!(given().await, []);
    let give = async |id: &str, under: i64| {
        let run = runs.get(id).await.unwrap();
        runs.give(&run, under).await.unwrap();
    };
    for (id, under) in [("one", 1), ("two", 1), ("other", 1), ("one", 2)] {
        give(id, under).await;
    }
    let told = |runs: &[Run]| -> Vec<(String, i64)> {
        let told = runs.iter().map(|run| (run.id.clone(), run.given.unwrap().under));
        told.collect()
    };
    let order =
        |first: (&str, i64), second: (&str, i64)| [first, second].map(|(id, under)| (id.to_owned(), under));
    let before = given().await;
    assert_eq!(told(&before), order(("one", 2), ("two", 1)));
    // What is the last one already stays as it is.
    give("one", 2).await;
    assert_eq!(given().await, before);
    let an_hour_ahead = "UPDATE plugin_runs SET given_at = given_at + 3600000000";
    database.execute_unprepared(an_hour_ahead).await.unwrap();
    give("two", 2).await;
    assert_eq!(told(&given().await), order(("two", 2), ("one", 2)));
}

async fn what_was_given_stays_however_many_runs_fail(database: Place) {
    let runs = Runs::of(&Call::background("t"), &database);
    let add = async |id: &str| -> Vec<String> {
        let beyond = runs.add(&run(id.to_owned())).await.unwrap();
        beyond.into_iter().map(|run| run.id).collect()
    };
    for at in 0..202 {
        let id = format!("given-{at:03}");
        let beyond = add(&id).await;
        assert_eq!(beyond.len(), usize::from(at == 201), "{id}: {beyond:?}");
        runs.give(&runs.get(&id).await.unwrap(), 1).await.unwrap();
    }
    // The first was told as beyond with the last, and the second is now.
    let first = ["given-001", "given-000"];
    for at in 0..250 {
        let mut expected: Vec<String> = (0..at - 199).rev().map(|at| format!("failed-{at:03}")).collect();
        expected.extend(first.map(str::to_owned));
        assert_eq!(add(&format!("failed-{at:03}")).await, expected);
    }
    assert_eq!(
        runs.given("b", WORLD, "", 200).await.unwrap()[199].id,
        "given-002"
    );
}
