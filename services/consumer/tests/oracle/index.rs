//! The people index: its answers against those from the facts themselves, and its bitmaps against the facts, whatever
//! was appended, revised, stopped or raced.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use dualwheel_consumer::{
    PeopleIndex,
    aipl::Aipl,
    fast::Fast,
    flow::Flow,
    index::{Error, Judge, Snapshot, judge::can_judge},
    stages::Model,
    strategic::Strategic,
};
use dualwheel_kit::{Call, config::Config, server::Server};
use dualwheel_lake::{Lake, service::Facts};
use dualwheel_measure::{Day, Extent, MetricGroup, Window};
use dualwheel_proto::facts::{
    Behavior, BehaviorKind, FactKind, FactRows, OrderLine, fact_service_server::FactServiceServer,
};
use proptest::prelude::*;
use roaring::RoaringBitmap;
use tonic::transport::Channel;

use crate::{
    edges::{D, act, sale},
    faulty::Faults,
    service::{append, house_on},
    world::{BRAND, World, cells, definitions, facts, world},
};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn the_index_answers_as_the_facts_do(world in world()) {
        let (frames, definitions) = (world.frames(), definitions());
        let world = World { category: None, ..world };
        let (facts, ask) = (facts(&frames), world.ask(&definitions, None));
        let cells = cells(&facts);
        let judge = Judge { cells: &cells, members: &facts.members, target: None };
        prop_assert_eq!(Aipl.finish(Aipl.by_index(&judge, &ask), &(), &ask), Aipl.measure(&facts, &(), &ask));
        prop_assert_eq!(Flow.finish(Flow.by_index(&judge, &ask), &(), &ask), Flow.measure(&facts, &(), &ask));
        let (indexed, moved) = (Flow.by_index(&judge, &ask), Flow.partial(&facts, &(), Extent::Whole, &ask));
        prop_assert_eq!(indexed.get(), moved.get());
        prop_assert_eq!(Fast.finish(Fast.by_index(&judge, &ask), &(), &ask), Fast.measure(&facts, &(), &ask));
    }

    /// Fertility in closed form is fertility day by day, in every shipped model.
    #[test]
    fn closed_form_is_day_by_day(world in world(), named: bool) {
        let (frames, parameters) = (world.frames(), definitions().parameters);
        let facts = facts(&frames);
        let cells = cells(&facts);
        let marked = named.then(|| Strategic::assign(&frames.profiles, &parameters).members("small_town_elders"));
        let target: Option<RoaringBitmap> = marked.flatten().map(|marked| {
            (0..).zip(marked).filter(|(_, belongs)| *belongs).map(|(consumer, _)| consumer).collect()
        });
        let judge = Judge { cells: &cells, members: &facts.members, target: target.as_ref() };
        let shipped = parameters.stage_models.values().map(Vec::as_slice);
        for rules in shipped.chain([parameters.aipl.as_slice()]) {
            let model = Model::new(rules, &parameters, false);
            prop_assert!(can_judge(&model));
            prop_assert_eq!(judge.ever(&model, world.window), judge.ever_by_day(&model, world.window));
        }
    }
}

#[test]
fn models_that_count_happenings_are_left_to_the_facts() {
    let rule = "[{state: X, en: X, zh: X, any: [[{of: [active], within: 20, count: 3, days: 2}]]}]";
    let rules: Vec<_> = serde_yaml_ng::from_str(rule).unwrap();
    assert!(!can_judge(&Model::new(&rules, &definitions().parameters, false)));
}

fn index(lake: &Lake) -> PeopleIndex {
    PeopleIndex::new(lake.clone(), 64 << 20, 1_000)
}

async fn append_lines(channel: &Channel, sequence: i64, order_lines: Vec<OrderLine>) {
    let rows = FactRows {
        order_lines,
        ..FactRows::default()
    };
    append(channel, FactKind::OrderLine, sequence, rows).await;
}

async fn append_acts(channel: &Channel, sequence: i64, acts: &[(&str, BehaviorKind, i32)]) {
    let rows = FactRows {
        behaviors: acts
            .iter()
            .map(|(who, kind, day)| act(who, *kind, *day))
            .collect(),
        ..FactRows::default()
    };
    append(channel, FactKind::Behavior, sequence, rows).await;
}

