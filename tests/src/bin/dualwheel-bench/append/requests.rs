//! `AppendRequest`s of behaviours, encoded.

use std::sync::Arc;

use anyhow::Context;
use arrow::{
    array::{Array, ArrayRef, AsArray, Int8Array, RecordBatch, StringArray, TimestampMicrosecondArray},
    datatypes::{Int8Type, Int64Type, TimestampMicrosecondType},
};
use bytes::Bytes;
use dualwheel_lake::mapping::to_ipc;
use dualwheel_proto::facts::{
    AppendRequest, Behavior, BehaviorKind, FactKind, FactRows, append_request::Batch,
};
use prost::Message;

use crate::market::BRAND;

/// The form in which rows travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// As an Arrow IPC stream a batch.
    Arrow,
    /// As messages.
    Rows,
}

impl Form {
    /// The name in figures.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Arrow => "arrow",
            Self::Rows => "rows",
        }
    }
}

/// One encoded request a batch, with sequences from `first` on.
pub(super) fn encode(
    batches: &[RecordBatch],
    form: Form,
    producer: &str,
    first: i64,
) -> anyhow::Result<Vec<Bytes>> {
    let mut requests = Vec::with_capacity(batches.len());
    for (sequence, batch) in (first..).zip(batches) {
        let body = match form {
            Form::Arrow => Batch::ArrowIpc(to_ipc(batch)?),
            Form::Rows => Batch::Rows(FactRows {
                behaviors: messages(batch)?,
                ..FactRows::default()
            }),
        };
        let request = AppendRequest {
            producer: producer.to_owned(),
            sequence,
            kind: FactKind::Behavior.into(),
            batch: Some(body),
        };
        requests.push(request.encode_to_vec().into());
    }
    let bytes: usize = requests.iter().map(Bytes::len).sum();
    eprintln!("{} requests of {producer}: {} KiB", requests.len(), bytes / 1024);
    Ok(requests)
}

/// Behaviours as messages.
fn messages(batch: &RecordBatch) -> anyhow::Result<Vec<Behavior>> {
    let column = |name: &str| {
        batch
            .column_by_name(name)
            .with_context(|| format!("no column {name}"))
    };
    let text = |name: &str| {
        column(name)?
            .as_string_opt::<i32>()
            .with_context(|| format!("{name} is no text"))
    };
    let code = |name: &str| {
        column(name)?
            .as_primitive_opt::<Int8Type>()
            .with_context(|| format!("{name} is no code"))
    };
    let (event_id, consumer, brand) = (text("event_id")?, text("consumer")?, text("brand")?);
    let (product, content, category) = (text("product")?, text("content")?, text("category")?);
    let (channel, keyword, source) = (text("channel")?, text("keyword")?, text("source")?);
    let (kind, venue, class) = (code("kind")?, code("venue")?, code("keyword_class")?);
    let at = column("occurred_at")?
        .as_primitive_opt::<TimestampMicrosecondType>()
        .context("occurred_at is no instant")?;
    let dwell = column("dwell_ms")?
        .as_primitive_opt::<Int64Type>()
        .context("dwell_ms is no number")?;
    let maybe = |texts: &StringArray, row: usize| texts.is_valid(row).then(|| texts.value(row).to_owned());
    let number = |codes: &Int8Array, row: usize| {
        if codes.is_valid(row) {
            codes.value(row).into()
        } else {
            0
        }
    };
    let message = |row: usize| {
        let micros = at.value(row);
        Behavior {
            event_id: event_id.value(row).to_owned(),
            consumer: consumer.value(row).to_owned(),
            brand: brand.value(row).to_owned(),
            kind: number(kind, row),
            occurred_at: Some(prost_types::Timestamp {
                seconds: micros.div_euclid(1_000_000),
                nanos: (micros.rem_euclid(1_000_000) * 1_000) as i32,
            }),
            product: maybe(product, row),
            content: maybe(content, row),
            category: maybe(category, row),
            channel: maybe(channel, row),
            venue: number(venue, row),
            keyword: maybe(keyword, row),
            keyword_class: number(class, row),
            dwell_ms: dwell.is_valid(row).then(|| dwell.value(row)),
            source: maybe(source, row),
        }
    };
    Ok((0..batch.num_rows()).map(message).collect())
}

/// Searches by `rows` people whom no other fact names.
pub(super) fn newcomers(run: i64, rows: usize, instant: i64) -> anyhow::Result<RecordBatch> {
    let keys = |what: &str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(
            (0..rows).map(|row| format!("{what}-{run}-{row}")),
        ))
    };
    let instants = TimestampMicrosecondArray::from_value(instant, rows).with_timezone("UTC");
    let columns: [(&str, ArrayRef); 5] = [
        ("event_id", keys("news")),
        ("consumer", keys("newcomer")),
        (
            "brand",
            Arc::new(StringArray::from_iter_values(std::iter::repeat_n(BRAND, rows))),
        ),
        (
            "kind",
            Arc::new(Int8Array::from_value(BehaviorKind::Search as i8, rows)),
        ),
        ("occurred_at", Arc::new(instants)),
    ];
    Ok(RecordBatch::try_from_iter(columns)?)
}
