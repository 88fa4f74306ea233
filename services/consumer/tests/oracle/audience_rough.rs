//! Audiences while other things go on: files joined below them, profiles revised by the hundred, listeners who leave.

use dualwheel_kit::question::day_to_proto;
use dualwheel_measure::Day;
use dualwheel_proto::{
    clients,
    consumer::ExportAudienceRequest,
    facts::{BehaviorKind, ConsumerProfile, FactKind, FactRows},
};
use prost_types::Timestamp;

use crate::{
    audience_service::{Client, by_text, estimate},
    edges::{D, act},
    service::{append, house_of, house_on},
    world::BRAND,
};

const PEOPLE: usize = 400;

fn browsers(from: usize, count: usize) -> FactRows {
    let who = (from..from + count).map(|number| format!("someone{number}"));
    FactRows {
        behaviors: who.map(|who| act(&who, BehaviorKind::Browse, D - 1)).collect(),
        ..FactRows::default()
    }
}

async fn size(client: &mut Client, text: &str) -> i64 {
    estimate(client, text).await.unwrap().size
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_stay_right_while_files_are_joined() {
    let folder = tempfile::tempdir().unwrap();
    let (lake, channel) = house_on(&folder).await;
    for sequence in 1..=20 {
        append(
            &channel,
            FactKind::Behavior,
            sequence,
            browsers(20 * sequence as usize, 20),
        )
        .await;
    }
    let joining = tokio::spawn(async move {
        for _ in 0..5 {
            lake.compact().await.unwrap();
        }
    });
    let mut client = clients::Consumer::new(channel);
    loop {
        // By the index, and by the facts themselves: more than one happening a day is not in it.
        for text in [
            "behavior(BROWSE, last 30 days)",
            "behavior(BROWSE, last 30 days) in 1..9",
        ] {
            assert_eq!(size(&mut client, text).await, 400, "{text}");
        }
        if joining.is_finished() {
            break;
        }
    }
    joining.await.unwrap();
}

/// Everyone's age is told anew again and again, all together by one append; at no time is anybody seen at two ages or none.
#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_profiles_is_seen_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let channel = house_of(&folder).await;
    append(&channel, FactKind::Behavior, 1, browsers(0, PEOPLE)).await;
    let ages = |storm: i64| {
        let profile = move |number: usize| ConsumerProfile {
            consumer: format!("someone{number}"),
            updated_at: Some(Timestamp {
                seconds: 1_700_000_000 + storm,
                nanos: 0,
            }),
            age: Some(20 + storm as i32),
            ..ConsumerProfile::default()
        };
        FactRows {
            consumer_profiles: (0..PEOPLE).map(profile).collect(),
            ..FactRows::default()
        }
    };
    append(&channel, FactKind::ConsumerProfile, 1, ages(1)).await;
    let storm = tokio::spawn({
        let channel = channel.clone();
        async move {
            for storm in 2..=40 {
                append(&channel, FactKind::ConsumerProfile, storm, ages(storm)).await;
            }
        }
    });
    let mut client = clients::Consumer::new(channel);
    loop {
        let ended = storm.is_finished();
        let told = estimate(&mut client, "profile(age) in 21..40 or profile(age) in 41..60")
            .await
            .unwrap();
        assert_eq!(told.size, PEOPLE as i64);
        let terms: Vec<i64> = told.terms.iter().map(|term| term.size).collect();
        assert!(
            terms == [PEOPLE as i64, 0] || terms == [0, PEOPLE as i64],
            "{terms:?}"
        );
        if ended {
            break;
        }
    }
    storm.await.unwrap();
    assert_eq!(size(&mut client, "profile(age) in 60..60").await, PEOPLE as i64);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_may_be_left_at_any_time() {
    let folder = tempfile::tempdir().unwrap();
    let channel = house_of(&folder).await;
    append(&channel, FactKind::Behavior, 1, browsers(0, 60_000)).await;
    let mut client = clients::Consumer::new(channel);
    for messages in 0..3 {
        let request = ExportAudienceRequest {
            brand: BRAND.to_owned(),
            definition: by_text("behavior(BROWSE, last 30 days)"),
            as_of: Some(day_to_proto(Day(D))),
            data_version: None,
        };
        let mut answers = client
            .audiences
            .export_audience(request)
            .await
            .unwrap()
            .into_inner();
        for _ in 0..messages {
            assert!(answers.message().await.unwrap().is_some());
        }
        drop(answers);
        assert_eq!(size(&mut client, "behavior(BROWSE, last 30 days)").await, 60_000);
    }
}
