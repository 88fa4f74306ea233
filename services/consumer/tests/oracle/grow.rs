//! GROW from the methodology: factors by plain loops, rounded by hand, and its conservation.

use std::collections::BTreeSet;

use dualwheel_consumer::grow::{By, Grow, Part as Bought, Whole};
use dualwheel_lake::memory::Frames;
use dualwheel_measure::{Absence, MetricGroup, Quantity, Window};
use dualwheel_proto::facts::{ConsumerProfile, Gender};
use proptest::prelude::*;

use crate::{
    compare::{Expected, absent, assert_same, cut_by, money, money_share, people, real, share},
    facts::{Line, Raw, cut, date_of, inside},
    world::{World, definitions, world},
};

/// The eight strategic audiences, in the methodology's order of priority.
pub fn audience(profile: Option<&ConsumerProfile>) -> &'static str {
    let Some(profile) = profile else { return "" };
    let (Some(age), Some(tier)) = (profile.age, profile.city_tier) else {
        return "";
    };
    let job = profile.occupation.as_deref();
    let power = profile.spending_power;
    if tier <= 3 {
        let mother = profile.gender() == Gender::Female && profile.has_child == Some(true);
        let serves = job == Some("Driver") || job == Some("餐饮");
        let poor = job.is_none() && power.is_some_and(|power| power < 0.3);
        match age {
            25..=35 if mother => "exquisite_mothers",
            51.. => "urban_silver",
            18..=24 => "gen_z",
            25..=50 if serves || poor => "urban_blue_collars",
            25..=35 => "rising_white_collars",
            36..=50 if power.is_some_and(|power| power >= 0.3) => "seasoned_middle_class",
            _ => "",
        }
    } else {
        match age {
            18..=35 => "small_town_youth",
            36.. => "small_town_elders",
            _ => "",
        }
    }
}

/// One question in the naive reading.
struct Naive<'a> {
    raw: &'a Raw,
    base: Window,
    now: Window,
    asked: Option<&'a str>,
    level: usize,
}

/// Restricts to one category cut and one audience; `None` is all.
#[derive(Clone, Copy)]
struct Part<'a> {
    cut: Option<&'a str>,
    audience: Option<&'a str>,
}

fn holds(window: Window, line: &Line) -> bool {
    window.first.0 <= line.day && line.day <= window.last.0
}

fn log_mean(a: f64, b: f64) -> f64 {
    if a == b { a } else { (b - a) / (b.ln() - a.ln()) }
}

fn round_cents(ten_thousandths: f64) -> i128 {
    (ten_thousandths / 100.0).round() as i128
}

#[derive(Clone, Copy, Default)]
struct Factors {
    net: i128,
    units: i64,
    buyers: usize,
    new: usize,
    list: Option<f64>,
}

