//! The shipped mappings of shops' own exports: totals to the cent, days at the borders of summer time, and bad rows refused.

use dualwheel_lake::mapping::{Mapping, SHIPPED};
use encoding_rs::GB18030;

use crate::mapped::{file, mapped};

const LINE: &str = "order line consumer brand product quantity paid_amount paid_day refund_amount";

fn shipped(name: &str) -> &'static str {
    let (_, text) = SHIPPED.iter().find(|(shipped, _)| *shipped == name).unwrap();
    Mapping::parse(name, text).unwrap();
    text
}

#[tokio::test]
async fn qianniu_orders() {
    let folder = tempfile::tempdir().unwrap();
    let row = |order: &str,
               buyer: &str,
               paid: &str,
               status: &str,
               at: &str,
               title: &str,
               units: &str,
               rest: &str| {
        format!("{order},{buyer},{paid},{status},2024-06-17 23:00:00,{at},{title},{units},小店,{rest}\n")
    };
    let csv = "订单编号,买家会员名,买家实际支付金额,订单状态,订单创建时间,订单付款时间,宝贝标题,宝贝总数量,店铺名称,订单关闭原因,退款金额,确认收货时间\n"
        .to_owned()
        + &row("=\"2187530024611209834\"", "tb小明", "128.50", "交易成功", "2024-06-17 23:59:59", "保温杯", "2", "订单未关闭,0,2024-06-20 08:00:00")
        + &row("'2187530024611209835", "tb小红", "1009", "交易关闭", "2024-06-18 00:00:00", "面霜，面膜", "3", "不想要了,1009.00,")
        + &row("2187530024611209836\t", "tb小刚", "0.00", "等待买家付款", "", "面膜", "1", "订单未关闭,0,")
        // 2.187E+18 is what Excel makes of an id.
        + &row("2.18753E+18", "tb小李", "5.00", "交易成功", "2024-06-18 09:00:00", "面膜", "1", "订单未关闭,0,")
        + &row("2187530024611209838", "tb小李", "五元", "交易成功", "2024-06-18 09:00:00", "面膜", "1", "订单未关闭,0,")
        // Shanghai's summer time ended on 1991-09-15 at two, which was one again: this time was there twice.
        + &row("1", "tb老王", "1.00", "交易成功", "1991-09-15 01:30:00", "面膜", "1", "订单未关闭,0,")
        // It had begun on 1991-04-14 at two, which was three.
        + &row("2", "tb老王", "1.00", "交易成功", "1991-04-14 02:30:00", "面膜", "1", "订单未关闭,0,");
    let (bytes, _, _) = GB18030.encode(&csv);
    let files = [("orders", file(&folder, "订单.csv", &bytes))];
    let found = mapped(shipped("qianniu-orders"), &files).await;
    assert_eq!(
        found[0].rows(LINE),
        [
            "2187530024611209834|1|tb小明|小店|保温杯|2|128.5000|2024-06-17|0.0000",
            "2187530024611209835|1|tb小红|小店|面霜|3|1009.0000|2024-06-18|1009.0000",
            "1|1|tb老王|小店|面膜|1|1.0000|1991-09-15|0.0000",
            "2|1|tb老王|小店|面膜|1|1.0000|1991-04-14|0.0000",
        ]
    );
    assert_eq!(
        found[0].rows("revision paid_at return_reason"),
        [
            "2|2024-06-17T15:59:59Z|-",
            "3|2024-06-17T16:00:00Z|不想要了",
            "2|1991-09-14T16:30:00Z|-",
            "2|1991-04-13T18:30:00Z|-",
        ]
    );
    let refused = &found[0].refused;
    assert_eq!(refused.len(), 2, "{refused:?}");
    assert!(
        refused[0].contains("line 5") && refused[0].contains("scientific"),
        "{refused:?}"
    );
    assert!(
        refused[1].contains("line 6") && refused[1].contains("五元"),
        "{refused:?}"
    );
}

const SHOPIFY: &str = "Name,Email,Financial Status,Paid at,Fulfilled at,Currency,Subtotal,Shipping,Total,Discount Amount,Created at,\
    Lineitem quantity,Lineitem name,Lineitem price,Lineitem sku,Cancelled at,Refunded Amount,Vendor\n";

