//! Zone and currency of files, and layouts that are known as a whole.

use super::{
    super::{Mapping, SHIPPED},
    Seen,
    draft::{Draft, quoted},
    names,
};
use crate::{Error, fact::Fact};

/// A value, and what there is to say of it.
type Told = (String, Option<String>);

/// Where the files are from.
pub(super) struct Place {
    pub time_zone: Told,
    pub currency: Told,
}

/// The settlement of Amazon: what was paid for an item is spread over rows of prices and promotions, and what was paid back is
/// told when it is, apart from the order.
const SETTLEMENT: &str = r#"-- A refund is a row of its own, on its own day; fees and taxes are left out.
WITH amounts AS (
  SELECT "order-id", "order-item-code", "transaction-type", sku, TRY_CAST("quantity-purchased" AS BIGINT) AS units,
         "posted-date-time" AS posted, TRY_CAST(REPLACE(amount, ',', '.') AS DECIMAL(18, 4)) AS amount
  FROM {source}
  WHERE "transaction-type" IN ('Order', 'Refund') AND "amount-description" = 'Principal'),
items AS (
  SELECT "order-id", "order-item-code", "transaction-type", MIN(sku) AS sku, MAX(units) AS units, MIN(posted) AS posted,
         -- An amount that is no number spoils the whole, so that its row is refused.
         CASE WHEN COUNT(*) = COUNT(amount) THEN SUM(amount) END AS amount
  FROM amounts GROUP BY "order-id", "order-item-code", "transaction-type")
SELECT "order-id" AS "order",
       CASE "transaction-type" WHEN 'Order' THEN "order-item-code" ELSE "order-item-code" || '-refund-' || posted END AS line,
       NULL AS consumer,  -- EDIT: a settlement names no buyers: "order-id" would take each order for a buyer of its own
       NULL AS brand,  -- EDIT: the files name no brand: write yours, such as 'my-brand'
       sku AS product,
       CASE "transaction-type" WHEN 'Order' THEN units ELSE 0 END AS quantity,
       CASE "transaction-type" WHEN 'Order' THEN amount ELSE amount - amount END AS paid_amount,
       posted AS paid_at,
       CASE "transaction-type" WHEN 'Refund' THEN -amount END AS refund_amount
FROM items
ORDER BY "order", line
"#;
const SETTLEMENT_COLUMNS: [&str; 9] = [
    "order-id",
    "order-item-code",
    "transaction-type",
    "amount-type",
    "amount-description",
    "amount",
    "posted-date-time",
    "sku",
    "quantity-purchased",
];
/// What shows that a file is of Shopify.
const SHOPIFY: [&str; 4] = [
    "Financial Status",
    "Lineitem quantity",
    "Lineitem name",
    "Lineitem price",
];

fn has_all(file: &Seen, columns: &[&str]) -> bool {
    columns
        .iter()
        .all(|column| file.look.columns.iter().any(|own| own == column))
}

/// Whether the layout of a file is known as a whole.
pub(super) fn is_known(file: &Seen) -> bool {
    has_all(file, &SETTLEMENT_COLUMNS) || has_all(file, &SHOPIFY)
}

/// The entry of a file whose layout is known as a whole.
pub(super) fn known(file: &Seen) -> Option<Draft> {
    let mut draft = Draft::of(file, Fact::named("order_line")?);
    if has_all(file, &SETTLEMENT_COLUMNS) {
        draft.whole = Some(SETTLEMENT.replace("{source}", &file.source));
        return Some(draft);
    }
    if !has_all(file, &SHOPIFY) {
        return None;
    }
    let (name, text) = SHIPPED.iter().find(|(name, _)| *name == "shopify-orders")?;
    let entry = Mapping::parse(name, text).ok()?.facts.into_iter().next()?;
    let mut sql = entry
        .sql
        .replace("FROM orders)", &format!("FROM {})", file.source));
    // Older exports lack some.
    for (column, of) in [
        ("Vendor", "brand"),
        ("Email", "consumer"),
        ("Fulfilled at", "dispatched_at"),
        ("Cancelled at", "cancelled_at"),
        ("Refunded Amount", "refund_amount"),
    ] {
        if !has_all(file, &[column]) {
            sql = sql.replace(&quoted(column), "CAST(NULL AS VARCHAR)");
            sql.insert_str(
                0,
                &format!("-- EDIT: the file has no column {column}, which would be {of}\n"),
            );
        }
    }
    draft.whole = Some(sql);
    Some(draft)
}

/// Zone and currency of the files.
pub(super) async fn of(files: &[Seen]) -> Result<Place, Error> {
    let columns = || files.iter().flat_map(|file| &file.look.columns);
    let is_chinese =
        columns().any(|column| column.chars().any(|one| ('\u{4e00}'..='\u{9fff}').contains(&one)));
    let currencies = currencies(files).await?;
    let currency = match currencies.as_slice() {
        [one] => (one.clone(), None),
        [] if is_chinese => ("CNY".to_owned(), None),
        [] => (
            "USD".to_owned(),
            Some("EDIT: the files name no currency: the ISO 4217 code of all amounts".to_owned()),
        ),
        [first, rest @ ..] => {
            let told = format!(
                "EDIT: the files have amounts in {} too: keep those of one currency, by a WHERE",
                rest.join(", ")
            );
            (first.clone(), Some(told))
        }
    };
    let time_zone = match marketplace(files).await? {
        Some(zone) => (zone.to_owned(), None),
        None if is_chinese => ("Asia/Shanghai".to_owned(), None),
        None if files.iter().any(|file| has_all(file, &SHOPIFY)) => (
            "America/New_York".to_owned(),
            Some("EDIT: the zone of the shop's settings, in which its days are counted".to_owned()),
        ),
        None => (
            "UTC".to_owned(),
            Some(
                "EDIT: the files name no zone: that of times without an offset, and of days, such as Europe/Paris".to_owned(),
            ),
        ),
    };
    Ok(Place { time_zone, currency })
}

/// The currencies that the files name.
async fn currencies(files: &[Seen]) -> Result<Vec<String>, Error> {
    let mut found: Vec<String> = Vec::new();
    for file in files {
        let Some((_, values)) = file.distinct(names::CURRENCY).await? else {
            continue;
        };
        let is_code = |value: &String| value.len() == 3 && value.bytes().all(|one| one.is_ascii_uppercase());
        found.extend(values.into_iter().filter(is_code));
    }
    found.sort();
    found.dedup();
    Ok(found)
}

/// The zone of Amazon's marketplace.
async fn marketplace(files: &[Seen]) -> Result<Option<&'static str>, Error> {
    for file in files {
        let Some((_, values)) = file.distinct(&["marketplacename"]).await? else {
            continue;
        };
        let zone = |(name, _): &&(&str, &str)| values.iter().any(|value| value.eq_ignore_ascii_case(name));
        if let Some((_, zone)) = names::MARKETPLACES.iter().find(zone) {
            return Ok(Some(zone));
        }
    }
    Ok(None)
}
