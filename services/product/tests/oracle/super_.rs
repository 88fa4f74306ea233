//! SUPER, metric by metric and segment by segment.

use std::collections::BTreeSet;

use dualwheel_measure::Absence;
use dualwheel_proto::facts::BehaviorKind;
use proptest::{prelude::*, strategy::ValueTree};

use crate::{
    check::{Asked, BRANDS, Engine, Expected, absent, compare, ratio},
    lifecycle::{launch, stage},
    market::{band, conversion, cut, is_on_sale, is_visit, paid_and_refund, quantile, traffic},
    raw::{Brand, Line, START, ZONES, day_of, facts},
};

/// A question to the oracle.
pub struct Question<'a> {
    pub brands: &'a [Brand],
    pub window: (i32, i32),
    pub as_of: i32,
    pub category: Option<&'a str>,
    pub by: Option<(&'static str, usize)>,
}

impl Question<'_> {
    fn brand(&self) -> &Brand {
        &self.brands[0]
    }

    fn in_window(&self, day: i32) -> bool {
        self.window.0 <= day && day <= self.window.1
    }

    fn covers(&self, category: &str) -> bool {
        self.category
            .is_none_or(|path| category == path || category.starts_with(&format!("{path}/")))
    }

    fn category_of(&self, product: &str) -> String {
        self.brand().category(product).unwrap_or_default()
    }

    /// Value of a row about a product of a category on the question's dimension.
    fn segment(&self, product: &str, category: &str) -> String {
        let known = self.brand().goods().contains(&product.to_owned());
        match self.by {
            None => String::new(),
            Some(("category", level)) => cut(category, level),
            Some(("lifecycle", _)) if known => stage(self.brand(), product, self.as_of).to_owned(),
            Some(("lifecycle", _)) => "pre_launch".to_owned(),
            Some(_) if known => band(self.brand(), product, self.brands, self.window),
            Some(_) => String::new(),
        }
    }

    /// Whether a row belongs to the whole (`None`) or to a segment.
    fn belongs(&self, product: &str, category: &str, segment: Option<&str>) -> bool {
        self.covers(category) && segment.is_none_or(|value| self.segment(product, category) == value)
    }

    fn goods_on_sale(&self, segment: Option<&str>) -> Vec<String> {
        let mut goods = self.brand().goods();
        goods.retain(|good| is_on_sale(self.brand(), good, self.as_of));
        goods.retain(|good| self.belongs(good, &self.category_of(good), segment));
        goods
    }

    fn lines(&self, segment: Option<&str>) -> Vec<&Line> {
        let lines = self.brand().lines.iter().filter(|line| self.in_window(line.day));
        lines
            .filter(|line| self.belongs(&line.product, &line.category, segment))
            .collect()
    }

    /// SKUs with a stock day in the window, and the product each belongs to.
    fn skus(&self, segment: Option<&str>) -> Vec<(String, String)> {
        let mut skus: Vec<(String, String)> = Vec::new();
        for (row, day) in &self.brand().stock {
            let sku = row.sku.clone().unwrap_or(row.product.clone());
            if self.in_window(*day) && self.belongs(&row.product, &self.category_of(&row.product), segment) {
                skus.push((sku, row.product.clone()));
            }
        }
        skus.sort();
        skus.dedup();
        skus
    }

    pub fn answer(&self) -> Vec<Expected> {
        let mut answer = self.five(None);
        let Some((dimension, _)) = self.by else {
            return answer;
        };
        let mut values: BTreeSet<String> = BTreeSet::new();
        for good in self.goods_on_sale(None) {
            values.insert(self.segment(&good, &self.category_of(&good)));
        }
        values.extend(
            self.lines(None)
                .iter()
                .map(|line| self.segment(&line.product, &line.category)),
        );
        for act in self
            .brand()
            .acts
            .iter()
            .filter(|act| self.in_window(act.day) && self.covers(&act.category))
        {
            let bought = act.kind == BehaviorKind::Purchase && self.brand().lines.is_empty();
            if let Some(product) = act.product.as_ref().filter(|_| bought || is_visit(act.kind)) {
                values.insert(self.segment(product, &act.category));
            }
        }
        for (_, product) in self.skus(None) {
            values.insert(self.segment(&product, &self.category_of(&product)));
        }
        let from_market = dimension == "price_band" && !self.brand().goods().is_empty();
        for value in values {
            answer.extend(self.five(Some(&value)).into_iter().map(|mut metric| {
                metric.segment = Some((dimension, value.clone()));
                if from_market {
                    metric.labels.push("MARKET_FROM_TENANT_BRANDS");
                }
                metric
            }));
        }
        answer
    }

    fn five(&self, segment: Option<&str>) -> Vec<Expected> {
        let mut five = vec![
            self.star(segment),
            self.conversion(segment),
            self.novelty(segment),
        ];
        five.extend(self.stock(segment));
        five.extend(self.fulfilment(segment));
        five
    }

    fn star(&self, segment: Option<&str>) -> Expected {
        let (brand, goods) = (self.brand(), self.goods_on_sale(segment));
        if brand.products.iter().any(|row| row.star.is_some()) {
            let stars = goods
                .iter()
                .filter(|good| brand.fact(good).is_some_and(|row| row.star == Some(true)));
            return ratio("super.star", stars.count() as f64, goods.len() as f64);
        }
        // Tests in the order of the methodology: GMV, conversion, reviews, refunds.
        let on_sale = brand
            .goods()
            .into_iter()
            .filter(|good| is_on_sale(brand, good, self.as_of));
        let tests: Vec<(String, [Option<bool>; 4])> =
            on_sale.map(|good| (good.clone(), self.tests(&good))).collect();
        let available = (0..4)
            .filter(|at| tests.iter().any(|(_, tests)| tests[*at].is_some()))
            .count();
        if available < 2 && !goods.is_empty() {
            return absent("super.star", Absence::SignalNotSupplied);
        }
        let is_star = |good: &&String| {
            let (_, tests) = tests.iter().find(|(other, _)| other == *good).unwrap();
            tests.iter().filter(|test| **test == Some(true)).count() >= 2
        };
        let mut star = ratio(
            "super.star",
            goods.iter().filter(is_star).count() as f64,
            goods.len() as f64,
        );
        if available >= 2 {
            star.labels.push("STAR_BY_RULE");
        }
        star
    }

    fn tests(&self, good: &str) -> [Option<bool>; 4] {
        let (brand, window) = (self.brand(), self.window);
        let category = cut(&self.category_of(good), 2);
        let (mut gmvs, mut conversions, mut refunds) = (Vec::new(), Vec::new(), Vec::new());
        for other in self.brands {
            for product in other.goods() {
                let same = cut(&other.category(&product).unwrap_or_default(), 2) == category;
                if same && is_on_sale(other, &product, self.as_of) {
                    let (paid, refund) = paid_and_refund(other, &product, window);
                    gmvs.push((paid - refund) as f64);
                    conversions.extend(conversion(other, window, &product));
                    refunds.extend((paid > 0).then(|| refund as f64 / paid as f64));
                }
            }
        }
        let (paid, refund) = paid_and_refund(brand, good, window);
        let gmv = paid - refund;
        let sells = brand.lines.iter().any(|line| self.in_window(line.day));
        let (_, _, buyers) = traffic(brand, window, |product, _| product == good);
        let mut reviews: Vec<(String, i64, bool)> = Vec::new();
        for act in brand
            .acts
            .iter()
            .filter(|act| self.in_window(act.day) && act.product.as_deref() == Some(good))
        {
            match act.kind {
                BehaviorKind::PositiveReview => reviews.push((act.consumer.clone(), act.at, true)),
                BehaviorKind::NegativeReview => reviews.push((act.consumer.clone(), act.at, false)),
                _ => {}
            }
        }
        reviews.sort();
        reviews.dedup();
        let positive = reviews.iter().filter(|(_, _, positive)| *positive).count();
        [
            sells.then(|| gmv > 0 && gmv as f64 >= quantile(&gmvs, 0.8).unwrap()),
            conversion(brand, window, good)
                .map(|rate| buyers > 0 && rate >= quantile(&conversions, 0.75).unwrap()),
            (!reviews.is_empty()).then(|| positive * 100 >= reviews.len() * 95),
            (paid > 0).then(|| refund as f64 / paid as f64 <= quantile(&refunds, 0.5).unwrap()),
        ]
    }

    fn conversion(&self, segment: Option<&str>) -> Expected {
        let of = |product: &str, category: &str| self.belongs(product, category, segment);
        let (visited, visitors, buyers) = traffic(self.brand(), self.window, of);
        let no_lines = self.brand().lines.is_empty();
        let supplied = !no_lines
            || self
                .brand()
                .acts
                .iter()
                .any(|act| act.kind == BehaviorKind::Purchase);
        if !visited || !supplied {
            return absent("super.conversion", Absence::SignalNotSupplied);
        }
        let mut share = ratio("super.conversion", buyers as f64, visitors as f64);
        if no_lines {
            share.labels.push("PURCHASES_FROM_BEHAVIORS");
        }
        share
    }

    fn novelty(&self, segment: Option<&str>) -> Expected {
        if self.brand().lines.is_empty() {
            return absent("super.novelty", Absence::SignalNotSupplied);
        }
        let (mut new, mut all) = (0, 0);
        for line in self.lines(segment) {
            all += line.paid - line.refund;
            if launch(self.brand(), &line.product).is_some_and(|launch| line.day - launch <= 90) {
                new += line.paid - line.refund;
            }
        }
        ratio("super.novelty", new as f64 / 10_000.0, all as f64 / 10_000.0)
    }

    fn stock(&self, segment: Option<&str>) -> [Expected; 2] {
        let skus = self.skus(segment);
        if skus.is_empty() {
            return ["super.sell_through", "super.sold_out"].map(|id| absent(id, Absence::SignalNotSupplied));
        }
        let (mut sold, mut available, mut empty) = (0, 0, 0);
        for (sku, product) in &skus {
            let of_sku = |row: &&(dualwheel_proto::facts::StockDay, i32)| {
                row.0.sku.as_ref().unwrap_or(&row.0.product) == sku
                    && row.0.product == *product
                    && self.in_window(row.1)
            };
            let rows: Vec<_> = self.brand().stock.iter().filter(of_sku).collect();
            available += rows.iter().map(|(row, _)| row.received).sum::<i64>();
            let locations: BTreeSet<&String> = rows.iter().map(|(row, _)| &row.location).collect();
            let mut left = 0;
            for location in locations {
                let days = || rows.iter().filter(|(row, _)| row.location == *location);
                available += days().min_by_key(|(_, day)| *day).unwrap().0.opening;
                left += days().max_by_key(|(_, day)| *day).unwrap().0.on_hand;
            }
            empty += i64::from(left == 0);
            for line in self
                .brand()
                .lines
                .iter()
                .filter(|line| self.in_window(line.day) && line.sku == *sku && line.product == *product)
            {
                sold += line.quantity - line.returned;
            }
        }
        [
            ratio("super.sell_through", sold as f64, available as f64),
            ratio("super.sold_out", empty as f64, skus.len() as f64),
        ]
    }

    fn fulfilment(&self, segment: Option<&str>) -> Vec<Expected> {
        let mut purchases = self.lines(segment);
        purchases.retain(|line| line.quantity > 0);
        let no_lines = self.brand().lines.is_empty();
        let promised = purchases.iter().any(|line| line.promised.is_some());
        let bought_some = !purchases.is_empty();
        purchases.retain(|line| match (line.cancelled, line.dispatched) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(cancelled), Some(dispatched)) => cancelled >= dispatched,
        });
        let mut answer = Vec::new();
        if no_lines || (bought_some && !promised) {
            answer.push(absent("super.fulfilment", Absence::SignalNotSupplied));
        } else {
            let due = purchases
                .iter()
                .filter(|line| line.promised.is_some_and(|(_, day)| day <= self.as_of));
            let kept = |line: &&&Line| line.delivered.is_some_and(|at| at <= line.promised.unwrap().0);
            let (due, kept) = (due.clone().count(), due.filter(kept).count());
            answer.push(ratio("super.fulfilment", kept as f64, due as f64));
        }
        let spans = |end: fn(&Line) -> Option<i64>| -> Vec<f64> {
            purchases
                .iter()
                .filter_map(|line| Some((end(line)? - line.paid_at) as f64 / 3_600.0))
                .collect()
        };
        let groups = [
            (
                ["super.dispatch_hours.median", "super.dispatch_hours.p90"],
                spans(|line| line.dispatched),
            ),
            (
                ["super.delivery_hours.median", "super.delivery_hours.p90"],
                spans(|line| line.delivered),
            ),
        ];
        for (ids, hours) in groups {
            for (id, share) in ids.into_iter().zip([0.5, 0.9]) {
                answer.push(match quantile(&hours, share) {
                    None if bought_some || no_lines => absent(id, Absence::SignalNotSupplied),
                    None => absent(id, Absence::NoData),
                    Some(value) => Expected {
                        value: Ok(value),
                        numerator: Some(value),
                        denominator: None,
                        ..ratio(id, 0.0, 1.0)
                    },
                });
            }
        }
        answer
    }
}

