//! What columns of exports are called, as a table: names in small letters, without blanks, marks and what stands in brackets;
//! the likeliest first.

use crate::frames::Kind;

/// Names of a field of a fact.
pub(super) type Names = (&'static str, &'static str, &'static [&'static str]);

/// The fields of facts, and the columns that are likely them.
#[rustfmt::skip]
pub(super) const FIELDS: &[Names] = &[
    ("order_line", "order", &["主订单编号", "父订单编号", "订单编号", "订单号", "订单id", "主订单号",
        "orderid", "orderno", "ordernumber", "ordercode", "order", "invoiceno", "invoice", "transactionid"]),
    ("order_line", "line", &["子订单编号", "子订单号", "子订单id", "子单号", "orderitemid", "orderlineid",
        "orderitemcode", "lineid", "lineno", "lineitemid", "line"]),
    ("order_line", "revision", &["revision", "version", "版本"]),
    ("order_line", "consumer", &["买家会员名", "买家会员id", "买家id", "买家昵称", "会员名", "会员id",
        "用户id", "客户id", "顾客id", "会员编号", "客户编号", "买家手机号", "收货人手机号", "收货人手机",
        "收件人手机号", "收件人手机", "手机号", "联系手机", "userid", "customerid", "customeruser", "buyerid",
        "memberid", "clientid", "uid", "user", "customer", "buyer", "customeremail", "buyeremail",
        "billingemail", "email", "emailaddress", "phone"]),
    ("order_line", "brand", BRAND),
    ("order_line", "product", PRODUCT),
    ("order_line", "sku", &["skuid", "规格id", "规格编码", "商品规格编码", "sku编码", "样式id", "sku",
        "variationid", "variantid", "商家编码", "商品规格", "商品属性", "修改后的sku"]),
    ("order_line", "category", CATEGORY),
    ("order_line", "quantity", &["购买数量", "商品数量", "宝贝总数量", "商品件数", "成交件数", "数量", "件数",
        "quantity", "qty", "units", "itemquantity", "productquantity", "lineitemquantity",
        "quantitypurchased"]),
    ("order_line", "paid_amount", &["商品实付金额", "商品实际成交金额", "商家实收金额", "子单实际支付金额",
        "买家实际支付金额", "买家实付金额", "实付金额", "实际支付金额", "用户实付金额", "订单实付金额",
        "实收金额", "支付金额", "付款金额", "成交金额", "订单应付金额", "paidamount", "amountpaid", "paid",
        "linetotal", "orderlinetotal", "itemtotal", "lineamount", "amount", "totalpaid", "netamount", "sales",
        "salesvalue", "revenue", "ordertotal", "ordertotalamount", "orderamount", "grandtotal", "totalprice",
        "totalamount", "total", "订单金额", "总金额", "金额"]),
    ("order_line", "list_price", &["商品价格", "商品单价", "吊牌价", "标价", "单价", "价格", "listprice",
        "unitprice", "itemprice", "itemcost", "price"]),
    ("order_line", "paid_at", &["订单付款时间", "买家付款时间", "支付完成时间", "付款时间", "支付时间",
        "paidat", "paymenttime", "paymentdate", "paymentat", "paiddate", "datepaid", "paidtime",
        "订单成交时间", "成交时间", "订单提交时间", "下单时间", "订单创建时间", "创建时间", "orderdate",
        "ordertime", "purchasedate", "purchasedat", "invoicedate", "orderedat", "createdat", "datecreated",
        "createtime", "createddate", "posteddatetime", "posteddate", "timestamp", "datetime", "time", "date",
        "日期", "时间"]),
    ("order_line", "promised_at", &["promisedat", "promiseddate", "estimateddeliverydate", "预计送达时间",
        "承诺送达时间"]),
    ("order_line", "dispatched_at", &["发货时间", "订单发货时间", "shippedat", "shipdate", "shippeddate",
        "dispatchedat", "fulfilledat"]),
    ("order_line", "delivered_at", &["确认收货时间", "签收时间", "收货时间", "deliveredat", "deliverydate",
        "delivereddate"]),
    ("order_line", "cancelled_at", &["取消时间", "订单取消时间", "cancelledat", "canceledat",
        "cancelleddate"]),
    ("order_line", "returned_at", &["退货时间", "退款时间", "退款成功时间", "returnedat", "returndate",
        "refundedat"]),
    ("order_line", "returned_quantity", &["退货数量", "退货件数", "returnedquantity", "refundedquantity",
        "quantityrefunded"]),
    ("order_line", "refund_amount", &["商品已退款金额", "退款金额", "已退款金额", "退款总额", "refundamount",
        "refundedamount", "amountrefunded", "refund", "orderrefundamount", "totalrefunded"]),
    ("order_line", "return_reason", &["退款原因", "退货原因", "取消原因", "订单关闭原因", "refundreason",
        "returnreason"]),
    ("order_line", "channel", &["渠道", "流量来源", "订单来源", "app渠道", "channel", "saleschannel",
        "source"]),
    ("behavior", "event_id", &["eventid", "behaviorid", "logid", "事件id", "行为id", "流水号"]),
    ("behavior", "consumer", &["userpseudoid", "用户id", "会员id", "客户id", "买家会员名", "userid",
        "customerid", "memberid", "visitorid", "clientid", "deviceid", "distinctid", "uid", "user",
        "customer", "email"]),
    ("behavior", "brand", BRAND),
    ("behavior", "kind", &["eventname", "eventtype", "event", "行为类型", "行为", "事件名称", "事件类型",
        "事件", "behaviortype", "behaviourtype", "behavior", "behaviour", "action", "actiontype", "kind"]),
    ("behavior", "occurred_at", &["eventtimestamp", "eventtime", "occurredat", "eventat", "行为时间",
        "事件时间", "发生时间", "timestamp", "datetime", "createdat", "time", "时间", "eventdate", "date",
        "日期"]),
    ("behavior", "product", PRODUCT),
    ("behavior", "content", &["contentid", "内容id", "作品id", "视频id", "postid", "videoid"]),
    ("behavior", "category", CATEGORY),
    ("behavior", "channel", &["渠道", "来源渠道", "channel", "sourcemedium", "utmsource", "trafficsource"]),
    ("behavior", "keyword", &["搜索词", "关键词", "searchterm", "searchkeyword", "keyword", "query"]),
    ("product", "product", PRODUCT),
    ("product", "brand", BRAND),
    ("product", "updated_at", &["updatedat", "modifiedat", "lastmodified", "更新时间", "修改时间", "统计日期",
        "日期"]),
    ("product", "category", CATEGORY),
    ("product", "list_price", &["吊牌价", "一口价", "标价", "商品价格", "宝贝价格", "价格", "listprice",
        "regularprice", "price"]),
    ("product", "launched_at", &["上架时间", "上新时间", "发布时间", "launchedat", "publishedat", "createdat",
        "创建时间"]),
    ("product", "delisted_at", &["下架时间", "delistedat", "discontinuedat"]),
    ("product", "season", &["季节", "适用季节", "season"]),
    ("product", "colour", &["颜色", "颜色分类", "colour", "color"]),
    ("product", "material", &["材质", "面料", "material"]),
    ("product", "shape", &["款式", "版型", "shape"]),
    ("stock_day", "brand", BRAND),
    ("stock_day", "product", PRODUCT),
    ("stock_day", "sku", &["skuid", "sku编码", "规格编码", "sku"]),
    ("stock_day", "location", &["仓库", "仓库名称", "仓库编码", "location", "warehouse", "store",
        "locationid"]),
    ("stock_day", "day", &["日期", "库存日期", "统计日期", "day", "date", "stockdate", "snapshotdate"]),
    ("stock_day", "opening", &["期初库存", "opening", "openingstock"]),
    ("stock_day", "received", &["入库数量", "入库", "received"]),
    ("stock_day", "on_hand", &["库存", "库存数量", "现有库存", "可用库存", "onhand", "stock", "inventory",
        "available"]),
    ("stock_day", "in_transit", &["在途", "在途数量", "intransit"]),
    ("member", "consumer", &["会员id", "会员编号", "会员卡号", "会员名", "用户id", "客户id", "手机号",
        "memberid", "userid", "customerid", "email"]),
    ("member", "brand", BRAND),
    ("member", "role", &["role", "membertype", "会员类型"]),
    ("member", "tier", &["会员等级", "等级", "tier", "level", "memberlevel"]),
    ("member", "joined_at", &["入会时间", "注册时间", "开卡时间", "joinedat", "joindate", "registeredat",
        "membersince"]),
    ("member", "left_at", &["退会时间", "leftat", "leavedate"]),
    ("member", "recruit_channel", &["入会渠道", "注册渠道", "recruitchannel", "joinchannel"]),
    ("consumer_profile", "consumer", &["用户id", "会员id", "客户id", "买家会员名", "userid", "customerid",
        "memberid", "email"]),
    ("consumer_profile", "updated_at", &["更新时间", "updatedat", "modifiedat", "lastmodified"]),
    ("consumer_profile", "age", &["年龄", "age"]),
    ("consumer_profile", "gender", &["性别", "gender", "sex"]),
    ("consumer_profile", "city_tier", &["城市等级", "citytier"]),
    ("consumer_profile", "occupation", &["职业", "occupation"]),
];

