//! Lakes of other releases: tables that lack columns of this one, or have more, are read and appended to.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::{Path, PathBuf},
    sync::Arc,
};

use arrow::array::{ArrayRef, AsArray, BinaryArray, RecordBatch, StringArray};
use deltalake::{
    DeltaTable, DeltaTableBuilder,
    kernel::{StructType, engine::arrow_conversion::TryIntoKernel},
    writer::{DeltaWriter, RecordBatchWriter},
};
use dualwheel_kit::Call;
use dualwheel_lake::{
    DEFAULT_ZONE,
    check::{Ground, check},
    fact::{FACTS, Fact, PARTITION_COLUMNS},
    rows::to_batch,
};
use dualwheel_proto::facts::{AppendRequest, FactKind, FactRows};
use parquet::{
    arrow::{ArrowWriter, arrow_reader::ParquetRecordBatchReaderBuilder},
    basic::{Compression, ZstdLevel},
    file::properties::{EnabledStatistics, WriterProperties},
};
use tempfile::TempDir;
use url::Url;

use crate::{House, count_lines, lines, open, orders, request, samples, send};

/// Checked rows of a fact in their stored form.
fn stored(kind: FactKind, rows: &FactRows) -> RecordBatch {
    let ground = Ground {
        tenant: "default",
        zone: DEFAULT_ZONE,
        now: i64::MAX / 2,
        source: ("p", 1),
    };
    let batch = to_batch(kind, rows).unwrap().unwrap();
    let checked = check(Fact::of(kind).unwrap(), &batch, &ground).unwrap();
    assert_eq!(checked.refusals, []);
    checked.batch
}

/// Makes a table that has the columns of `batch` and its rows.
async fn make_table(house: &Path, name: &str, batch: RecordBatch) -> DeltaTable {
    let folder = house.join("lake").join(name);
    fs::create_dir_all(&folder).unwrap();
    let schema: StructType = batch.schema().as_ref().try_into_kernel().unwrap();
    let mut table = DeltaTableBuilder::from_url(Url::from_directory_path(folder).unwrap())
        .unwrap()
        .build()
        .unwrap()
        .create()
        .with_table_name(name)
        .with_columns(schema.fields().cloned().collect::<Vec<_>>())
        .with_partition_columns(PARTITION_COLUMNS)
        .await
        .unwrap();
    let mut writer = RecordBatchWriter::for_table(&table).unwrap();
    writer.write(batch).await.unwrap();
    writer.flush_and_commit(&mut table).await.unwrap();
    table
}

/// Appends of row `number` of each fact.
fn appends(number: u32, sequence: i64) -> Vec<AppendRequest> {
    let rows = samples::rows(number).into_iter();
    rows.map(|(kind, rows)| request("p", sequence, kind, rows))
        .collect()
}

/// As if every column that a row may be without had come with this release.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_without_newer_columns_is_read_and_gets_them_with_the_next_append() {
    let folder = tempfile::tempdir().unwrap();
    for (kind, rows) in samples::rows(1) {
        let fact = Fact::of(kind).unwrap();
        let batch = stored(kind, &rows);
        let has = |at: &usize| !fact.may_lack(batch.schema().field(*at).name());
        let old: Vec<usize> = (0..batch.num_columns()).filter(has).collect();
        assert!(old.len() < batch.num_columns(), "{}", fact.name);
        make_table(folder.path(), fact.table, batch.project(&old).unwrap()).await;
    }
    let bare = |table: &str| match table {
        "behaviors" => "-1 0",
        "order_lines" => "1999000 None ",
        "products" => "None  []",
        "stock_days" => "0 0 0 0",
        "market_stats" => "10000005000 None None \"\"",
        "contents" => "None  None",
        "members" => "member 2026-02-01 ",
        "consumer_profiles" => "None None None []",
        "social_profiles" => "None None None",
        "campaigns" => "None 2026-04-10 ",
        other => panic!("no rows of {other}"),
    };
    let (lake, mut client) = open(&folder);
    let (other, mut other_client) = open(&folder);
    for lake in [&lake, &other] {
        for (table, rows) in samples::told(lake).await {
            assert_eq!(rows, [bare(table)], "{table}");
        }
    }
    let about = lake
        .of(&Call::background("default"))
        .rows_about("order_lines", "consumer1")
        .await
        .unwrap();
    assert!(
        about[0].contains("199.9") && !about[0].contains("return_reason"),
        "{about:?}"
    );

    // Two processes find the columns missing at once, and one that knows them missing appends later.
    let (one, two) = tokio::join!(
        send(&mut client, appends(2, 1)),
        send(
            &mut other_client,
            appends(3, 1).into_iter().map(by_another).collect()
        )
    );
    for answer in one.unwrap().iter().chain(&two.unwrap()) {
        assert_eq!((answer.accepted, answer.refused), (1, 0), "{answer:?}");
    }
    let (fresh, _) = open(&folder);
    let expected = |table: &str| {
        let mut rows = vec![bare(table), whole(table), whole(table)];
        rows.sort_unstable();
        rows
    };
    for lake in [&lake, &other, &fresh] {
        for (table, rows) in samples::told(lake).await {
            assert_eq!(rows, expected(table), "{table}");
        }
    }
    lake.compact().await.unwrap();
    for (table, rows) in samples::told(&fresh).await {
        assert_eq!(rows, expected(table), "{table}, compacted");
    }
    // As it was before there were any such columns.
    let pin = BTreeMap::from([("order_lines".to_owned(), 1)]);
    let reader = fresh.of(&Call::background("default")).reader(&pin).await.unwrap();
    assert_eq!(reader.orders("b").await.unwrap().lines.len(), 1);
}