impl Naive<'_> {
    fn name(&self, category: &Option<String>) -> String {
        category
            .as_ref()
            .map_or(String::new(), |path| cut(path, self.level))
    }

    fn audience_of(&self, who: &str) -> &'static str {
        audience(self.raw.profiles.iter().find(|profile| profile.consumer == who))
    }

    fn lines(&self, window: Window, part: Part<'_>) -> Vec<&Line> {
        let covered = |line: &&Line| {
            holds(window, line)
                && inside(&line.category, self.asked)
                && part.cut.is_none_or(|cut| self.name(&line.category) == cut)
                && part
                    .audience
                    .is_none_or(|audience| self.audience_of(&line.consumer) == audience)
        };
        self.raw.lines.iter().filter(covered).collect()
    }

    fn is_new(&self, who: &str, window: Window) -> bool {
        !self.raw.lines.iter().any(|line| {
            let before = window.first.0 - 913 <= line.day && line.day < window.first.0;
            line.consumer == who && line.quantity > 0 && before
        })
    }

    fn cuts(&self, part: Part<'_>) -> BTreeSet<String> {
        let lines = [self.base, self.now]
            .into_iter()
            .flat_map(|window| self.lines(window, part));
        lines.map(|line| self.name(&line.category)).collect()
    }

    fn factors(&self, window: Window, lines: &[&Line]) -> Factors {
        let buyers: BTreeSet<&str> = lines
            .iter()
            .filter(|line| line.quantity > 0)
            .map(|line| line.consumer.as_str())
            .collect();
        let bought: Vec<_> = lines.iter().filter(|line| line.quantity > 0).collect();
        let listed: Option<i128> = bought
            .iter()
            .map(|line| line.list.map(|list| list * i128::from(line.quantity)))
            .sum();
        let units: i64 = bought.iter().map(|line| line.quantity).sum();
        Factors {
            net: lines.iter().map(|line| line.net).sum(),
            units: lines.iter().map(|line| line.quantity - line.returned).sum(),
            new: buyers.iter().filter(|who| self.is_new(who, window)).count(),
            buyers: buyers.len(),
            list: listed
                .filter(|listed| *listed > 0)
                .map(|listed| listed as f64 / units as f64),
        }
    }

    fn decomposition(&self, part: Part<'_>) -> Vec<Expected> {
        let (mut gmv0, mut gmv1, mut widen, mut unexplained) = (0i128, 0i128, 0i128, 0i128);
        let (mut gain, mut retain, mut boost, mut fresh, mut old) = (0.0, 0.0, 0.0, 0.0, 0.0);
        let mut split = Some((0.0, 0.0));
        for cut in self.cuts(part) {
            let part = Part {
                cut: Some(&cut),
                ..part
            };
            let (lines0, lines1) = (self.lines(self.base, part), self.lines(self.now, part));
            let (a, b) = (self.factors(self.base, &lines0), self.factors(self.now, &lines1));
            gmv0 += a.net;
            gmv1 += b.net;
            if lines0.is_empty() || lines1.is_empty() {
                widen += b.net - a.net;
            } else if a.net <= 0 || b.net <= 0 || a.units <= 0 || b.units <= 0 {
                unexplained += b.net - a.net;
            } else {
                let mean = log_mean(a.net as f64, b.net as f64);
                let (n0, n1) = (a.buyers as f64, b.buyers as f64);
                let (q0, q1) = (a.units as f64 / n0, b.units as f64 / n1);
                let (p0, p1) = (a.net as f64 / a.units as f64, b.net as f64 / b.units as f64);
                gain += mean * (n1.ln() - n0.ln());
                retain += mean * (q1.ln() - q0.ln());
                boost += mean * (p1.ln() - p0.ln());
                fresh += mean / log_mean(n0, n1) * (b.new as f64 - a.new as f64);
                old += mean / log_mean(n0, n1) * ((b.buyers - b.new) as f64 - (a.buyers - a.new) as f64);
                split = match (split, a.list, b.list) {
                    (Some((list, rate)), Some(l0), Some(l1)) => Some((
                        list + mean * (l1.ln() - l0.ln()),
                        rate + mean * ((p1 / l1).ln() - (p0 / l0).ln()),
                    )),
                    _ => None,
                };
            }
        }
        let change = gmv1 - gmv0;
        let parts = [gain, retain, boost, widen as f64, unexplained as f64];
        let mut cents = parts.map(round_cents);
        let residual = round_cents(change as f64) - cents.iter().sum::<i128>();
        let size = cents.iter().map(|part| part.abs()).max().unwrap();
        let largest = cents.iter().position(|part| part.abs() == size).unwrap();
        cents[largest] += residual;
        assert_eq!(cents.iter().sum::<i128>(), round_cents(change as f64));
        // A part that lies on half a cent but for the last digits may be rounded either way.
        let close = parts
            .iter()
            .any(|part| ((part / 100.0).fract().abs() - 0.5).abs() < 1e-6);
        let slack = if close { 0.031 } else { 0.0 };
        let part = |id: &str, at: usize| money(id, cents[at] * 100).within(slack);
        let fine = |id: &str, value: f64| money(id, value.round() as i128).within(0.000_101);
        let maybe = |id: &str, value: Option<f64>| match value {
            Some(value) => fine(id, value),
            None => absent(id, Absence::NoData),
        };
        vec![
            money("grow.delta_gmv", change),
            money("grow.gmv_base", gmv0),
            money("grow.gmv", gmv1),
            part("grow.gain", 0),
            fine("grow.gain.new", fresh),
            fine("grow.gain.existing", old),
            part("grow.retain", 1),
            part("grow.boost", 2),
            maybe("grow.boost.list_price", split.map(|split| split.0)),
            maybe("grow.boost.discount", split.map(|split| split.1)),
            part("grow.widen", 3),
            part("grow.unexplained", 4),
            money("grow.rounding", residual * 100).within(slack),
        ]
    }

    fn launch(&self, product: &str) -> Option<i32> {
        let supplied = self.raw.products.get(product).and_then(|(_, launched)| *launched);
        let sold = self
            .raw
            .lines
            .iter()
            .filter(|line| line.product == product && line.quantity > 0);
        let stocked = self
            .raw
            .stock
            .iter()
            .filter(|(of, _)| of == product)
            .map(|(_, day)| *day);
        supplied.or(sold.map(|line| line.day).min()).or(stocked.min())
    }

    fn is_novel(&self, line: &Line) -> bool {
        self.launch(&line.product)
            .is_some_and(|launch| line.day - launch <= 90)
    }

    fn new_products(&self, part: Part<'_>) -> Vec<Expected> {
        let lines = self.lines(self.now, part);
        let novel: i128 = lines
            .iter()
            .filter(|line| self.is_novel(line))
            .map(|line| line.net)
            .sum();
        let new_customers = |lines: Vec<&&Line>| {
            let bought = lines.into_iter().filter(|line| line.quantity > 0);
            bought
                .map(|line| &line.consumer)
                .filter(|who| self.is_new(who, self.now))
                .collect::<BTreeSet<_>>()
                .len()
        };
        let from_new = new_customers(lines.iter().filter(|line| self.is_novel(line)).collect());
        vec![
            money_share("grow.new_product", novel, lines.iter().map(|line| line.net).sum()),
            share(
                "grow.new_product.customers",
                from_new,
                new_customers(lines.iter().collect()),
            ),
        ]
    }

    fn launches(&self, window: Window, only: Option<&str>) -> Expected {
        if self.raw.products.is_empty() {
            return absent("grow.new_product.launches", Absence::SignalNotSupplied);
        }
        let launched = self.raw.products.iter().filter(|(product, (category, _))| {
            let asked = inside(category, self.asked) && only.is_none_or(|cut| self.name(category) == cut);
            let day = self.launch(product);
            asked && day.is_some_and(|day| window.first.0 <= day && day <= window.last.0)
        });
        people("grow.new_product.launches", launched.count())
    }

    /// Brand buyers and market buyers of a category over the market's periods in a window; periods used.
    fn penetration_of(&self, path: &str, exact: bool, window: Window) -> (usize, usize, i64) {
        let mut rows: Vec<(i32, i32, i64)> = Vec::new();
        for row in self
            .raw
            .market
            .iter()
            .filter(|row| row.category == path && row.price_band.is_empty())
        {
            let (first, last) = (date_of(&row.first_day), date_of(&row.last_day));
            if let (0, Some(buyers)) = (row.attribute_kind, row.buyers)
                && window.first.0 <= first
                && last <= window.last.0
            {
                rows.push((first, last, buyers));
            }
        }
        // The one that starts first, the longest of these; then the next that starts after it has ended.
        let (mut periods, mut buyers, mut market, mut from) = (0, 0, 0, i32::MIN);
        loop {
            let open = rows.iter().filter(|(first, _, _)| *first > from);
            let Some((first, last, all)) = open.copied().min_by_key(|(first, last, _)| (*first, -last))
            else {
                break;
            };
            let part = Part {
                cut: (!exact).then_some(path),
                audience: None,
            };
            let days = Window {
                first: dualwheel_measure::Day(first),
                last: dualwheel_measure::Day(last),
            };
            let mine = self
                .lines(days, part)
                .into_iter()
                .filter(|line| line.quantity > 0);
            buyers += mine.map(|line| &line.consumer).collect::<BTreeSet<_>>().len();
            market += all;
            periods += 1;
            from = last;
        }
        (periods, buyers, market)
    }

    fn penetration(&self, only: Option<&str>) -> [Expected; 2] {
        let side = |window: Window| -> Expected {
            let exact = self
                .asked
                .filter(|_| only.is_none())
                .map(|path| self.penetration_of(path, true, window));
            let (mut periods, mut buyers, mut market) = exact.unwrap_or((0, 0, 0));
            if periods == 0 {
                let all = Part {
                    cut: None,
                    audience: None,
                };
                for cut in self
                    .cuts(all)
                    .iter()
                    .filter(|cut| only.is_none_or(|only| only == cut.as_str()))
                {
                    let (more, mine, theirs) = self.penetration_of(cut, false, window);
                    periods += more;
                    buyers += mine;
                    market += theirs;
                }
            }
            match periods {
                0 => absent("grow.penetration", Absence::SignalNotSupplied),
                _ => share("grow.penetration", buyers, market as usize),
            }
        };
        let (base, now) = (side(self.base), side(self.now));
        let change = match (&now.value, &base.value) {
            (Ok(now), Ok(base)) => real("grow.penetration_change", now - base),
            (Err(absence), _) | (_, Err(absence)) => absent("grow.penetration_change", *absence),
        };
        [now, change]
    }

    fn part(&self, part: Part<'_>) -> Vec<Expected> {
        let mut expected = self.decomposition(part);
        expected.extend(self.new_products(part));
        if part.audience.is_none() {
            expected.push(self.launches(self.now, part.cut));
            expected.extend(self.penetration(part.cut));
        }
        expected
    }

    fn without_orders(&self) -> Vec<Expected> {
        let ids = definitions()
            .metrics
            .into_iter()
            .map(|entry| entry.id)
            .filter(|id| id.starts_with("grow."));
        let absences = ids.map(|id| match id.as_str() {
            "grow.new_product.launches" => self.launches(self.now, None),
            _ => absent(&id, Absence::SignalNotSupplied),
        });
        absences.collect()
    }

    fn answer(&self, by: By) -> Vec<Expected> {
        let all = Part {
            cut: None,
            audience: None,
        };
        let mut expected = if self.raw.lines.is_empty() {
            self.without_orders()
        } else {
            self.part(all)
        };
        let ids = [
            "",
            "exquisite_mothers",
            "gen_z",
            "rising_white_collars",
            "seasoned_middle_class",
            "small_town_elders",
            "small_town_youth",
            "urban_blue_collars",
            "urban_silver",
        ];
        let present = |part: Part<'_>| !self.cuts(part).is_empty();
        for cut in self.cuts(all).iter().filter(|_| by == By::Category) {
            expected.extend(cut_by(
                &[("category", cut)],
                self.part(Part {
                    cut: Some(cut),
                    audience: None,
                }),
            ));
        }
        for id in ids.into_iter().filter(|id| {
            by == By::Audience
                && present(Part {
                    cut: None,
                    audience: Some(id),
                })
        }) {
            expected.extend(cut_by(
                &[("audience", id)],
                self.part(Part {
                    cut: None,
                    audience: Some(id),
                }),
            ));
        }
        for cut in self.cuts(all).iter().filter(|_| by == By::CategoryAudience) {
            for part in ids
                .map(|id| Part {
                    cut: Some(cut),
                    audience: Some(id),
                })
                .into_iter()
                .filter(|part| present(*part))
            {
                let names = [("category", cut.as_str()), ("audience", part.audience.unwrap())];
                expected.extend(cut_by(&names, self.part(part)));
            }
        }
        if by == By::Month {
            let mut first = self.now.first;
            while first <= self.now.last {
                let month = first.to_string()[..7].to_owned();
                let mut last = first;
                while last < self.now.last && last.plus(1).to_string().starts_with(&month) {
                    last = last.plus(1);
                }
                expected.extend(cut_by(
                    &[("month", &month)],
                    vec![self.launches(Window { first, last }, None)],
                ));
                first = last.plus(1);
            }
        }
        expected
    }
}

