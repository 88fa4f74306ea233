//! A diagnosis made up for tests, with everything that can go wrong in it: absent metrics, a partial track, odd
//! names, a missing unit of data, negative factors.

use std::collections::BTreeMap;

use chrono::{Datelike, Days, NaiveDate};
use dualwheel_proto::{
    Date, Money,
    diagnosis::{
        Diagnosis, FlowLink, MemberScore, MetricScore, MissingPart, Pictures, SceneAction, TrackScore,
    },
    types::{
        Absence, DataVersion, Definition, DefinitionRef, Interval, IntervalAbsence, IntervalMethod, Metric,
        Quantity, Window, quantity::Amount,
    },
};

/// The brand: its name tries to break out of the page.
pub const BRAND: &str = "Nord & Søn <“Atelier”>";

const PEERS: [&str; 9] = [
    "Aurelia",
    "Bàohé 宝和",
    "Cascade",
    "Delmar",
    "Evergreen & Co",
    "Fjell",
    "Guanlan 观澜",
    "Halcyon",
    "Ion's",
];

/// Scored metrics: id, English, Chinese, unit, track, value, peer mean, top quartile, score.
type Line = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    f64,
    f64,
    f64,
    f64,
);

#[rustfmt::skip]
const LINES: [Line; 27] = [
    ("fast.fertility", "Fertility: people in any stage", "人群总量", "people", "people", 48_213.0, 52_904.0, 88_120.0, 46.1),
    ("fast.advancing", "Advancing rate", "加深率", "ratio", "people", 0.0614, 0.0823, 0.1132, 31.8),
    ("fast.superiority", "Superiority: close people", "超级用户数", "people", "people", 9_120.0, 8_344.0, 15_020.0, 55.2),
    ("fast.thriving", "Thriving: active close people", "超级用户活跃度", "ratio", "people", 0.412, 0.398, 0.517, 53.0),
    ("grow.gain", "Gain (penetration)", "渗透力", "money", "people", -412_034.2, 0.021, 0.094, 24.4),
    ("grow.retain", "Retain (repurchase)", "复购力", "money", "people", 120_400.0, 0.009, 0.041, 57.9),
    ("grow.boost", "Boost (price)", "价格力", "money", "people", 33_120.5, -0.004, 0.013, 61.5),
    ("grow.widen", "Widen (new categories)", "延展力", "money", "people", 0.0, 0.011, 0.048, 41.0),
    ("grow.new_product", "New-product power", "新品效能", "ratio", "people", 0.231, 0.184, 0.302, 60.7),
    ("super.star", "Star products", "优质货品率", "ratio", "goods", 0.284, 0.221, 0.331, 66.9),
    ("super.conversion", "Utmost conversion", "购买转化率", "ratio", "goods", 0.0312, 0.0402, 0.0581, 33.1),
    ("super.novelty", "Product novelty", "新品贡献率", "ratio", "goods", 0.251, 0.196, 0.288, 71.3),
    ("super.sell_through", "Exact stock: sell-through", "售罄率", "ratio", "goods", 0.612, 0.588, 0.702, 58.2),
    ("super.fulfilment", "Rapid fulfilment", "履约时效", "ratio", "goods", 0.871, 0.942, 0.984, 18.6),
    ("neo.novelty", "Novelty", "创新力", "points", "brand", 58.3, 49.1, 68.4, 58.3),
    ("neo.engagement", "Engagement", "参与力", "points", "brand", 44.9, 50.4, 66.2, 44.9),
    ("neo.solidity", "Solidity", "稳固力", "points", "brand", 52.0, 50.2, 63.3, 52.0),
    ("plus.capital", "Capital: reachable relations", "可持续运营关系数", "people", "members", 7_420.0, 8_020.0, 13_900.0, 45.5),
    ("plus.conversion", "Role deepening", "角色关系加深效率", "ratio", "members", 0.0084, 0.0193, 0.0322, 22.0),
    ("plus.connection", "Connection of venues", "场域引力", "ratio", "members", 0.214, 0.287, 0.366, 29.7),
    ("plus.clv", "Value per relation", "角色关系价值", "money", "members", 83.42, 96.1, 131.8, 38.4),
    ("start.reach", "Reaching people", "有效触达人数", "people", "content", 22_310.0, 19_840.0, 31_044.0, 57.4),
    ("start.interaction", "Deep interaction", "深度互动人数", "people", "content", 3_120.0, 2_914.0, 4_870.0, 54.1),
    ("start.seeding", "Seeded people", "商品种草人数", "people", "content", 1_044.0, 1_390.0, 2_412.0, 39.3),
    ("start.traffic", "Traffic to private domain", "引流到私域人数", "people", "content", 0.0, 0.0, 0.0, 0.0),
    ("start.transaction", "Direct buyers", "直接带货人数", "people", "content", 211.0, 304.0, 512.0, 36.2),
    ("returns.rate", "Return rate", "退货率", "ratio", "goods", 0.081, 0.064, 0.038, 35.5),
];

