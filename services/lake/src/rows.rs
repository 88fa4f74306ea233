//! Protobuf rows as record batches, one column a field, before any check.

use std::sync::Arc;

use arrow::{
    array::{
        ArrayRef, BooleanArray, Date32Array, Float64Array, Int32Array, Int64Array, ListBuilder, RecordBatch,
        StringArray, StringBuilder, TimestampMicrosecondArray,
    },
    error::ArrowError,
};
use dualwheel_measure::Day;
use dualwheel_proto::{
    Date,
    facts::{
        Behavior, Campaign, ConsumerProfile, Content, FactKind, FactRows, MarketStat, Member, OrderLine,
        Product, SocialProfile, StockDay,
    },
};
use prost_types::Timestamp;

/// Stands for an instant that no calendar has; the check refuses it.
pub(crate) const NO_INSTANT: i64 = i64::MAX;
/// Stands for a date that no calendar has; the check refuses it.
pub(crate) const NO_DAY: i32 = i32::MAX;

type Columns = Vec<(&'static str, ArrayRef)>;

/// The rows of `kind` as a batch with the contract's field names; `None` when another list is filled too.
///
/// # Errors
/// When Arrow cannot build the batch.
pub fn to_batch(kind: FactKind, rows: &FactRows) -> Result<Option<RecordBatch>, ArrowError> {
    let filled = [
        !rows.behaviors.is_empty(),
        !rows.consumer_profiles.is_empty(),
        !rows.order_lines.is_empty(),
        !rows.products.is_empty(),
        !rows.stock_days.is_empty(),
        !rows.market_stats.is_empty(),
        !rows.contents.is_empty(),
        !rows.members.is_empty(),
        !rows.social_profiles.is_empty(),
        !rows.campaigns.is_empty(),
    ];
    let strangers = filled
        .iter()
        .enumerate()
        .any(|(index, filled)| *filled && index as i32 + 1 != kind as i32);
    if strangers {
        return Ok(None);
    }
    let columns = match kind {
        FactKind::Unspecified => return Ok(None),
        FactKind::Behavior => behaviors(&rows.behaviors),
        FactKind::ConsumerProfile => profiles(&rows.consumer_profiles),
        FactKind::OrderLine => order_lines(&rows.order_lines),
        FactKind::Product => products(&rows.products),
        FactKind::StockDay => stock_days(&rows.stock_days),
        FactKind::MarketStat => market_stats(&rows.market_stats),
        FactKind::Content => contents(&rows.contents),
        FactKind::Member => members(&rows.members),
        FactKind::SocialProfile => social_profiles(&rows.social_profiles),
        FactKind::Campaign => campaigns(&rows.campaigns),
    };
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true)))
        .map(Some)
}

fn text<'a, R>(rows: &'a [R], get: impl Fn(&'a R) -> &'a str) -> ArrayRef {
    Arc::new(StringArray::from_iter(
        rows.iter()
            .map(|row| Some(get(row)).filter(|text| !text.is_empty())),
    ))
}

fn maybe<'a, R>(rows: &'a [R], get: impl Fn(&'a R) -> &'a Option<String>) -> ArrayRef {
    Arc::new(StringArray::from_iter(
        rows.iter()
            .map(|row| get(row).as_deref().filter(|text| !text.is_empty())),
    ))
}

fn texts<'a, R>(rows: &'a [R], get: impl Fn(&'a R) -> Option<&'a [String]>) -> ArrayRef {
    let mut builder = ListBuilder::new(StringBuilder::new());
    for row in rows {
        match get(row) {
            Some(values) => {
                for value in values {
                    builder.values().append_value(value);
                }
                builder.append(true);
            }
            None => builder.append(false),
        }
    }
    Arc::new(builder.finish())
}

fn number<'a, R>(rows: &'a [R], get: impl Fn(&'a R) -> Option<i64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter(rows.iter().map(get)))
}

fn real<'a, R>(rows: &'a [R], get: impl Fn(&'a R) -> Option<f64>) -> ArrayRef {
    Arc::new(Float64Array::from_iter(rows.iter().map(get)))
}

fn flag<'a, R>(rows: &'a [R], get: impl Fn(&'a R) -> Option<bool>) -> ArrayRef {
    Arc::new(BooleanArray::from_iter(rows.iter().map(get)))
}

fn code<'a, R>(rows: &'a [R], get: impl Fn(&'a R) -> i32) -> ArrayRef {
    Arc::new(Int32Array::from_iter_values(rows.iter().map(get)))
}

fn instant<'a, R>(rows: &'a [R], get: impl Fn(&'a R) -> &'a Option<Timestamp>) -> ArrayRef {
    let micros = |stamp: &Timestamp| {
        let whole = stamp.seconds.checked_mul(1_000_000)?;
        whole.checked_add(i64::from(stamp.nanos).checked_div(1_000)?)
    };
    let values = rows
        .iter()
        .map(|row| get(row).as_ref().map(|stamp| micros(stamp).unwrap_or(NO_INSTANT)));
    Arc::new(TimestampMicrosecondArray::from_iter(values).with_timezone("UTC"))
}