pub fn grow_facts(frames: &Frames) -> (Bought, Whole) {
    let part = Bought {
        orders: frames.orders.clone(),
        profiles: Some(frames.profiles.clone()),
    };
    let whole = Whole {
        products: frames.products.clone(),
        stock: Some(frames.stock.clone()),
        market: frames.market_stats.clone(),
    };
    (part, whole)
}

fn name(by: By) -> Option<&'static str> {
    match by {
        By::Whole => None,
        By::Category => Some("category"),
        By::Audience => Some("audience"),
        By::CategoryAudience => Some("category_audience"),
        By::Month => Some("month"),
    }
}

pub fn measured(world: &World, base: Window, by: By) -> Vec<dualwheel_measure::Metric> {
    let (frames, definitions) = (world.frames(), definitions());
    let (part, whole) = grow_facts(&frames);
    Grow { base: Some(base) }.measure(&part, &whole, &world.ask(&definitions, name(by)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn grow_equals_the_methodology(world in world(), by in 0..5usize, gap in 0..20i32) {
        let raw = world.raw();
        let before = world.window.before();
        let base = Window { first: before.first.plus(-gap), last: before.last.plus(-gap) };
        let by = [By::Whole, By::Category, By::Audience, By::CategoryAudience, By::Month][by];
        let naive = Naive {
            raw: &raw, base, now: world.window, asked: world.category.as_deref(), level: world.level as usize,
        };
        let got = measured(&world, base, by);
        assert_same(&got, &naive.answer(by));
        let whole = |id: &str| {
            let metric = got.iter().find(|metric| metric.id == id && metric.segments.is_empty()).unwrap();
            match metric.numerator { Some(Quantity::Money(money)) => money, _ => 0 }
        };
        let parts = ["grow.gain", "grow.retain", "grow.boost", "grow.widen", "grow.unexplained"].map(whole);
        let off = parts.iter().sum::<i128>() - whole("grow.delta_gmv");
        prop_assert!(off.abs() <= 50, "the parts are the change to the cent: {}", off);
        if by == By::CategoryAudience || by == By::Audience || by == By::Category {
            let cut = got.iter().filter(|metric| metric.id == "grow.gmv" && !metric.segments.is_empty());
            let sum: i128 = cut.map(|metric| match metric.numerator { Some(Quantity::Money(money)) => money, _ => 0 }).sum();
            prop_assert_eq!(sum, whole("grow.gmv"), "the cuts are the whole");
        }
    }

    #[test]
    fn parts_make_the_whole(world in world(), by in 0..5usize, gap in 0..20i32, cut in (1..5u64, any::<u64>())) {
        let before = world.window.before();
        let base = Window { first: before.first.plus(-gap), last: before.last.plus(-gap) };
        let by = [By::Whole, By::Category, By::Audience, By::CategoryAudience, By::Month][by];
        world.check(&Grow { base: Some(base) }, grow_facts, name(by), cut)?;
    }
}
