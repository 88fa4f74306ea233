//! Audiences over gRPC: counted, exported, compared, saved, frozen, brought in, refused.

use dualwheel_kit::{
    failure::{reason_of, violations_of},
    question::day_to_proto,
};
use dualwheel_measure::Day;
use dualwheel_proto::{
    clients,
    consumer::{
        Audience, AudienceDefinition, AudienceKind, CompareAudiencesRequest, ConsumerKeys,
        CreateAudienceRequest, DeleteAudienceRequest, EstimateAudienceRequest, EstimateAudienceResponse,
        ExportAudienceRequest, GetAudienceRequest, ImportAudienceHeader, ImportAudienceRequest,
        ListAudiencesRequest, NamedAudience, RefreshAudienceRequest, UpdateAudienceRequest,
        audience_definition::Form, import_audience_request::Part,
    },
    facts::{FactKind, FactRows, OrderLine},
};
use prost_types::FieldMask;
use tonic::{Status, transport::Channel};

use crate::{
    edges::{D, sale},
    service::{append, fill, house_of},
    world::BRAND,
};

pub type Client = clients::Consumer;

/// c bought twice, d once, e browsed.
pub async fn house(folder: &tempfile::TempDir) -> (Client, Channel) {
    let channel = house_of(folder).await;
    fill(&channel).await;
    (clients::Consumer::new(channel.clone()), channel)
}

async fn buy(channel: &Channel, sequence: i64, order_lines: Vec<OrderLine>) {
    let rows = FactRows {
        order_lines,
        ..Default::default()
    };
    append(channel, FactKind::OrderLine, sequence, rows).await;
}

pub fn by_text(text: &str) -> Option<AudienceDefinition> {
    Some(AudienceDefinition {
        form: Some(Form::Text(text.to_owned())),
    })
}

fn as_of() -> Option<dualwheel_proto::Date> {
    Some(day_to_proto(Day(D)))
}

pub async fn estimate(client: &mut Client, text: &str) -> Result<EstimateAudienceResponse, Status> {
    let request = EstimateAudienceRequest {
        brand: BRAND.to_owned(),
        definition: by_text(text),
        as_of: as_of(),
        data_version: None,
    };
    Ok(client.audiences.estimate_audience(request).await?.into_inner())
}

async fn size(client: &mut Client, text: &str) -> i64 {
    estimate(client, text).await.unwrap().size
}

async fn export(client: &mut Client, text: &str) -> Vec<String> {
    let request = ExportAudienceRequest {
        brand: BRAND.to_owned(),
        definition: by_text(text),
        as_of: as_of(),
        data_version: None,
    };
    let mut stream = client
        .audiences
        .export_audience(request)
        .await
        .unwrap()
        .into_inner();
    let mut keys = Vec::new();
    while let Some(some) = stream.message().await.unwrap() {
        keys.extend(some.consumers);
    }
    keys
}

async fn create(client: &mut Client, id: &str, text: &str, freeze: bool) -> Result<Audience, Status> {
    let request = CreateAudienceRequest {
        audience_id: id.to_owned(),
        audience: Some(Audience {
            brand: BRAND.to_owned(),
            display_name: format!("The {id}"),
            definition: by_text(text),
            ..Default::default()
        }),
        freeze,
        as_of: as_of().filter(|_| freeze),
        ..Default::default()
    };
    Ok(client
        .audiences
        .create_audience(request)
        .await?
        .into_inner()
        .audience
        .unwrap())
}