fn day<'a, R>(rows: &'a [R], get: impl Fn(&'a R) -> &'a Option<Date>) -> ArrayRef {
    let number = |date: &Date| {
        let (month, day) = (u32::try_from(date.month).ok()?, u32::try_from(date.day).ok()?);
        Some(Day::from_ymd(date.year, month, day)?.0)
    };
    let values = rows
        .iter()
        .map(|row| get(row).as_ref().map(|date| number(date).unwrap_or(NO_DAY)));
    Arc::new(Date32Array::from_iter(values))
}

fn behaviors(rows: &[Behavior]) -> Columns {
    vec![
        ("event_id", text(rows, |row| &row.event_id)),
        ("consumer", text(rows, |row| &row.consumer)),
        ("brand", text(rows, |row| &row.brand)),
        ("kind", code(rows, |row| row.kind)),
        ("occurred_at", instant(rows, |row| &row.occurred_at)),
        ("product", maybe(rows, |row| &row.product)),
        ("content", maybe(rows, |row| &row.content)),
        ("category", maybe(rows, |row| &row.category)),
        ("channel", maybe(rows, |row| &row.channel)),
        ("venue", code(rows, |row| row.venue)),
        ("keyword", maybe(rows, |row| &row.keyword)),
        ("keyword_class", code(rows, |row| row.keyword_class)),
        ("dwell_ms", number(rows, |row| row.dwell_ms)),
        ("source", maybe(rows, |row| &row.source)),
    ]
}

fn profiles(rows: &[ConsumerProfile]) -> Columns {
    vec![
        ("consumer", text(rows, |row| &row.consumer)),
        ("updated_at", instant(rows, |row| &row.updated_at)),
        ("age", number(rows, |row| row.age.map(i64::from))),
        ("gender", code(rows, |row| row.gender)),
        ("city_tier", number(rows, |row| row.city_tier.map(i64::from))),
        ("has_child", flag(rows, |row| row.has_child)),
        ("child_birth_month", day(rows, |row| &row.child_birth_month)),
        ("spending_power", real(rows, |row| row.spending_power)),
        ("occupation", maybe(rows, |row| &row.occupation)),
        ("labels", texts(rows, |row| Some(row.labels.as_slice()))),
    ]
}

fn order_lines(rows: &[OrderLine]) -> Columns {
    vec![
        ("order", text(rows, |row| &row.order)),
        ("line", text(rows, |row| &row.line)),
        ("revision", number(rows, |row| Some(row.revision))),
        ("consumer", text(rows, |row| &row.consumer)),
        ("brand", text(rows, |row| &row.brand)),
        ("product", text(rows, |row| &row.product)),
        ("sku", maybe(rows, |row| &row.sku)),
        ("category", maybe(rows, |row| &row.category)),
        ("quantity", number(rows, |row| Some(row.quantity))),
        ("paid_amount", text(rows, |row| &row.paid_amount)),
        ("list_price", maybe(rows, |row| &row.list_price)),
        ("paid_at", instant(rows, |row| &row.paid_at)),
        ("promised_at", instant(rows, |row| &row.promised_at)),
        ("dispatched_at", instant(rows, |row| &row.dispatched_at)),
        ("delivered_at", instant(rows, |row| &row.delivered_at)),
        ("cancelled_at", instant(rows, |row| &row.cancelled_at)),
        ("returned_at", instant(rows, |row| &row.returned_at)),
        (
            "returned_quantity",
            number(rows, |row| Some(row.returned_quantity)),
        ),
        ("refund_amount", text(rows, |row| &row.refund_amount)),
        ("return_reason", maybe(rows, |row| &row.return_reason)),
        ("channel", maybe(rows, |row| &row.channel)),
    ]
}

fn products(rows: &[Product]) -> Columns {
    vec![
        ("product", text(rows, |row| &row.product)),
        ("brand", text(rows, |row| &row.brand)),
        ("updated_at", instant(rows, |row| &row.updated_at)),
        ("category", maybe(rows, |row| &row.category)),
        ("list_price", maybe(rows, |row| &row.list_price)),
        ("launched_at", instant(rows, |row| &row.launched_at)),
        (
            "delisting_announced_at",
            instant(rows, |row| &row.delisting_announced_at),
        ),
        ("delisted_at", instant(rows, |row| &row.delisted_at)),
        ("season", maybe(rows, |row| &row.season)),
        ("season_ends_at", instant(rows, |row| &row.season_ends_at)),
        ("star", flag(rows, |row| row.star)),
        ("styles", texts(rows, |row| Some(row.styles.as_slice()))),
        ("shape", maybe(rows, |row| &row.shape)),
        ("colour", maybe(rows, |row| &row.colour)),
        ("material", maybe(rows, |row| &row.material)),
        ("function", maybe(rows, |row| &row.function)),
        ("craft", maybe(rows, |row| &row.craft)),
        ("ip", maybe(rows, |row| &row.ip)),
    ]
}

