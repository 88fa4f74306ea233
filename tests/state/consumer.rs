//! Audiences and deletions.

use dualwheel_consumer::store::{
    Answer, Audiences, Change, Error, Kind, NewAudience, People, StoredDeletion, StoredDeletions,
};
use dualwheel_kit::{Call, access::Brands};
use dualwheel_measure::Day;
use sea_orm::ConnectionTrait;

use crate::{Place, on_both};

on_both! {
    audiences_come_back_as_they_were
    tenants_and_brands_do_not_see_each_other
    the_same_request_makes_one_audience_and_another_none
    audiences_are_saved_together_or_not_at_all
    of_changes_with_one_etag_one_wins
    changes_without_an_etag_all_land
    pages_show_every_audience_once
    deletions_are_kept_until_they_end
}

fn new(id: Option<&str>, request: Option<&str>, people: Option<People>) -> NewAudience {
    NewAudience {
        id: id.map(str::to_owned),
        request_id: request.map(str::to_owned),
        brand: "b".to_owned(),
        display_name: "沉睡客户".to_owned(),
        expression: Some(vec![0, 255, 7]),
        people,
    }
}

fn people() -> People {
    People {
        keys: "list-1".to_owned(),
        size: i64::MAX,
        as_of: Some(Day(20_000)),
    }
}

async fn audiences_come_back_as_they_were(database: Place) {
    let audiences = Audiences::of(&Call::background("t"), &database);
    let live = audiences.create(new(None, None, None)).await.unwrap();
    assert_eq!((live.kind, &live.people), (Kind::Live, &None));
    let frozen = audiences
        .create(new(Some("x"), None, Some(people())))
        .await
        .unwrap();
    assert_eq!(
        (frozen.kind, frozen.people.clone()),
        (Kind::Frozen, Some(people()))
    );
    let imported = NewAudience {
        expression: None,
        ..new(Some("y"), None, Some(people()))
    };
    assert_eq!(audiences.create(imported).await.unwrap().kind, Kind::Imported);
    for made in [live, frozen] {
        assert_eq!(audiences.get(&made.id).await.unwrap(), made);
    }
    assert_eq!(audiences.count().await.unwrap(), 3);
    assert_eq!(audiences.with_people().await.unwrap().len(), 2);
    assert_eq!(audiences.with_expressions().await.unwrap().len(), 2);
    assert!(audiences.replace_list("x", "list-1", "list-2", 5).await.unwrap());
    assert!(!audiences.replace_list("x", "list-1", "list-3", 6).await.unwrap());
    assert_eq!(audiences.get("x").await.unwrap().people.unwrap().keys, "list-2");
    let taken = audiences.create(new(Some("x"), None, None)).await;
    assert!(matches!(taken, Err(Error::Exists(_))));
    assert!(matches!(
        audiences.require_free(&["x".to_owned()]).await,
        Err(Error::Exists(_))
    ));
}

async fn tenants_and_brands_do_not_see_each_other(database: Place) {
    let (one, two) = (
        Audiences::of(&Call::background("one"), &database),
        Audiences::of(&Call::background("two"), &database),
    );
    let made = one.create(new(Some("x"), Some("r"), None)).await.unwrap();
    assert!(matches!(two.get("x").await, Err(Error::Unknown(_))));
    assert!(matches!(two.delete("x", None).await, Err(Error::Unknown(_))));
    assert_eq!(two.count().await.unwrap(), 0);
    two.create(new(Some("x"), Some("r"), None)).await.unwrap();
    let call = Call::background("one").seeing(&Brands::Some(["other".to_owned()].into()));
    let narrow = Audiences::of(&call, &database);
    for error in [
        narrow.get("x").await.unwrap_err(),
        narrow.update("x", None, Change::default()).await.unwrap_err(),
        narrow.delete("x", None).await.unwrap_err(),
    ] {
        assert!(matches!(error, Error::Unknown(_)), "{error}");
    }
    assert_eq!(narrow.by_request(Some("r")).await.unwrap(), None);
    // The request id of another brand's is as free as any.
    let other = narrow
        .create(NewAudience {
            brand: "other".to_owned(),
            ..new(Some("y"), Some("r"), None)
        })
        .await
        .unwrap();
    assert_eq!((other.id.as_str(), other.brand.as_str()), ("y", "other"));
    assert_eq!(one.get("x").await.unwrap(), made);
}

async fn the_same_request_makes_one_audience_and_another_none(database: Place) {
    let make = |number: u64| {
        let audiences = Audiences::of(&Call::background("t").asking(number), &database);
        async move { audiences.create(new(None, Some("r"), None)).await }
    };
    let made = futures::future::join_all((0..16).map(|_| make(7))).await;
    let ids: Vec<String> = made.into_iter().map(|made| made.unwrap().id).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert!(matches!(make(8).await, Err(Error::RequestReused(_))));
    // Rows of before the hashes were kept.
    database
        .execute_unprepared("UPDATE audiences SET request_hash = NULL")
        .await
        .unwrap();
    assert_eq!(make(8).await.unwrap().id, ids[0]);
    assert_eq!(
        Audiences::of(&Call::background("t"), &database)
            .count()
            .await
            .unwrap(),
        1
    );
}

