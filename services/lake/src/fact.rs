//! The facts' one schema: tables, columns, and what each column admits.

use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use dualwheel_proto::{facts::FactKind, names};

/// Longest key, in bytes.
pub const LONGEST_KEY: usize = 128;
/// Longest free text, in bytes.
pub const LONGEST_TEXT: usize = 1_024;
/// Most values of a list column in one row.
pub const LONGEST_LIST: usize = 256;
/// Buckets into which brands are hashed for partitioning.
pub const BRAND_BUCKETS: i32 = 8;

/// Bucket of rows about any brand: those of small appends, until they are put into the buckets of their brands.
pub const MIXED_BUCKET: i32 = -1;

/// What a column admits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Content {
    /// A key of 1 to 128 bytes.
    Key,
    /// Free text of at most 1 024 bytes.
    Text,
    /// Several texts.
    Texts,
    /// Money: at least zero, at most four decimals and 14 digits before the point.
    Money,
    /// A whole number of at least `0`, at most the given one.
    Count(i64),
    /// A number from 0 to 1.
    Share,
    /// An instant from 1970 on, not after tomorrow unless `future`.
    Instant {
        /// Whether it may lie in the future.
        future: bool,
        /// Name of the column that keeps its day in the tenant's zone.
        day: Option<&'static str>,
    },
    /// A calendar day from 1970 to 2199.
    Day,
    /// One of the enum's values by number; names without prefix in order, the first being "not said".
    Code(&'static [&'static str]),
    /// True or false.
    Flag,
}

/// A column of a fact.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Name, as in the contract.
    pub name: &'static str,
    /// What it admits.
    pub content: Content,
    /// Whether a row without it is refused; a `Code` column that is required refuses "not said".
    pub required: bool,
}

/// A fact: its table and columns.
#[derive(Debug)]
pub struct Fact {
    /// Kind in the contract.
    pub kind: FactKind,
    /// Name of the fact in mappings and on the command line, for example `order_line`.
    pub name: &'static str,
    /// Name of the Delta table.
    pub table: &'static str,
    /// Service that owns the table.
    pub owner: &'static str,
    /// Columns in the contract's order.
    pub columns: &'static [Column],
}

impl Fact {
    /// The fact of a kind; `None` for the unspecified one.
    #[must_use]
    pub fn of(kind: FactKind) -> Option<&'static Self> {
        FACTS.iter().find(|fact| fact.kind == kind)
    }

    /// The fact of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        FACTS.iter().find(|fact| fact.name == name)
    }

    /// The fact of a table.
    #[must_use]
    pub fn in_table(table: &str) -> Option<&'static Self> {
        FACTS.iter().find(|fact| fact.table == table)
    }

    /// Whether rows may be without a stored column, and so a whole table that an earlier release made.
    #[must_use]
    pub fn may_lack(&self, stored: &str) -> bool {
        let needed = self
            .columns
            .iter()
            .filter(|column| column.required)
            .any(|column| {
                let day = match column.content {
                    Content::Instant { day, .. } => day,
                    _ => None,
                };
                column.name == stored || day == Some(stored)
            });
        !needed && !PARTITION_COLUMNS.contains(&stored)
    }

    /// Columns of the first and the last day that a row is about: of statistics those of the period, of all else one.
    #[must_use]
    pub fn days(&self) -> (&'static str, &'static str) {
        let dated = self.columns.iter().filter(|column| column.required);
        let mut dated = dated.filter_map(|column| match column.content {
            Content::Instant { day, .. } => day,
            Content::Day => Some(column.name),
            _ => None,
        });
        let first = dated.next().unwrap_or_default();
        match self.kind {
            FactKind::MarketStat => (first, dated.next().unwrap_or(first)),
            _ => (first, first),
        }
    }

    /// Whether rows belong to a brand.
    #[must_use]
    pub fn has_brand(&self) -> bool {
        self.columns.iter().any(|column| column.name == "brand")
    }

    /// Whether a row that does not say when it was known is corrected by the next sequence of its producer, so that
    /// producer and sequence are stored with it.
    #[must_use]
    pub fn is_corrected_by_sequence(&self) -> bool {
        matches!(self.kind, FactKind::StockDay | FactKind::MarketStat)
    }

    /// Schema of the table: the columns, the derived days, producer and sequence where they decide between rows, then
    /// the partition columns `tenant` and `bucket`.
    #[must_use]
    pub fn schema(&self) -> SchemaRef {
        let mut fields: Vec<Field> = Vec::with_capacity(self.columns.len() + 8);
        for column in self.columns {
            fields.push(Field::new(column.name, stored_type(column.content), true));
            if let Content::Instant { day: Some(day), .. } = column.content {
                fields.push(Field::new(day, DataType::Date32, true));
            }
        }
        if self.is_corrected_by_sequence() {
            let [producer, sequence] = SOURCE_COLUMNS;
            fields.push(Field::new(producer, DataType::Utf8, true));
            fields.push(Field::new(sequence, DataType::Int64, true));
        }
        fields.push(Field::new("tenant", DataType::Utf8, true));
        fields.push(Field::new("bucket", DataType::Int32, true));
        Arc::new(Schema::new(fields))
    }
}