fn stock_days(rows: &[StockDay]) -> Columns {
    vec![
        ("brand", text(rows, |row| &row.brand)),
        ("product", text(rows, |row| &row.product)),
        ("sku", maybe(rows, |row| &row.sku)),
        ("location", text(rows, |row| &row.location)),
        ("day", day(rows, |row| &row.day)),
        ("opening", number(rows, |row| Some(row.opening))),
        ("received", number(rows, |row| Some(row.received))),
        ("on_hand", number(rows, |row| Some(row.on_hand))),
        ("in_transit", number(rows, |row| Some(row.in_transit))),
        ("updated_at", instant(rows, |row| &row.updated_at)),
    ]
}

fn market_stats(rows: &[MarketStat]) -> Columns {
    vec![
        ("category", text(rows, |row| &row.category)),
        ("price_band", text(rows, |row| &row.price_band)),
        ("attribute_kind", code(rows, |row| row.attribute_kind)),
        ("attribute_value", text(rows, |row| &row.attribute_value)),
        ("first_day", day(rows, |row| &row.first_day)),
        ("last_day", day(rows, |row| &row.last_day)),
        ("gmv", text(rows, |row| &row.gmv)),
        ("units", number(rows, |row| row.units)),
        ("buyers", number(rows, |row| row.buyers)),
        ("visitors", number(rows, |row| row.visitors)),
        ("searches", number(rows, |row| row.searches)),
        ("listings", number(rows, |row| row.listings)),
        ("sellers", number(rows, |row| row.sellers)),
        ("top_brand_share", real(rows, |row| row.top_brand_share)),
        ("new_brand_share", real(rows, |row| row.new_brand_share)),
        ("updated_at", instant(rows, |row| &row.updated_at)),
    ]
}

fn contents(rows: &[Content]) -> Columns {
    vec![
        ("content", text(rows, |row| &row.content)),
        ("brand", text(rows, |row| &row.brand)),
        ("updated_at", instant(rows, |row| &row.updated_at)),
        ("format", code(rows, |row| row.format)),
        ("channel", maybe(rows, |row| &row.channel)),
        ("author", maybe(rows, |row| &row.author)),
        ("published_at", instant(rows, |row| &row.published_at)),
        ("products", texts(rows, |row| Some(row.products.as_slice()))),
        ("spend", maybe(rows, |row| &row.spend)),
        ("model", maybe(rows, |row| &row.model)),
        ("scene", maybe(rows, |row| &row.scene)),
        ("selling_point", maybe(rows, |row| &row.selling_point)),
        ("cover", maybe(rows, |row| &row.cover)),
        ("copy", maybe(rows, |row| &row.copy)),
        ("host", maybe(rows, |row| &row.host)),
        ("video_type", maybe(rows, |row| &row.video_type)),
        ("duration_s", number(rows, |row| row.duration_s)),
    ]
}

fn members(rows: &[Member]) -> Columns {
    vec![
        ("consumer", text(rows, |row| &row.consumer)),
        ("brand", text(rows, |row| &row.brand)),
        ("role", code(rows, |row| row.role)),
        ("tier", maybe(rows, |row| &row.tier)),
        ("joined_at", instant(rows, |row| &row.joined_at)),
        ("left_at", instant(rows, |row| &row.left_at)),
        ("recruit_channel", maybe(rows, |row| &row.recruit_channel)),
        (
            "reachable_by",
            texts(rows, |row| {
                row.reachable_by.as_ref().map(|by| by.channels.as_slice())
            }),
        ),
        ("revision", number(rows, |row| Some(row.revision))),
    ]
}

fn social_profiles(rows: &[SocialProfile]) -> Columns {
    vec![
        ("consumer", text(rows, |row| &row.consumer)),
        ("brand", text(rows, |row| &row.brand)),
        ("updated_at", instant(rows, |row| &row.updated_at)),
        ("followers", number(rows, |row| row.followers)),
        ("follower_match", real(rows, |row| row.follower_match)),
        ("posts_30d", number(rows, |row| row.posts_30d)),
        ("interactions_30d", number(rows, |row| row.interactions_30d)),
        ("spread_30d", number(rows, |row| row.spread_30d)),
        ("shares_30d", number(rows, |row| row.shares_30d)),
        ("attributed_gmv_30d", maybe(rows, |row| &row.attributed_gmv_30d)),
        ("own_gmv_365d", maybe(rows, |row| &row.own_gmv_365d)),
        (
            "follower_spending_power",
            real(rows, |row| row.follower_spending_power),
        ),
    ]
}

fn campaigns(rows: &[Campaign]) -> Columns {
    vec![
        ("campaign", text(rows, |row| &row.campaign)),
        ("brand", text(rows, |row| &row.brand)),
        ("updated_at", instant(rows, |row| &row.updated_at)),
        ("channel", maybe(rows, |row| &row.channel)),
        ("starts_at", instant(rows, |row| &row.starts_at)),
        ("ends_at", instant(rows, |row| &row.ends_at)),
        ("spend", maybe(rows, |row| &row.spend)),
        ("products", texts(rows, |row| Some(row.products.as_slice()))),
        ("audience", maybe(rows, |row| &row.audience)),
    ]
}
