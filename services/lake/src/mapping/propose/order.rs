//! Entries of order lines: from one file, or from one of lines and one of orders.

use std::collections::BTreeMap;

use super::{
    Seen,
    draft::{Draft, quoted, text},
    names,
};
use crate::{
    Error,
    fact::{Column, Fact},
};

/// What an order line needs that files of orders or of lines alone lack.
const NEEDED: [&str; 5] = ["consumer", "product", "quantity", "paid_amount", "paid_at"];

/// The file of orders that a file of lines goes with, or the other way round: it has a field that this one lacks, and the one
/// of orders has each but once, so that no line is doubled.
pub(super) async fn partner(files: &[Seen], at: usize) -> Result<Option<usize>, Error> {
    let Some(file) = files.get(at) else {
        return Ok(None);
    };
    let lacks: Vec<&str> = NEEDED
        .into_iter()
        .filter(|field| file.column(field).is_none())
        .collect();
    for (number, other) in files.iter().enumerate().skip(at + 1) {
        let helps =
            other.fact == Some("order_line") && lacks.iter().any(|field| other.column(field).is_some());
        if let (true, [_, orders]) = (helps, Ground::new(file, Some(other)).files.as_slice())
            && let Some(order) = orders.column("order")
            && orders.look.is_unique(order).await?
        {
            return Ok(Some(number));
        }
    }
    Ok(None)
}

/// The files of an entry, that of lines first.
struct Ground<'a> {
    files: Vec<&'a Seen>,
}

/// A column of one of the files.
#[derive(Clone, Copy)]
struct Found<'a> {
    file: &'a Seen,
    name: &'a str,
    /// Whether it stands once for each order.
    of_order: bool,
}

impl<'a> Ground<'a> {
    fn new(file: &'a Seen, other: Option<&'a Seen>) -> Self {
        let is_lines = |file: &Seen| file.column("product").is_some();
        let files = match other {
            Some(other) if is_lines(other) && !is_lines(file) => vec![other, file],
            Some(other) => vec![file, other],
            None => vec![file],
        };
        Self { files }
    }

    fn column(&self, field: &str) -> Option<Found<'a>> {
        self.files.iter().enumerate().find_map(|(at, file)| {
            let name = file.column(field)?;
            Some(Found {
                file,
                name,
                of_order: at > 0 || self.is_repeated(file, name),
            })
        })
    }

    /// The column of one of the files that is called the likeliest of some names.
    fn named(&self, names: &[&str]) -> Option<Found<'a>> {
        let named = |file: &&'a Seen| {
            Some(Found {
                name: file.named(names)?,
                file,
                of_order: false,
            })
        };
        self.files.iter().find_map(named)
    }

    fn sql(&self, found: Found<'_>) -> String {
        let quoted = quoted(found.name);
        match self.files.as_slice() {
            [_] => quoted,
            [lines, ..] if lines.source == found.file.source => format!("l.{quoted}"),
            _ => format!("o.{quoted}"),
        }
    }

    /// Whether a column is an amount of the whole order that comes again on each of its lines, as far as the first rows show.
    fn is_repeated(&self, file: &Seen, name: &str) -> bool {
        let place = |column: &str| file.look.columns.iter().position(|other| other == column);
        let order = file.column("order").and_then(place);
        let (Some(order), Some(value)) = (order, place(name)) else {
            return false;
        };
        let mut orders: BTreeMap<&Option<String>, Vec<&Option<String>>> = BTreeMap::new();
        for row in &file.look.rows {
            if let (Some(order), Some(value)) = (row.get(order), row.get(value)) {
                orders.entry(order).or_default().push(value);
            }
        }
        let mut several = orders.values().filter(|values| values.len() > 1).peekable();
        names::OF_ORDERS.contains(&names::plain(name).as_str())
            && several.peek().is_some()
            && several.all(|values| values.iter().all(|value| Some(value) == values.first()))
    }
}

