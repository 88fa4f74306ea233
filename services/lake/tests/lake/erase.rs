//! Erasures: nothing that is stored holds an erased consumer, everything else stays, and nothing comes back.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use arrow::{array::AsArray, util::display::array_value_to_string};
use dualwheel_kit::Call;
use dualwheel_lake::{Error, Lake, TenantLake, erasure::Erasure};
use dualwheel_proto::facts::{ConsumerProfile, FactKind, FactRows, Member, OrderLine, Role};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use proptest::prelude::*;

use super::{House, OWNERS, at, behavior, count_lines, line, lines, orders, request, send};

const GONE: &str = "gone-person-7731";
const GRACE: Duration = Duration::from_secs(1);

/// A row of the one who goes.
fn theirs(order: u32) -> OrderLine {
    OrderLine {
        consumer: GONE.into(),
        ..line(order, "b")
    }
}

/// Facts of the one who goes among those of others, in every table that has some; one of their rows is refused.
async fn fill(house: &mut House) {
    for part in 0..4 {
        let mut rows = lines(part * 10..part * 10 + 9, "b");
        rows.order_lines.push(theirs(part * 10 + 9));
        house
            .append(vec![orders("p", i64::from(part) + 1, rows)])
            .await
            .unwrap();
    }
    let wrong = FactRows {
        order_lines: vec![
            OrderLine {
                paid_amount: "-1".into(),
                ..theirs(90)
            },
            line(91, "b"),
        ],
        ..FactRows::default()
    };
    let answers = house.append(vec![orders("p", 5, wrong)]).await.unwrap();
    assert_eq!((answers[0].accepted, answers[0].refused), (1, 1));
    let mut act = behavior("e1");
    act.consumer = GONE.into();
    let rows = FactRows {
        behaviors: vec![act, behavior("e2")],
        ..FactRows::default()
    };
    house
        .append(vec![request("p", 1, FactKind::Behavior, rows)])
        .await
        .unwrap();
    let profile = |consumer: &str| ConsumerProfile {
        consumer: consumer.into(),
        updated_at: at("2026-05-01T04:00:00Z"),
        ..ConsumerProfile::default()
    };
    let rows = FactRows {
        consumer_profiles: vec![profile(GONE), profile("c1")],
        ..FactRows::default()
    };
    house
        .append(vec![request("p", 1, FactKind::ConsumerProfile, rows)])
        .await
        .unwrap();
    let member = |consumer: &str| Member {
        consumer: consumer.into(),
        brand: "b".into(),
        role: Role::Member as i32,
        joined_at: at("2026-05-01T04:00:00Z"),
        ..Member::default()
    };
    let rows = FactRows {
        members: vec![member(GONE), member("c1")],
        ..FactRows::default()
    };
    house
        .append(vec![request("p", 1, FactKind::Member, rows)])
        .await
        .unwrap();
}

