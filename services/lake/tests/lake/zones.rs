//! A tenant's zone and currency are fixed by the first row that is admitted, and by nothing before it.

use dualwheel_kit::Call;
use dualwheel_lake::Lake;
use dualwheel_proto::facts::{AppendRequest, ConfigureTenantRequest, FactKind, FactRows, GetTenantRequest};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::{House, behavior, request};

fn acts(sequence: i64, event: &str) -> AppendRequest {
    let rows = FactRows {
        behaviors: vec![behavior(event)],
        ..FactRows::default()
    };
    request("p", sequence, FactKind::Behavior, rows)
}

fn new_york() -> ConfigureTenantRequest {
    ConfigureTenantRequest {
        time_zone: "America/New_York".into(),
        currency: "USD".into(),
    }
}

async fn days(lake: &Lake) -> Vec<String> {
    let reader = lake
        .of(&Call::background("default"))
        .reader(&Default::default())
        .await
        .unwrap();
    let behaviors = reader.behaviors("b").await.unwrap();
    behaviors.day.iter().map(ToString::to_string).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_and_refused_rows_fix_nothing() {
    let mut house = House::new();
    let (sender, requests) = mpsc::channel(4);
    // A row without its key is refused.
    sender.send(acts(1, "")).await.unwrap();
    let mut answers = house
        .client
        .append(ReceiverStream::new(requests))
        .await
        .unwrap()
        .into_inner();
    let refused = answers.message().await.unwrap().unwrap();
    assert_eq!((refused.accepted, refused.refused), (0, 1));
    let tenant = house
        .client
        .get_tenant(GetTenantRequest {})
        .await
        .unwrap()
        .into_inner();
    assert!(!tenant.tenant.unwrap().configured);

    // The stream that is open takes the zone that is set now. 16:30 UTC is the next day in Shanghai.
    house.client.configure_tenant(new_york()).await.unwrap();
    sender.send(acts(2, "e")).await.unwrap();
    assert_eq!(answers.message().await.unwrap().unwrap().accepted, 1);
    assert_eq!(days(&house.lake).await, ["2026-05-01"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_admitted_row_fixes_the_defaults() {
    let mut house = House::new();
    house.append(vec![acts(1, ""), acts(2, "e")]).await.unwrap();
    let tenant = house
        .client
        .get_tenant(GetTenantRequest {})
        .await
        .unwrap()
        .into_inner();
    let tenant = tenant.tenant.unwrap();
    assert_eq!(
        (tenant.time_zone.as_str(), tenant.configured),
        ("Asia/Shanghai", true)
    );
    assert!(house.client.configure_tenant(new_york()).await.is_err());
    assert_eq!(days(&house.lake).await, ["2026-05-02"]);
}

/// Whoever is first, days are cut in the zone that is in force.
#[tokio::test(flavor = "multi_thread")]
async fn rows_and_settings_that_come_at_once_agree() {
    for _ in 0..20 {
        let house = House::new();
        let (mut one, mut two) = (house.client.clone(), house.client.clone());
        let (_, appended) = tokio::join!(
            one.configure_tenant(new_york()),
            crate::send(&mut two, vec![acts(1, "e")])
        );
        appended.unwrap();
        let zone = house
            .lake
            .of(&Call::background("default"))
            .settings()
            .await
            .unwrap()
            .zone;
        let day = if zone.name() == "America/New_York" {
            "2026-05-01"
        } else {
            "2026-05-02"
        };
        assert_eq!(days(&house.lake).await, [day], "{zone}");
    }
}
