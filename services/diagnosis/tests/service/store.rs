//! The repositories on a temporary SQLite file.

#![cfg(test)]

use std::collections::BTreeMap;

use dualwheel_diagnosis::{
    peer::{Peer, Supplied},
    store::{Change, Error, NewPeerSet, NewRun, PeerSets, Runs, State, fail_unfinished, migrate},
};
use sea_orm::DatabaseConnection;

async fn database() -> (DatabaseConnection, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/state.db", folder.path().display());
    let database = dualwheel_kit::db::connect(&url).await.unwrap();
    migrate(&database).await.unwrap();
    // Again does nothing.
    migrate(&database).await.unwrap();
    (database, folder)
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
        request_id: request.map(str::to_owned),
    }
}

fn new_run(brand: &str, request: Option<&str>) -> NewRun {
    NewRun {
        brand: brand.to_owned(),
        spec: vec![0, 255, 7],
        total_steps: 3,
        request_id: request.map(str::to_owned),
    }
}

#[tokio::test]
async fn tenants_do_not_see_each_other() {
    let (database, _folder) = database().await;
    let (one, two) = (PeerSets::of(&database, "one"), PeerSets::of(&database, "two"));
    let made = one.create(new_set(Some("x"), Some("r"))).await.unwrap();
    assert!(matches!(two.get("x").await, Err(Error::Unknown(_))));
    assert!(matches!(two.delete("x", None).await, Err(Error::Unknown(_))));
    assert!(two.list(10, "").await.unwrap().items.is_empty());
    // Neither ids nor request ids collide.
    two.create(new_set(Some("x"), Some("r"))).await.unwrap();
    two.update(
        "x",
        None,
        Change {
            display_name: Some("other".to_owned()),
            peers: None,
        },
    )
    .await
    .unwrap();
    assert_eq!(one.get("x").await.unwrap(), made);
    let (mine, _) = Runs::of(&database, "one")
        .create(new_run("b", Some("r")))
        .await
        .unwrap();
    let theirs = Runs::of(&database, "two");
    assert!(theirs.create(new_run("b", Some("r"))).await.unwrap().1);
    assert!(matches!(theirs.get(&mine.id).await, Err(Error::Unknown(_))));
    assert!(matches!(
        theirs.end(&mine.id, State::Failed, 1, None, "").await,
        Err(Error::Unknown(_))
    ));
    assert_eq!(
        Runs::of(&database, "one").get(&mine.id).await.unwrap().state,
        State::Running
    );
}

#[tokio::test]
async fn numbers_and_bytes_come_back_as_they_were() {
    let (database, _folder) = database().await;
    let new = new_set(None, None);
    let made = PeerSets::of(&database, "t").create(new.clone()).await.unwrap();
    let read = PeerSets::of(&database, "t").get(&made.id).await.unwrap();
    assert_eq!((read.peers, read.display_name), (new.peers, new.display_name));
    let runs = Runs::of(&database, "t");
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

#[tokio::test(flavor = "multi_thread")]
async fn the_same_request_at_the_same_time_makes_one_thing() {
    let (database, _folder) = database().await;
    let made = futures::future::join_all((0..16).map(|_| {
        let database = database.clone();
        async move {
            let set = PeerSets::of(&database, "t")
                .create(new_set(None, Some("r")))
                .await
                .unwrap();
            let (run, is_new) = Runs::of(&database, "t")
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

#[tokio::test(flavor = "multi_thread")]
async fn of_changes_with_one_etag_one_wins() {
    let (database, _folder) = database().await;
    let sets = PeerSets::of(&database, "t");
    let made = sets.create(new_set(Some("x"), None)).await.unwrap();
    let results = futures::future::join_all((0..8).map(|i| {
        let (sets, etag) = (sets.clone(), made.etag.clone());
        async move {
            let change = Change {
                display_name: Some(i.to_string()),
                peers: None,
            };
            sets.update("x", Some(&etag), change).await
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

#[tokio::test]
async fn unfinished_runs_of_all_tenants_are_failed() {
    let (database, _folder) = database().await;
    let (one, two) = (Runs::of(&database, "one"), Runs::of(&database, "two"));
    let (a, _) = one.create(new_run("b", None)).await.unwrap();
    let (b, _) = two.create(new_run("b", None)).await.unwrap();
    let (done, _) = two.create(new_run("b", None)).await.unwrap();
    let done = two
        .end(&done.id, State::Succeeded, 3, Some(Vec::new()), "")
        .await
        .unwrap();
    assert_eq!(fail_unfinished(&database, "stopped").await.unwrap(), 2);
    assert_eq!(fail_unfinished(&database, "stopped").await.unwrap(), 0);
    for (runs, id) in [(one, a.id), (two.clone(), b.id)] {
        let run = runs.get(&id).await.unwrap();
        assert_eq!((run.state, run.error.as_str()), (State::Failed, "stopped"));
        assert!(run.ended_at.is_some());
    }
    assert_eq!(two.get(&done.id).await.unwrap(), done);
}