/// A proposal for a file of orders, or a pair.
pub(super) async fn draft(file: &Seen, other: Option<&Seen>, fact: &'static Fact) -> Result<Draft, Error> {
    let ground = Ground::new(file, other);
    let mut draft = Draft::of(file, fact);
    draft.sources = ground.files.iter().map(|file| file.source.clone()).collect();
    let number = row_number(&ground);
    for column in fact.columns {
        match (ground.column(column.name), column.name) {
            (None, "line") => line(&mut draft, &ground, &number).await?,
            (None, "paid_amount") => price_by_quantity(&mut draft, &ground, column),
            (None, _) if column.required => draft.open(column),
            (None, _) => {}
            (Some(found), "sku") if is_product(&ground, found) => {}
            (Some(found), "paid_amount" | "refund_amount") if found.of_order => {
                once(&mut draft, &ground, column, found, &number);
            }
            (Some(found), _) => draft.column(column, found.file, found.name, ground.sql(found)),
        }
    }
    states(&mut draft, &ground).await?;
    if let ([lines, orders], Some(key)) = (ground.files.as_slice(), order_keys(&ground)) {
        draft.from = format!("{} l LEFT JOIN {} o ON {key}", lines.source, orders.source);
        draft.order_by = Some("\"order\", line".to_owned());
    }
    Ok(draft)
}

/// The key of a line that no column is.
async fn line(draft: &mut Draft, ground: &Ground<'_>, number: &str) -> Result<(), Error> {
    let product = ground.column("product");
    if let ([file], Some(product)) = (ground.files.as_slice(), product)
        && let Some(order) = file.column("order")
        && file.look.is_unique(order).await?
    {
        let note = "no column is the key of a line, and each order has one: its product is".to_owned();
        draft.put("line", ground.sql(product), Some(note));
        return Ok(());
    }
    let note = "no column is the key of a line: its number by what it holds is".to_owned();
    draft.put("line", format!("CAST({number} AS VARCHAR)"), Some(note));
    draft.order_by = Some("\"order\", line".to_owned());
    Ok(())
}

fn is_product(ground: &Ground<'_>, found: Found<'_>) -> bool {
    ground
        .column("product")
        .is_some_and(|product| product.name == found.name)
}

fn order_keys(ground: &Ground<'_>) -> Option<String> {
    let keys = ground.files.iter().filter_map(|file| file.column("order"));
    let keys: Vec<String> = keys.map(quoted).collect();
    match keys.as_slice() {
        [lines, orders] => Some(format!("o.{orders} = l.{lines}")),
        _ => None,
    }
}

/// The number of a line in its order, by what it holds, so that it is the same each time.
fn row_number(ground: &Ground<'_>) -> String {
    let Some(lines) = ground.files.first() else {
        return String::new();
    };
    let sql = |name: &str| {
        ground.sql(Found {
            file: lines,
            name,
            of_order: false,
        })
    };
    let first = [
        "line",
        "product",
        "sku",
        "quantity",
        "list_price",
        "paid_amount",
        "refund_amount",
    ];
    let mut by: Vec<String> = Vec::new();
    let known = first.iter().filter_map(|field| lines.column(field));
    for column in known.map(sql) {
        if !by.contains(&column) {
            by.push(column);
        }
    }
    let order = lines.column("order").map(sql).unwrap_or_default();
    let by = if by.is_empty() {
        order.clone()
    } else {
        by.join(", ")
    };
    format!("ROW_NUMBER() OVER (PARTITION BY {order} ORDER BY {by})")
}

/// An amount of the whole order, on the first of its lines, so that the sum is right.
fn once(draft: &mut Draft, ground: &Ground<'_>, column: &Column, found: Found<'_>, number: &str) {
    draft.uses(found.name);
    let amount = ground.sql(found);
    let sql = format!("CASE WHEN {number} = 1 THEN {amount} ELSE '0' END");
    let note = format!(
        "EDIT: `{}` is of the whole order, and so stands on its first line alone; take the amount of the line, if there is one",
        found.name
    );
    draft.put(column.name, sql, Some(note));
}