fn by_another(request: AppendRequest) -> AppendRequest {
    AppendRequest {
        producer: "another".into(),
        ..request
    }
}

/// What a row with all fields is told as.
fn whole(table: &str) -> &'static str {
    match table {
        "behaviors" => "1500 3",
        "order_lines" => "999500 Some(1200000) 2026-05-03",
        "products" => "Some(1200000) 2026-03-02 [\"sport\"]",
        "stock_days" => "40 10 48 5",
        "market_stats" => "10000005000 Some(9000) Some(20000) \"100-200\"",
        "contents" => "Some(50000000) 2026-04-02 Some(3600)",
        "members" => "member 2026-02-01 2026-12-01",
        "consumer_profiles" => "Some(34) Some(Female) Some(true) [\"runner\", \"early\"]",
        "social_profiles" => "Some(10000) Some(0.5) Some(8000000)",
        "campaigns" => "Some(70000000) 2026-04-10 2026-04-20",
        other => panic!("no rows of {other}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_with_columns_of_a_later_release_is_read_and_appended_to() {
    let mut house = House::new();
    let batch = stored(FactKind::OrderLine, &lines(0..10, "b"));
    // Any text column serves as one that this release does not know.
    let stranger = batch.column_by_name("order").unwrap().clone();
    let mut named: Vec<_> = batch
        .schema()
        .fields()
        .iter()
        .map(|field| field.name().clone())
        .collect();
    named.insert(3, "of a later release".to_owned());
    let mut columns = batch.columns().to_vec();
    columns.insert(3, stranger);
    let named = named
        .into_iter()
        .zip(columns)
        .map(|(name, column)| (name, column, true));
    let batch = RecordBatch::try_from_iter_with_nullable(named).unwrap();
    make_table(house.folder.path(), "order_lines", batch).await;
    house
        .append(vec![orders("p", 1, lines(10..15, "b"))])
        .await
        .unwrap();
    assert_eq!(house.lines("b").await, 15);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_without_a_column_that_every_row_needs_is_refused() {
    let house = House::new();
    let batch = stored(FactKind::OrderLine, &lines(0..10, "b"));
    let at = batch.schema().index_of("paid_amount").unwrap();
    let rest: Vec<usize> = (0..batch.num_columns()).filter(|column| *column != at).collect();
    make_table(house.folder.path(), "order_lines", batch.project(&rest).unwrap()).await;
    let reader = house
        .lake
        .of(&Call::background("default"))
        .reader(&BTreeMap::new())
        .await
        .unwrap();
    let error = reader.orders("b").await.unwrap_err().to_string();
    assert!(error.contains("column `paid_amount` is missing"), "{error}");
}

/// Lakes as each release stored them, the files of each packed into one.
fn releases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/releases")
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_below(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Packs the files of a folder into one: a row for each.
fn pack(folder: &Path, packed: &Path) {
    let files = files_below(folder);
    let names = files
        .iter()
        .map(|file| file.strip_prefix(folder).unwrap().display().to_string());
    let names: ArrayRef = Arc::new(StringArray::from_iter_values(names));
    let bytes: ArrayRef = Arc::new(BinaryArray::from_iter_values(
        files.iter().map(|file| fs::read(file).unwrap()),
    ));
    let batch = RecordBatch::try_from_iter([("name", names), ("bytes", bytes)]).unwrap();
    let small = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(19).unwrap()))
        .set_dictionary_enabled(false)
        .set_statistics_enabled(EnabledStatistics::None)
        .build();
    let mut writer =
        ArrowWriter::try_new(File::create(packed).unwrap(), batch.schema(), Some(small)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

fn unpack(packed: &Path, folder: &Path) {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(packed).unwrap()).unwrap();
    for batch in reader.build().unwrap() {
        let batch = batch.unwrap();
        let names = batch.column(0).as_string::<i32>().iter().flatten();
        for (name, bytes) in names.zip(batch.column(1).as_binary::<i32>().iter().flatten()) {
            let file = folder.join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, bytes).unwrap();
        }
    }
}

/// Of every stored lake: row 1 and 2 of each fact, one refused row of sequence 3.
#[tokio::test(flavor = "multi_thread")]
async fn what_earlier_releases_stored_is_read_and_goes_on() {
    let mut count = 0;
    for release in fs::read_dir(releases()).unwrap() {
        let release = release.unwrap().path();
        let folder: TempDir = tempfile::tempdir().unwrap();
        unpack(&release, &folder.path().join("lake"));
        let (lake, mut client) = open(&folder);
        let settings = lake.of(&Call::background("default")).settings().await.unwrap();
        assert_eq!(
            (settings.zone.name(), settings.currency.as_str()),
            ("America/New_York", "USD")
        );
        let old = samples::told(&lake).await;
        assert_eq!(old.len(), FACTS.len());
        for (table, rows) in &old {
            let zoned = |text: &str| rows.iter().all(|row| row == text);
            assert_eq!(rows.len(), 2, "{table}");
            assert!(
                zoned(&in_new_york(table)),
                "{}: {table}: {rows:?}",
                release.display()
            );
        }
        let lost = lake
            .of(&Call::background("default"))
            .refused_about("lost")
            .await
            .unwrap();
        assert_eq!(lost.len(), 1);
        assert!(lost[0].contains("\"event_id\":null"), "{lost:?}");

        // What was acknowledged is recognised, and the producer goes on after it.
        let again = send(&mut client, appends(2, 2)).await.unwrap();
        assert!(
            again
                .iter()
                .all(|answer| answer.repeated_batch && answer.accepted == 1)
        );
        assert_eq!(samples::told(&lake).await, old);
        let more = send(&mut client, appends(3, 4)[..1].to_vec()).await.unwrap();
        assert_eq!(more[0].accepted, 1);
        let more = send(&mut client, appends(3, 3)[1..].to_vec()).await.unwrap();
        assert!(
            more.iter()
                .all(|answer| answer.accepted == 1 && !answer.repeated_batch)
        );
        assert!(samples::told(&lake).await.values().all(|rows| rows.len() == 3));
        lake.compact().await.unwrap();
        let (fresh, _) = open(&folder);
        assert!(samples::told(&fresh).await.values().all(|rows| rows.len() == 3));
        assert_eq!(count_lines(&fresh, "b").await, 3);
        count += 1;
    }
    assert!(count >= 1);
}

/// The stored days are New York's, mostly a day before those of [`whole`].
fn in_new_york(table: &str) -> String {
    let days = [
        ("2026-05-03", "2026-05-02"),
        ("2026-03-02", "2026-03-01"),
        ("2026-04-02", "2026-04-01"),
        ("2026-02-01", "2026-01-31"),
        ("2026-12-01", "2026-11-30"),
        ("2026-04-10", "2026-04-09"),
        ("2026-04-20", "2026-04-19"),
    ];
    days.iter()
        .fold(whole(table).to_owned(), |text, (of, to)| text.replace(of, to))
}

/// Stores the lake of this release, once: `cargo test -p dualwheel-lake --test lake -- --ignored store`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "writes into the sources, when a release is made"]
async fn store_the_lake_of_this_release() {
    let target = releases().join(concat!(env!("CARGO_PKG_VERSION"), ".parquet"));
    assert!(!target.exists(), "a stored lake stays as it is");
    let folder = tempfile::tempdir().unwrap();
    let (lake, mut client) = open(&folder);
    lake.of(&Call::background("default"))
        .configure("America/New_York", "USD")
        .await
        .unwrap();
    send(&mut client, appends(1, 1)).await.unwrap();
    send(&mut client, appends(2, 2)).await.unwrap();
    let mut refused = crate::behavior("");
    refused.consumer = "lost".into();
    let rows = FactRows {
        behaviors: vec![refused],
        ..FactRows::default()
    };
    send(&mut client, vec![request("p", 3, FactKind::Behavior, rows)])
        .await
        .unwrap();
    fs::create_dir_all(releases()).unwrap();
    pack(&folder.path().join("lake"), &target);
}