#[rustfmt::skip]
const BRAND: &[&str] = &[
    "品牌", "品牌名称", "商品品牌", "店铺名称", "归属店铺", "店铺", "brand", "brandid", "brandname",
        "itembrand", "manufacturer", "vendor", "seller", "sellerid", "shop", "shopname", "store", "storename",
];

#[rustfmt::skip]
const PRODUCT: &[&str] = &[
    "商品id", "商品编号", "宝贝id", "商品编码", "货号", "商品货号", "productid", "itemid", "asin",
        "stockcode", "sku", "商家编码", "productcode", "商品标题", "宝贝标题", "商品名称", "选购商品", "标题",
        "商品", "productname", "itemname", "product", "item", "title",
];

#[rustfmt::skip]
const CATEGORY: &[&str] = &[
    "类目", "商品类目", "宝贝种类", "品类", "分类", "商品分类", "category", "categorycode", "categoryname",
        "itemcategory", "productcategory", "producttype",
];

/// Amounts of a whole order, which some exports repeat on each of its lines.
#[rustfmt::skip]
pub(super) const OF_ORDERS: &[&str] = &[
    "买家实际支付金额", "买家实付金额", "实付金额", "订单实付金额", "订单应付金额", "订单金额", "总金额",
        "ordertotal", "ordertotalamount", "orderamount", "grandtotal", "totalamount", "totalpaid", "total",
        "amountpaid", "orderrefundamount", "退款金额", "refundamount", "refundedamount", "totalrefunded",
];

