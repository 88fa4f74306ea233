//! The stamp tells of every commit, whoever made it.

use std::time::{Duration, Instant};

use super::{House, lines, orders, send};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_acknowledged_shows_in_every_process_at_once() {
    let house = House::new();
    let (other, other_client) = house.again();
    let lakes = [&house.lake, &other];
    let mut clients = [house.client.clone(), other_client];
    let mut last = house.lake.stamp().await.unwrap();
    for turn in 0..24_u32 {
        let producer = format!("p{}", turn % 2);
        let batch = || {
            orders(
                &producer,
                i64::from(turn / 2) + 1,
                lines(turn * 3..turn * 3 + 3, "b"),
            )
        };
        let client = &mut clients[turn as usize % 2];
        send(client, vec![batch()]).await.unwrap();
        let seen = other.stamp().await.unwrap();
        assert_ne!(seen, last, "append {turn}");
        // What was written already is no change.
        assert!(send(client, vec![batch()]).await.unwrap()[0].repeated_batch);
        for lake in lakes {
            assert_eq!(lake.stamp().await.unwrap(), seen);
        }
        last = seen;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_tells_of_shows_soon() {
    let mut house = House::new();
    for turn in 0..3 {
        let batch = orders("p", i64::from(turn) + 1, lines(turn..turn + 1, "b"));
        house.append(vec![batch]).await.unwrap();
    }
    let (other, _) = house.again();
    let before = other.stamp().await.unwrap();
    // As other engines do, a compaction commits without a word.
    house.lake.compact().await.unwrap();
    let begun = Instant::now();
    while other.stamp().await.unwrap() == before {
        assert!(begun.elapsed() < Duration::from_secs(60), "it never shows");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
