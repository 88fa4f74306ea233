//! The generated market as a whole: repeatable, sane, consistent, and true to its truth file.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::path::Path;
use std::sync::{LazyLock, Mutex};

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::concat_batches;
use arrow::datatypes::{
    Date32Type, Decimal128Type, Float64Type, Int8Type, Int64Type, TimestampMicrosecondType,
};
use arrow::record_batch::RecordBatch;
use dualwheel_lake::fact::{Content, Fact, stored_type};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::calendar::Calendar;
use super::*;

mod planted;

/// A market of about 150 000 facts that all tests read.
static MARKET: LazyLock<(tempfile::TempDir, Options, Summary)> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let options = Options::of_size(folder.path(), 150_000);
    let summary = run(&options, &|_| {}).unwrap();
    (folder, options, summary)
});

/// All rows of a fact.
fn read(folder: &Path, fact: &str) -> RecordBatch {
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    names.sort();
    let mut batches = Vec::new();
    for path in names {
        if is_file_of(fact, path.file_name().unwrap().to_str().unwrap()) {
            let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(&path).unwrap()).unwrap();
            batches.extend(builder.build().unwrap().map(Result::unwrap));
        }
    }
    concat_batches(&batches[0].schema(), &batches).unwrap()
}

fn market(fact: &str) -> RecordBatch {
    read(MARKET.0.path(), fact)
}

fn column<'a>(rows: &'a RecordBatch, name: &str) -> &'a ArrayRef {
    rows.column_by_name(name).unwrap()
}

fn texts<'a>(rows: &'a RecordBatch, name: &str) -> Vec<Option<&'a str>> {
    column(rows, name).as_string::<i32>().iter().collect()
}

fn keys<'a>(rows: &'a RecordBatch, name: &str) -> Vec<&'a str> {
    texts(rows, name).into_iter().map(Option::unwrap).collect()
}

fn wholes(rows: &RecordBatch, name: &str) -> Vec<i64> {
    column(rows, name)
        .as_primitive::<Int64Type>()
        .iter()
        .map(Option::unwrap)
        .collect()
}

fn instants(rows: &RecordBatch, name: &str) -> Vec<Option<i64>> {
    column(rows, name)
        .as_primitive::<TimestampMicrosecondType>()
        .iter()
        .collect()
}

fn codes(rows: &RecordBatch, name: &str) -> Vec<i8> {
    column(rows, name)
        .as_primitive::<Int8Type>()
        .iter()
        .map(Option::unwrap)
        .collect()
}

/// The rows of order lines that count: those of the largest revision.
fn latest(rows: &RecordBatch) -> Vec<usize> {
    let (orders, lines, revisions) = (keys(rows, "order"), keys(rows, "line"), wholes(rows, "revision"));
    let mut best = BTreeMap::<(&str, &str), usize>::new();
    for row in 0..rows.num_rows() {
        let place = best.entry((orders[row], lines[row])).or_insert(row);
        if revisions[row] > revisions[*place] {
            *place = row;
        }
    }
    best.into_values().collect()
}

fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entry = |entry: std::io::Result<std::fs::DirEntry>| {
        let path = entry.unwrap().path();
        (
            path.file_name().unwrap().to_str().unwrap().to_owned(),
            std::fs::read(&path).unwrap(),
        )
    };
    std::fs::read_dir(folder).unwrap().map(entry).collect()
}

#[test]
fn same_flags_same_bytes_on_any_number_of_threads() {
    let write = |seed, threads| {
        let folder = tempfile::tempdir().unwrap();
        let summary = run(
            &Options {
                seed,
                threads,
                ..Options::of_size(folder.path(), 40_000)
            },
            &|_| {},
        )
        .unwrap();
        assert_eq!(summary.files.len() + 1, files(folder.path()).len());
        files(folder.path())
    };
    let once = write(11, 1);
    assert!(once == write(11, 3), "threads show");
    let other = write(12, 2);
    assert_eq!(once.keys().collect::<Vec<_>>(), other.keys().collect::<Vec<_>>());
    assert!(once["behavior-0001.parquet"] != other["behavior-0001.parquet"]);
}