#[tokio::test]
async fn shopify_orders() {
    let folder = tempfile::tempdir().unwrap();
    // Three lines of which 10 % are off: 8.99 + 2 × 5.00 + 1.01 = 20.00 less 2.00. The refund is of all, shipping included.
    let csv = SHOPIFY.to_owned()
        + "#1001,Ann@Example.com,refunded,2024-11-03 01:30:00 -0400,2024-11-04 10:00:00 -0500,USD,18.00,4.00,22.00,2.00,2024-11-03 01:29:00 -0400,1,Mug,8.99,MUG,,22.00,Hill\n"
        + "#1001,Ann@Example.com,,,,,,,,,2024-11-03 01:29:00 -0400,2,Cup,5.00,CUP,,,Hill\n"
        + "#1001,Ann@Example.com,,,,,,,,,2024-11-03 01:29:00 -0400,1,Pin,1.01,,,,Dale\n"
        // The hour comes again.
        + "#1002,bob@example.com,paid,2024-11-03 01:30:00 -0500,,USD,8.99,0.00,8.99,0.00,2024-11-03 01:29:00 -0500,1,Mug,8.99,MUG,,0.00,Hill\n"
        // The day before in UTC is the day of the shop, and the other way round.
        + "#1003,cid@example.com,paid,2024-03-10 23:30:00 -0400,,USD,8.99,0.00,8.99,0.00,2024-03-10 23:30:00 -0400,1,Mug,8.99,MUG,,0.00,Hill\n"
        + "#1004,dan@example.com,pending,,,USD,8.99,0.00,8.99,0.00,2024-03-11 09:00:00 -0400,1,Mug,8.99,MUG,,0.00,Hill\n"
        // No one can tell how the order is shared out; nor whose it is.
        + "#1005,eve@example.com,paid,2024-03-11 09:00:00 -0400,,USD,13.99,0.00,13.99,0.00,2024-03-11 09:00:00 -0400,one,Mug,8.99,MUG,,0.00,Hill\n"
        + "#1005,eve@example.com,,,,,,,,,2024-03-11 09:00:00 -0400,1,Cup,5.00,CUP,,,Hill\n"
        + "#1006,,paid,2024-03-11 09:00:00 -0400,,USD,5.00,0.00,5.00,0.00,2024-03-11 09:00:00 -0400,1,Cup,5.00,CUP,,0.00,Hill\n"
        // A gift.
        + "#1007,fay@example.com,paid,2024-03-11 09:00:00 -0400,,USD,0.00,0.00,0.00,0.00,2024-03-11 09:00:00 -0400,1,Pin,0.00,PIN,,0.00,Hill\n";
    let files = [("orders", file(&folder, "orders_export.csv", csv))];
    let found = mapped(shipped("shopify-orders"), &files).await;
    let ann = [
        "CUP|2|9.0000|2024-11-03|9.0000",
        "MUG|1|8.0900|2024-11-03|8.0900",
        "Pin|1|0.9100|2024-11-03|0.9100",
    ];
    let expected = [
        format!("#1001|1|ann@example.com|Hill|{}", ann[0]),
        format!("#1001|2|ann@example.com|Hill|{}", ann[1]),
        format!("#1001|3|ann@example.com|Dale|{}", ann[2]),
        "#1002|1|bob@example.com|Hill|MUG|1|8.9900|2024-11-03|0.0000".to_owned(),
        "#1003|1|cid@example.com|Hill|MUG|1|8.9900|2024-03-10|0.0000".to_owned(),
        "#1007|1|fay@example.com|Hill|PIN|1|0.0000|2024-03-11|0.0000".to_owned(),
    ];
    assert_eq!(found[0].rows(LINE), expected);
    assert_eq!(
        found[0].rows("paid_at dispatched_at")[2..5],
        [
            "2024-11-03T05:30:00Z|2024-11-04T15:00:00Z",
            "2024-11-03T06:30:00Z|-",
            "2024-03-11T03:30:00Z|-",
        ]
    );
    let refused = &found[0].refused;
    assert_eq!(refused.len(), 3, "{refused:?}");
    assert!(refused.iter().any(|one| one.contains("quantity")), "{refused:?}");
    assert!(refused.iter().any(|one| one.contains("consumer")), "{refused:?}");
}

