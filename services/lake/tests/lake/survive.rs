//! What panics in the background takes nothing else with it.

use std::time::Duration;

use dualwheel_kit::{Call, failure::reason_of};

use crate::{OWNERS, count_lines, erase::erased, faulty::Faults, lines, open_through, orders, send};

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_that_panics_keeps_no_other_from_its_turn() {
    let (folder, faults) = (tempfile::tempdir().unwrap(), Faults::default());
    let (lake, mut client) = open_through(&folder, |store| faults.in_store(store));
    send(&mut client, vec![orders("p", 1, lines(0..9, "b"))])
        .await
        .unwrap();
    for tenant in ["a", "default", "z"] {
        lake.of(&Call::background(tenant))
            .erase("e", vec!["c1".to_owned()])
            .await
            .unwrap();
    }
    lake.of(&Call::background("default"))
        .erase("first", vec!["c2".to_owned()])
        .await
        .unwrap();
    faults.panic_at("/erasure-e.");
    lake.keep_erasing(&OWNERS, Duration::from_millis(500));
    erased(&lake.of(&Call::background("default")), "first").await;
    assert!(faults.met() > 1);
    assert_eq!(count_lines(&lake, "b").await, 8);

    faults.heal();
    for tenant in ["a", "default", "z"] {
        erased(&lake.of(&Call::background(tenant)), "e").await;
    }
    assert_eq!(count_lines(&lake, "b").await, 7);
}

/// A committer looks at the commits of other processes before its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_committer_that_panics_takes_the_batches_to_come() {
    let (folder, faults) = (tempfile::tempdir().unwrap(), Faults::default());
    let (lake, mut client) = open_through(&folder, |store| faults.in_store(store));
    let (_other_lake, mut other) = open_through(&folder, |store| store);
    let first = vec![orders("p", 1, lines(0..2, "b"))];
    send(&mut client, first).await.unwrap();
    let others = vec![orders("q", 1, lines(2..5, "b"))];
    send(&mut other, others).await.unwrap();

    faults.panic_at("order_lines/_delta_log/");
    let second = vec![orders("p", 2, lines(5..9, "b"))];
    let broken = send(&mut client, second.clone()).await.unwrap_err();
    assert_eq!(
        reason_of(&broken).as_deref(),
        Some("LAKE_UNAVAILABLE"),
        "{broken:?}"
    );
    assert_eq!(faults.met(), 1, "nothing panicked in the committer");

    faults.heal();
    let answers = send(&mut client, second).await.unwrap();
    assert_eq!((answers[0].accepted, answers[0].repeated_batch), (4, false));
    assert_eq!(count_lines(&lake, "b").await, 9);
}