#[test]
fn the_volume_is_about_what_was_asked_for_and_progress_tells_it() {
    let (_, options, summary) = &*MARKET;
    let off = summary.total as f64 / options.facts as f64;
    assert!((0.93..1.07).contains(&off), "{} facts", summary.total);
    let told = Mutex::new(Vec::new());
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        consumers: 300,
        brands: 3,
        ..Options::of_size(folder.path(), 120_000)
    };
    let summary = run(&options, &|rows| told.lock().unwrap().push(rows)).unwrap();
    let told = told.into_inner().unwrap();
    assert!(
        told.is_sorted() && told.last() == Some(&summary.total),
        "{told:?}"
    );
    // a few hundred consumers vary much; still the number is met roughly by making each of them busier
    assert!((90_000..150_000).contains(&summary.total), "{}", summary.total);
}

#[test]
fn every_row_is_admitted_by_the_schema() {
    let (folder, options, summary) = &*MARKET;
    let end = Calendar::new(options.first_day, options.last_day, options.time_zone)
        .unwrap()
        .end();
    for fact in FACTS.iter() {
        let rows = read(folder.path(), fact.name);
        assert_eq!(rows.num_rows() as u64, summary.facts[fact.name], "{}", fact.name);
        assert_eq!(rows.num_columns(), fact.columns.len());
        check(fact, &rows, end);
    }
    let size = |fact| summary.facts[fact];
    assert_eq!(
        summary.total,
        FACTS.iter().map(|fact| size(fact.name)).sum::<u64>()
    );
}

fn check(fact: &Fact, rows: &RecordBatch, end: i64) {
    for (place, expected) in fact.columns.iter().enumerate() {
        let schema = rows.schema();
        let name = format!("{}.{}", fact.name, expected.name);
        assert_eq!(schema.field(place).name(), expected.name);
        assert_eq!(
            schema.field(place).data_type(),
            &stored_type(expected.content),
            "{name}"
        );
        let values = rows.column(place);
        assert!(!expected.required || values.null_count() == 0, "{name}");
        let fits = |fits: bool| assert!(fits, "{name}");
        match expected.content {
            Content::Key => {
                values
                    .as_string::<i32>()
                    .iter()
                    .flatten()
                    .for_each(|key| fits((1..=128).contains(&key.len())));
            }
            Content::Text => values
                .as_string::<i32>()
                .iter()
                .flatten()
                .for_each(|text| fits(text.len() <= 1_024)),
            Content::Texts => values
                .as_list::<i32>()
                .iter()
                .flatten()
                .for_each(|list| fits(list.len() <= 256)),
            Content::Money => {
                let cents = |money: i128| fits(money >= 0 && money % 100 == 0);
                values
                    .as_primitive::<Decimal128Type>()
                    .iter()
                    .flatten()
                    .for_each(cents);
            }
            Content::Count(most) => {
                values
                    .as_primitive::<Int64Type>()
                    .iter()
                    .flatten()
                    .for_each(|n| fits((0..=most).contains(&n)));
            }
            Content::Share => {
                values
                    .as_primitive::<Float64Type>()
                    .iter()
                    .flatten()
                    .for_each(|x| fits((0.0..=1.0).contains(&x)));
            }
            Content::Instant { future, .. } => values
                .as_primitive::<TimestampMicrosecondType>()
                .iter()
                .flatten()
                .for_each(|at| fits(at > 0 && (future || at <= end))),
            Content::Day => {
                values
                    .as_primitive::<Date32Type>()
                    .iter()
                    .flatten()
                    .for_each(|day| fits(day > 0));
            }
            Content::Code(names) => {
                let least = i8::from(expected.required);
                let known = |code: i8| fits(code >= least && (code as usize) < names.len());
                values.as_primitive::<Int8Type>().iter().flatten().for_each(known);
            }
            Content::Flag => {}
        }
    }
}

#[test]
fn every_key_refers_to_something() {
    let (products, contents, profiles) = (market("product"), market("content"), market("consumer_profile"));
    let set = |rows: &RecordBatch, name: &str| -> BTreeSet<String> {
        texts(rows, name)
            .into_iter()
            .flatten()
            .map(str::to_owned)
            .collect()
    };
    let (known_products, known_contents) = (set(&products, "product"), set(&contents, "content"));
    let known_consumers = set(&profiles, "consumer");
    let brands = set(&products, "brand");
    assert_eq!(brands.len(), 10);
    for fact in ["behavior", "order_line", "member", "social_profile"] {
        let rows = market(fact);
        assert!(set(&rows, "consumer").is_subset(&known_consumers), "{fact}");
        assert!(set(&rows, "brand").is_subset(&brands), "{fact}");
    }
    for fact in ["behavior", "order_line", "stock_day"] {
        assert!(set(&market(fact), "product").is_subset(&known_products), "{fact}");
    }
    let behaviors = market("behavior");
    assert!(set(&behaviors, "content").is_subset(&known_contents));
    assert_eq!(set(&behaviors, "event_id").len(), behaviors.num_rows());
    let kinds: BTreeSet<i8> = codes(&behaviors, "kind").into_iter().collect();
    assert_eq!(kinds, (1..=23).collect(), "every kind of behaviour occurs");
}