#[rustfmt::skip]
const SUBS: [Line; 4] = [
    ("neo.novelty.pioneer_density", "Pioneers among buyers", "先锋人群浓度", "ratio", "brand", 0.0312, 0.0288, 0.0431, 55.0),
    ("neo.engagement.search_heat", "Brand search heat", "品牌搜索热度", "ratio", "brand", 0.512, 0.561, 0.702, 41.0),
    ("neo.solidity.premium", "Price premium", "品牌溢价", "ratio", "brand", 1.084, 1.012, 1.231, 60.3),
    ("neo.solidity.repurchase", "Repurchase", "复购率", "ratio", "brand", 0.204, 0.248, 0.331, 39.0),
];

/// The diagnosis.
pub fn diagnosis() -> Diagnosis {
    let metrics: Vec<MetricScore> = LINES.iter().map(score).collect();
    let mut gaps: Vec<&MetricScore> = metrics.iter().filter(|score| score.gap > 1.9).collect();
    gaps.sort_by(|a, b| b.gap.total_cmp(&a.gap));
    let gaps = gaps
        .iter()
        .take(8)
        .map(|score| score.metric.as_ref().unwrap().id.clone())
        .collect();
    Diagnosis {
        brand: BRAND.to_owned(),
        window: Some(window(day(2026, 1, 1), day(2026, 3, 31))),
        index: Some(Metric {
            id: "index".to_owned(),
            value: Some(46.83),
            unit: "points".to_owned(),
            interval: Some(Interval {
                low: 41.2,
                high: 52.9,
                method: IntervalMethod::Bootstrap.into(),
            }),
            ..Metric::default()
        }),
        index_rank: 7,
        reference_size: 10,
        tracks: tracks(),
        metrics,
        gaps,
        scenes: scenes(),
        missing: missing(),
        members: members(),
        pictures: Some(pictures()),
        definitions_version: "1+tenant.9c1d".to_owned(),
        data_version: Some(DataVersion {
            tables: BTreeMap::from([
                ("behaviors", 41),
                ("order_lines", 17),
                ("products", 3),
                ("members", 8),
            ])
            .into_iter()
            .map(|(table, version)| (table.to_owned(), version))
            .collect(),
        }),
        definitions: LINES.iter().chain(&SUBS).map(definition).collect(),
        sub_indicators: SUBS.iter().map(score).collect(),
        partial: true,
        modes: vec!["product-led".to_owned()],
    }
}

fn day(year: i32, month: u32, day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(year, month, day).unwrap()
}

fn date(day: NaiveDate) -> Date {
    Date {
        year: day.year(),
        month: day.month() as i32,
        day: day.day() as i32,
    }
}

fn window(first: NaiveDate, last: NaiveDate) -> Window {
    Window {
        first_day: Some(date(first)),
        last_day: Some(date(last)),
    }
}

fn count(count: i64) -> Option<Quantity> {
    Some(Quantity {
        amount: Some(Amount::Count(count)),
    })
}

fn money(amount: f64) -> Option<Quantity> {
    let units = amount.trunc() as i64;
    let nanos = ((amount - amount.trunc()) * 1e4).round() as i32 * 100_000;
    Some(Quantity {
        amount: Some(Amount::Money(Money {
            currency_code: "CNY".to_owned(),
            units,
            nanos,
        })),
    })
}

fn metric(id: &str, unit: &str, value: f64) -> Metric {
    let mut metric = Metric {
        id: id.to_owned(),
        value: Some(value),
        unit: unit.to_owned(),
        interval_absence: IntervalAbsence::PlainCount.into(),
        window: Some(window(day(2026, 1, 1), day(2026, 3, 31))),
        as_of: Some(date(day(2026, 3, 31))),
        definition: Some(DefinitionRef {
            id: id.to_owned(),
            version: "1".to_owned(),
        }),
        ..Metric::default()
    };
    match unit {
        "ratio" => {
            metric.numerator = count((value * 48_213.0) as i64);
            metric.denominator = count(48_213);
            metric.interval = Some(Interval {
                low: value * 0.94,
                high: value * 1.07,
                method: IntervalMethod::Wilson.into(),
            });
            metric.interval_absence = IntervalAbsence::Unspecified.into();
        }
        "money" => metric.numerator = money(value),
        "people" => metric.numerator = count(value as i64),
        _ => {}
    }
    metric
}