/// Keys by signal and day.
async fn held(snapshot: &Snapshot) -> BTreeMap<(usize, i32), BTreeSet<String>> {
    let cells = snapshot.brand(BRAND).await.unwrap();
    let names = snapshot.lake.names();
    let keys = names.consumers.view();
    let named = |people: &RoaringBitmap| people.iter().map(|one| keys.key(one).to_owned()).collect();
    cells
        .iter()
        .map(|(signal, day, people)| ((signal, day.0), named(people)))
        .collect()
}

fn same_as(expected: &[(usize, i32, &[&str])]) -> BTreeMap<(usize, i32), BTreeSet<String>> {
    let keys = |people: &[&str]| people.iter().map(|key| (*key).to_owned()).collect();
    expected
        .iter()
        .map(|(signal, day, people)| ((*signal, *day), keys(people)))
        .collect()
}

async fn verify(index: &PeopleIndex) {
    let (_, verified) = index.verify(&by_default()).await.unwrap();
    assert_eq!(verified.listed, []);
    assert_eq!(verified.different, 0);
    assert!(verified.bitmaps > 0 && verified.people > 0);
}

const BROWSE: usize = BehaviorKind::Browse as usize;
const CART: usize = BehaviorKind::Cart as usize;
const OTHER_LINE: usize = 24;
const BOUGHT: usize = 25;

