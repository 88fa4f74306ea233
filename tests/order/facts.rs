//! The facts: a generated market, coarsened until many of its instants are equal, with rows that compete.

use std::fs::File;

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch, TimestampMicrosecondArray, UInt32Array},
    compute::{concat_batches, take, take_record_batch},
    datatypes::{DataType, TimeUnit, TimestampMicrosecondType},
    ipc::writer::StreamWriter,
};
use dualwheel::generate;
use dualwheel_lake::fact::{FACTS, Fact};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use rand::{Rng, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

/// Instants are cut to so many microseconds: an hour.
const COARSE: i64 = 3_600_000_000;
/// One row in so many has a competitor.
const COMPETED: usize = 10;

/// All rows by fact.
pub struct Market {
    pub facts: Vec<(&'static Fact, RecordBatch)>,
}

impl Market {
    pub fn generate() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = generate::Options {
            brands: 3,
            consumers: 700,
            // Statistics of the market and days of stock alone are 14 000.
            facts: 60_000,
            threads: 1,
            ..generate::Options::new(folder.path())
        };
        let summary = generate::run(&options, &|_| {}).unwrap();
        let facts = FACTS.iter().map(|fact| {
            let files = summary.files.iter().filter(|file| {
                let stem = file.file_stem().unwrap().to_str().unwrap();
                stem.trim_end_matches(|end: char| end == '-' || end.is_ascii_digit()) == fact.name
            });
            let batches: Vec<RecordBatch> = files
                .flat_map(|file| {
                    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(file).unwrap());
                    reader.unwrap().build().unwrap().map(Result::unwrap)
                })
                .collect();
            assert!(!batches.is_empty(), "the market has no {}", fact.name);
            let rows = coarse(&concat_batches(&batches[0].schema(), &batches).unwrap());
            (fact, competed(fact, &rows))
        });
        Self {
            facts: facts.collect(),
        }
    }

    /// A few consumers who have done something.
    pub fn some_consumers(&self) -> Vec<String> {
        let (_, behaviors) = &self.facts[0];
        let consumers = behaviors.column_by_name("consumer").unwrap().as_string::<i32>();
        (0..3)
            .map(|at| consumers.value(at * behaviors.num_rows() / 3).to_owned())
            .collect()
    }
}

/// The same rows with instants by the hour.
fn coarse(rows: &RecordBatch) -> RecordBatch {
    let columns = rows.columns().iter().map(|column| -> ArrayRef {
        match column.as_primitive_opt::<TimestampMicrosecondType>() {
            Some(instants) => {
                let cut = instants.unary(|at| at - at.rem_euclid(COARSE));
                let cut: TimestampMicrosecondArray = cut;
                std::sync::Arc::new(cut.with_timezone("UTC"))
            }
            None => column.clone(),
        }
    });
    RecordBatch::try_new(rows.schema(), columns.collect()).unwrap()
}

/// What rows of a fact compete for, and what they are equal in when content decides.
fn contested(fact: &Fact) -> &'static [&'static str] {
    match fact.name {
        "behavior" => &["event_id", "brand", "occurred_at"],
        "consumer_profile" => &["consumer", "updated_at"],
        "order_line" => &["order", "line", "revision", "brand"],
        "product" => &["product", "brand", "updated_at"],
        "stock_day" => &["brand", "product", "sku", "location", "day"],
        "market_stat" => &[
            "category",
            "price_band",
            "attribute_kind",
            "attribute_value",
            "first_day",
            "last_day",
        ],
        "content" => &["content", "brand", "updated_at"],
        "member" => &["consumer", "brand", "role", "joined_at", "revision"],
        "social_profile" => &["consumer", "brand", "updated_at"],
        "campaign" => &["campaign", "brand", "updated_at"],
        other => panic!("what do rows of {other} compete for?"),
    }
}

/// The rows, and beside every few another one that competes with it and says what a third does.
fn competed(fact: &Fact, rows: &RecordBatch) -> RecordBatch {
    let mut dice = ChaCha8Rng::seed_from_u64(7);
    let count = rows.num_rows();
    let own: UInt32Array = (0..count)
        .filter(|at| at % COMPETED == 0)
        .map(|at| at as u32)
        .collect();
    let other: UInt32Array = own.iter().map(|_| dice.random_range(0..count) as u32).collect();
    let columns = rows.schema();
    let columns = columns
        .fields()
        .iter()
        .zip(rows.columns())
        .map(|(field, column)| {
            let from = if contested(fact).contains(&field.name().as_str()) {
                &own
            } else {
                &other
            };
            take(column, from, None).unwrap()
        });
    let more = RecordBatch::try_new(rows.schema(), columns.collect()).unwrap();
    let all = concat_batches(&rows.schema(), &[rows.clone(), more]).unwrap();
    if fact.is_corrected_by_sequence() {
        // The batch that a row comes with would decide: each row says when it was known.
        return known_at_times(&all);
    }
    all
}

/// The rows, each known a second after the one before.
fn known_at_times(rows: &RecordBatch) -> RecordBatch {
    let at = rows.schema().index_of("updated_at").unwrap();
    assert!(matches!(
        rows.column(at).data_type(),
        DataType::Timestamp(TimeUnit::Microsecond, _)
    ));
    let instants = (0..rows.num_rows()).map(|row| 1_700_000_000_000_000 + row as i64 * 1_000_000);
    let instants = TimestampMicrosecondArray::from_iter_values(instants).with_timezone("UTC");
    let mut columns = rows.columns().to_vec();
    columns[at] = std::sync::Arc::new(instants);
    RecordBatch::try_new(rows.schema(), columns).unwrap()
}

/// The rows in an order of their own, each once or twice, in batches.
pub fn batches(rows: &RecordBatch, seed: u64, twice: bool, batches: usize) -> Vec<Vec<u8>> {
    let mut dice = ChaCha8Rng::seed_from_u64(seed);
    let mut order: Vec<u32> = (0..rows.num_rows() as u32).collect();
    if twice {
        order.extend(order.clone());
    }
    order.shuffle(&mut dice);
    let mut cuts: Vec<usize> = (1..batches).map(|_| dice.random_range(1..order.len())).collect();
    cuts.extend([0, order.len()]);
    cuts.sort_unstable();
    let parts = cuts.windows(2).map(|pair| &order[pair[0]..pair[1]]);
    parts
        .map(|part| {
            let part = take_record_batch(rows, &UInt32Array::from(part.to_vec())).unwrap();
            let mut bytes = Vec::new();
            let mut writer = StreamWriter::try_new(&mut bytes, &part.schema()).unwrap();
            writer.write(&part).unwrap();
            writer.finish().unwrap();
            drop(writer);
            bytes
        })
        .collect()
}
