//! Peer sets and runs.

use std::collections::BTreeMap;

use dualwheel_diagnosis::{
    peer::{Peer, Supplied},
    store::{
        Change, Error, Filter, KEPT, NewPeerSet, NewRun, PeerSets, RunTable, Runs, State, StoredPeerSet,
    },
};
use dualwheel_kit::{
    Call,
    access::Brands,
    store::{beat, beats, interrupt},
};
use dualwheel_measure::{Day, Window};
use sea_orm::ConnectionTrait;

use crate::{Place, on_both};

on_both! {
    tenants_do_not_see_each_other
    numbers_and_bytes_come_back_as_they_were
    the_same_request_at_the_same_time_makes_one_thing
    another_request_of_the_same_id_makes_nothing
    of_changes_with_one_etag_one_wins
    changes_without_an_etag_are_made_of_one_another
    pages_show_everything_once
    runs_without_beats_are_interrupted
    runs_are_found_by_state_and_time
    a_run_works_again_once_and_keeps_what_it_had
    the_oldest_ended_runs_are_forgotten
    brands_of_others_are_as_if_they_were_not
}

fn new_set(id: Option<&str>, request: Option<&str>) -> NewPeerSet {
    let supplied = Supplied {
        value: 1e-300,
        numerator: Some(0.1 + 0.2),
        denominator: None,
    };
    NewPeerSet {
        id: id.map(str::to_owned),
        display_name: "甲乙".to_owned(),
        peers: vec![Peer {
            brand: "b".to_owned(),
            supplied: BTreeMap::from([("super.star".to_owned(), supplied)]),
        }],
        open_to: vec!["o".to_owned()],
        measured_over: Window::new(Day(3), Day(9)),
        request_id: request.map(str::to_owned),
    }
}

fn new_run(brand: &str, request: Option<&str>) -> NewRun {
    NewRun {
        brand: brand.to_owned(),
        peers: Vec::new(),
        spec: vec![0, 255, 7],
        total_steps: 3,
        request_id: request.map(str::to_owned),
    }
}

async fn tenants_do_not_see_each_other(database: Place) {
    let (one, two) = (
        PeerSets::of(&Call::background("one"), &database),
        PeerSets::of(&Call::background("two"), &database),
    );
    let made = one.create(new_set(Some("x"), Some("r"))).await.unwrap();
    assert!(matches!(two.get("x").await, Err(Error::Unknown(_))));
    assert!(matches!(two.delete("x", None).await, Err(Error::Unknown(_))));
    assert!(two.list(10, "").await.unwrap().items.is_empty());
    // Neither ids nor request ids collide.
    two.create(new_set(Some("x"), Some("r"))).await.unwrap();
    two.update("x", None, |_| named("other")).await.unwrap();
    assert_eq!(one.get("x").await.unwrap(), made);
    let (mine, _) = Runs::of(&Call::background("one"), &database)
        .create(new_run("b", Some("r")))
        .await
        .unwrap();
    let theirs = Runs::of(&Call::background("two"), &database);
    assert!(theirs.create(new_run("b", Some("r"))).await.unwrap().1);
    assert!(matches!(theirs.get(&mine.id).await, Err(Error::Unknown(_))));
    assert!(matches!(
        theirs.end(&mine.id, State::Failed, 1, None, "").await,
        Err(Error::Unknown(_))
    ));
    assert_eq!(
        Runs::of(&Call::background("one"), &database)
            .get(&mine.id)
            .await
            .unwrap()
            .state,
        State::Running
    );
}

async fn numbers_and_bytes_come_back_as_they_were(database: Place) {
    let new = new_set(None, None);
    let made = PeerSets::of(&Call::background("t"), &database)
        .create(new.clone())
        .await
        .unwrap();
    let read = PeerSets::of(&Call::background("t"), &database)
        .get(&made.id)
        .await
        .unwrap();
    assert_eq!((read.peers, read.display_name), (new.peers, new.display_name));
    let runs = Runs::of(&Call::background("t"), &database);
    let (run, is_new) = runs.create(new_run("b", None)).await.unwrap();
    assert!(is_new && run.spec == [0, 255, 7] && run.result.is_none());
    let ended = runs
        .end(&run.id, State::Partial, 3, Some(vec![1, 0, 2]), "")
        .await
        .unwrap();
    assert_eq!(
        (ended.state, ended.result.clone(), ended.done_steps),
        (State::Partial, Some(vec![1, 0, 2]), 3)
    );
    // The first end counts.
    assert_eq!(
        runs.end(&run.id, State::Cancelled, 1, None, "late")
            .await
            .unwrap(),
        ended
    );
}

async fn the_same_request_at_the_same_time_makes_one_thing(database: Place) {
    let made = futures::future::join_all((0..16).map(|_| {
        let database = database.clone();
        async move {
            let set = PeerSets::of(&Call::background("t"), &database)
                .create(new_set(None, Some("r")))
                .await
                .unwrap();
            let (run, is_new) = Runs::of(&Call::background("t"), &database)
                .create(new_run("b", Some("r")))
                .await
                .unwrap();
            (set.id, run.id, is_new)
        }
    }))
    .await;
    assert!(
        made.iter()
            .all(|(set, run, _)| (set, run) == (&made[0].0, &made[0].1))
    );
    assert_eq!(made.iter().filter(|(_, _, is_new)| *is_new).count(), 1);
}

