//! Mappings proposed for files of common layouts: they plan as they are, and give the right totals.

use std::path::PathBuf;

use dualwheel_lake::mapping::{Import, Mapping, propose};
use encoding_rs::GB18030;

use crate::mapped::{Mapped, file, mapped};

/// What is compared of order lines: the day is that of the mapping's zone.
const LINE: &str = "order line consumer brand product quantity paid_amount paid_day refund_amount";
const ACT: &str = "consumer brand kind occurred_at product";

/// Proposes for files, and plans the proposal over them as it is.
async fn proposed(files: &[(&str, PathBuf)]) -> String {
    let given: Vec<PathBuf> = files.iter().map(|(_, path)| path.clone()).collect();
    let text = propose(&given).await.unwrap();
    let mapping = Mapping::parse("proposed", &text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let paths = files
        .iter()
        .map(|(name, path)| ((*name).to_owned(), path.clone()))
        .collect();
    let import = Import::open(&mapping, &paths)
        .await
        .unwrap_or_else(|error| panic!("{error}\n{text}"));
    import
        .plan()
        .await
        .unwrap_or_else(|error| panic!("{error}\n{text}"));
    text
}

/// What files become by the proposal, once the fields left open have been edited.
async fn tried(files: &[(&str, PathBuf)], edits: &[(&str, &str)]) -> (String, Vec<Mapped>) {
    let mut text = proposed(files).await;
    for (from, to) in edits {
        assert_eq!(text.matches(from).count(), 1, "{from} in\n{text}");
        text = text.replace(from, to);
    }
    let is_open = |line: &str| line.trim_start().starts_with("NULL AS ");
    assert!(!text.lines().any(is_open), "{text}");
    let found = mapped(&text, files).await;
    for one in &found {
        assert!(one.refused.is_empty(), "{:?}\n{text}", one.refused);
    }
    (text, found)
}

const BRAND: (&str, &str) = ("NULL AS brand", "'b' AS brand");

#[tokio::test]
async fn plain_orders() {
    let folder = tempfile::tempdir().unwrap();
    let csv = "Order ID;User ID;Brand;SKU;Qty;Amount;Currency;Created At\n\
               7;u1;b1;s1;2;1,234.50;EUR;2024-01-02 03:04:05\n\
               7;u1;b1;s2;1;0.5;EUR;2024-01-02 03:04:05\n\
               8;u2;b2;s1;1;€2;EUR;2024-01-03 23:30:00\n";
    let files = [("orders", file(&folder, "o.csv", csv))];
    let (text, found) = tried(&files, &[("time_zone: UTC", "time_zone: Europe/Paris")]).await;
    assert!(
        text.contains("currency: EUR\n") && text.contains("EDIT: the files name no zone"),
        "{text}"
    );
    let rows = found[0].rows("order line consumer brand product quantity paid_amount paid_day");
    assert_eq!(
        rows,
        [
            "7|1|u1|b1|s1|2|1234.5000|2024-01-02",
            "7|2|u1|b1|s2|1|0.5000|2024-01-02",
            "8|1|u2|b2|s1|1|2.0000|2024-01-03",
        ]
    );
}

#[tokio::test]
async fn what_no_column_tells_is_left_open_and_told_by_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let csv = "order_id,user_id,product_id,qty,paid_at\n1,u,p,1,2024-01-02 03:04:05\n";
    let files = [("orders", file(&folder, "o.csv", csv))];
    let text = proposed(&files).await;
    for field in ["brand", "paid_amount"] {
        assert!(text.contains(&format!("NULL AS {field},  -- EDIT: ")), "{text}");
    }
    let found = mapped(&text, &files).await;
    assert!(found[0].rows("order").is_empty());
    assert_eq!(found[0].refused.len(), 1, "{:?}", found[0].refused);
    assert!(
        found[0].refused[0].contains("is missing"),
        "{:?}",
        found[0].refused
    );
    let files = [(
        "file",
        file(
            &folder,
            "n.csv",
            "1,2268318,pv,1511544070\n2,2333346,buy,1511561733\n",
        ),
    )];
    let text = proposed(&files).await;
    assert!(
        text.contains("{header: false, columns: [\"column 1\", ")
            && text.contains("EDIT: the columns show no fact"),
        "{text}"
    );
    let nothing = propose(&[file(&folder, "e.csv", "")])
        .await
        .unwrap_err()
        .to_string();
    assert!(nothing.contains("e.csv"), "{nothing}");
}

