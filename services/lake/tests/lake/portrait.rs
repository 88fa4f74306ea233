//! What an import tells of its rows: what looks as if the mapping were wrong is said, and nothing else.

use std::collections::BTreeMap;

use dualwheel_lake::mapping::{Import, Mapping, Portrait};

/// The portrait of order lines: brand, consumer, amount, refund and day of each.
async fn portrait(rows: &[(&str, &str, &str, &str, &str)]) -> Portrait {
    let sql = "SELECT o AS \\\"order\\\", o AS line, c AS consumer, b AS brand, 'p' AS product, 1 AS quantity, a AS paid_amount, \
               r AS refund_amount, d AS paid_at FROM orders";
    let text = format!(
        "{{about: t, time_zone: Asia/Shanghai, currency: CNY, sources: {{orders: {{}}}}, facts: [{{fact: order_line, needs: \
         [orders], sql: \"{sql}\"}}]}}"
    );
    let mapping = Mapping::parse("t", &text).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("o.csv");
    let lines = rows.iter().enumerate();
    let lines = lines.map(|(order, (b, c, a, r, d))| format!("{order},{b},{c},{a},{r},{d}\n"));
    std::fs::write(&path, "o,b,c,a,r,d\n".to_owned() + &lines.collect::<String>()).unwrap();
    let import = Import::open(&mapping, &BTreeMap::from([("orders".to_owned(), path)]))
        .await
        .unwrap();
    import.plan().await.unwrap();
    let mut rows = import.rows(0).await.unwrap();
    while rows.next().await.unwrap().is_some() {}
    rows.tally().portrait()
}

const DAYS: [&str; 3] = ["2026-05-01", "2026-05-02", "2026-05-03"];

/// Rows of which nothing is to be said.
fn sound() -> Vec<(
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
)> {
    let rows = (0..200).map(|row| {
        (
            ["b", "c"][row % 2],
            ["u", "v", "w"][row % 3],
            ["1.5", "2.5"][row % 2],
            ["", "1"][row % 2],
            DAYS[row % 3],
        )
    });
    rows.collect()
}

#[tokio::test]
async fn sound_rows_are_told_without_a_word() {
    let told = portrait(&sound()).await;
    assert_eq!(told.warnings, Vec::<String>::new());
    assert_eq!(
        (told.rows, told.first_day.as_deref(), told.last_day.as_deref()),
        (200, Some("2026-05-01"), Some("2026-05-03"))
    );
    assert_eq!(
        told.money,
        BTreeMap::from([
            ("paid_amount", "400.00".to_owned()),
            ("refund_amount", "100.00".to_owned())
        ])
    );
    assert_eq!(told.units, BTreeMap::from([("quantity", 200)]));
    assert_eq!(
        (
            told.distinct["consumer"],
            told.distinct["brand"],
            told.distinct["order"]
        ),
        (3, 2, 200)
    );
    assert_eq!(
        (told.nulls["refund_amount"], told.nulls["paid_amount"]),
        (0.5, 0.0)
    );
}

#[tokio::test]
async fn what_smells_is_said() {
    let with = |change: fn(
        usize,
        &mut (
            &'static str,
            &'static str,
            &'static str,
            &'static str,
            &'static str,
        ),
    )| async move {
        let mut rows = sound();
        rows.iter_mut().enumerate().for_each(|(at, row)| change(at, row));
        portrait(&rows).await.warnings
    };
    let one = |warnings: Vec<String>, words: &str| {
        assert!(
            warnings.len() == 1 && warnings[0].contains(words),
            "{words}: {warnings:?}"
        )
    };
    one(
        with(|_, row| row.4 = "2026-05-01").await,
        "all rows lie on one day",
    );
    one(with(|_, row| row.2 = "5").await, "every paid_amount is 5.00");
    one(
        with(|_, row| row.3 = "9.25").await,
        "refunds of 1850.00 are above the paid 400.00",
    );
    one(
        with(|at, row| row.0 = if at == 7 { "c" } else { "b" }).await,
        "99.5 % of the rows are of one brand, `b`",
    );
    one(with(|_, row| row.1 = "u").await, "all rows are of one consumer");
    one(
        with(|at, row| row.1 = ["1.0", "2.0", "3.0"][at % 3]).await,
        "200 values of consumer end with `.0`",
    );
    one(
        with(|_, row| row.3 = "").await,
        "refund_amount is empty in every row",
    );
    // Few rows may be alike.
    assert!(
        portrait(&[("b", "c", "1", "1", "2026-05-01"); 5])
            .await
            .warnings
            .is_empty()
    );
}