pub fn refused<T: std::fmt::Debug>(answer: Result<T, Status>) -> (String, Vec<(String, String)>) {
    let status = answer.unwrap_err();
    (reason_of(&status).unwrap_or_default(), violations_of(&status))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_people_whichever_way_they_are_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let (mut client, _) = house(&folder).await;
    let text = "(stage(P) or stage(L)) and not purchase(net_gmv, last 30 days) >= 25";
    let estimated = estimate(&mut client, text).await.unwrap();
    assert_eq!((estimated.size, estimated.text.as_str()), (1, text), "d alone");
    let terms: Vec<(&str, i64)> = estimated
        .terms
        .iter()
        .map(|one| (one.text.as_str(), one.size))
        .collect();
    let gmv = "purchase(net_gmv, last 30 days) >= 25";
    assert_eq!(terms, [("stage(P)", 1), ("stage(L)", 1), (gmv, 1)]);
    assert_eq!(estimated.as_of, as_of());
    assert!(!estimated.definition_version.is_empty());
    assert!(!estimated.data_version.as_ref().unwrap().tables.is_empty());

    // As a tree, pinned.
    let again = EstimateAudienceRequest {
        brand: BRAND.to_owned(),
        definition: Some(AudienceDefinition {
            form: Some(Form::Expression(estimated.expression.clone().unwrap())),
        }),
        as_of: as_of(),
        data_version: estimated.data_version.clone(),
    };
    assert_eq!(
        client
            .audiences
            .estimate_audience(again)
            .await
            .unwrap()
            .into_inner(),
        estimated
    );
    // Exported, saved, frozen, compared.
    assert_eq!(export(&mut client, text).await, ["d"]);
    assert_eq!(
        create(&mut client, "once", text, false).await.unwrap().size,
        0,
        "live: counted when asked"
    );
    assert_eq!(size(&mut client, "audience(once)").await, 1);
    assert_eq!(create(&mut client, "kept", text, true).await.unwrap().size, 1);
    assert_eq!(size(&mut client, "audience(kept)").await, 1);
    let named = |text: &str| NamedAudience {
        label: String::new(),
        definition: by_text(text),
    };
    let compared = client
        .audiences
        .compare_audiences(CompareAudiencesRequest {
            brand: BRAND.to_owned(),
            audiences: vec![
                named(text),
                named("behavior(last 30 days) >= 0"),
                named("stage(A)"),
            ],
            as_of: as_of(),
            data_version: None,
        })
        .await
        .unwrap()
        .into_inner();
    let sizes: Vec<i64> = compared.audiences.iter().map(|one| one.size).collect();
    assert_eq!(sizes, [1, 3, 1]);
    let pairs: Vec<_> = compared
        .overlaps
        .iter()
        .map(|one| (one.first, one.second, one.both))
        .collect();
    assert_eq!(pairs, [(0, 1, 1), (0, 2, 0), (1, 2, 1)]);
    let jaccards: Vec<f64> = compared.overlaps.iter().filter_map(|one| one.jaccard).collect();
    assert_eq!(jaccards, [1.0 / 3.0, 0.0, 1.0 / 3.0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_audience_follows_the_facts_and_a_frozen_one_stays() {
    let folder = tempfile::tempdir().unwrap();
    let (mut client, channel) = house(&folder).await;
    create(&mut client, "loyal", "stage(L)", false).await.unwrap();
    let kept = create(&mut client, "kept", "audience(loyal)", true)
        .await
        .unwrap();
    assert_eq!(
        (kept.kind(), kept.size, kept.as_of),
        (AudienceKind::Frozen, 1, as_of())
    );
    buy(&channel, 2, vec![sale("d", D - 1, "a/y", 1, 5)]).await;
    assert_eq!(export(&mut client, "audience(loyal)").await, ["c", "d"]);
    assert_eq!(export(&mut client, "audience(kept)").await, ["c"]);
    let refresh = RefreshAudienceRequest {
        name: "audiences/kept".to_owned(),
        as_of: as_of(),
        etag: kept.etag.clone(),
    };
    let fresh = client
        .audiences
        .refresh_audience(refresh.clone())
        .await
        .unwrap()
        .into_inner()
        .audience
        .unwrap();
    assert_eq!((fresh.size, fresh.etag != kept.etag), (2, true));
    assert_eq!(export(&mut client, "audience(kept)").await, ["c", "d"]);
    assert_eq!(
        refused(client.audiences.refresh_audience(refresh).await).0,
        "ETAG_MISMATCH"
    );
    // The list that was replaced is gone, and so is the one that came too late.
    let lists = std::fs::read_dir(folder.path().join("lake/keys/default"))
        .unwrap()
        .count();
    assert_eq!(lists, 1);
    // A live one is frozen by the same call.
    let refresh = RefreshAudienceRequest {
        name: "audiences/loyal".to_owned(),
        as_of: as_of(),
        etag: String::new(),
    };
    let frozen = client
        .audiences
        .refresh_audience(refresh)
        .await
        .unwrap()
        .into_inner()
        .audience
        .unwrap();
    assert_eq!((frozen.kind(), frozen.size), (AudienceKind::Frozen, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_changes_an_audience_without_an_etag_is_not_told_of_others() {
    let folder = tempfile::tempdir().unwrap();
    let (mut client, _) = house(&folder).await;
    create(&mut client, "kept", "stage(L)", true).await.unwrap();
    let rename = |number: usize| {
        let mut client = client.clone();
        let request = UpdateAudienceRequest {
            audience: Some(Audience {
                name: "audiences/kept".to_owned(),
                display_name: format!("Name {number}"),
                ..Default::default()
            }),
            update_mask: Some(FieldMask {
                paths: vec!["display_name".to_owned()],
            }),
        };
        async move { client.audiences.update_audience(request).await }
    };
    let refresh = |_| {
        let mut client = client.clone();
        let request = RefreshAudienceRequest {
            name: "audiences/kept".to_owned(),
            as_of: as_of(),
            etag: String::new(),
        };
        async move { client.audiences.refresh_audience(request).await }
    };
    let renamed = futures::future::join_all((0..12).map(rename));
    let (renamed, refreshed) = tokio::join!(renamed, futures::future::join_all((0..6).map(refresh)));
    for one in renamed {
        let name = one.unwrap().into_inner().audience.unwrap().display_name;
        assert!(name.starts_with("Name "), "{name}");
    }
    for one in refreshed {
        assert_eq!(one.unwrap().into_inner().audience.unwrap().size, 1);
    }
    // Every list but the last has been replaced by somebody, who has removed it.
    let lists = std::fs::read_dir(folder.path().join("lake/keys/default")).unwrap();
    assert_eq!(lists.count(), 1);
    assert_eq!(export(&mut client, "audience(kept)").await, ["c"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn saved_audiences_are_read_listed_changed_and_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let (mut client, _) = house(&folder).await;
    for (id, text) in [
        ("a", "stage(A)"),
        ("b", "audience(a) or stage(P)"),
        ("c", "audience(b) and stage(P)"),
    ] {
        create(&mut client, id, text, false).await.unwrap();
    }
    assert_eq!(size(&mut client, "audience(c) or audience(a)").await, 2);
    let page = |token: &str| ListAudiencesRequest {
        page_size: 2,
        page_token: token.to_owned(),
        ..Default::default()
    };
    let first = client
        .audiences
        .list_audiences(page(""))
        .await
        .unwrap()
        .into_inner();
    let second = client
        .audiences
        .list_audiences(page(&first.next_page_token))
        .await
        .unwrap()
        .into_inner();
    let names: Vec<&str> = first
        .audiences
        .iter()
        .chain(&second.audiences)
        .map(|one| one.name.as_str())
        .collect();
    assert_eq!(names, ["audiences/a", "audiences/b", "audiences/c"]);
    assert!(second.next_page_token.is_empty());
    let other = ListAudiencesRequest {
        brand: "another".to_owned(),
        ..Default::default()
    };
    assert_eq!(
        client
            .audiences
            .list_audiences(other)
            .await
            .unwrap()
            .into_inner()
            .audiences,
        []
    );

    let update = |name: &str, text: &str| UpdateAudienceRequest {
        audience: Some(Audience {
            name: format!("audiences/{name}"),
            definition: by_text(text),
            ..Default::default()
        }),
        update_mask: Some(FieldMask {
            paths: vec!["definition".to_owned()],
        }),
    };
    let changed = client
        .audiences
        .update_audience(update("a", "stage(L)"))
        .await
        .unwrap()
        .into_inner()
        .audience
        .unwrap();
    assert_eq!(
        (changed.text.as_str(), changed.display_name.as_str()),
        ("stage(L)", "The a")
    );
    assert_eq!(size(&mut client, "audience(b)").await, 2, "c and d");
    // Neither by itself nor through others.
    for (name, text, path) in [
        ("a", "audience(a)", "audiences/a names audiences/a"),
        (
            "a",
            "stage(A) or audience(c)",
            "audiences/a names audiences/c names audiences/b names audiences/a",
        ),
    ] {
        let status = client
            .audiences
            .update_audience(update(name, text))
            .await
            .unwrap_err();
        assert_eq!(reason_of(&status).as_deref(), Some("AUDIENCE_CYCLE"));
        assert_eq!(status.message(), path);
    }
    assert_eq!(
        refused(
            client
                .audiences
                .update_audience(update("a", "audience(none)"))
                .await
        )
        .0,
        "AUDIENCE_UNKNOWN"
    );
    assert_eq!(
        refused(client.audiences.update_audience(update("none", "stage(A)")).await).0,
        "AUDIENCE_UNKNOWN"
    );

    let delete = |name: &str, etag: &str| DeleteAudienceRequest {
        name: format!("audiences/{name}"),
        etag: etag.to_owned(),
    };
    let status = client
        .audiences
        .delete_audience(delete("a", ""))
        .await
        .unwrap_err();
    assert_eq!(reason_of(&status).as_deref(), Some("AUDIENCE_IN_USE"));
    assert!(status.message().ends_with("audiences/b"), "{}", status.message());
    assert_eq!(
        refused(client.audiences.delete_audience(delete("c", "old")).await).0,
        "ETAG_MISMATCH"
    );
    for name in ["c", "b", "a"] {
        client.audiences.delete_audience(delete(name, "")).await.unwrap();
    }
    let gone = GetAudienceRequest {
        name: "audiences/a".to_owned(),
    };
    assert_eq!(
        refused(client.audiences.get_audience(gone).await).0,
        "AUDIENCE_UNKNOWN"
    );
    assert_eq!(
        refused(estimate(&mut client, "audience(a)").await).0,
        "AUDIENCE_UNKNOWN"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_request_makes_one_audience() {
    let folder = tempfile::tempdir().unwrap();
    let (mut client, _) = house(&folder).await;
    let request = CreateAudienceRequest {
        request_id: "7d444840-9dc0-11d1-b245-5ffdce74fad2".to_owned(),
        audience: Some(Audience {
            brand: BRAND.to_owned(),
            definition: by_text("stage(P)"),
            ..Default::default()
        }),
        freeze: true,
        ..Default::default()
    };
    let one = client
        .audiences
        .create_audience(request.clone())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        client
            .audiences
            .create_audience(request)
            .await
            .unwrap()
            .into_inner(),
        one
    );
    assert_eq!(
        refused(
            create(&mut client, "x", "stage(P)", false)
                .await
                .and(create(&mut client, "x", "stage(A)", false).await)
        )
        .0,
        "AUDIENCE_EXISTS"
    );
    let lists = std::fs::read_dir(folder.path().join("lake/keys/default"))
        .unwrap()
        .count();
    assert_eq!(lists, 1);
}

pub fn import(id: &str, keys: &[&str]) -> Vec<ImportAudienceRequest> {
    let part = |part| ImportAudienceRequest { part: Some(part) };
    let header = ImportAudienceHeader {
        audience_id: id.to_owned(),
        brand: BRAND.to_owned(),
        ..Default::default()
    };
    let keys = keys.chunks(2).map(|some| ConsumerKeys {
        consumers: some.iter().map(|key| (*key).to_owned()).collect(),
    });
    std::iter::once(part(Part::Header(header)))
        .chain(keys.map(|keys| part(Part::Keys(keys))))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_brought_in() {
    let folder = tempfile::tempdir().unwrap();
    let (mut client, channel) = house(&folder).await;
    let parts = import("list", &["d", "stranger", "e", "d", "另一位"]);
    let imported = client
        .audiences
        .import_audience(tokio_stream::iter(parts))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(imported.unknown, 2);
    let audience = imported.audience.unwrap();
    assert_eq!(
        (audience.kind(), audience.size, audience.definition),
        (AudienceKind::Imported, 4, None)
    );
    assert_eq!(
        export(&mut client, "audience(list)").await,
        ["d", "e", "stranger", "另一位"]
    );
    assert_eq!(export(&mut client, "audience(list) and stage(P)").await, ["d"]);
    // A stranger who comes to buy is the same person.
    buy(&channel, 2, vec![sale("stranger", D - 1, "a/y", 1, 5)]).await;
    assert_eq!(
        export(&mut client, "stage(P) and audience(list)").await,
        ["d", "stranger"]
    );

    let long = "k".repeat(129);
    for (parts, field) in [
        (Vec::new(), "header"),
        (import("x", &["a"]).split_off(1), "header"),
        (import("x", &[]), "keys"),
        (import("x", &["a", "b", ""]), "keys[2]"),
        (import("x", &[&long]), "keys[0]"),
        (import("X", &["a"]), "header.audience_id"),
    ] {
        let (reason, violations) = refused(client.audiences.import_audience(tokio_stream::iter(parts)).await);
        assert_eq!(reason, "INVALID_RESOURCE", "{field}");
        assert_eq!(violations[0].0, field);
    }
    let refresh = RefreshAudienceRequest {
        name: "audiences/list".to_owned(),
        ..Default::default()
    };
    assert_eq!(
        refused(client.audiences.refresh_audience(refresh).await).1[0].0,
        "name"
    );
}