/// Columns that tell which batch a row came with, of facts whose rows may be corrected without saying when.
pub(crate) const SOURCE_COLUMNS: [&str; 2] = ["producer", "sequence"];

/// Columns by which every table is partitioned.
pub const PARTITION_COLUMNS: [&str; 2] = ["tenant", "bucket"];

/// The partition of a brand: its rows lie in one of eight buckets, and the latest in [`MIXED_BUCKET`], so that a
/// brand's questions skip the rest.
#[must_use]
pub fn bucket_of(brand: &str) -> i32 {
    (xxhash_rust::xxh3::xxh3_64(brand.as_bytes()) % BRAND_BUCKETS as u64) as i32
}

/// Arrow type in which a column is stored.
#[must_use]
pub fn stored_type(content: Content) -> DataType {
    match content {
        Content::Key | Content::Text => DataType::Utf8,
        Content::Texts => DataType::List(Arc::new(Field::new("element", DataType::Utf8, true))),
        Content::Money => DataType::Decimal128(18, 4),
        Content::Count(_) => DataType::Int64,
        Content::Share => DataType::Float64,
        Content::Instant { .. } => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        Content::Day => DataType::Date32,
        Content::Code(_) => DataType::Int8,
        Content::Flag => DataType::Boolean,
    }
}

const fn must(name: &'static str, content: Content) -> Column {
    Column {
        name,
        content,
        required: true,
    }
}

const fn may(name: &'static str, content: Content) -> Column {
    Column {
        name,
        content,
        required: false,
    }
}

/// A past instant, with the column that keeps its day.
const fn past(day: &'static str) -> Content {
    Content::Instant {
        future: false,
        day: Some(day),
    }
}

/// An instant that may lie ahead, with the column that keeps its day.
const fn ahead(day: &'static str) -> Content {
    Content::Instant {
        future: true,
        day: Some(day),
    }
}

const MOMENT: Content = Content::Instant {
    future: true,
    day: None,
};
/// When something was known; no day of it is asked for.
const KNOWN: Content = Content::Instant {
    future: false,
    day: None,
};
/// Numbers that are compared, never summed up.
const ANY: Content = Content::Count(i64::MAX);
/// Counts of a market or an audience: 9 million of them may be summed up.
const MANY: Content = Content::Count(1_000_000_000_000);
const UNITS: Content = Content::Count(1_000_000_000);

/// Every fact, in the contract's order.
pub static FACTS: LazyLock<Vec<Fact>> = LazyLock::new(|| {
    vec![
        fact(FactKind::Behavior, "behavior", "behaviors", "consumer", BEHAVIOR),
        fact(
            FactKind::ConsumerProfile,
            "consumer_profile",
            "consumer_profiles",
            "consumer",
            PROFILE,
        ),
        fact(
            FactKind::OrderLine,
            "order_line",
            "order_lines",
            "consumer",
            ORDER_LINE,
        ),
        fact(FactKind::Product, "product", "products", "product", PRODUCT),
        fact(
            FactKind::StockDay,
            "stock_day",
            "stock_days",
            "product",
            STOCK_DAY,
        ),
        fact(
            FactKind::MarketStat,
            "market_stat",
            "market_stats",
            "product",
            MARKET_STAT,
        ),
        fact(FactKind::Content, "content", "contents", "content", CONTENT),
        fact(FactKind::Member, "member", "members", "membership", MEMBER),
        fact(
            FactKind::SocialProfile,
            "social_profile",
            "social_profiles",
            "membership",
            SOCIAL_PROFILE,
        ),
        fact(FactKind::Campaign, "campaign", "campaigns", "consumer", CAMPAIGN),
    ]
});

fn fact(
    kind: FactKind,
    name: &'static str,
    table: &'static str,
    owner: &'static str,
    columns: &'static [Column],
) -> Fact {
    Fact {
        kind,
        name,
        table,
        owner,
        columns,
    }
}

const BEHAVIOR: &[Column] = &[
    must("event_id", Content::Key),
    must("consumer", Content::Key),
    must("brand", Content::Key),
    must("kind", Content::Code(&names::BEHAVIOR_KIND)),
    must("occurred_at", past("occurred_day")),
    may("product", Content::Key),
    may("content", Content::Key),
    may("category", Content::Text),
    may("channel", Content::Key),
    may("venue", Content::Code(&names::VENUE)),
    may("keyword", Content::Text),
    may("keyword_class", Content::Code(&names::KEYWORD_CLASS)),
    may("dwell_ms", Content::Count(31 * 86_400_000)),
    may("source", Content::Text),
];

const PROFILE: &[Column] = &[
    must("consumer", Content::Key),
    must("updated_at", past("updated_day")),
    may("age", Content::Count(150)),
    may("gender", Content::Code(&names::GENDER)),
    may("city_tier", Content::Count(6)),
    may("has_child", Content::Flag),
    may("child_birth_month", Content::Day),
    may("spending_power", Content::Share),
    may("occupation", Content::Text),
    may("labels", Content::Texts),
];

