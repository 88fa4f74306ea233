use std::collections::BTreeSet;

use sea_orm::{ActiveValue::Set, ColumnTrait, Condition, DatabaseConnection};

use super::*;
use crate::{Call, access::Brands};
use thing::{Column, Entity};

/// A collection that is all that a collection may be.
pub(crate) mod thing {
    use sea_orm::{ConnectionTrait, Order, Schema, entity::prelude::*};

    use crate::{
        Call, db,
        store::{Changeable, Collection, Error, Listed, Requested, Work},
    };

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "things")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub tenant: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        #[sea_orm(unique)]
        pub request_id: Option<String>,
        pub request_hash: Option<i64>,
        pub brand: String,
        pub number: i64,
        pub etag: String,
        pub state: i32,
        pub beats: i64,
        pub made_at: i64,
        pub changed_at: i64,
        pub ended_at: Option<i64>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}

    #[derive(Clone, Copy)]
    pub enum State {
        Working = 1,
        Done = 2,
        Interrupted = 3,
    }

    impl Collection for Entity {
        const NAME: &'static str = "things";
        const TENANT: Column = Column::Tenant;
        const ID: &'static [Column] = &[Column::Id];
        type Resource = Model;

        fn read(row: Model) -> Result<Model, Error> {
            Ok(row)
        }

        fn is_shown(call: &Call, row: &Model) -> Result<bool, Error> {
            Ok(call.may_see(&row.brand))
        }
    }

    impl Listed for Entity {
        const MADE_AT: Column = Column::MadeAt;
        const ORDER: Order = Order::Desc;
    }

    impl Requested for Entity {
        const REQUEST_ID: Column = Column::RequestId;
        const REQUEST_HASH: Column = Column::RequestHash;
    }

    impl Changeable for Entity {
        const ETAG: Column = Column::Etag;
        const CHANGED_AT: Column = Column::ChangedAt;
    }

    impl Work for Entity {
        const STATE: Column = Column::State;
        const WORKING: &'static [i32] = &[State::Working as i32];
        const INTERRUPTED: i32 = State::Interrupted as i32;
        const BEATS: Column = Column::Beats;
        const ENDED_AT: Column = Column::EndedAt;
    }

    /// A database with no things.
    pub async fn database() -> DatabaseConnection {
        let database = db::connect("sqlite::memory:").await.unwrap().connection().clone();
        let backend = database.get_database_backend();
        let table = Schema::new(backend).create_table_from_entity(Entity);
        database.execute(&table).await.unwrap();
        database
    }

    pub fn row(id: &str) -> Model {
        Model {
            tenant: "t".to_owned(),
            id: id.to_owned(),
            request_id: None,
            request_hash: None,
            brand: "b".to_owned(),
            number: 0,
            etag: "first".to_owned(),
            state: State::Working as i32,
            beats: 0,
            made_at: 1,
            changed_at: 1,
            ended_at: None,
        }
    }
}

fn things(database: &DatabaseConnection) -> Repository<Entity> {
    Repository::of(&Call::background("t"), database)
}

fn seeing(database: &DatabaseConnection, brands: &[&str]) -> Repository<Entity> {
    let brands: BTreeSet<String> = brands.iter().map(|brand| (*brand).to_owned()).collect();
    Repository::of(&Call::background("t").seeing(&Brands::Some(brands)), database)
}

fn one_more(thing: &thing::Model) -> Result<thing::ActiveModel, Error> {
    Ok(thing::ActiveModel {
        number: Set(thing.number + 1),
        ..Default::default()
    })
}

#[tokio::test]
async fn pages_join_to_what_may_be_seen_in_order() {
    let database = thing::database().await;
    let all = things(&database);
    for (place, brand) in ["a", "b", "a", "b", "b", "a", "a", "b", "a", "a", "a"]
        .iter()
        .enumerate()
    {
        let row = thing::Model {
            brand: (*brand).to_owned(),
            // Several are made at the same time.
            made_at: place as i64 / 3,
            ..thing::row(&format!("t{}", (place * 7) % 11))
        };
        assert!(all.insert(row).await.unwrap());
    }
    let stranger = Repository::<Entity>::of(&Call::background("another"), &database);
    assert_eq!(stranger.count(Condition::all()).await.unwrap(), 0);
    for (seen, brands) in [(&all, &["a", "b"][..]), (&seeing(&database, &["a"]), &["a"])] {
        let mut wanted = all.find(Condition::all()).await.unwrap();
        wanted.retain(|one| brands.contains(&one.brand.as_str()));
        wanted.sort_by(|one, other| (other.made_at, &other.id).cmp(&(one.made_at, &one.id)));
        for size in 1..=12 {
            let (mut found, mut token) = (Vec::new(), String::new());
            loop {
                let page = seen.list(&(), Condition::all(), size, &token).await.unwrap();
                assert!(page.items.len() <= size);
                found.extend(page.items);
                token = page.next;
                if token.is_empty() {
                    break;
                }
            }
            assert_eq!(found, wanted, "pages of {size}");
        }
    }
    let other = Column::Brand.eq("a");
    let other = Condition::all().add(other);
    let next = all.list("a", other.clone(), 1, "").await.unwrap().next;
    for (filter, token) in [("b", next.as_str()), ("a", &next[..16]), ("a", "é"), ("a", "7.a")] {
        let refused = all.list(filter, other.clone(), 1, token).await;
        assert!(matches!(refused, Err(Error::PageToken)), "{token}");
    }
}