fn score(&(id, _, _, unit, track, value, peers, top, points): &Line) -> MetricScore {
    let mut metric = metric(id, unit, value);
    let grow = id.starts_with("grow.") && unit == "money";
    let weight = if track == "people" { 1.0 / 45.0 } else { 1.0 / 25.0 };
    if id == "plus.capital" {
        metric.labels.push("REACHABILITY_ASSUMED".to_owned());
    }
    if id == "start.traffic" {
        metric.value = None;
        metric.absence = Absence::SignalNotSupplied.into();
        metric.absence_detail = "no FOLLOW, JOIN or GROUP_JOIN behaviours <yet>".to_owned();
        metric.numerator = None;
        metric.interval_absence = IntervalAbsence::NoValue.into();
        return MetricScore {
            metric: Some(metric),
            track: track.to_owned(),
            absence: Absence::SignalNotSupplied.into(),
            ..MetricScore::default()
        };
    }
    let scored = grow.then_some(value / 4_120_000.0);
    // A metric that no peer has keeps its value and loses its score.
    if id == "start.interaction" {
        return MetricScore {
            metric: Some(metric),
            track: track.to_owned(),
            absence: Absence::TooFewPeers.into(),
            members: 1,
            ..MetricScore::default()
        };
    }
    MetricScore {
        metric: Some(metric),
        track: track.to_owned(),
        score: Some(points),
        z: Some((points - 50.0) / 20.0),
        rank: (10.0 - points / 10.0).round() as i32,
        members: 10,
        peer_mean: Some(peers),
        peer_median: Some(peers * 0.98),
        top_quartile_mean: Some(top),
        nearest_above: if points < 70.0 {
            PEERS[(points as usize) % 9].to_owned()
        } else {
            String::new()
        },
        nearest_above_value: (points < 70.0).then_some(peers * 1.04),
        weight,
        gap: weight * (100.0 - points),
        scored_value: scored,
        ..MetricScore::default()
    }
}

fn tracks() -> Vec<TrackScore> {
    let track = |track: &str, en: &str, zh: &str, score: f64, peers: f64, rank: i32| TrackScore {
        track: track.to_owned(),
        name_en: en.to_owned(),
        name_zh: zh.to_owned(),
        score: Some(score),
        peer_mean: Some(peers),
        rank,
        weight: 0.2,
        weight_present: 1.0,
        partial: false,
        interval: Some(Interval {
            low: score - 6.0,
            high: score + 7.0,
            method: IntervalMethod::Bootstrap.into(),
        }),
    };
    let mut tracks = vec![
        track("people", "People", "人群", 48.0, 50.4, 6),
        track("goods", "Goods", "货品", 49.6, 50.1, 5),
        track("brand", "Brand power", "品牌力", 51.7, 49.9, 4),
        track("members", "Members", "会员私域", 33.9, 51.8, 9),
        track("content", "Content", "内容", 42.6, 50.9, 7),
    ];
    tracks[4].partial = true;
    tracks[4].weight_present = 0.4;
    tracks
}

fn scenes() -> Vec<SceneAction> {
    let scene = |id: &str, en: &str, zh: &str, does: &str, metrics: &[&str], priority: f64, focus: bool| {
        SceneAction {
            scene: id.to_owned(),
            name_en: en.to_owned(),
            name_zh: zh.to_owned(),
            wheel: id.split('.').next().unwrap().to_owned(),
            does: does.to_owned(),
            metrics: metrics.iter().map(|metric| (*metric).to_owned()).collect(),
            priority,
            focus,
        }
    };
    vec![
        scene(
            "plvm.insight.style",
            "Style trend insight",
            "风格趋势洞察",
            "measure demand for style elements, rank style tracks by growth and room, find the audiences that prefer them",
            &["super.conversion", "fast.advancing"],
            4.19,
            true,
        ),
        scene(
            "clvm.member.venue",
            "Venue operation",
            "会员场域运营",
            "bring members into the venue that fits them",
            &["plus.connection", "plus.conversion"],
            3.91,
            false,
        ),
        scene(
            "plvm.life.promotion",
            "Promotion operation",
            "活动/大促运营",
            "tune goods and stock for campaigns and big sales",
            &["super.fulfilment", "grow.gain"],
            3.27,
            false,
        ),
        scene(
            "clvm.koc",
            "KOC cultivation",
            "品牌KOC培育",
            "find members with influence and grow them into advocates",
            &["start.seeding", "start.transaction"],
            2.5,
            true,
        ),
    ]
}

fn missing() -> Vec<MissingPart> {
    vec![
        MissingPart {
            metric: "start.traffic".to_owned(),
            track: "content".to_owned(),
            absence: Absence::SignalNotSupplied.into(),
            detail: "no FOLLOW, JOIN or GROUP_JOIN behaviours <yet>".to_owned(),
            weight: 0.04,
            supply: "Behavior of kind FOLLOW, JOIN or GROUP_JOIN".to_owned(),
            ..MissingPart::default()
        },
        MissingPart {
            absence: Absence::ServiceUnavailable.into(),
            detail: "deadline of 5 s passed".to_owned(),
            peer: "Ion's".to_owned(),
            service: "content".to_owned(),
            ..MissingPart::default()
        },
        MissingPart {
            metric: "start.interaction".to_owned(),
            track: "content".to_owned(),
            absence: Absence::TooFewPeers.into(),
            detail: String::new(),
            weight: 0.04,
            supply: "Behavior of peers".to_owned(),
            ..MissingPart::default()
        },
    ]
}

