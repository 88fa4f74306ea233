//! What is wrong is refused by row, field and reason; the good rows of the same batch are kept.

use std::sync::Arc;

use arrow::array::{ArrayRef, BinaryArray, Float64Array, Int64Array, RecordBatch, StringArray};
use dualwheel_kit::{Call, failure::reason_of};
use dualwheel_lake::mapping::to_ipc;
use dualwheel_proto::facts::{AppendRequest, FactKind, FactRows, OrderLine, append_request};

use crate::{House, at, behavior, line, lines, orders, request};

#[tokio::test(flavor = "multi_thread")]
async fn each_bad_row_is_refused_with_its_field() {
    type Spoil = fn(&mut OrderLine);
    let spoils: [(&str, Spoil); 9] = [
        ("order", |row| row.order.clear()),
        ("consumer", |row| row.consumer = "k".repeat(10_000)),
        ("quantity", |row| row.quantity = -1),
        ("paid_amount", |row| row.paid_amount = "-3".into()),
        ("paid_amount", |row| row.paid_amount = "NaN".into()),
        ("paid_amount", |row| row.paid_amount = "1.23456".into()),
        ("paid_at", |row| row.paid_at = at("9999-01-01T00:00:00Z")),
        ("paid_at", |row| row.paid_at = None),
        ("refund_amount", |row| row.refund_amount = "1e3".into()),
    ];
    let mut rows = vec![line(0, "b")];
    for (number, (_, spoil)) in spoils.iter().enumerate() {
        let mut row = line(number as u32 + 1, "b");
        spoil(&mut row);
        rows.push(row);
    }
    rows.push(line(100, "b"));
    let mut house = House::new();
    let batch = FactRows {
        order_lines: rows,
        ..FactRows::default()
    };
    let answers = house.append(vec![orders("p", 1, batch)]).await.unwrap();
    assert_eq!(
        (answers[0].accepted, answers[0].refused),
        (2, spoils.len() as i64)
    );
    for (number, (field, _)) in spoils.iter().enumerate() {
        let refusal = &answers[0].refusals[number];
        assert_eq!(
            (refusal.row, refusal.field.as_str()),
            (number as i64 + 1, *field),
            "{refusal:?}"
        );
    }
    assert_eq!(house.lines("b").await, 2);
    let letter =
        std::fs::read_to_string(house.folder.path().join("lake").join(&answers[0].dead_letter)).unwrap();
    assert_eq!(letter.lines().count(), spoils.len());
    assert!(letter.contains("\"field\":\"quantity\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn arrow_batches_are_checked_alike() {
    let count = 4;
    let texts = |prefix: &str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(
            (0..count).map(|row| format!("{prefix}{row}")),
        ))
    };
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("order", texts("o")),
        ("line", texts("l")),
        (
            "consumer",
            Arc::new(BinaryArray::from_vec(vec![b"c0", b"c1", b"\xff\xfe", b"c3"])),
        ),
        ("brand", Arc::new(StringArray::from_iter_values(["b"; 4]))),
        ("product", texts("p")),
        ("quantity", Arc::new(Int64Array::from(vec![1, 2, 1, 1]))),
        (
            "paid_amount",
            Arc::new(Float64Array::from(vec![1.5, f64::NAN, 2.0, 0.1 + 0.2])),
        ),
        (
            "paid_at",
            Arc::new(StringArray::from_iter_values(["2026-05-01T00:00:00Z"; 4])),
        ),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let ipc = append_request::Batch::ArrowIpc(to_ipc(&batch).unwrap());
    let append = |sequence, batch| AppendRequest {
        producer: "p".into(),
        sequence,
        kind: FactKind::OrderLine as i32,
        batch: Some(batch),
    };
    let mut house = House::new();
    let answers = house.append(vec![append(1, ipc)]).await.unwrap();
    let faults: Vec<_> = answers[0]
        .refusals
        .iter()
        .map(|refusal| (refusal.row, refusal.field.as_str()))
        .collect();
    assert_eq!(faults, [(1, "paid_amount"), (2, "consumer")]);
    assert_eq!(house.lines("b").await, 2);
    let broken = house
        .append(vec![append(
            2,
            append_request::Batch::ArrowIpc(b"nonsense".to_vec()),
        )])
        .await
        .unwrap_err();
    assert_eq!(reason_of(&broken).as_deref(), Some("BATCH_MALFORMED"));
    let stranger = batch.project(&[0, 1]).unwrap();
    let lacking = append(2, append_request::Batch::ArrowIpc(to_ipc(&stranger).unwrap()));
    let lacking = house.append(vec![lacking]).await.unwrap_err();
    assert!(lacking.message().contains("`consumer`"), "{}", lacking.message());
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_that_are_wrong_as_a_whole_name_the_cure() {
    let mut house = House::new();
    let too_large = orders("p", 1, lines(0..131_073, "b"));
    let refused = house.append(vec![too_large]).await.unwrap_err();
    assert_eq!(reason_of(&refused).as_deref(), Some("BATCH_TOO_LARGE"));
    let nameless = house
        .append(vec![orders("", 0, lines(0..1, "b"))])
        .await
        .unwrap_err();
    assert_eq!(reason_of(&nameless).as_deref(), Some("BATCH_MALFORMED"));
    let mixed = FactRows {
        behaviors: vec![behavior("e")],
        ..lines(0..1, "b")
    };
    let mixed = house
        .append(vec![request("p", 1, FactKind::OrderLine, mixed)])
        .await
        .unwrap_err();
    assert_eq!(reason_of(&mixed).as_deref(), Some("BATCH_MALFORMED"));
    assert_eq!(house.lines("b").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_half_written_log_is_an_error_for_that_table_alone() {
    let mut house = House::new();
    house
        .append(vec![orders("p", 1, lines(0..10, "b"))])
        .await
        .unwrap();
    let rows = FactRows {
        behaviors: vec![behavior("e")],
        ..FactRows::default()
    };
    house
        .append(vec![request("p", 1, FactKind::Behavior, rows)])
        .await
        .unwrap();
    let log = house
        .folder
        .path()
        .join("lake/order_lines/_delta_log/00000000000000000002.json");
    std::fs::write(&log, "{\"add\":{\"path\":\"tenant=default/buck").unwrap();
    let (lake, _) = house.again();
    let reader = lake
        .of(&Call::background("default"))
        .reader(&Default::default())
        .await
        .unwrap();
    let status = tonic::Status::from(reader.orders("b").await.unwrap_err());
    assert_eq!(reason_of(&status).as_deref(), Some("LAKE_DAMAGED"));
    assert_eq!(reader.behaviors("b").await.unwrap().len(), 1);
    // The file repaired, everything that was acknowledged is there.
    std::fs::remove_file(&log).unwrap();
    let reader = lake
        .of(&Call::background("default"))
        .reader(&Default::default())
        .await
        .unwrap();
    assert_eq!(reader.orders("b").await.unwrap().lines.len(), 10);
}