#[test]
fn revisions_returns_and_cancellations_are_told_in_order() {
    let rows = market("order_line");
    let (orders, revisions) = (keys(&rows, "order"), wholes(&rows, "revision"));
    let (quantities, returned) = (wholes(&rows, "quantity"), wholes(&rows, "returned_quantity"));
    let money = |name: &str| -> Vec<Option<i128>> {
        column(&rows, name)
            .as_primitive::<Decimal128Type>()
            .iter()
            .collect()
    };
    let (paid, refund) = (money("paid_amount"), money("refund_amount"));
    let [paid_at, dispatched, delivered, cancelled, returned_at] = [
        "paid_at",
        "dispatched_at",
        "delivered_at",
        "cancelled_at",
        "returned_at",
    ]
    .map(|name| instants(&rows, name));
    let (mut alone, mut back, mut undone) = (0, 0, 0);
    for row in 0..rows.num_rows() {
        assert!(delivered[row].is_none_or(|at| at > dispatched[row].unwrap() && at > paid_at[row].unwrap()));
        if quantities[row] == 0 {
            alone += 1;
            assert!(returned[row] > 0 && paid[row] == Some(0) && orders[row].ends_with("-r"));
        } else {
            assert!(returned[row] <= quantities[row] && refund[row].unwrap_or(0) <= paid[row].unwrap());
            assert!(paid[row].unwrap() > 0);
            back += usize::from(returned_at[row].is_some());
            undone += usize::from(cancelled[row].is_some());
            let later = returned_at[row].is_some() || cancelled[row].is_some();
            assert!(!later || revisions[row] > 0, "a line does not begin with its end");
            assert_eq!(returned[row] > 0, later);
        }
    }
    assert!(alone > 0 && back > 20 && undone > 5, "{alone} {back} {undone}");
    assert!(latest(&rows).len() < rows.num_rows(), "no row was ever replaced");
}

#[test]
fn stock_agrees_with_sales() {
    let (_, options, _) = &*MARKET;
    let calendar = Calendar::new(options.first_day, options.last_day, options.time_zone).unwrap();
    let orders = market("order_line");
    let (skus, quantities) = (keys(&orders, "sku"), wholes(&orders, "quantity"));
    let (paid, cancelled) = (instants(&orders, "paid_at"), instants(&orders, "cancelled_at"));
    let mut sold = HashMap::<(&str, usize), i64>::new();
    for row in latest(&orders) {
        if cancelled[row].is_none() && quantities[row] > 0 {
            let period = calendar.period_of(calendar.day_of(paid[row].unwrap()));
            *sold.entry((skus[row], period)).or_default() += quantities[row];
        }
    }
    let stock = market("stock_day");
    let (skus, days) = (
        keys(&stock, "sku"),
        column(&stock, "day").as_primitive::<Date32Type>().clone(),
    );
    let [opening, received, on_hand] = ["opening", "received", "on_hand"].map(|name| wholes(&stock, name));
    let number = |row: usize| {
        let day = days.value_as_date(row).unwrap();
        calendar.period_of((day - options.first_day).num_days() as i32)
    };
    let mut covered = 0;
    for row in 0..stock.num_rows() {
        let units = sold.remove(&(skus[row], number(row))).unwrap_or(0);
        covered += units;
        assert!(on_hand[row] <= opening[row] + received[row] && units <= opening[row] + received[row]);
        if row + 1 < stock.num_rows() && skus[row + 1] == skus[row] {
            assert_eq!(
                opening[row + 1],
                opening[row] + received[row] - units,
                "{}",
                skus[row]
            );
        }
    }
    assert!(sold.is_empty(), "sales without stock: {sold:?}");
    assert!(covered > 1_000);
}