fn members() -> Vec<MemberScore> {
    let ids = ["people", "goods", "brand", "members", "content"];
    let peer = |(place, brand): (usize, &&str)| {
        let tracks: BTreeMap<String, f64> = ids
            .iter()
            .enumerate()
            .map(|(track, id)| {
                (
                    (*id).to_owned(),
                    22.0 + (place * 4 + (place * 37 + track * 19) % 29) as f64,
                )
            })
            .collect();
        let index = tracks.values().sum::<f64>() / 5.0;
        // One peer has nothing that could be scored.
        MemberScore {
            brand: (*brand).to_owned(),
            index: (place != 8).then_some(index),
            tracks,
            ..MemberScore::default()
        }
    };
    let mut members: Vec<MemberScore> = PEERS.iter().enumerate().map(peer).collect();
    let own = tracks()
        .into_iter()
        .filter_map(|track| Some((track.track, track.score?)))
        .collect();
    members.push(MemberScore {
        brand: BRAND.to_owned(),
        index: Some(46.83),
        tracks: own,
        ..MemberScore::default()
    });
    members
}

fn pictures() -> Pictures {
    let aipl = [
        ("awareness", 21_930),
        ("interest", 9_480),
        ("purchase", 12_402),
        ("loyalty", 4_401),
        ("total", 48_213),
    ];
    let flow = [
        ("A", "A", 6_210),
        ("A", "I", 1_490),
        ("A", "P", 820),
        ("A", "L", 31),
        ("A", "OUT", 7_903),
        ("I", "A", 940),
        ("I", "I", 4_205),
        ("I", "P", 1_102),
        ("I", "L", 88),
        ("I", "OUT", 2_044),
        ("P", "P", 9_873),
        ("P", "L", 904),
        ("P", "A", 12),
        ("P", "OUT", 602),
        ("L", "L", 3_378),
        ("L", "P", 411),
        ("L", "I", 1),
        ("OUT", "A", 14_768),
        ("OUT", "I", 3_784),
        ("OUT", "P", 196),
    ];
    let link = |(from, to, people): &(&str, &str, i64)| FlowLink {
        from: (*from).to_owned(),
        to: (*to).to_owned(),
        people: *people,
    };
    Pictures {
        aipl: aipl
            .iter()
            .map(|(id, people)| metric(&format!("aipl.{id}"), "people", f64::from(*people)))
            .collect(),
        flow: flow.iter().map(link).collect(),
        fast_trend: (0..13).flat_map(trend).collect(),
    }
}

fn trend(week: u32) -> Vec<Metric> {
    let first = day(2026, 1, 1) + Days::new(u64::from(week) * 7);
    let wave = f64::from(week * week * 31 % 17) / 17.0;
    let values = [
        (
            "fast.fertility",
            "people",
            30_000.0 + f64::from(week) * 900.0 + wave * 2_000.0,
        ),
        ("fast.advancing", "ratio", 0.0051 + wave * 0.0031),
        ("fast.superiority", "people", 8_200.0 + f64::from(week) * 76.0),
        (
            "fast.thriving",
            "ratio",
            0.46 - f64::from(week) * 0.004 + wave * 0.01,
        ),
    ];
    let mut points: Vec<Metric> = values
        .iter()
        .map(|(id, unit, value)| metric(id, unit, value.trunc().max(*value)))
        .collect();
    for point in &mut points {
        point.window = Some(window(first, first + Days::new(6)));
    }
    // A hole in one line.
    if week == 5 {
        points[1].value = None;
    }
    points
}

fn definition(&(id, en, zh, unit, ..): &Line) -> Definition {
    Definition {
        id: id.to_owned(),
        version: "1".to_owned(),
        name_en: en.to_owned(),
        name_zh: zh.to_owned(),
        unit: unit.to_owned(),
        text: "What the metric means, in one or two sentences, with the population that it counts."
            .to_owned(),
        formula: "distinct buyers in W ÷ distinct visitors in W; visitors & buyers > 0".to_owned(),
        grade: if id.starts_with("neo") {
            "own"
        } else if id.starts_with("fast") {
            "pub"
        } else {
            "com"
        }
        .to_owned(),
        better: if id == "returns.rate" { "lower" } else { "higher" }.to_owned(),
        parameters_json: if id == "fast.thriving" {
            "{\"active_days\":180}".to_owned()
        } else {
            "{}".to_owned()
        },
    }
}