async fn of_changes_with_one_etag_one_wins(database: Place) {
    let sets = PeerSets::of(&Call::background("t"), &database);
    let made = sets.create(new_set(Some("x"), None)).await.unwrap();
    let results = futures::future::join_all((0..8).map(|i| {
        let (sets, etag) = (sets.clone(), made.etag.clone());
        async move {
            let name = i.to_string();
            sets.update("x", Some(&etag), |_| named(&name)).await
        }
    }))
    .await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    assert!(
        results
            .iter()
            .filter_map(|result| result.as_ref().err())
            .all(|error| matches!(error, Error::Etag(_)))
    );
}

async fn changes_without_an_etag_are_made_of_one_another(database: Place) {
    let sets = PeerSets::of(&Call::background("t"), &database);
    let new = NewPeerSet {
        display_name: String::new(),
        ..new_set(Some("x"), None)
    };
    sets.create(new).await.unwrap();
    let longer = |set: &StoredPeerSet| named(&format!("{}.", set.display_name));
    let changes = (0..8).map(|_| sets.update("x", None, longer));
    for changed in futures::future::join_all(changes).await {
        changed.unwrap();
    }
    assert_eq!(sets.get("x").await.unwrap().display_name, "........");
}

fn named(name: &str) -> Result<Change, Error> {
    Ok(Change {
        display_name: Some(name.to_owned()),
        ..Change::default()
    })
}

async fn another_request_of_the_same_id_makes_nothing(database: Place) {
    let (sets, runs) = (
        PeerSets::of(&Call::background("t"), &database),
        Runs::of(&Call::background("t"), &database),
    );
    sets.create(new_set(Some("x"), Some("r"))).await.unwrap();
    runs.create(new_run("b", Some("r"))).await.unwrap();
    for statement in [
        "UPDATE peer_sets SET request_hash = 7",
        "UPDATE runs SET request_hash = 7",
    ] {
        database.execute_unprepared(statement).await.unwrap();
    }
    // What is not known is taken for the same.
    sets.create(new_set(Some("x"), Some("r"))).await.unwrap();
    let other = Call::background("t").asking(8);
    let others = PeerSets::of(&other, &database);
    let set = others.create(new_set(Some("y"), Some("r"))).await;
    assert!(matches!(set, Err(Error::RequestReused(_))));
    let run = Runs::of(&other, &database).create(new_run("c", Some("r"))).await;
    assert!(matches!(run, Err(Error::RequestReused(_))));
    let same = PeerSets::of(&Call::background("t").asking(7), &database);
    same.create(new_set(Some("y"), Some("r"))).await.unwrap();
    assert_eq!(sets.list(10, "").await.unwrap().items.len(), 1);
    // Who may not see the run does not learn that its request id was used.
    let theirs = of_brand(&database, "c");
    assert_eq!(theirs.by_request(Some("r")).await.unwrap(), None);
    assert!(theirs.create(new_run("c", Some("r"))).await.unwrap().1);
}

/// The runs of `t`, as who may see one brand sees them.
fn of_brand(database: &Place, brand: &str) -> Runs {
    let call = Call::background("t").seeing(&Brands::Some([brand.to_owned()].into()));
    Runs::of(&call, database)
}

