//! The mappings that come with the program at the hours in which clocks are set, and with a row that cannot be taken.

use std::{collections::BTreeMap, path::Path};

use arrow::{array::AsArray, datatypes::TimestampMicrosecondType};
use chrono::DateTime;
use dualwheel_lake::mapping::{Import, Mapping};

/// The instants of a column of an entry in their order, and the refused rows as text.
async fn instants(
    mapping: &Mapping,
    files: &[(&str, &str)],
    entry: usize,
    column: &str,
) -> (Vec<String>, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(format!("{name}.csv"));
        std::fs::write(&path, text).unwrap();
        path
    };
    let paths: BTreeMap<_, _> = files
        .iter()
        .map(|(name, text)| ((*name).to_owned(), file(name, text)))
        .collect();
    let import = Import::open(mapping, &paths).await.unwrap();
    import.plan().await.unwrap();
    let mut rows = import.rows(entry).await.unwrap();
    let mut found = Vec::new();
    while let Some(batch) = rows.next().await.unwrap() {
        let column = batch.column_by_name(column).unwrap();
        let told = column
            .as_primitive::<TimestampMicrosecondType>()
            .iter()
            .map(|micros| {
                micros.map_or("none".to_owned(), |micros| {
                    DateTime::from_timestamp_micros(micros)
                        .unwrap()
                        .format("%Y-%m-%d %H:%M")
                        .to_string()
                })
            });
        found.extend(told);
    }
    let short = |told: String| {
        let folder = format!("{}/", folder.path().display());
        told.replace(&folder, "")
    };
    let refused = rows.refused().iter().map(|one| short(one.to_string())).collect();
    (found, refused)
}

fn shipped(name: &str) -> Mapping {
    Mapping::load(name).unwrap().0
}

#[tokio::test]
async fn olist_counts_the_summer_time_of_sao_paulo() {
    let orders = "order_id,customer_id,order_status,order_purchase_timestamp,order_approved_at,order_delivered_carrier_date,\
                  order_delivered_customer_date,order_estimated_delivery_date\n\
                  o1,k,delivered,2017-10-14 23:30:00,2017-10-14 23:30:00,,,2017-10-14 00:00:00\n\
                  o2,k,delivered,2017-10-15 00:30:00,2017-10-15 00:30:00,,,2017-10-15 00:00:00\n\
                  o3,k,delivered,2018-02-17 23:30:00,2018-02-17 23:30:00,,,2018-02-17 00:00:00\n\
                  o4,k,delivered,soon,soon,,,2018-02-17 00:00:00\n\
                  o5,k,canceled,2018-07-01 12:00:00,,,,\n";
    let items = "order_id,order_item_id,product_id,seller_id,shipping_limit_date,price,freight_value\n\
                 o1,1,p,s,,10,1\no2,1,p,s,,10,1\no3,1,p,s,,10,1\no4,1,p,s,,10,1\no5,1,p,s,,10,1\n";
    let customers = "customer_id,customer_unique_id\nk,u\n";
    let files = [
        ("orders", orders),
        ("order_items", items),
        ("customers", customers),
    ];
    let (paid, refused) = instants(&shipped("olist"), &files, 1, "paid_at").await;
    // 00:30 on 15 October is skipped: it is 01:30. 23:30 on 17 February is twice: it is the first.
    assert_eq!(
        paid,
        [
            "2017-10-15 02:30",
            "2017-10-15 03:30",
            "2018-02-18 01:30",
            "2018-07-01 15:00"
        ]
    );
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert!(
        refused[0].starts_with("row 4 of the SELECT: paid_at `soon` is no time"),
        "{refused:?}"
    );
    let (promised, _) = instants(&shipped("olist"), &files, 1, "promised_at").await;
    // Until the end of the day, which is 25 hours long on 17 February, and whose midnight is skipped on 15 October.
    assert_eq!(
        promised,
        ["2017-10-15 03:00", "2017-10-16 02:00", "2018-02-18 03:00", "none"]
    );
    let (cancelled, _) = instants(&shipped("olist"), &files, 1, "cancelled_at").await;
    assert_eq!(cancelled, ["none", "none", "none", "2018-07-01 15:00"]);
}