#[tokio::test]
async fn shares_of_a_shopify_order_sum_up_to_it() {
    let folder = tempfile::tempdir().unwrap();
    for (subtotal, prices) in [
        ("10.00", vec!["3.33", "3.33", "3.34", "0.01"]),
        ("0.01", vec!["5", "5", "5"]),
        ("99.99", vec!["0.07"; 7]),
    ] {
        let mut csv = SHOPIFY.to_owned();
        for (number, price) in prices.iter().enumerate() {
            let of_order = if number == 0 {
                format!("2024-03-11 09:00:00 -0400,,USD,{subtotal},0,0,0")
            } else {
                ",,,,,,".to_owned()
            };
            csv +=
                &format!("#1,a@b.c,paid,{of_order},2024-03-11 09:00:00 -0400,1,P{number},{price},,,,Hill\n");
        }
        let files = [("orders", file(&folder, "orders_export.csv", csv))];
        let found = mapped(shipped("shopify-orders"), &files).await;
        let cents = |text: &str| (text.parse::<f64>().unwrap() * 100.0).round() as i64;
        let sum: i64 = found[0]
            .rows("paid_amount")
            .iter()
            .map(|amount| cents(amount))
            .sum();
        assert_eq!((found[0].refused.len(), sum), (0, cents(subtotal)), "{prices:?}");
    }
}

#[tokio::test]
async fn orders_and_events() {
    let folder = tempfile::tempdir().unwrap();
    let orders = "order_id,line_id,user_id,brand,product_id,quantity,amount,paid_at\n\
        o1,1,u1,b1,p1,2,19.90,2024-06-18 00:00:00\n\
        o1,2,u1,b1,p2,1.0,\"1,000.10\",2024-06-17T16:00:00Z\n\
        o2,1,u2,b1,p1,1.5,9.95,2024-06-18 00:00:00\n\
        o3,1,u2,b1,p1,1,9.95,1991-09-15 01:30:00\n\
        o4,1,u2,b1,p1,1,9.95,1991-09-15 01:30:00 +0800\n";
    let events = "event_id,user_id,brand,event,product_id,occurred_at\n\
        e1,u1,b1,view,p1,2024-06-17 23:59:59\n\
        e2,u1,b1,Add_to_cart,p1,2024-06-17 23:59:59.5\n\
        e3,u1,b1,shake,p1,2024-06-17 23:59:59\n\
        e4,u1,b1,check_in,,2024-06-18\n";
    let files = [
        ("orders", file(&folder, "orders.csv", orders)),
        ("events", file(&folder, "events.csv", events)),
    ];
    let found = mapped(shipped("orders-events"), &files).await;
    assert_eq!(
        found[0].rows("order line quantity paid_amount paid_at paid_day"),
        [
            "o1|1|2|19.9000|2024-06-17T16:00:00Z|2024-06-18",
            "o1|2|1|1000.1000|2024-06-17T16:00:00Z|2024-06-18",
            "o3|1|1|9.9500|1991-09-14T16:30:00Z|1991-09-15",
            "o4|1|1|9.9500|1991-09-14T17:30:00Z|1991-09-15",
        ]
    );
    let refused = &found[0].refused;
    assert!(
        refused.len() == 1 && refused[0].contains("quantity"),
        "{refused:?}"
    );
    assert_eq!(
        found[1].rows("event_id kind occurred_day"),
        [
            "e1|BROWSE|2024-06-17",
            "e2|CART|2024-06-17",
            "e4|CHECK_IN|2024-06-18",
        ]
    );
    let refused = &found[1].refused;
    assert!(refused.len() == 1 && refused[0].contains("kind"), "{refused:?}");
    let found = mapped(shipped("orders-events"), &files[..1]).await;
    assert_eq!(found.len(), 1);
}
