//! Campaigns of a brand through a reader.

use std::collections::BTreeMap;

use dualwheel_kit::Call;
use dualwheel_lake::Reader;
use dualwheel_proto::facts::{Campaign, FactKind, FactRows};

use super::{House, at, request};

fn campaigns(spend: &str, updated: &str) -> FactRows {
    let one = |campaign: &str, brand: &str| Campaign {
        campaign: campaign.into(),
        brand: brand.into(),
        updated_at: at(updated),
        starts_at: at("2026-05-01T04:00:00Z"),
        spend: Some(spend.into()),
        ..Campaign::default()
    };
    FactRows {
        campaigns: vec![one("x", "b"), one("y", "other")],
        ..FactRows::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_has_the_latest_campaigns_of_a_brand_and_names_their_table() {
    let mut house = House::new();
    let mut known = Vec::new();
    for (sequence, spend, updated) in [
        (1, "10", "2026-05-02T00:00:00Z"),
        (2, "20", "2026-05-03T00:00:00Z"),
    ] {
        let append = request("p", sequence, FactKind::Campaign, campaigns(spend, updated));
        assert_eq!(house.append(vec![append]).await.unwrap()[0].accepted, 2);
        let reader = house
            .lake
            .of(&Call::background("default"))
            .reader(&BTreeMap::new())
            .await
            .unwrap();
        assert!(reader.versions().tables.is_empty());
        let spends = spends(&reader).await;
        let pin: BTreeMap<String, i64> = reader.versions().tables.into_iter().collect();
        assert!(pin.len() == 1 && pin.contains_key("campaigns"), "{pin:?}");
        known.push((spends, pin));
    }
    assert_eq!(known[0].0, [Some(100_000)]);
    assert_eq!(
        known[1].0,
        [Some(200_000)],
        "the later row, and of the brand alone"
    );
    let before = house
        .lake
        .of(&Call::background("default"))
        .reader(&known[0].1)
        .await
        .unwrap();
    assert_eq!(spends(&before).await, known[0].0);
}

async fn spends(reader: &Reader) -> Vec<Option<i64>> {
    let frame = reader.campaigns("b").await.unwrap();
    frame.rows.iter().map(|row| row.spend).collect()
}