const BY: [Option<(&str, usize)>; 6] = [
    None,
    Some(("lifecycle", 0)),
    Some(("category", 2)),
    Some(("category", 1)),
    Some(("price_band", 0)),
    Some(("category", 3)),
];

/// A dimension with the level at which categories are cut; that of others is not read.
fn dimension(by: Option<(&'static str, usize)>) -> Option<(&'static str, u32)> {
    by.map(|(name, level)| (name, level as u32))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_536))]

    #[test]
    fn every_metric_of_every_segment(
        rows in facts(),
        zone in 0..2usize,
        (first, days, later) in (-30..40i32, 0..60i32, 0..5i32),
        by in 0..BY.len(),
        category in prop_oneof![3 => Just(None), 1 => Just(Some("a/x")), 1 => Just(Some("a"))],
    ) {
        let zone = ZONES[zone];
        let first = day_of(START, zone) + first;
        let window = (first, first + days);
        let as_of = window.1 + later;
        let brands: Vec<Brand> = BRANDS.iter().map(|brand| Brand::read(&rows, brand, zone)).collect();
        let wanted = Question { brands: &brands, window, as_of, category, by: BY[by] }.answer();
        let asked = Asked { category, by: dimension(BY[by]) };
        compare(&Engine::new(&rows, zone).super_(window, as_of, asked), &wanted);
    }

    #[test]
    fn parts_make_the_whole(
        rows in facts(),
        (first, days, later) in (-30..40i32, 0..60i32, 0..5i32),
        by in 0..BY.len(),
        category in prop_oneof![3 => Just(None), 1 => Just(Some("a/x")), 1 => Just(Some("a"))],
        cut in (1..5u64, any::<u64>()),
    ) {
        let first = day_of(START, ZONES[0]) + first;
        let window = (first, first + days);
        let mut turned = rows.clone();
        turned.behaviors.reverse();
        turned.order_lines.reverse();
        turned.products.reverse();
        turned.stock_days.reverse();
        let (engine, turned) = (Engine::new(&rows, ZONES[0]), Engine::new(&turned, ZONES[0]));
        let asked = Asked { category, by: dimension(BY[by]) };
        engine.check(&turned, (window, window.1 + later), asked, cut)?;
    }

    #[test]
    fn segments_sum_to_the_whole(rows in facts(), first in -30..40i32, days in 0..60i32, by in 1..BY.len()) {
        let window = (day_of(START, ZONES[0]) + first, day_of(START, ZONES[0]) + first + days);
        let asked = Asked { category: None, by: dimension(BY[by]) };
        let metrics = Engine::new(&rows, ZONES[0]).super_(window, window.1, asked);
        // Consumers may visit several segments; goods, money, SKUs and lines are in one each.
        for id in ["super.star", "super.novelty", "super.sell_through", "super.sold_out"] {
            let sides = |metric: &dualwheel_measure::Metric| match (metric.numerator, metric.denominator) {
                (Some(above), Some(below)) => (above.as_f64(), below.as_f64()),
                _ => (0.0, 0.0),
            };
            let of = |metric: &&dualwheel_measure::Metric| metric.id == id;
            let whole = sides(metrics.iter().find(of).unwrap());
            let parts = metrics.iter().filter(of).skip(1).map(sides);
            let sum = parts.fold((0.0, 0.0), |sum, part| (sum.0 + part.0, sum.1 + part.1));
            prop_assert!((whole.0 - sum.0).abs() < 1e-6 && (whole.1 - sum.1).abs() < 1e-6, "{id}: {whole:?} {sum:?}");
        }
    }
}