#[tokio::test]
async fn orders_and_their_lines_are_joined_in_either_order() {
    let folder = tempfile::tempdir().unwrap();
    let lines = "order_id,product_id,quantity,price\n1,a,2,1.50\n1,b,1,2\n2,a,1,9.99\n3,a,1,1\n";
    let orders =
        "order_id,customer_id,store,paid_at,total\n1,c1,b1,2024-03-04,5\n2,c2,b1,2024-03-05 23:59:59,9\n";
    let lines = ("order_items", file(&folder, "lines.csv", lines));
    let orders = ("orders", file(&folder, "orders.csv", orders));
    for files in [[lines.clone(), orders.clone()], [orders, lines]] {
        let text = proposed(&files).await;
        let found = mapped(&text, &files).await;
        assert_eq!(found.len(), 1, "{text}");
        // What is told of the whole order stands once; the line without an order is refused and not lost.
        let rows = found[0].rows("order line consumer brand product quantity paid_amount paid_day");
        assert_eq!(
            rows,
            [
                "1|1|c1|b1|a|2|5.0000|2024-03-04",
                "1|2|c1|b1|b|1|0.0000|2024-03-04",
                "2|1|c2|b1|a|1|9.0000|2024-03-05",
            ],
            "{text}"
        );
        assert_eq!(found[0].refused.len(), 1, "{:?}", found[0].refused);
    }
    let no_total =
        "order_id,customer_id,store,paid_at\n1,c1,b1,2024-03-04\n2,c2,b1,2024-03-05\n3,c2,b1,2024-03-05\n";
    let files = [
        ("order_items", folder.path().join("lines.csv")),
        ("orders", file(&folder, "orders.csv", no_total)),
    ];
    let (text, found) = tried(&files, &[]).await;
    assert!(text.contains("EDIT: no column is what was paid"), "{text}");
    let paid = found[0].rows("order quantity paid_amount");
    assert_eq!(paid, ["1|2|3.0000", "1|1|2.0000", "2|1|9.9900", "3|1|1.0000"]);
}

#[tokio::test]
async fn qianniu_orders_and_goods() {
    let folder = tempfile::tempdir().unwrap();
    let orders = "订单列表,,,,,,,,,,,\n\
        订单编号,买家会员名,买家应付货款,买家实际支付金额,订单状态,订单创建时间,订单付款时间,宝贝标题,宝贝总数量,店铺名称,订单关闭原因,退款金额\n\
        =\"1867530024611209834\",小明,12.5,12.50,交易成功,2024-05-01 00:01:02,2024-05-01 00:02:03,护手霜，面膜,3,花店,订单未关闭,0\n\
        '1867530024611209835,小红,9,0,等待买家付款,2024-05-01 08:00:00,,护手霜,1,花店,订单未关闭,0\n\
        1867530024611209836\t,小明,\"1,009\",\"1,009.00\",交易关闭,2024-05-01 23:59:58,2024-05-01 23:59:59,护手霜,1,花店,退款,1009\n";
    let (bytes, _, _) = GB18030.encode(orders);
    let files = [("orders", file(&folder, "ExportOrderList.csv", &bytes))];
    let (text, found) = tried(&files, &[]).await;
    assert!(
        text.contains("time_zone: Asia/Shanghai\ncurrency: CNY\n") && text.contains("{skip_lines: 1}"),
        "{text}"
    );
    assert_eq!(
        found[0].rows(LINE),
        [
            "1867530024611209834|护手霜，面膜|小明|花店|护手霜，面膜|3|12.5000|2024-05-01|0.0000",
            "1867530024611209836|护手霜|小明|花店|护手霜|1|1009.0000|2024-05-01|1009.0000",
        ],
        "{text}"
    );
    let cancelled = found[0].rows("order cancelled_at");
    assert_eq!(cancelled[1], "1867530024611209836|2024-05-01T15:59:59Z");
    // A row alone is refused with its place: a proposal for orders of one line each joins and numbers nothing.
    let bad = orders.replace(",12.50,", ",十二,");
    let (bytes, _, _) = GB18030.encode(&bad);
    let files = [("orders", file(&folder, "ExportOrderList.csv", &bytes))];
    let found = mapped(&proposed(&files).await, &files).await;
    assert_eq!((found[0].rows("order").len(), found[0].refused.len()), (1, 1));
    assert!(found[0].refused[0].contains("line 3"), "{:?}", found[0].refused);
    let goods = "商品ID,商品名称,类目,一口价,上架时间,品牌\n601,护手霜,美妆,39.90,2024-03-01 10:00:00,花\n602,面膜,美妆,¥99,2024-04-01 10:00:00,花\n";
    let files = [("products", file(&folder, "goods.csv", goods))];
    let edit = ("NULL AS updated_at", "'2024-06-01' AS updated_at");
    let (_, found) = tried(&files, &[edit]).await;
    assert_eq!(found[0].fact, "product");
    assert_eq!(
        found[0].rows("product brand category list_price launched_day updated_day"),
        [
            "601|花|美妆|39.9000|2024-03-01|2024-06-01",
            "602|花|美妆|99.0000|2024-04-01|2024-06-01",
        ]
    );
    // 生意参谋 has words before the header, and tells of a day.
    let goods = "生意参谋 商品排行,,,,\n\n统计日期,商品ID,商品名称,商品访客数,支付金额\n2024-05-01,601,护手霜,\"1,020\",99\n";
    let files = [("products", file(&folder, "sycm.csv", goods))];
    let (text, found) = tried(&files, &[BRAND]).await;
    assert_eq!(
        found[0].rows("product brand updated_day"),
        ["601|b|2024-05-01"],
        "{text}"
    );
}