#[tokio::test(flavor = "multi_thread")]
async fn it_follows_appends_and_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (lake, channel) = house_on(&folder).await;
    let first = index(&lake);
    append_acts(
        &channel,
        1,
        &[
            ("a", BehaviorKind::Browse, D - 2),
            ("b", BehaviorKind::Browse, D - 2),
        ],
    )
    .await;
    let early = first.catch_up(&by_default()).await.unwrap();
    append_acts(
        &channel,
        2,
        &[
            ("c", BehaviorKind::Browse, D - 2),
            ("a", BehaviorKind::Browse, D - 1),
        ],
    )
    .await;
    append_lines(&channel, 1, vec![sale("d", D - 5, "a/x", 1, 10)]).await;
    let expected = same_as(&[
        (BROWSE, D - 2, &["a", "b", "c"]),
        (BROWSE, D - 1, &["a"]),
        (BOUGHT, D - 5, &["d"]),
    ]);
    assert_eq!(
        held(&first.catch_up(&by_default()).await.unwrap()).await,
        expected
    );
    // A snapshot stays what it was.
    assert_eq!(held(&early).await, same_as(&[(BROWSE, D - 2, &["a", "b"])]));
    verify(&first).await;

    // Another process: other facts come first there, so that its own numbering would differ.
    let (lake, channel) = house_on(&folder).await;
    append_acts(&channel, 3, &[("zz", BehaviorKind::Browse, D - 3)]).await;
    let _ = lake.of(&by_default()).names().consumers.intern("elsewhere");
    let second = index(&lake);
    let snapshot = second.catch_up(&by_default()).await.unwrap();
    let mut expected = expected;
    expected.insert((BROWSE, D - 3), BTreeSet::from(["zz".to_owned()]));
    assert_eq!(held(&snapshot).await, expected);
    verify(&second).await;

    // The first, which the second has overtaken, loses nothing and repeats nothing.
    append_acts(&channel, 4, &[("y", BehaviorKind::Browse, D - 3)]).await;
    expected.insert((BROWSE, D - 3), BTreeSet::from(["y".to_owned(), "zz".to_owned()]));
    assert_eq!(
        held(&first.catch_up(&by_default()).await.unwrap()).await,
        expected
    );
    append_acts(&channel, 5, &[("y", BehaviorKind::Browse, D - 4)]).await;
    let call = by_default();
    let both = tokio::join!(first.catch_up(&call), second.catch_up(&call));
    expected.insert((BROWSE, D - 4), BTreeSet::from(["y".to_owned()]));
    assert_eq!(held(&both.0.unwrap()).await, expected);
    assert_eq!(held(&both.1.unwrap()).await, expected);
    verify(&first).await;
    verify(&second).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn revised_lines_replace_those_before() {
    let folder = tempfile::tempdir().unwrap();
    let (lake, channel) = house_on(&folder).await;
    let index = index(&lake);
    let line = |who: &str, day: i32| OrderLine {
        order: format!("order of {who}"),
        ..sale(who, day, "a/x", 1, 10)
    };
    append_lines(&channel, 1, vec![line("a", D - 9), line("b", D - 9)]).await;
    let snapshot = index.catch_up(&by_default()).await.unwrap();
    assert_eq!(held(&snapshot).await, same_as(&[(BOUGHT, D - 9, &["a", "b"])]));
    // The line of a was booked on the wrong day; that of b becomes a return-only row.
    let moved = OrderLine {
        revision: 1,
        ..line("a", D - 7)
    };
    let returned = OrderLine {
        revision: 1,
        quantity: 0,
        paid_amount: "0".to_owned(),
        ..line("b", D - 9)
    };
    append_lines(&channel, 2, vec![moved, returned, line("c", D - 8)]).await;
    let expected = same_as(&[
        (BOUGHT, D - 7, &["a"]),
        (OTHER_LINE, D - 9, &["b"]),
        (BOUGHT, D - 8, &["c"]),
    ]);
    assert_eq!(
        held(&index.catch_up(&by_default()).await.unwrap()).await,
        expected
    );
    verify(&index).await;
    // An older revision that comes late changes nothing, in this process nor in the next.
    append_lines(&channel, 3, vec![line("a", D - 20)]).await;
    assert_eq!(
        held(&index.catch_up(&by_default()).await.unwrap()).await,
        expected
    );
    let later = self::index(&house_on(&folder).await.0);
    append_lines(&channel, 4, vec![line("d", D - 8)]).await;
    append_lines(&channel, 5, vec![line("d", D - 6)]).await;
    let snapshot = later.catch_up(&by_default()).await.unwrap();
    // Of equal revisions the smaller row counts: the one paid earlier.
    let mut expected = expected;
    expected.insert((BOUGHT, D - 8), BTreeSet::from(["c".to_owned(), "d".to_owned()]));
    assert_eq!(held(&snapshot).await, expected);
    verify(&later).await;
    // Every purchase is taken back: no bitmap of purchases is left, for this process and the next.
    let back = |who: &str, day: i32| OrderLine {
        revision: 2,
        quantity: 0,
        paid_amount: "0".to_owned(),
        ..line(who, day)
    };
    let all = vec![
        back("a", D - 7),
        back("b", D - 9),
        back("c", D - 8),
        back("d", D - 8),
    ];
    append_lines(&channel, 6, all).await;
    let expected = same_as(&[
        (OTHER_LINE, D - 9, &["b"]),
        (OTHER_LINE, D - 8, &["c", "d"]),
        (OTHER_LINE, D - 7, &["a"]),
    ]);
    assert_eq!(
        held(&later.catch_up(&by_default()).await.unwrap()).await,
        expected
    );
    let next = self::index(&house_on(&folder).await.0);
    assert_eq!(held(&next.catch_up(&by_default()).await.unwrap()).await, expected);
    verify(&next).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_event_id_is_one_act() {
    let folder = tempfile::tempdir().unwrap();
    let (lake, channel) = house_on(&folder).await;
    let index = index(&lake);
    let named = |event: &str, who: &str, kind: BehaviorKind, day: i32| Behavior {
        event_id: event.to_owned(),
        ..act(who, kind, day)
    };
    let append_named = async |sequence: i64, behaviors: Vec<Behavior>| {
        let rows = FactRows {
            behaviors,
            ..FactRows::default()
        };
        append(&channel, FactKind::Behavior, sequence, rows).await;
    };
    let (browse, cart) = (BehaviorKind::Browse, BehaviorKind::Cart);
    let first = vec![named("1", "a", browse, D - 2), named("2", "b", browse, D - 2)];
    append_named(1, first.clone()).await;
    let expected = same_as(&[(BROWSE, D - 2, &["a", "b"])]);
    let snapshot = index.catch_up(&by_default()).await.unwrap();
    assert_eq!(held(&snapshot).await, expected);
    // Delivered again as it was, and later with other words: it stays what it was.
    append_named(2, first).await;
    append_named(3, vec![named("1", "c", cart, D - 1)]).await;
    assert_eq!(
        held(&index.catch_up(&by_default()).await.unwrap()).await,
        expected
    );
    verify(&index).await;
    // An earlier row stands instead, in this process and in the next, which has not read the first.
    append_named(4, vec![named("2", "d", cart, D - 5)]).await;
    let expected = same_as(&[(BROWSE, D - 2, &["a"]), (CART, D - 5, &["d"])]);
    assert_eq!(
        held(&index.catch_up(&by_default()).await.unwrap()).await,
        expected
    );
    let next = self::index(&house_on(&folder).await.0);
    append_named(
        5,
        vec![named("1", "e", cart, D - 6), named("3", "f", cart, D - 5)],
    )
    .await;
    let expected = same_as(&[(CART, D - 6, &["e"]), (CART, D - 5, &["d", "f"])]);
    assert_eq!(held(&next.catch_up(&by_default()).await.unwrap()).await, expected);
    verify(&next).await;
    // So it is after many commits that are joined, and derived anew.
    for sequence in 6..40 {
        append_named(sequence, vec![named("4", "g", cart, D - 5)]).await;
        next.catch_up(&by_default()).await.unwrap();
    }
    append_named(40, vec![named("4", "h", cart, D - 7)]).await;
    let expected = same_as(&[
        (CART, D - 7, &["h"]),
        (CART, D - 6, &["e"]),
        (CART, D - 5, &["d", "f"]),
    ]);
    assert_eq!(held(&next.catch_up(&by_default()).await.unwrap()).await, expected);
    verify(&next).await;
    assert_eq!(held(&index.rebuild(&by_default()).await.unwrap()).await, expected);
    verify(&index).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_changes_its_brand_leaves_the_old_one() {
    let folder = tempfile::tempdir().unwrap();
    let (lake, channel) = house_on(&folder).await;
    let index = index(&lake);
    let line = |who: &str, brand: &str, revision: i64| OrderLine {
        order: format!("order of {who}"),
        brand: brand.to_owned(),
        revision,
        ..sale(who, D - 9, "a/x", 1, 10)
    };
    append_lines(&channel, 1, vec![line("a", BRAND, 0), line("b", BRAND, 0)]).await;
    let snapshot = index.catch_up(&by_default()).await.unwrap();
    assert_eq!(held(&snapshot).await, same_as(&[(BOUGHT, D - 9, &["a", "b"])]));
    append_lines(&channel, 2, vec![line("a", "other", 1)]).await;
    let expected = same_as(&[(BOUGHT, D - 9, &["b"])]);
    assert_eq!(
        held(&index.catch_up(&by_default()).await.unwrap()).await,
        expected
    );
    verify(&index).await;
    // The last one leaves: the brand has no line any more. An older row that comes late changes nothing.
    append_lines(&channel, 3, vec![line("b", "other", 1), line("a", BRAND, 0)]).await;
    let snapshot = index.catch_up(&by_default()).await.unwrap();
    assert_eq!(held(&snapshot).await, same_as(&[]));
    assert!(!snapshot.brand(BRAND).await.unwrap().has_lines());
    assert!(snapshot.brand("other").await.unwrap().has_lines());
    verify(&index).await;
    let next = self::index(&house_on(&folder).await.0);
    assert_eq!(
        held(&next.catch_up(&by_default()).await.unwrap()).await,
        same_as(&[])
    );
    verify(&next).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_gives_the_same_bitmaps_and_many_commits_are_joined() {
    let folder = tempfile::tempdir().unwrap();
    let (lake, channel) = house_on(&folder).await;
    let index = index(&lake);
    for sequence in 1..=40 {
        let day = D - 40 + i32::try_from(sequence).unwrap();
        let who = format!("c{}", sequence % 7);
        append_acts(
            &channel,
            sequence,
            &[(&who, BehaviorKind::Cart, day), ("x", BehaviorKind::Browse, D)],
        )
        .await;
        append_lines(&channel, sequence, vec![sale(&who, day, "a/x", 1, 10)]).await;
        index.catch_up(&by_default()).await.unwrap();
    }
    let before = index.catch_up(&by_default()).await.unwrap();
    let bitmaps = |cells: &dualwheel_consumer::index::Cells| -> Vec<(usize, Day, RoaringBitmap)> {
        cells
            .iter()
            .map(|(signal, day, people)| (signal, day, people.clone()))
            .collect()
    };
    let stored = lake
        .of(&by_default())
        .people_index(&["behaviors", "order_lines"])
        .await
        .unwrap();
    let bucket = dualwheel_lake::fact::bucket_of(BRAND);
    assert!(
        lake.of(&by_default())
            .people_files(&stored, bucket)
            .await
            .unwrap()
            < 40
    );
    verify(&index).await;
    let rebuilt = index.rebuild(&by_default()).await.unwrap();
    let (one, other) = (
        before.brand(BRAND).await.unwrap(),
        rebuilt.brand(BRAND).await.unwrap(),
    );
    assert_eq!(bitmaps(&one), bitmaps(&other));
    assert_eq!(one.iter().count(), 81);
    verify(&index).await;
    // A third process finds it as it is, without following anything.
    let third = self::index(&house_on(&folder).await.0);
    let found = third.catch_up(&by_default()).await.unwrap();
    assert_eq!(found.status().version, rebuilt.status().version);
    assert_eq!(bitmaps(&one), bitmaps(&found.brand(BRAND).await.unwrap()));
    let window = Window {
        first: Day(D - 40),
        last: Day(D),
    };
    assert_eq!(one.on_days(1 << BOUGHT, window, 6).len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_with_too_many_consumers_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (lake, channel) = house_on(&folder).await;
    append_acts(
        &channel,
        1,
        &[("a", BehaviorKind::Browse, D), ("b", BehaviorKind::Browse, D)],
    )
    .await;
    let index = PeopleIndex::new(lake, 64 << 20, 1);
    let error = index.catch_up(&by_default()).await.unwrap_err();
    assert!(matches!(error, Error::Exhausted { most: 1, .. }), "{error}");
    assert!(
        index
            .soon(&by_default(), std::time::Duration::from_secs(5))
            .await
            .is_none()
    );
}

/// Work for the tenant whose facts these tests mostly are.
fn by_default() -> Call {
    Call::background("default")
}

/// Facts of a tenant, taken by a server of its own.
fn taker(lake: &Lake, tenant: &str) -> Channel {
    let facts = FactServiceServer::new(Facts::new(lake.clone(), &["consumer", "product"]));
    let config = Config {
        tenant: tenant.to_owned(),
        ..Config::default()
    };
    let server = Server::builder(&config).unwrap().add(facts);
    server.build().unwrap().in_process()
}

/// Waits until the order lines of a tenant have been followed up to a version.
async fn until_followed(lake: &Lake, tenant: &str, version: i64) {
    for _ in 0..400 {
        let stored = lake
            .of(&Call::background(tenant))
            .people_index(&["order_lines"])
            .await
            .unwrap();
        if stored.followed.get("order_lines").copied() >= Some(version) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{tenant} is not followed to version {version}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_whose_turn_panics_keeps_no_other_from_its_own() {
    let (folder, faults) = (tempfile::tempdir().unwrap(), Faults::default());
    let options = dualwheel_lake::Options {
        location: folder.path().join("lake").display().to_string(),
        frame_cache_bytes: 64 << 20,
        retention: Duration::from_secs(604_800),
    };
    let lake = Lake::open(&options).unwrap();
    let (poor, rich) = (taker(&lake, "poor"), taker(&lake, "rich"));
    append_lines(&poor, 1, vec![sale("a", D - 5, "a/x", 1, 10)]).await;
    append_lines(&rich, 1, vec![sale("a", D - 5, "a/x", 1, 10)]).await;
    let index = index(&Lake::open_through(&options, |store| faults.in_store(store)).unwrap());
    index.catch_up(&Call::background("poor")).await.unwrap();
    index.catch_up(&Call::background("rich")).await.unwrap();
    index.keep_up(None);

    // A replaced line makes its brand be counted anew, which asks for the tenant's settings.
    faults.panic_at("tenants/poor");
    let again = OrderLine {
        revision: 2,
        ..sale("a", D - 5, "a/x", 1, 10)
    };
    append_lines(&poor, 2, vec![again]).await;
    for _ in 0..400 {
        if faults.met() > 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(faults.met() > 0);
    append_lines(&rich, 2, vec![sale("b", D - 5, "a/x", 1, 10)]).await;
    until_followed(&lake, "rich", 4).await;
    assert!(
        index
            .soon(&Call::background("poor"), Duration::from_secs(5))
            .await
            .is_none()
    );

    faults.heal();
    let snapshot = index.catch_up(&Call::background("poor")).await.unwrap();
    assert_eq!(held(&snapshot).await, same_as(&[(BOUGHT, D - 5, &["a"])]));
}

/// A process that has known the index for long, while no fact came, and whose files another one has erased meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn what_another_process_has_erased_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let (lake, channel) = house_on(&folder).await;
    append_acts(&channel, 1, &[("a", BehaviorKind::Browse, D)]).await;
    let (one, other) = (index(&lake), index(&house_on(&folder).await.0));
    one.catch_up(&by_default()).await.unwrap();
    let rebuilt = other.rebuild(&by_default()).await.unwrap();
    let soon = chrono::Utc::now().timestamp_micros() + 1_000_000;
    rebuilt.erase_files_before(soon, Duration::ZERO).await.unwrap();
    verify(&one).await;
}