const ORDER_LINE: &[Column] = &[
    must("order", Content::Key),
    must("line", Content::Key),
    may("revision", ANY),
    must("consumer", Content::Key),
    must("brand", Content::Key),
    must("product", Content::Key),
    may("sku", Content::Key),
    may("category", Content::Text),
    must("quantity", UNITS),
    must("paid_amount", Content::Money),
    may("list_price", Content::Money),
    must("paid_at", past("paid_day")),
    may("promised_at", ahead("promised_day")),
    may("dispatched_at", MOMENT),
    may("delivered_at", MOMENT),
    may("cancelled_at", MOMENT),
    may("returned_at", MOMENT),
    may("returned_quantity", UNITS),
    may("refund_amount", Content::Money),
    may("return_reason", Content::Text),
    may("channel", Content::Key),
];

const PRODUCT: &[Column] = &[
    must("product", Content::Key),
    must("brand", Content::Key),
    must("updated_at", past("updated_day")),
    may("category", Content::Text),
    may("list_price", Content::Money),
    may("launched_at", ahead("launched_day")),
    may("delisting_announced_at", ahead("delisting_announced_day")),
    may("delisted_at", ahead("delisted_day")),
    may("season", Content::Text),
    may("season_ends_at", ahead("season_ends_day")),
    may("star", Content::Flag),
    may("styles", Content::Texts),
    may("shape", Content::Text),
    may("colour", Content::Text),
    may("material", Content::Text),
    may("function", Content::Text),
    may("craft", Content::Text),
    may("ip", Content::Text),
];

const STOCK_DAY: &[Column] = &[
    must("brand", Content::Key),
    must("product", Content::Key),
    may("sku", Content::Key),
    must("location", Content::Key),
    must("day", Content::Day),
    may("opening", UNITS),
    may("received", UNITS),
    may("on_hand", UNITS),
    may("in_transit", UNITS),
    may("updated_at", KNOWN),
];

const MARKET_STAT: &[Column] = &[
    must("category", Content::Text),
    may("price_band", Content::Text),
    may("attribute_kind", Content::Code(&names::ATTRIBUTE_KIND)),
    may("attribute_value", Content::Text),
    must("first_day", Content::Day),
    must("last_day", Content::Day),
    must("gmv", Content::Money),
    may("units", MANY),
    may("buyers", MANY),
    may("visitors", MANY),
    may("searches", MANY),
    may("listings", MANY),
    may("sellers", MANY),
    may("top_brand_share", Content::Share),
    may("new_brand_share", Content::Share),
    may("updated_at", KNOWN),
];

const CONTENT: &[Column] = &[
    must("content", Content::Key),
    must("brand", Content::Key),
    must("updated_at", past("updated_day")),
    may("format", Content::Code(&names::CONTENT_FORMAT)),
    may("channel", Content::Key),
    may("author", Content::Key),
    may("published_at", ahead("published_day")),
    may("products", Content::Texts),
    may("spend", Content::Money),
    may("model", Content::Text),
    may("scene", Content::Text),
    may("selling_point", Content::Text),
    may("cover", Content::Text),
    may("copy", Content::Text),
    may("host", Content::Text),
    may("video_type", Content::Text),
    may("duration_s", Content::Count(31 * 86_400)),
];

const MEMBER: &[Column] = &[
    must("consumer", Content::Key),
    must("brand", Content::Key),
    must("role", Content::Code(&names::ROLE)),
    may("tier", Content::Text),
    must("joined_at", past("joined_day")),
    may("left_at", ahead("left_day")),
    may("recruit_channel", Content::Key),
    may("reachable_by", Content::Texts),
    may("revision", ANY),
];

const SOCIAL_PROFILE: &[Column] = &[
    must("consumer", Content::Key),
    must("brand", Content::Key),
    must("updated_at", past("updated_day")),
    may("followers", MANY),
    may("follower_match", Content::Share),
    may("posts_30d", MANY),
    may("interactions_30d", MANY),
    may("spread_30d", MANY),
    may("shares_30d", MANY),
    may("attributed_gmv_30d", Content::Money),
    may("own_gmv_365d", Content::Money),
    may("follower_spending_power", Content::Share),
];

const CAMPAIGN: &[Column] = &[
    must("campaign", Content::Key),
    must("brand", Content::Key),
    must("updated_at", past("updated_day")),
    may("channel", Content::Key),
    must("starts_at", ahead("starts_day")),
    may("ends_at", ahead("ends_day")),
    may("spend", Content::Money),
    may("products", Content::Texts),
    may("audience", Content::Text),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_brand_lies_in_one_bucket() {
        assert_eq!(bucket_of("b"), bucket_of("b"));
        assert!(
            (0..100)
                .map(|i| bucket_of(&i.to_string()))
                .all(|bucket| (0..8).contains(&bucket))
        );
    }
}