#[tokio::test]
async fn qianniu_sub_orders_beside_their_orders() {
    let folder = tempfile::tempdir().unwrap();
    let lines = "子订单编号,主订单编号,商品标题,商品价格,购买数量,商品属性,订单状态,买家实付金额,退款状态,退款金额,商品ID,发货时间\n\
        11,1,护手霜,10,2,红,交易成功,18.80,没有申请退款,0,601,2024-05-02 09:00:00\n\
        12,1,面膜,5,1,蓝,交易成功,4.20,退款成功,4.20,602,\n";
    let orders = "订单编号,买家会员名,买家应付邮费,订单状态,订单付款时间,店铺名称\n1,小明,0,交易成功,2024-05-01 23:59:59,花店\n";
    let files = [
        ("order_items", file(&folder, "sub.csv", lines)),
        ("orders", file(&folder, "main.csv", orders)),
    ];
    let (text, found) = tried(&files, &[]).await;
    assert_eq!(
        found[0].rows(LINE),
        [
            "1|11|小明|花店|601|2|18.8000|2024-05-01|0.0000",
            "1|12|小明|花店|602|1|4.2000|2024-05-01|4.2000",
        ],
        "{text}"
    );
}

#[tokio::test]
async fn douyin_orders() {
    let folder = tempfile::tempdir().unwrap();
    let csv = "主订单编号,子订单编号,选购商品,商品规格,商品数量,商品ID,商家编码,商品单价,订单应付金额,运费,收件人手机号,订单提交时间,支付完成时间,流量来源,订单状态,售后状态,取消原因\n\
        6918,6918001\t,霜,红,2,35001,S1,10.00,19.90,0,138****0001,2024-06-17 23:50:00,2024-06-18 00:00:01,直播,已完成,-,\n\
        6918,6918002\t,膜,蓝,1,35002,S2,5.00,5.00,0,138****0001,2024-06-17 23:50:00,2024-06-18 00:00:01,直播,已关闭,退款成功,不想要\n\
        6919,6919001\t,膜,蓝,1,35002,S2,5.00,5.00,0,139****0002,2024-06-18 10:00:00,,橱窗,待支付,-,\n";
    let files = [("orders", file(&folder, "d.csv", csv))];
    let (text, found) = tried(&files, &[BRAND]).await;
    assert!(text.contains("EDIT: the values are masked"), "{text}");
    assert_eq!(
        found[0].rows(LINE),
        [
            "6918|6918001|138****0001|b|35001|2|19.9000|2024-06-18|-",
            "6918|6918002|138****0001|b|35002|1|5.0000|2024-06-18|5.0000",
        ],
        "{text}"
    );
    assert_eq!(
        found[0].rows("channel cancelled_at return_reason")[1],
        "直播|2024-06-17T16:00:01Z|不想要"
    );
}