/// Columns that tell where an order stands, and the currency of its amounts.
pub(super) const STATUS: &[&str] = &["订单状态", "orderstatus", "status", "state"];
pub(super) const AFTER_SALE: &[&str] = &["售后状态", "退款状态"];
pub(super) const CURRENCY: &[&str] = &["currency", "currencycode", "ordercurrency", "币种"];

/// States of an order that was never paid, or came to nothing before it was.
#[rustfmt::skip]
pub(super) const UNPAID: &[&str] = &[
    "等待买家付款", "待付款", "待支付", "未付款", "未支付", "pending", "pendingpayment", "unpaid", "onhold",
        "failed", "checkoutdraft", "draft", "wcpending", "wconhold", "wcfailed", "wccheckoutdraft",
];
/// States of an order that was cancelled.
#[rustfmt::skip]
pub(super) const CANCELLED: &[&str] = &[
    "交易关闭", "已关闭", "已取消", "订单关闭", "取消", "cancelled", "canceled", "wccancelled", "voided",
];
/// States of a line whose whole amount was paid back.
pub(super) const REFUNDED: &[&str] = &["退款成功", "已全额退款", "全额退款成功"];

/// Facts in the order in which they are tried: of each group one field must have a column.
#[rustfmt::skip]
pub(super) const MARKS: &[(&str, &[&[&str]])] = &[
    ("behavior", &[&["kind"], &["occurred_at"]]),
    ("order_line", &[&["order"], &["product", "quantity", "paid_amount", "paid_at"]]),
    ("stock_day", &[&["product"], &["on_hand", "opening", "received"]]),
    ("member", &[&["consumer"], &["joined_at"]]),
    ("consumer_profile", &[&["consumer"], &["age", "gender", "city_tier", "occupation"]]),
    ("product", &[&["product"], &["category", "list_price", "updated_at", "launched_at", "season", "colour",
        "material"]]),
];