#[tokio::test]
async fn online_retail_counts_the_summer_time_of_london() {
    let header = "Invoice,StockCode,Description,Quantity,InvoiceDate,Price,Customer ID,Country\n";
    let row = |invoice: &str, quantity: &str, at: &str, price: &str| {
        format!("{invoice},p,d,{quantity},{at},{price},13085.0,UK\n")
    };
    let mut text = header.to_owned();
    text += &row("1", "2", "28/03/2010 00:30", "6.95");
    text += &row("2", "2", "28/03/2010 01:30", "6.95");
    text += &row("3", "2", "1/7/2010 12:00", "6.95");
    text += &row("4", "2", "31/10/2010 01:30", "6.95");
    text += &row("5", "two", "1/7/2010 12:00", "6.95");
    text += &row("6", "2", "1/7/2010 12:00", "much");
    let mapping = shipped("online-retail-ii");
    let (paid, refused) = instants(&mapping, &[("invoices", &text)], 0, "paid_at").await;
    assert_eq!(
        paid,
        [
            "2010-03-28 00:30",
            "2010-03-28 01:30",
            "2010-07-01 11:00",
            "2010-10-31 00:30"
        ]
    );
    assert!(refused[0].contains("quantity `two` is no number"), "{refused:?}");
    assert!(
        refused[1].contains("paid_amount `much` is no number"),
        "{refused:?}"
    );
    assert_eq!(refused.len(), 2, "{refused:?}");

    // Month first, which one value tells of all.
    let text = header.to_owned()
        + &row("1", "2", "12/1/2010 8:26", "6.95")
        + &row("2", "2", "12/13/2010 8:26", "6.95");
    let (paid, _) = instants(&mapping, &[("invoices", &text)], 0, "paid_at").await;
    assert_eq!(paid, ["2010-12-01 08:26", "2010-12-13 08:26"]);
}

#[tokio::test]
async fn days_and_instants_of_the_other_mappings_are_those_of_their_zones() {
    let cdnow =
        " 00004 0001 19970406  2   29.33\n 00005 0001 19971026  2   29.73\n 00006 0001 1997     2   29.73\n";
    let (paid, refused) = instants(&shipped("cdnow"), &[("purchases", cdnow)], 0, "paid_at").await;
    assert_eq!(paid, ["1997-04-06 16:00", "1997-10-26 17:00"]);
    assert!(
        refused[0].contains("paid_at") && refused.len() == 1,
        "{refused:?}"
    );

    let taobao = "1,7,8,pv,1511544070\n1,7,8,pv,soon\n2,7,8,buy,1511561733\n";
    let (at, refused) = instants(
        &shipped("taobao-userbehavior"),
        &[("behaviors", taobao)],
        0,
        "occurred_at",
    )
    .await;
    assert_eq!(at, ["2017-11-24 17:21", "2017-11-24 22:15"]);
    assert!(
        refused[0].starts_with("behaviors.csv, line 2: occurred_at `soon` is not written as"),
        "{refused:?}"
    );

    let rees46 = "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session\n\
                  2019-10-27 00:30:00 UTC,view,1,2,,b,1,u,s\nlater,view,1,2,,b,1,u,s\n";
    let (at, refused) = instants(&shipped("rees46"), &[("events", rees46)], 0, "occurred_at").await;
    assert_eq!(at, ["2019-10-27 00:30"]);
    assert!(
        refused[0].starts_with("events.csv, line 3: occurred_at `later` is no time"),
        "{refused:?}"
    );
}

/// A mapping of order lines whose time is the column `at`, with keys of the mapping and of its entry.
fn timed(keys: &str, entry: &str, sql: &str) -> Mapping {
    let text = format!(
        "about: t\ntime_zone: Europe/London\ncurrency: GBP\n{keys}\nsources: {{orders: {{}}}}\nfacts:\n- fact: order_line\n  \
         needs: [orders]\n  {entry}\n  sql: SELECT o AS \"order\", o AS line, 'c' AS consumer, 'b' AS brand, 'p' AS product, 1 AS \
         quantity, 1 AS paid_amount, {sql} AS paid_at FROM orders\n"
    );
    Mapping::parse("t", &text).unwrap()
}

#[tokio::test]
async fn times_are_read_alike_by_the_entry_and_within_its_select() {
    let text = "o,at\n1,2010-10-31 01:30:00\n2,2010-03-28 01:30:00\n3,2010-07-01 12:00:00\n4,2010-07-01T12:00:00+02:00\n5,x\n";
    let at = |dst: &'static str, sql: &'static str| async move {
        let (at, refused) = instants(&timed(dst, "", sql), &[("orders", text)], 0, "paid_at").await;
        let lines = refused.iter().map(|told| told[..20].to_owned());
        (at, lines.collect::<Vec<_>>())
    };
    for sql in [
        "at",
        "TO_TIMESTAMP(at)",
        "CAST(at AS TIMESTAMP)",
        "to_timestamp_micros(at)",
    ] {
        let (first, second) = ("2010-10-31 00:30", "2010-10-31 01:30");
        let rest = ["2010-03-28 01:30", "2010-07-01 11:00", "2010-07-01 10:00"];
        let bad = vec!["orders.csv, line 6: ".to_owned()];
        let [earliest, latest] = [first, second].map(|first| [vec![first], rest.to_vec()].concat());
        let told = |found: (Vec<String>, Vec<String>)| found;
        assert_eq!(
            told(at("", sql).await),
            (earliest.iter().map(|at| (*at).to_owned()).collect(), bad.clone()),
            "{sql}"
        );
        assert_eq!(
            told(at("dst: latest", sql).await),
            (latest.iter().map(|at| (*at).to_owned()).collect(), bad),
            "{sql}"
        );
        let (taken, refused) = at("dst: refuse", sql).await;
        assert_eq!((taken.len(), refused.len()), (2, 3), "{sql} {refused:?}");
    }
    // What has no time is null where the SELECT says so, and then missing.
    let (at, refused) = instants(
        &timed("", "", "TRY_CAST(at AS TIMESTAMP)"),
        &[("orders", text)],
        0,
        "paid_at",
    )
    .await;
    assert_eq!((at.len(), refused.len()), (4, 1), "{refused:?}");
}

