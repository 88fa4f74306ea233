//! Mappings: shipped ones plan and give facts; wrong ones name the entry and the column.

use std::{collections::BTreeMap, path::PathBuf};

use dualwheel_lake::{
    check::{Ground, check},
    fact::Fact,
    mapping::{BATCH_ROWS, Import, Mapping, SHIPPED},
};
use tempfile::TempDir;

fn file(folder: &TempDir, name: &str, text: &str) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    path
}

/// Maps and checks everything; answers (fact, good rows, faults as text).
async fn map(mapping: &Mapping, paths: BTreeMap<String, PathBuf>) -> Vec<(&'static str, usize, Vec<String>)> {
    let import = Import::open(mapping, &paths).await.unwrap();
    import.plan().await.unwrap();
    let mut found = Vec::new();
    for (number, fact) in import.entries() {
        let mut rows = import.rows(number).await.unwrap();
        let (mut good, mut faults) = (0, Vec::new());
        while let Some(batch) = rows.next().await.unwrap() {
            assert!(batch.num_rows() <= BATCH_ROWS);
            let now = i64::MAX / 2;
            let checked = check(
                fact,
                &batch,
                &Ground {
                    tenant: "t",
                    zone: mapping.time_zone,
                    now,
                    source: ("p", 1),
                },
            )
            .unwrap();
            good += checked.batch.num_rows();
            faults.extend(
                checked
                    .refusals
                    .iter()
                    .map(|refusal| format!("{}: {}", refusal.field, refusal.reason)),
            );
        }
        let refused = rows.refused();
        faults.extend(refused.iter().map(|one| format!("{}: {}", one.field, one.reason)));
        found.push((fact.name, good, faults));
    }
    found
}

fn paths(given: &[(&str, PathBuf)]) -> BTreeMap<String, PathBuf> {
    given
        .iter()
        .map(|(name, path)| ((*name).to_owned(), path.clone()))
        .collect()
}

#[tokio::test]
async fn taobao_user_behavior() {
    let folder = tempfile::tempdir().unwrap();
    let csv = file(
        &folder,
        "u.csv",
        "1,2268318,2520377,pv,1511544070\n1,2333346,2520771,buy,1511561733\n2,7,8,nod,1\n",
    );
    let (mapping, _) = Mapping::load("taobao-userbehavior").unwrap();
    let found = map(&mapping, paths(&[("behaviors", csv)])).await;
    assert_eq!((found[0].0, found[0].1, found[0].2.len()), ("behavior", 2, 1));
    assert!(found[0].2[0].starts_with("kind: is none of"), "{:?}", found[0].2);
}

#[tokio::test]
async fn rees46_with_its_last_line_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    let csv = file(
        &folder,
        "e.csv",
        "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session\n\
         2019-10-01 00:00:00 UTC,view,44600062,21,,shiseido,35.79,541312140,72d76fde\n\
         2019-10-01 00:00:04 UTC,purchase,1004856,20,electronics.smartphone,samsung,130.76,543272936,8187d148\n\
         2019-10-01 00:00:05 UTC,cart,39008",
    );
    let (mapping, _) = Mapping::load("rees46").unwrap();
    let found = map(&mapping, paths(&[("events", csv)])).await;
    assert_eq!(
        (found[0].0, found[0].1, found[0].2.len()),
        ("behavior", 1, 1),
        "{:?}",
        found[0].2
    );
    assert_eq!(
        (found[1].0, found[1].1, found[1].2.len()),
        ("order_line", 1, 0),
        "{:?}",
        found[1].2
    );
}

#[tokio::test]
async fn cdnow() {
    let folder = tempfile::tempdir().unwrap();
    let text = file(
        &folder,
        "c.txt",
        " 00004 0001 19970101  2   29.33\n 00004 0001 19970118  2   29.73\n",
    );
    let (mapping, _) = Mapping::load("cdnow").unwrap();
    let found = map(&mapping, paths(&[("purchases", text)])).await;
    assert_eq!((found[0].1, found[0].2.len()), (2, 0), "{:?}", found[0].2);
}

#[tokio::test]
async fn online_retail() {
    let folder = tempfile::tempdir().unwrap();
    let csv = file(
        &folder,
        "o.csv",
        "Invoice,StockCode,Description,Quantity,InvoiceDate,Price,Customer ID,Country\n\
         489434,85048,LIGHTS,12,2009-12-01 07:45:00,6.95,13085.0,United Kingdom\n\
         C489449,22087,PAPER,-12,2009-12-01 10:33:00,2.95,16321.0,Australia\n\
         489450,22087,PAPER,1,2009-12-01 10:33:00,2.95,,Australia\n",
    );
    let (mapping, _) = Mapping::load("online-retail-ii").unwrap();
    let found = map(&mapping, paths(&[("invoices", csv)])).await;
    assert_eq!((found[0].1, found[0].2.len()), (2, 0), "{:?}", found[0].2);
}