/// Waits until nothing is left in any table; what services keep beside them is none here.
pub async fn erased(tenant: &TenantLake, id: &str) -> Erasure {
    for _ in 0..200 {
        let erasure = tenant.erasure(id).await.unwrap().unwrap();
        let tables: Vec<_> = erasure
            .parts
            .iter()
            .filter(|part| !is_other(&part.name))
            .collect();
        assert!(tables.iter().all(|part| part.problem.is_empty()), "{tables:?}");
        if tables.iter().all(|part| part.erased_at.is_some()) {
            return erasure;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("not erased in time: {:?}", tenant.erasure(id).await.unwrap());
}

fn is_other(name: &str) -> bool {
    ["people_index", "audiences"].contains(&name)
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// Files below `folder` that hold `text`, in whatever they are packed.
pub fn holding(folder: &Path, text: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    files(folder, &mut found);
    found.retain(|path| {
        let bytes = std::fs::read(path).unwrap();
        let plain = |bytes: &[u8]| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        if plain(&bytes) {
            return true;
        }
        if path.extension().is_none_or(|extension| extension != "parquet") {
            return false;
        }
        let file = std::fs::File::open(path).unwrap();
        let mut batches = ParquetRecordBatchReaderBuilder::try_new(file)
            .unwrap()
            .build()
            .unwrap();
        batches.any(|batch| {
            let batch = batch.unwrap();
            batch
                .columns()
                .iter()
                .any(|column| match column.as_binary_opt::<i32>() {
                    Some(binary) => binary.iter().flatten().any(plain),
                    None => (0..column.len())
                        .any(|row| array_value_to_string(column, row).unwrap().contains(text)),
                })
        })
    });
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_an_erased_consumer_is_left() {
    let mut house = House::new();
    fill(&mut house).await;
    // Files of before compaction hold the rows as well.
    house.lake.compact().await.unwrap();
    let tenant = house.lake.of(&Call::background("default"));
    let pinned: BTreeMap<String, i64> = {
        let reader = tenant.reader(&BTreeMap::new()).await.unwrap();
        reader.orders("b").await.unwrap();
        reader.versions().tables.into_iter().collect()
    };
    let root = house.folder.path().join("lake");
    assert!(holding(&root, GONE).len() >= 6, "{:?}", holding(&root, GONE));

    house.lake.keep_erasing(&OWNERS, GRACE);
    tenant
        .erase("e", vec![GONE.into(), "nobody".into(), GONE.into()])
        .await
        .unwrap();
    let erasure = erased(&tenant, "e").await;
    let rows: BTreeMap<&str, u64> = erasure
        .parts
        .iter()
        .map(|part| (part.name.as_str(), part.rows))
        .collect();
    let expected = [
        ("audiences", 0),
        ("behaviors", 1),
        ("consumer_profiles", 1),
        ("members", 1),
        ("order_lines", 5),
        ("people_index", 0),
        ("social_profiles", 0),
    ];
    assert_eq!(erasure.consumers, 2);
    assert_eq!(rows, expected.into_iter().collect());

    for other in erasure.parts.iter().filter(|part| is_other(&part.name)) {
        let removed = other.clone().after(0, false, 1);
        tenant.note_part("e", &removed.after(0, true, 2)).await.unwrap();
    }
    assert!(tenant.erasure("e").await.unwrap().unwrap().is_done());
    tenant.end_erasure("e").await.unwrap();
    assert_eq!(tenant.erasures().await.unwrap(), []);
    assert_eq!(holding(&root, GONE), Vec::<PathBuf>::new());

    let (other, _) = house.again();
    assert_eq!(count_lines(&other, "b").await, 37);
    let then = other
        .of(&Call::background("default"))
        .reader(&pinned)
        .await
        .unwrap();
    let refused = then.orders("b").await.unwrap_err();
    assert!(refused.to_string().contains("has been removed"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn facts_about_an_erased_consumer_are_refused_wherever_they_come_in() {
    let mut house = House::new();
    fill(&mut house).await;
    let tenant = house.lake.of(&Call::background("default"));
    tenant.erase("e", vec![GONE.into()]).await.unwrap();
    let (_, mut other) = house.again();
    let rows = || FactRows {
        order_lines: vec![
            line(100, "b"),
            theirs(101),
            OrderLine {
                quantity: -1,
                ..line(102, "b")
            },
            OrderLine {
                quantity: -1,
                ..theirs(103)
            },
            line(104, "b"),
            theirs(105),
        ],
        ..FactRows::default()
    };
    for (client, producer) in [(&mut house.client, "here"), (&mut other, "there")] {
        let answers = send(client, vec![orders(producer, 1, rows())]).await.unwrap();
        assert_eq!((answers[0].accepted, answers[0].refused), (2, 4));
        let refused: Vec<(i64, &str)> = answers[0]
            .refusals
            .iter()
            .map(|one| (one.row, one.field.as_str()))
            .collect();
        assert_eq!(
            refused,
            [(1, "consumer"), (2, "quantity"), (3, "quantity"), (5, "consumer")]
        );
        let kept = std::fs::read_to_string(house.folder.path().join("lake").join(&answers[0].dead_letter));
        assert_eq!(kept.unwrap().lines().count(), 1);
        // The same batch again is answered as at first.
        let again = send(client, vec![orders(producer, 1, rows())]).await.unwrap();
        assert!(again[0].repeated_batch && again[0].refused == 4);
    }
    // What was sent before the deletion is the same batch after it.
    let mut rows = lines(30..39, "b");
    rows.order_lines.push(theirs(39));
    let again = send(&mut other, vec![orders("p", 4, rows)]).await.unwrap();
    assert!(again[0].repeated_batch, "{again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_deletions_are_all_remembered() {
    let house = House::new();
    let tenant = house.lake.of(&Call::background("default"));
    for number in 0..150 {
        tenant
            .erase(&format!("e{number}"), vec![format!("gone{number}")])
            .await
            .unwrap();
    }
    let folder = house.folder.path().join("lake/suppressed/default");
    let names = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let hashes = names.filter(|path| path.extension().is_some_and(|extension| extension == "hashes"));
    assert!(hashes.count() < 80);
    let (other, _) = house.again();
    let suppressed = other.of(&Call::background("default")).suppressed().await.unwrap();
    assert!((0..150).all(|number| suppressed.has(&format!("gone{number}"))));
    assert!(!suppressed.has("gone150") && !suppressed.has(""));
    let neighbour = other
        .of(&Call::background("neighbour"))
        .suppressed()
        .await
        .unwrap();
    assert!(!neighbour.has("gone1"));
}

/// A deletion that breaks off between the joining of files of hashes and the writing of its list, and is repeated.
#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_that_breaks_off_and_is_repeated_forgets_nobody() {
    let house = House::new();
    let tenant = house.lake.of(&Call::background("default"));
    for number in 0..63 {
        let keys = vec![format!("gone{number}")];
        tenant.erase(&format!("e{number}"), keys).await.unwrap();
    }
    let folder = house.folder.path().join("lake/suppressed/default");
    // The list cannot be written where a folder has its name.
    let list = house.folder.path().join("lake/keys/default/erasure-last.parquet");
    std::fs::create_dir_all(list.join("in the way")).unwrap();
    let keys = || vec!["gone63".to_owned()];
    tenant.erase("last", keys()).await.unwrap_err();
    let hashes = || {
        let names = std::fs::read_dir(&folder).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.ends_with(".hashes")).collect::<Vec<_>>()
    };
    let joined = hashes();
    assert_eq!(joined.len(), 1, "they were joined: {joined:?}");
    std::fs::remove_dir_all(&list).unwrap();
    tenant.erase("last", keys()).await.unwrap();
    assert!(hashes().contains(&joined[0]));
    let (other, _) = house.again();
    let suppressed = other.of(&Call::background("default")).suppressed().await.unwrap();
    assert!((0..64).all(|number| suppressed.has(&format!("gone{number}"))));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_stands_for_the_same_consumers_for_ever() {
    let house = House::new();
    let tenant = house.lake.of(&Call::background("default"));
    let erase = |keys: &[&str]| {
        let keys = keys.iter().map(|key| (*key).to_owned()).collect();
        tenant.erase("e", keys)
    };
    erase(&["one", "two"]).await.unwrap();
    erase(&["two", "one", "two"]).await.unwrap();
    let refused = erase(&["one"]).await.unwrap_err();
    assert!(matches!(refused, Error::RequestReused { .. }), "{refused}");
    tenant.end_erasure("e").await.unwrap();
    erase(&["three"]).await.unwrap_err();
    let suppressed = tenant.suppressed().await.unwrap();
    assert!(suppressed.has("one") && !suppressed.has("three"));
    // Nothing that is kept tells who it was.
    assert_eq!(
        holding(&house.folder.path().join("lake"), "three"),
        Vec::<PathBuf>::new()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_later_deletion_is_noticed_elsewhere() {
    let house = House::new();
    let (tenant, (other, _)) = (house.lake.of(&Call::background("default")), house.again());
    let elsewhere = other.of(&Call::background("default"));
    tenant.erase("e", vec!["first".to_owned()]).await.unwrap();
    assert!(elsewhere.suppressed().await.unwrap().has("first"));
    tenant.erase("f", vec!["second".to_owned()]).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    assert!(elsewhere.suppressed().await.unwrap().has("second"));
}

#[tokio::test(flavor = "multi_thread")]
async fn appends_and_compactions_meanwhile_lose_nothing() {
    let mut house = House::new();
    fill(&mut house).await;
    let tenant = house.lake.of(&Call::background("default"));
    house.lake.keep_erasing(&OWNERS, GRACE);
    let mut client = house.client.clone();
    let appends = tokio::spawn(async move {
        for sequence in 1..=30u32 {
            let first = 1_000 + sequence * 10;
            let rows = lines(first..first + 10, "b");
            let answers = send(&mut client, vec![orders("q", sequence.into(), rows)])
                .await
                .unwrap();
            assert_eq!(answers[0].accepted, 10);
        }
    });
    tenant.erase("e", vec![GONE.into()]).await.unwrap();
    // One that loses against the removal is no harm: it is tried again now and then.
    let _ = house.lake.compact().await;
    appends.await.unwrap();
    erased(&tenant, "e").await;
    let (other, _) = house.again();
    assert_eq!(count_lines(&other, "b").await, 37 + 300);
}

/// Lines of a tenant by order, as another process reads them.
async fn left(lake: &Lake, tenant: &str) -> Vec<String> {
    let reader = lake
        .of(&Call::background(tenant))
        .reader(&BTreeMap::new())
        .await
        .unwrap();
    let orders = reader.orders("b").await.unwrap();
    let names = reader.names();
    let keys = names.consumers.view();
    let mut left: Vec<String> = orders
        .groups
        .consumers()
        .map(|one| keys.key(one).to_owned())
        .collect();
    left.sort_unstable();
    left
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Whoever is named goes with all of their rows, and nobody else loses any.
    #[test]
    fn those_named_go_and_all_others_stay(
        batches in prop::collection::vec(prop::collection::vec(0u32..12, 1..20), 1..5),
        named in prop::collection::btree_set(0u32..14, 1..6),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut house = House::new();
            let (mut order, mut expected) = (0, BTreeMap::<String, usize>::new());
            for (sequence, people) in (1..).zip(&batches) {
                let mut rows = FactRows::default();
                for person in people {
                    order += 1;
                    let consumer = format!("person{person}");
                    if !named.contains(person) {
                        *expected.entry(consumer.clone()).or_default() += 1;
                    }
                    rows.order_lines.push(OrderLine { consumer, ..line(order, "b") });
                }
                house.append(vec![orders("p", sequence, rows)]).await.unwrap();
            }
            let tenant = house.lake.of(&Call::background("default"));
            house.lake.keep_erasing(&OWNERS, GRACE);
            let keys = named.iter().map(|person| format!("person{person}")).collect();
            tenant.erase("e", keys).await.unwrap();
            erased(&tenant, "e").await;
            let (other, _) = house.again();
            assert_eq!(left(&other, "default").await, expected.keys().cloned().collect::<Vec<_>>());
            assert_eq!(count_lines(&other, "b").await, expected.values().sum::<usize>());
        });
    }
}