async fn pages_show_everything_once(database: Place) {
    let runs = Runs::of(&Call::background("t"), &database);
    let mut made = Vec::new();
    for number in 0..7 {
        let brand = if number % 2 == 0 { "even" } else { "odd" };
        made.push(runs.create(new_run(brand, None)).await.unwrap().0.id);
    }
    made.reverse();
    let (mut seen, mut token) = (Vec::new(), String::new());
    loop {
        let page = runs.list(&Filter::default(), 3, &token).await.unwrap();
        seen.extend(page.items.into_iter().map(|run| run.id));
        token = page.next;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(seen, made);
    let odd = Filter {
        brand: Some("odd".to_owned()),
        ..Filter::default()
    };
    assert_eq!(runs.list(&odd, 10, "").await.unwrap().items.len(), 3);
    assert!(matches!(
        runs.list(&Filter::default(), 3, "nonsense").await,
        Err(Error::PageToken)
    ));
}

async fn runs_without_beats_are_interrupted(database: Place) {
    let runs = Runs::of(&Call::background("t"), &database);
    let (left, _) = runs.create(new_run("b", None)).await.unwrap();
    let (worked_on, _) = Runs::of(&Call::background("u"), &database)
        .create(new_run("b", None))
        .await
        .unwrap();
    let (done, _) = runs.create(new_run("b", None)).await.unwrap();
    runs.end(&done.id, State::Succeeded, 3, None, "").await.unwrap();
    let before = beats::<RunTable>(&database).await.unwrap();
    assert_eq!(before.len(), 2);
    let key = ("u".to_owned(), worked_on.id.clone());
    beat::<RunTable>(&database, &key, Default::default())
        .await
        .unwrap();
    let mut interrupted = Vec::new();
    for (run, beats) in before {
        if interrupt::<RunTable>(&database, &run, beats).await.unwrap() {
            interrupted.push(run.1);
        }
    }
    assert_eq!(interrupted, [left.id.as_str()]);
    let run = runs.get(&left.id).await.unwrap();
    assert!(run.state == State::Interrupted && run.error.contains("resume it"));
    assert!(run.ended_at.is_some());
}

async fn runs_are_found_by_state_and_time(database: Place) {
    let runs = Runs::of(&Call::background("t"), &database);
    let mut made = Vec::new();
    for state in [State::Succeeded, State::Running, State::Failed] {
        let (run, _) = runs.create(new_run("b", None)).await.unwrap();
        if state != State::Running {
            runs.end(&run.id, state, 3, None, "").await.unwrap();
        }
        made.push(run);
        // No two of one instant.
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    let found = async |filter: Filter| -> Vec<String> {
        let page = runs.list(&filter, 10, "").await.unwrap();
        page.items.into_iter().map(|run| run.id).collect()
    };
    let of = |states: &[State]| Filter {
        states: states.to_vec(),
        ..Filter::default()
    };
    assert_eq!(found(of(&[State::Running])).await, [made[1].id.as_str()]);
    assert_eq!(
        found(of(&[State::Succeeded, State::Failed])).await,
        [made[2].id.as_str(), made[0].id.as_str()]
    );
    let within = |from, before| Filter {
        from,
        before,
        ..Filter::default()
    };
    let middle = found(within(Some(made[1].made_at), Some(made[2].made_at))).await;
    assert_eq!(middle, [made[1].id.as_str()]);
    assert_eq!(found(within(Some(made[0].made_at), None)).await.len(), 3);
    assert!(found(within(None, Some(made[0].made_at))).await.is_empty());
}

async fn a_run_works_again_once_and_keeps_what_it_had(database: Place) {
    let runs = Runs::of(&Call::background("t"), &database);
    let (run, _) = runs.create(new_run("b", None)).await.unwrap();
    assert_eq!(runs.resume(&run.id, &[], 5).await.unwrap(), None, "it works");
    let result = Some(vec![1, 2]);
    runs.end(&run.id, State::Partial, 3, result.clone(), "")
        .await
        .unwrap();
    let (one, two) = tokio::join!(runs.resume(&run.id, &[], 5), runs.resume(&run.id, &[], 5));
    let again: Vec<_> = [one.unwrap(), two.unwrap()].into_iter().flatten().collect();
    assert_eq!(again.len(), 1, "of two calls one starts it");
    assert_eq!(
        (again[0].state, again[0].total_steps, again[0].done_steps),
        (State::Running, 5, 0)
    );
    assert_eq!((&again[0].result, again[0].ended_at), (&result, None));
    let ended = runs
        .end(&run.id, State::Partial, 1, None, "no luck")
        .await
        .unwrap();
    assert_eq!((ended.result, ended.error.as_str()), (result, "no luck"));
    runs.resume(&run.id, &[], 5).await.unwrap().unwrap();
    runs.end(&run.id, State::Succeeded, 5, Some(vec![3]), "")
        .await
        .unwrap();
    assert_eq!(
        runs.resume(&run.id, &[], 5).await.unwrap(),
        None,
        "it has succeeded"
    );
}

async fn the_oldest_ended_runs_are_forgotten(database: Place) {
    let runs = Runs::of(&Call::background("t"), &database);
    let (working, _) = runs.create(new_run("b", None)).await.unwrap();
    let mut ended = Vec::new();
    for _ in 0..KEPT + 2 {
        let (run, _) = runs.create(new_run("b", None)).await.unwrap();
        runs.end(&run.id, State::Failed, 0, None, "").await.unwrap();
        ended.push(run.id);
    }
    // The next one makes room.
    let (next, _) = runs.create(new_run("b", None)).await.unwrap();
    for gone in &ended[..2] {
        assert!(matches!(runs.get(gone).await, Err(Error::Unknown(_))));
    }
    for kept in [&working.id, &ended[2], &next.id] {
        runs.get(kept).await.unwrap();
    }
}

async fn brands_of_others_are_as_if_they_were_not(database: Place) {
    let runs = Runs::of(&Call::background("t"), &database);
    let (run, _) = runs.create(new_run("b", Some("r"))).await.unwrap();
    assert_eq!(of_brand(&database, "b").get(&run.id).await.unwrap(), run);
    let theirs = of_brand(&database, "c");
    assert!(matches!(theirs.get(&run.id).await, Err(Error::Unknown(_))));
    let ended = theirs.end(&run.id, State::Cancelled, 0, None, "").await;
    assert!(matches!(ended, Err(Error::Unknown(_))));
    assert_eq!(runs.get(&run.id).await.unwrap().state, State::Running);
}