#[tokio::test]
async fn youzan_orders() {
    let folder = tempfile::tempdir().unwrap();
    let csv = "订单号,订单状态,买家手机号,商品名称,商品编码,商品数量,商品单价,商品实付金额,订单创建时间,买家付款时间,商品已退款金额,归属店铺\n\
        E2024,交易完成,13800000001,杯,C1,2,30.00,58.00,2024-02-29 12:00:00,2024-02-29 12:00:30,29.00,总店\n\
        E2025,待付款,13800000002,杯,C1,1,30.00,30.00,2024-02-29 12:00:00,,,总店\n";
    let files = [("orders", file(&folder, "y.csv", csv))];
    let (text, found) = tried(&files, &[]).await;
    assert_eq!(
        found[0].rows(LINE),
        ["E2024|C1|13800000001|总店|C1|2|58.0000|2024-02-29|29.0000"],
        "{text}"
    );
}

#[tokio::test]
async fn shopify_orders() {
    let folder = tempfile::tempdir().unwrap();
    let csv = "Name,Email,Financial Status,Paid at,Fulfilled at,Currency,Subtotal,Total,Lineitem quantity,Lineitem name,Lineitem price,Lineitem sku,Cancelled at,Refunded Amount,Vendor\n\
        #1,a@b.c,paid,2024-03-10 23:30:00 -0400,,EUR,9.00,12.00,1,Mug,8.00,M,,0.00,Hill\n\
        #1,a@b.c,,,,,,,2,Pin,1.00,P,,,Hill\n";
    let expected = [
        "#1|1|a@b.c|Hill|M|1|7.2000|2024-03-10|0.0000",
        "#1|2|a@b.c|Hill|P|2|1.8000|2024-03-10|0.0000",
    ];
    let files = [("orders", file(&folder, "s.csv", csv))];
    let (text, found) = tried(&files, &[]).await;
    assert!(
        text.contains("time_zone: America/New_York  # EDIT") && text.contains("currency: EUR\n"),
        "{text}"
    );
    assert_eq!(found[0].rows(LINE), expected, "{text}");
    // An export of before there was a vendor.
    let old = csv.replace(",Vendor", "").replace(",Hill", "");
    let files = [("orders", file(&folder, "s.csv", old))];
    let (text, found) = tried(&files, &[("vendor AS brand", "'Hill' AS brand")]).await;
    assert!(text.contains("EDIT: the file has no column Vendor"), "{text}");
    assert_eq!(found[0].rows(LINE), expected, "{text}");
}

#[tokio::test]
async fn woocommerce_orders() {
    let folder = tempfile::tempdir().unwrap();
    let csv = "Order Number,Order Status,Order Date,Email (Billing),SKU,Item #,Item Name,Quantity (- Refund),Item Cost,Order Total Amount,Order Refund Amount\n\
        501,Completed,2024-07-04 22:15,ann@example.com,MUG,1,Mug,2,8.00,21.00,0\n\
        501,Completed,2024-07-04 22:15,ann@example.com,CUP,2,Cup,1,5.00,21.00,0\n\
        502,On hold,2024-07-05 09:00,bob@example.com,CUP,1,Cup,1,5.00,5.00,0\n\
        503,Refunded,2024-07-05 10:00,cid@example.com,CUP,1,Cup,1,5.00,5.00,5.00\n";
    let files = [("orders", file(&folder, "w.csv", csv))];
    let (text, found) = tried(&files, &[BRAND]).await;
    assert!(
        text.contains("`Order Total Amount` is of the whole order"),
        "{text}"
    );
    // The totals of the orders, to the cent: 21.00 and 5.00.
    assert_eq!(
        found[0].rows(LINE),
        [
            "501|1|ann@example.com|b|CUP|1|21.0000|2024-07-04|0.0000",
            "501|2|ann@example.com|b|MUG|2|0.0000|2024-07-04|0.0000",
            "503|1|cid@example.com|b|CUP|1|5.0000|2024-07-05|5.0000",
        ],
        "{text}"
    );
}

