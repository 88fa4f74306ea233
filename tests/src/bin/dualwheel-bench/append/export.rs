//! An export of orders as a shop's back end makes it.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::Path,
};

use chrono::{DateTime, TimeDelta};

/// How it is read.
pub(crate) const MAPPING: &str = r#"
about: orders of a shop
time_zone: Asia/Shanghai
currency: CNY
sources:
  orders: {}
facts:
- fact: order_line
  needs: [orders]
  sql: |
    SELECT "订单编号" AS "order", "子订单编号" AS line, "买家会员名" AS consumer, "店铺名称" AS brand, "商品编号" AS product,
           "类目" AS category, "购买数量" AS quantity, "商品单价" AS list_price, "实付金额" AS paid_amount, "付款时间" AS paid_at
    FROM orders
"#;

/// Writes an export of so many rows.
pub(crate) fn write(path: &Path, rows: u64) -> anyhow::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    writeln!(
        file,
        "订单编号,子订单编号,买家会员名,店铺名称,商品编号,类目,购买数量,商品单价,实付金额,付款时间,买家留言"
    )?;
    let begin = DateTime::from_timestamp(1_767_225_600, 0).unwrap_or_default();
    for row in 0..rows {
        // Spread, and the same each time.
        let mixed = row.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
        let (order, line) = (2_026_050_100_000_000_000 + row / 2, row % 2 + 1);
        let (buyer, shop, product) = (mixed % (rows / 4).max(1), mixed % 7, mixed % 3_000);
        let (quantity, cents) = (mixed % 3 + 1, mixed % 90_000 + 100);
        let paid = begin + TimeDelta::seconds((mixed % 15_000_000) as i64);
        writeln!(
            file,
            "{order},{line},买家{buyer},旗舰店{shop},{product:07},女装/连衣裙,{quantity},{}.{:02},{}.{:02},{},\"请尽快发货, 谢谢\"",
            cents / 100,
            cents % 100,
            cents * quantity / 100,
            cents * quantity % 100,
            paid.format("%Y-%m-%d %H:%M:%S")
        )?;
    }
    Ok(file.flush()?)
}