#[tokio::test]
async fn olist() {
    let folder = tempfile::tempdir().unwrap();
    let orders = file(
        &folder,
        "orders.csv",
        "\"order_id\",\"customer_id\",\"order_status\",\"order_purchase_timestamp\",\"order_approved_at\",\
         \"order_delivered_carrier_date\",\"order_delivered_customer_date\",\"order_estimated_delivery_date\"\n\
         \"o1\",\"k1\",\"delivered\",2017-10-02 10:56:33,2017-10-02 11:07:15,2017-10-04 19:55:00,\
         2017-10-10 21:25:13,2017-10-18 00:00:00\n\
         \"o2\",\"k2\",\"canceled\",2017-10-02 10:56:33,,,,2017-10-18 00:00:00\n",
    );
    let items = file(
        &folder,
        "items.csv",
        "order_id,order_item_id,product_id,seller_id,shipping_limit_date,price,freight_value\n\
         o1,1,p1,s1,2017-10-06 11:07:15,29.99,8.72\no2,1,p1,s1,2017-10-06 11:07:15,29.99,8.72\n",
    );
    let customers = file(
        &folder,
        "customers.csv",
        "customer_id,customer_unique_id\nk1,u1\nk2,u2\n",
    );
    let reviews = file(
        &folder,
        "reviews.csv",
        "review_id,order_id,review_score,review_comment_title,review_comment_message,review_creation_date\n\
         r1,o1,5,,good,2017-10-11 00:00:00\n",
    );
    let products = file(
        &folder,
        "products.csv",
        "product_id,product_category_name\np1,utilidades\n",
    );
    let (mapping, _) = Mapping::load("olist").unwrap();
    let given = [
        ("orders", orders),
        ("order_items", items),
        ("customers", customers),
        ("reviews", reviews),
        ("products", products),
    ];
    let found = map(&mapping, paths(&given)).await;
    let counts: Vec<_> = found
        .iter()
        .map(|(fact, good, faults)| (*fact, *good, faults.len()))
        .collect();
    assert_eq!(
        counts,
        [("product", 1, 0), ("order_line", 2, 0), ("behavior", 1, 0)],
        "{found:?}"
    );
}

#[tokio::test]
async fn wrong_mappings_name_the_entry_and_the_column() {
    let folder = tempfile::tempdir().unwrap();
    let csv = file(&folder, "x.csv", "a,b\n1,2\n");
    let given = paths(&[("x", csv)]);
    let with = |sql: &str| {
        let text = format!(
            "{{about: t, time_zone: UTC, currency: USD, sources: {{x: {{}}}}, facts: [{{fact: member, sql: \"{sql}\"}}]}}"
        );
        Mapping::parse("m.yaml", &text).unwrap()
    };
    let cases = [
        ("SELECT missing AS consumer FROM x", "missing"),
        ("SELECT a AS consumer FORM x", "facts[0] (member)"),
        ("SELECT a AS stranger FROM x", "`stranger`"),
        ("SELECT a AS consumer FROM x", "`brand`"),
    ];
    for (sql, told) in cases {
        let import = Import::open(&with(sql), &given).await.unwrap();
        let error = import.plan().await.unwrap_err().to_string();
        assert!(
            error.contains(told) && error.contains("facts[0]"),
            "{sql}: {error}"
        );
    }
    let unknown = Mapping::parse(
        "m.yaml",
        "{about: t, time_zone: Mars/Base, currency: USD, sources: {}, facts: []}",
    );
    assert!(unknown.unwrap_err().to_string().contains("Mars/Base"));
    let absent = Import::open(&with("SELECT 1"), &BTreeMap::new())
        .await
        .err()
        .unwrap()
        .to_string();
    assert!(absent.contains("--source x=PATH"), "{absent}");
}

#[test]
fn every_shipped_mapping_is_whole() {
    for (name, text) in SHIPPED {
        let mapping = Mapping::parse(name, text).unwrap();
        assert!(
            mapping
                .facts
                .iter()
                .all(|entry| Fact::named(&entry.fact).is_some() && !entry.needs.is_empty()),
            "{name}"
        );
    }
}