async fn audiences_are_saved_together_or_not_at_all(database: Place) {
    let audiences = Audiences::of(&Call::background("t"), &database);
    let save = |request_hash: u64, ids: &[&str], request: Option<&str>, bytes: &[u8]| {
        let new = ids.iter().map(|id| new(Some(id), None, Some(people()))).collect();
        let answer = Answer {
            brand: "b".to_owned(),
            request_id: request.map(str::to_owned),
            bytes: bytes.to_vec(),
        };
        let audiences = Audiences::of(&Call::background("t").asking(request_hash), &database);
        async move { audiences.create_all(new, answer).await }
    };
    assert_eq!(save(7, &["a", "b"], None, b"first").await.unwrap(), None);
    // The last id is taken: nothing of it is there, and its request is not taken for done.
    let refused = save(7, &["c", "d", "b"], Some("r"), b"second").await;
    assert!(matches!(refused, Err(Error::Exists(id)) if id == "audiences/b"));
    assert_eq!(audiences.count().await.unwrap(), 2);
    assert_eq!(audiences.answered(Some("r")).await.unwrap(), None);
    // At the same time, too, one request saves once.
    let twelve = (0..12).map(|_| save(7, &["c", "d"], Some("r"), b"third"));
    let saved = futures::future::join_all(twelve).await;
    let (ours, first): (Vec<_>, Vec<_>) = saved.into_iter().map(Result::unwrap).partition(Option::is_none);
    assert_eq!(ours.len(), 1);
    assert!(first.iter().all(|first| first.as_deref() == Some(b"third")));
    assert_eq!(audiences.count().await.unwrap(), 4);
    let another = save(8, &["e"], Some("r"), b"fourth").await;
    assert!(matches!(another, Err(Error::RequestReused(_))));
}

async fn of_changes_with_one_etag_one_wins(database: Place) {
    let audiences = Audiences::of(&Call::background("t"), &database);
    let made = audiences.create(new(Some("x"), None, None)).await.unwrap();
    let change = |number: usize| {
        let (audiences, etag) = (audiences.clone(), made.etag.clone());
        async move {
            let change = Change {
                display_name: Some(number.to_string()),
                ..Change::default()
            };
            audiences.update("x", Some(&etag), change).await
        }
    };
    let changed = futures::future::join_all((0..8).map(change)).await;
    assert_eq!(changed.iter().filter(|changed| changed.is_ok()).count(), 1);
    let refused = changed.iter().filter_map(|changed| changed.as_ref().err());
    assert!(refused.into_iter().all(|error| matches!(error, Error::Etag(_))));
    assert!(matches!(
        audiences.delete("x", Some(&made.etag)).await,
        Err(Error::Etag(_))
    ));
    audiences.delete("x", None).await.unwrap();
    assert!(matches!(audiences.get("x").await, Err(Error::Unknown(_))));
}

async fn changes_without_an_etag_all_land(database: Place) {
    let audiences = Audiences::of(&Call::background("t"), &database);
    audiences.create(new(Some("x"), None, None)).await.unwrap();
    let change = |number: usize| {
        let audiences = audiences.clone();
        let change = Change {
            display_name: Some(number.to_string()),
            ..Change::default()
        };
        async move { audiences.update("x", None, change).await }
    };
    let changed = futures::future::join_all((0..8).map(change)).await;
    // Each was made of what another has left: no two of the same.
    let before: std::collections::BTreeSet<String> = changed
        .into_iter()
        .map(|changed| changed.unwrap().0.etag)
        .collect();
    assert_eq!(before.len(), 8);
}

async fn pages_show_every_audience_once(database: Place) {
    let audiences = Audiences::of(&Call::background("t"), &database);
    let mut made = Vec::new();
    for _ in 0..7 {
        made.push(audiences.create(new(None, None, None)).await.unwrap().id);
    }
    let (mut seen, mut token) = (Vec::new(), String::new());
    loop {
        let page = audiences.list("b", 3, &token).await.unwrap();
        seen.extend(page.items.into_iter().map(|audience| audience.id));
        token = page.next;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(seen, made);
    assert!(audiences.list("other", 3, "").await.unwrap().items.is_empty());
    assert!(matches!(
        audiences.list("b", 3, "nonsense").await,
        Err(Error::PageToken)
    ));
}

async fn deletions_are_kept_until_they_end(database: Place) {
    let deletions = StoredDeletions::of(&Call::background("t"), &database);
    let asked = StoredDeletion {
        id: "d".to_owned(),
        consumers: 3,
        asked_at: 1,
        parts: None,
    };
    for _ in 0..2 {
        deletions.ensure(&asked).await.unwrap();
    }
    assert_eq!(deletions.get("d").await.unwrap(), asked);
    deletions.end("d", &[]).await.unwrap();
    deletions.ensure(&asked).await.unwrap();
    assert_eq!(deletions.get("d").await.unwrap().parts, Some(Vec::new()));
    assert_eq!(deletions.list(10, "").await.unwrap().items.len(), 1);
    assert!(matches!(
        StoredDeletions::of(&Call::background("u"), &database)
            .get("d")
            .await,
        Err(Error::Unknown(_))
    ));
}