#[tokio::test]
async fn formats_are_declared_or_found_and_what_stays_open_is_refused_before_anything() {
    let with = |entry: &str| timed("", entry, "at");
    let files = |text: &'static str| [("orders", text)];
    for (entry, text, expected) in [
        (
            "formats: {paid_at: excel}",
            "o,at\n1,40483.5\n2,40483\n",
            vec!["2010-11-01 12:00", "2010-11-01 00:00"],
        ),
        (
            "formats: {paid_at: millis}",
            "o,at\n1,1288612800000\n",
            vec!["2010-11-01 12:00"],
        ),
        (
            "formats: {paid_at: '%d.%m.%y %H:%M'}",
            "o,at\n1,01.11.10 12:00\n",
            vec!["2010-11-01 12:00"],
        ),
        (
            "",
            "o,at\n1,1/11/2010 12:00\n2,13/11/2010\n",
            vec!["2010-11-01 12:00", "2010-11-13 00:00"],
        ),
        ("", "o,at\n1,11/11/2010 12:00\n", vec!["2010-11-11 12:00"]),
        (
            "",
            "o,at\n1,2010年11月1日 12:00\n2,2010-11-01T12:00Z\n",
            vec!["2010-11-01 12:00", "2010-11-01 12:00"],
        ),
    ] {
        let (found, refused) = instants(&with(entry), &files(text), 0, "paid_at").await;
        assert_eq!(
            (found, refused),
            (expected.iter().map(|at| (*at).to_owned()).collect(), Vec::new()),
            "{entry} {text}"
        );
    }
    for (text, words) in [
        (
            "o,at\n1,1/11/2010\n2,2/11/2010\n",
            "every value of `paid_at`, such as `1/11/2010`",
        ),
        (
            "o,at\n1,13/11/2010\n2,11/13/2010\n",
            "different orders, such as `11/13/2010` and `13/11/2010`",
        ),
    ] {
        let told = told(&with(""), text).await;
        assert!(
            told.contains(words) && told.contains("facts[0] (order_line)") && told.contains("formats:"),
            "{told}"
        );
    }
    let wrong = Mapping::parse(
        "t",
        "{about: t, time_zone: UTC, currency: USD, sources: {}, facts: [{fact: member, sql: '', formats: {role: excel}}]}",
    );
    assert!(
        wrong
            .unwrap_err()
            .to_string()
            .contains("`role`, which is no time")
    );
}

/// Why the rows of a file cannot be read.
async fn told(mapping: &Mapping, text: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path: &Path = &folder.path().join("o.csv");
    std::fs::write(path, text).unwrap();
    let paths = BTreeMap::from([("orders".to_owned(), path.to_owned())]);
    let import = Import::open(mapping, &paths).await.unwrap();
    import.plan().await.unwrap();
    let mut rows = import.rows(0).await.unwrap();
    rows.next().await.unwrap_err().to_string()
}

#[tokio::test]
async fn numbers_are_read_as_the_fields_they_are_for() {
    let sql = "SELECT o AS \"order\", o AS line, 'c' AS consumer, 'b' AS brand, p AS product, q AS quantity, a AS paid_amount, \
               '2026-05-01' AS paid_at FROM orders";
    let text = format!(
        "about: t\ntime_zone: Asia/Shanghai\ncurrency: CNY\nsources: {{orders: {{}}}}\nfacts:\n- fact: order_line\n  needs: [orders]\n  sql: {sql}\n"
    );
    let mapping = Mapping::parse("t", &text).unwrap();
    let rows = "o,p,q,a\n\
                1,0012,６.0,\"￥1,234.50\"\n2,p,\"1,000\",99元\n3,p,1.5,1\n4,9.00719925474099E+15,1,1\n5,p,1,\"1,50\"\n6,p,1,0.12345\n7,p,1,1.2万\n";
    let (paid, refused) = instants(&mapping, &[("orders", rows)], 0, "paid_at").await;
    assert_eq!(paid, vec!["2026-04-30 16:00"; 3]);
    let words = [
        "orders.csv, line 4: quantity `1.5` is no whole number",
        "orders.csv, line 5: product `9.00719925474099E+15` is a key in scientific notation",
        "orders.csv, line 6: paid_amount `1,50` has a comma that separates no thousands",
        "orders.csv, line 7: paid_amount `0.12345` has more than four decimals",
    ];
    assert_eq!(refused.len(), words.len(), "{refused:?}");
    for (told, words) in refused.iter().zip(words) {
        assert!(told.starts_with(words), "{told}");
    }
}