#[tokio::test]
async fn amazon_settlements() {
    let folder = tempfile::tempdir().unwrap();
    let head = "settlement-id\tcurrency\ttransaction-type\torder-id\tmarketplace-name\tamount-type\tamount-description\tamount\tposted-date-time\torder-item-code\tsku\tquantity-purchased\n";
    let row = |cells: &str| cells.replace(' ', "\t").replace('_', " ") + "\n";
    let text = head.to_owned()
        + &row("991 USD        ")
        + &row("991  Order 111-1 Amazon.com ItemPrice Principal 20.00 2024-03-10_09:30:00_UTC i1 CUP 2")
        + &row("991  Order 111-1 Amazon.com ItemPrice Tax 1.60 2024-03-10_09:30:00_UTC i1 CUP 2")
        + &row("991  Order 111-1 Amazon.com Promotion Principal -2.50 2024-03-10_09:30:00_UTC i1 CUP 2")
        + &row("991  Order 111-1 Amazon.com ItemFees Commission -3.00 2024-03-10_09:30:00_UTC i1 CUP 2")
        + &row("991  Refund 111-1 Amazon.com ItemPrice Principal -10.00 2024-03-21_01:00:00_UTC i1 CUP ");
    let files = [("orders", file(&folder, "s.txt", text))];
    let edits = [BRAND, ("NULL AS consumer", "\"order-id\" AS consumer")];
    let (text, found) = tried(&files, &edits).await;
    assert!(
        text.contains("time_zone: America/Los_Angeles\ncurrency: USD\n"),
        "{text}"
    );
    assert_eq!(
        found[0].rows(LINE),
        [
            "111-1|i1|111-1|b|CUP|2|17.5000|2024-03-10|-",
            "111-1|i1-refund-2024-03-21 01:00:00 UTC|111-1|b|CUP|0|0.0000|2024-03-20|10.0000",
        ],
        "{text}"
    );
}

#[tokio::test]
async fn events_of_analytics() {
    let folder = tempfile::tempdir().unwrap();
    let csv = "event_date,event_timestamp,event_name,user_pseudo_id,item_id,item_brand\n\
        20240310,1710054000000000,view_item,u1,p1,b\n20240310,1710054001500000,add_to_cart,u1,p1,b\n\
        20240310,1710054002000000,session_start,u1,,\n20240310,1710054003000000,purchase,u2,p1,b\n";
    let expected = [
        "u1|b|BROWSE|2024-03-10T07:00:00Z|p1",
        "u1|b|CART|2024-03-10T07:00:01.500Z|p1",
        "u2|b|PURCHASE|2024-03-10T07:00:03Z|p1",
    ];
    let files = [("events", file(&folder, "e.csv", csv))];
    let (text, found) = tried(&files, &[]).await;
    assert_eq!(
        (found[0].fact, found[0].rows(ACT)),
        ("behavior", expected.map(str::to_owned).to_vec()),
        "{text}"
    );
    let json = csv.lines().skip(1).map(|line| {
        let [date, at, name, user, item, brand] = line.split(',').collect::<Vec<_>>().try_into().unwrap();
        format!(
            "{{\"event_date\":\"{date}\",\"event_timestamp\":{at},\"event_name\":\"{name}\",\"user_pseudo_id\":\"{user}\",\
             \"item_id\":\"{item}\",\"item_brand\":\"{brand}\"}}\n"
        )
    });
    let files = [("events", file(&folder, "e.jsonl", json.collect::<String>()))];
    let (text, found) = tried(&files, &[]).await;
    assert_eq!(found[0].rows(ACT), expected, "{text}");
}

#[tokio::test]
async fn kinds_that_are_not_known_are_listed() {
    let folder = tempfile::tempdir().unwrap();
    // The strange one comes long after the rows that are looked at first.
    let mut csv = "event_id,user_id,brand,event,time\n".to_owned();
    for number in 0..300 {
        csv += &format!("e{number},u,b,加购,1710054000\n");
    }
    csv += "e300,u,b,摇一摇,1710054000\ne301,u,b,CHECK_IN,1710054000\n";
    let files = [("events", file(&folder, "e.csv", csv))];
    let text = proposed(&files).await;
    assert!(text.contains("and refused: 摇一摇;"), "{text}");
    let found = mapped(&text, &files).await;
    assert_eq!((found[0].rows("kind").len(), found[0].refused.len()), (301, 1));
    assert_eq!(
        found[0].rows("event_id kind occurred_at")[300],
        "e301|CHECK_IN|2024-03-10T07:00:00Z"
    );
}