#[tokio::test]
async fn to_who_may_not_see_a_brand_its_things_do_not_exist() {
    let database = thing::database().await;
    things(&database).insert(thing::row("x")).await.unwrap();
    let narrow = seeing(&database, &["another"]);
    let unknown = |error: &Error| matches!(error, Error::Unknown(name) if name == "things/x");
    assert!(unknown(&narrow.get(&["x"]).await.unwrap_err()));
    assert!(unknown(&narrow.change(&["x"], None, one_more).await.unwrap_err()));
    assert!(unknown(&narrow.delete(&["x"], Some("first")).await.unwrap_err()));
    assert!(unknown(&narrow.end("x", Default::default()).await.unwrap_err()));
    assert_eq!(things(&database).get(&["x"]).await.unwrap().number, 0);
}

#[tokio::test]
async fn a_request_makes_one_thing_however_often_it_comes() {
    let database = thing::database().await;
    let all = things(&database);
    let row = |id: &str, request: Option<&str>| thing::Model {
        request_id: request.map(str::to_owned),
        ..thing::row(id)
    };
    let both = tokio::join!(
        all.create(row("one", Some("r"))),
        all.create(row("two", Some("r")))
    );
    let ((first, is_first), (second, is_second)) = (both.0.unwrap(), both.1.unwrap());
    assert_eq!(first, second);
    assert!(is_first != is_second);
    assert_eq!(all.count(Condition::all()).await.unwrap(), 1);
    // An id that is taken, and a request of somebody who sees more.
    let taken = all.create(row(&first.id, Some("s"))).await.unwrap_err();
    assert!(matches!(taken, Error::Exists(name) if name == format!("things/{}", first.id)));
    let narrow = seeing(&database, &["another"]);
    assert!(narrow.by_request(Some("r")).await.unwrap().is_none());
    let reused = narrow.create(row("three", Some("r"))).await.unwrap_err();
    assert!(matches!(reused, Error::RequestReused(_)), "{reused}");
}

#[tokio::test]
async fn writers_that_race_without_an_etag_all_land_and_with_one_the_first() {
    let database = thing::database().await;
    let all = things(&database);
    all.insert(thing::row("x")).await.unwrap();
    let writers = (0..8).map(|_| all.change(&["x"], None, one_more));
    let written = futures::future::join_all(writers).await;
    let mut before: Vec<i64> = written.into_iter().map(|one| one.unwrap().0.number).collect();
    before.sort_unstable();
    assert_eq!(
        before,
        [0, 1, 2, 3, 4, 5, 6, 7],
        "each is made of what another has left"
    );
    let now = all.get(&["x"]).await.unwrap();
    assert_eq!(now.number, 8);
    let writers = (0..4).map(|_| all.change(&["x"], Some(&now.etag), one_more));
    let written = futures::future::join_all(writers).await;
    assert_eq!(written.iter().filter(|one| one.is_ok()).count(), 1);
    for lost in written.into_iter().filter_map(Result::err) {
        assert!(matches!(lost, Error::Etag(_)), "{lost}");
    }
    // Whoever deletes without one deletes what there is.
    let (deleted, changed) = tokio::join!(all.delete(&["x"], None), all.change(&["x"], None, one_more));
    let left = 9 + i64::from(changed.is_ok());
    assert!((9..=left).contains(&deleted.unwrap().number));
    assert_eq!(all.count(Condition::all()).await.unwrap(), 0);
}

#[tokio::test]
async fn of_two_ends_the_first_counts_and_the_oldest_ended_work_is_forgotten() {
    let database = thing::database().await;
    let all = things(&database);
    let done = |number| thing::ActiveModel {
        state: Set(thing::State::Done as i32),
        number: Set(number),
        ..Default::default()
    };
    for at in 1..=4 {
        let id = format!("t{at}");
        let row = thing::Model {
            made_at: at,
            ..thing::row(&id)
        };
        assert!(all.begin(row, 2).await.unwrap().1);
        if at < 4 {
            let first = all.end(&id, done(at)).await.unwrap();
            assert!(first.number == at && first.ended_at.is_some());
            assert_eq!(all.end(&id, done(9)).await.unwrap(), first);
            assert!(!all.advance(&id, done(9)).await.unwrap());
        }
    }
    let kept = all.find(Condition::all()).await.unwrap();
    let kept: Vec<&str> = kept.iter().map(|one| one.id.as_str()).collect();
    assert_eq!(
        kept,
        ["t2", "t3", "t4"],
        "two that have ended, and the one at work"
    );
}

#[tokio::test]
async fn who_watches_sees_each_state_once_and_the_last() {
    use futures::StreamExt;

    let seen = std::sync::Mutex::new([1, 1, 2, 2, 3, 9].into_iter());
    let look = || {
        let now = seen.lock().unwrap().next();
        async move { now.ok_or(()) }
    };
    let told: Vec<_> = states(look, |state| *state < 3).collect().await;
    assert_eq!(told, [Ok(1), Ok(2), Ok(3)]);
    let failed: Vec<Result<i32, &str>> = states(|| async { Err("gone") }, |_| true).collect().await;
    assert_eq!(failed, [Err("gone")]);
}
