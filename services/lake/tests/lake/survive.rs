//! What panics in the background takes nothing else with it.

use std::time::Duration;

use crate::{OWNERS, count_lines, erase::erased, faulty::Faults, lines, open_through, orders, send};

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_that_panics_keeps_no_other_from_its_turn() {
    let (folder, faults) = (tempfile::tempdir().unwrap(), Faults::default());
    let (lake, mut client) = open_through(&folder, |store| faults.in_store(store));
    send(&mut client, vec![orders("p", 1, lines(0..9, "b"))])
        .await
        .unwrap();
    for tenant in ["a", "default", "z"] {
        lake.tenant(tenant)
            .erase("e", vec!["c1".to_owned()])
            .await
            .unwrap();
    }
    lake.tenant("default")
        .erase("first", vec!["c2".to_owned()])
        .await
        .unwrap();
    faults.panic_at("/erasure-e.");
    lake.keep_erasing(&OWNERS, Duration::from_millis(500));
    erased(&lake.tenant("default"), "first").await;
    assert!(faults.met() > 1);
    assert_eq!(count_lines(&lake, "b").await, 8);

    faults.heal();
    for tenant in ["a", "default", "z"] {
        erased(&lake.tenant(tenant), "e").await;
    }
    assert_eq!(count_lines(&lake, "b").await, 7);
}