/// What was paid, where only a price stands.
fn price_by_quantity(draft: &mut Draft, ground: &Ground<'_>, column: &'static Column) {
    let (Some(price), Some(quantity)) = (ground.column("list_price"), ground.column("quantity")) else {
        return draft.open(column);
    };
    let (price, quantity) = (ground.sql(price), ground.sql(quantity));
    let sql = format!("TRY_CAST({price} AS DECIMAL(18, 4)) * TRY_CAST({quantity} AS BIGINT)");
    let note =
        "EDIT: no column is what was paid for a line: price times quantity, without discounts, stands for it"
            .to_owned();
    draft.put(column.name, sql, Some(note));
}

/// What the states of orders mean: what was never paid is left out, what was cancelled or paid back is marked.
async fn states(draft: &mut Draft, ground: &Ground<'_>) -> Result<(), Error> {
    let paid_at = ground.column("paid_at");
    let status = ground.named(names::STATUS);
    let tells_payment = |found: Found<'_>| {
        let plain = names::plain(found.name);
        ["付款", "支付", "paid", "payment"]
            .iter()
            .any(|word| plain.contains(word))
    };
    let pays = paid_at.filter(|found| tells_payment(*found));
    let (mut unpaid, mut cancelled) = (Vec::new(), Vec::new());
    if let Some(status) = status {
        draft.uses(status.name);
        for value in status.file.look.distinct(status.name).await? {
            let plain = names::plain(&value);
            if names::UNPAID.contains(&plain.as_str()) {
                unpaid.push(text(&value));
            } else if names::CANCELLED.contains(&plain.as_str()) {
                cancelled.push(text(&value));
            }
        }
    }
    let state = status.map(|status| ground.sql(status)).unwrap_or_default();
    match (pays, paid_at) {
        (Some(found), _) if status.is_some() => {
            let condition = format!("{} IS NOT NULL", ground.sql(found));
            draft.filter = Some((condition, "orders that were never paid are left out".to_owned()));
            if !cancelled.is_empty() && ground.column("cancelled_at").is_none() {
                let sql = format!(
                    "CASE WHEN {state} IN ({}) THEN {} END",
                    cancelled.join(", "),
                    ground.sql(found)
                );
                let note =
                    "no column tells when an order was cancelled: the time of its payment stands for it"
                        .to_owned();
                draft.put("cancelled_at", sql, Some(note));
            }
        }
        (None, Some(_)) => {
            unpaid.extend(cancelled);
            if !unpaid.is_empty() {
                let condition = format!("COALESCE({state}, '') NOT IN ({})", unpaid.join(", "));
                let why = "EDIT: taken for orders that were never paid, and left out".to_owned();
                draft.filter = Some((condition, why));
            }
        }
        _ => {}
    }
    refunds(draft, ground).await
}

/// What the state of a line after its sale means, where no column is the amount that was paid back.
async fn refunds(draft: &mut Draft, ground: &Ground<'_>) -> Result<(), Error> {
    let paid = ground.column("paid_amount").filter(|paid| !paid.of_order);
    let (None, Some(state), Some(paid)) = (
        ground.column("refund_amount"),
        ground.named(names::AFTER_SALE),
        paid,
    ) else {
        return Ok(());
    };
    let values = state.file.look.distinct(state.name).await?;
    let refunded = values
        .iter()
        .filter(|value| names::REFUNDED.contains(&names::plain(value).as_str()));
    let refunded: Vec<String> = refunded.map(|value| text(value)).collect();
    if !refunded.is_empty() {
        draft.uses(state.name);
        let (state, amount) = (ground.sql(state), ground.sql(paid));
        let sql = format!("CASE WHEN {state} IN ({}) THEN {amount} END", refunded.join(", "));
        let note = "no column is the amount paid back: in these states it is all".to_owned();
        draft.put("refund_amount", sql, Some(note));
    }
    Ok(())
}