/// The random facts are worth their while: every metric often has a value, stars are told both ways, every dimension
/// cuts into several segments.
#[test]
fn random_facts_reach_every_metric() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut seen: std::collections::BTreeMap<String, i32> = Default::default();
    for draw in 0..400 {
        let rows = facts().new_tree(&mut runner).unwrap().current();
        let (start, by) = (day_of(START, ZONES[0]), BY[draw % BY.len()]);
        let asked = Asked {
            category: None,
            by: by.map(|(name, _)| (name, 2)),
        };
        let metrics = Engine::new(&rows, ZONES[0]).super_((start, start + 39), start + 39, asked);
        for metric in metrics.iter().filter(|metric| metric.value.is_ok()) {
            let some = metric.numerator.is_some_and(|above| above.as_f64() != 0.0);
            let label = metric
                .labels
                .first()
                .filter(|_| metric.segments.is_empty())
                .map_or("", |label| label.name());
            *seen.entry(format!("{} {label} {some}", metric.id)).or_default() += 1;
        }
        let segments: BTreeSet<_> = metrics
            .iter()
            .filter_map(|metric| metric.segments.first())
            .collect();
        if segments.len() > 2 {
            *seen.entry(format!("by {}", by.unwrap().0)).or_default() += 1;
        }
    }
    let often = dualwheel_product::super_::METRICS.map(|id| format!("{id}  true"));
    let cuts = [
        "by lifecycle",
        "by category",
        "by price_band",
        "super.star STAR_BY_RULE true",
    ]
    .map(str::to_owned);
    let people = ["super.conversion PURCHASES_FROM_BEHAVIORS true".to_owned()];
    for (wanted, least) in often
        .iter()
        .map(|id| (id, 60))
        .chain(cuts.iter().map(|id| (id, 20)))
        .chain([(&people[0], 3)])
    {
        assert!(
            seen.get(wanted).is_some_and(|times| *times >= least),
            "{wanted}: {seen:#?}"
        );
    }
}