/// What acts are called, and the kinds they are.
#[rustfmt::skip]
pub(super) const ACTS: &[(Kind, &[&str])] = &[
    (Kind::Exposure, &["impression", "exposure", "viewitemlist", "viewpromotion", "show", "曝光", "展现"]),
    (Kind::AdClick, &["adclick", "click", "selectpromotion", "点击", "广告点击"]),
    (Kind::ContentView, &["contentview", "videostart", "videoview", "viewcontent", "内容浏览", "观看视频"]),
    (Kind::LiveWatch, &["livewatch", "观看直播", "直播观看"]),
    (Kind::Browse, &["view", "pv", "pageview", "viewitem", "productview", "browse", "selectitem", "浏览", "访问",
        "浏览商品"]),
    (Kind::Search, &["search", "viewsearchresults", "搜索"]),
    (Kind::Favorite, &["fav", "favorite", "favourite", "addtowishlist", "wishlist", "collect", "收藏"]),
    (Kind::Cart, &["cart", "addtocart", "cartadd", "加购", "加入购物车"]),
    (Kind::Follow, &["follow", "subscribe", "关注"]),
    (Kind::Join, &["join", "signup", "register", "入会", "注册"]),
    (Kind::CheckIn, &["checkin", "signin", "签到"]),
    (Kind::Like, &["like", "点赞"]),
    (Kind::Comment, &["comment", "评论"]),
    (Kind::Share, &["share", "分享", "转发"]),
    (Kind::Consult, &["consult", "chat", "咨询"]),
    (Kind::Purchase, &["purchase", "buy", "order", "购买", "下单", "支付"]),
];
/// Events that are no act of a consumer on a brand.
#[rustfmt::skip]
pub(super) const NO_ACTS: &[&str] = &[
    "sessionstart", "firstvisit", "firstopen", "userengagement", "scroll", "removefromcart", "beginsession",
        "endsession",
];

/// Zones of Amazon's marketplaces.
#[rustfmt::skip]
pub(super) const MARKETPLACES: &[(&str, &str)] = &[
    ("Amazon.com", "America/Los_Angeles"),
    ("Amazon.ca", "America/Los_Angeles"),
    ("Amazon.com.mx", "America/Mexico_City"),
    ("Amazon.co.uk", "Europe/London"),
    ("Amazon.de", "Europe/Berlin"),
    ("Amazon.fr", "Europe/Paris"),
    ("Amazon.it", "Europe/Rome"),
    ("Amazon.es", "Europe/Madrid"),
    ("Amazon.nl", "Europe/Amsterdam"),
    ("Amazon.co.jp", "Asia/Tokyo"),
    ("Amazon.com.au", "Australia/Sydney"),
    ("Amazon.in", "Asia/Kolkata"),
];

/// A name as the tables have it.
pub(super) fn plain(name: &str) -> String {
    let mut depth = 0;
    let mut kept = String::new();
    for one in name.chars() {
        match one {
            '(' | '（' | '[' | '【' => depth += 1,
            ')' | '）' | ']' | '】' => depth = (depth - 1).max(0),
            _ if depth == 0 && one.is_alphanumeric() => kept.extend(one.to_lowercase()),
            _ => {}
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fact::{Content, Fact};

    #[test]
    fn the_table_names_fields_and_kinds_that_exist_by_plain_names() {
        for (fact, field, names) in FIELDS {
            let fact = Fact::named(fact).unwrap();
            assert!(
                fact.columns.iter().any(|column| column.name == *field),
                "{} {field}",
                fact.name
            );
            for name in *names {
                assert_eq!(plain(name), *name);
            }
        }
        for (kind, names) in ACTS {
            assert_ne!(*kind, Kind::Unspecified);
            assert!(names.iter().all(|name| plain(name) == *name), "{names:?}");
        }
        for (fact, groups) in MARKS {
            for field in groups.iter().copied().flatten() {
                assert!(
                    FIELDS.iter().any(|(of, named, _)| of == fact && named == field),
                    "{fact} {field}"
                );
            }
        }
        let codes = ["kind", "role", "gender"];
        for (fact, field, _) in FIELDS {
            let columns = Fact::named(fact).unwrap().columns;
            let column = columns.iter().find(|column| column.name == *field).unwrap();
            assert_eq!(
                matches!(column.content, Content::Code(_)),
                codes.contains(field),
                "{fact} {field}"
            );
        }
    }
}