#[test]
fn roles_change_and_reachability_is_not_always_supplied() {
    let (_, _, summary) = &*MARKET;
    let rows = market("member");
    let roles: BTreeSet<i8> = codes(&rows, "role").into_iter().collect();
    assert_eq!(roles, BTreeSet::from([1, 2, 3, 4]));
    let (revisions, left) = (wholes(&rows, "revision"), instants(&rows, "left_at"));
    let joined = instants(&rows, "joined_at");
    for row in 0..rows.num_rows() {
        assert_eq!(revisions[row] == 1, left[row].is_some());
        assert!(left[row].is_none_or(|at| at > joined[row].unwrap()));
    }
    let reach = column(&rows, "reachable_by").as_list::<i32>();
    let silent = &summary.truth.brands_without_reachability;
    for (row, brand) in keys(&rows, "brand").into_iter().enumerate() {
        assert_eq!(reach.is_null(row), silent.iter().any(|silent| silent == brand));
    }
    assert!(
        reach.iter().flatten().any(|channels| channels.is_empty()),
        "nobody is unreachable"
    );
}

#[test]
fn shards_and_row_groups_are_bounded() {
    let folder = tempfile::tempdir().unwrap();
    // few consumers, many facts: one shard a million facts, none of them held as a whole
    let options = Options {
        consumers: 400,
        ..Options::of_size(folder.path(), 1_200_000)
    };
    let summary = run(&options, &|_| {}).unwrap();
    let mut shards = 0;
    for path in &summary.files {
        let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
        let metadata = builder.metadata();
        assert!(
            metadata
                .row_groups()
                .iter()
                .all(|group| group.num_rows() <= 262_144)
        );
        let behaviors = path
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .starts_with("behavior");
        assert!(!behaviors || metadata.num_row_groups() > 1);
        shards += usize::from(behaviors);
    }
    assert_eq!(shards, 2);
}

#[test]
fn other_zones_short_periods_and_single_brands_work() {
    let folder = tempfile::tempdir().unwrap();
    let day = |month, day| NaiveDate::from_ymd_opt(2026, month, day).unwrap();
    let options = Options {
        brands: 1,
        consumers: 60,
        first_day: day(3, 1),
        last_day: day(4, 29),
        time_zone: chrono_tz::Europe::Berlin,
        currency: "EUR".to_owned(),
        ..Options::of_size(folder.path(), 5_000)
    };
    let summary = run(&options, &|_| {}).unwrap();
    assert_eq!(summary.truth.brands, ["brand-01"]);
    assert_eq!(
        (summary.truth.weak_brands.len(), summary.truth.future_hits.len()),
        (1, 3)
    );
    let end = Calendar::new(options.first_day, options.last_day, options.time_zone)
        .unwrap()
        .end();
    FACTS
        .iter()
        .filter(|fact| summary.facts[fact.name] > 0)
        .for_each(|fact| check(fact, &read(folder.path(), fact.name), end));
}

#[test]
fn earlier_markets_are_replaced_and_other_files_kept() {
    let folder = tempfile::tempdir().unwrap();
    for name in [
        "behavior-0099.parquet",
        "stock_day.parquet",
        "behavior-notes.parquet",
        "other.parquet",
    ] {
        std::fs::write(folder.path().join(name), "old").unwrap();
    }
    run(
        &Options {
            brands: 2,
            ..Options::of_size(folder.path(), 5_000)
        },
        &|_| {},
    )
    .unwrap();
    let files = files(folder.path());
    assert!(!files.contains_key("behavior-0099.parquet"));
    assert!(files["stock_day.parquet"] != b"old");
    assert_eq!(
        (&files["behavior-notes.parquet"][..], &files["other.parquet"][..]),
        (&b"old"[..], &b"old"[..])
    );
}

#[test]
fn options_out_of_range_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let sound = Options::of_size(folder.path(), 5_000);
    let refused = |options: Options| run(&options, &|_| {}).unwrap_err().to_string();
    assert!(
        refused(Options {
            brands: 0,
            ..sound.clone()
        })
        .contains("brands")
    );
    assert!(
        refused(Options {
            consumers: 0,
            ..sound.clone()
        })
        .contains("consumers")
    );
    assert!(
        refused(Options {
            currency: "yuan".to_owned(),
            ..sound.clone()
        })
        .contains("currency")
    );
    let last_day = sound.first_day;
    assert!(
        refused(Options {
            last_day,
            ..sound.clone()
        })
        .contains("60 to 3 660 days, not 1")
    );
    std::fs::write(folder.path().join("file"), "").unwrap();
    assert!(
        refused(Options {
            out: folder.path().join("file"),
            ..sound
        })
        .contains("making")
    );
}
