//! The reference: plain loops over raw facts.

use std::collections::{BTreeMap, BTreeSet};

use chrono::Days;
use dualwheel_membership::{Parameters, koc::Inputs};
use dualwheel_proto::facts::{Behavior, BehaviorKind, FactRows, OrderLine, SocialProfile};

use crate::{
    facts::{BRAND, date, micros, money},
    naive::{Ask, Naive},
};

/// A candidate as the reference has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Expected {
    pub key: String,
    pub inputs: Inputs,
    /// Content, influence, purchasing: the model's, then ranked.
    pub powers: [f64; 3],
    pub ranks: [f64; 3],
    pub class: &'static str,
    pub quadrant: &'static str,
    pub bought: BTreeSet<String>,
}

fn currency(text: &Option<String>) -> Option<f64> {
    text.as_deref().map(|text| money(text) as f64 / 10_000.0)
}

/// 100·(below + ½·(ties − 1)) ÷ (n − 1), by counting.
pub fn rank_among(value: f64, values: &[f64]) -> f64 {
    if values.len() == 1 {
        return 50.0;
    }
    let below = values.iter().filter(|other| **other < value).count() as f64;
    let ties = values.iter().filter(|other| **other == value).count() as f64;
    100.0 * (below + 0.5 * (ties - 1.0)) / (values.len() - 1) as f64
}

/// Ranks of what is known among what is known.
fn ranks(inputs: &[Inputs], of: impl Fn(&Inputs) -> Option<f64>) -> Vec<Option<f64>> {
    let known: Vec<f64> = inputs.iter().filter_map(&of).collect();
    let rank = |own: &Inputs| of(own).map(|value| rank_among(value, &known));
    inputs.iter().map(rank).collect()
}

fn mean(ranks: &[Option<f64>]) -> f64 {
    let known: Vec<f64> = ranks.iter().flatten().copied().collect();
    if known.is_empty() {
        return 0.0;
    }
    // To nine decimals, so that equal means tie.
    (known.iter().sum::<f64>() / known.len() as f64 * 1e9).round() / 1e9
}

fn middle(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let n = values.len();
    match n {
        0 => 0.0,
        n if n % 2 == 1 => values[n / 2],
        n => (values[n / 2 - 1] + values[n / 2]) / 2.0,
    }
}

fn inputs(naive: &Naive<'_>, rows: &FactRows, person: &str) -> Option<Inputs> {
    let day = naive.ask.last;
    let mut profile: Option<&SocialProfile> = None;
    for row in &rows.social_profiles {
        let known =
            row.brand == BRAND && row.consumer == person && date(&row.updated_at, naive.ask.zone) <= day;
        if known && profile.is_none_or(|before| micros(&row.updated_at) > micros(&before.updated_at)) {
            profile = Some(row);
        }
    }
    let is_share = |act: &&&Behavior| act.kind == BehaviorKind::Share as i32 && naive.day(act) <= day;
    let supplied = naive.acts.iter().any(|act| is_share(&act));
    let recent =
        |act: &&&Behavior| is_share(act) && act.consumer == person && naive.day(act) > day - Days::new(30);
    let shares = naive.acts.iter().filter(recent).count();
    if profile.is_none() && shares == 0 {
        return None;
    }
    let sold = naive
        .lines
        .iter()
        .any(|line| date(&line.paid_at, naive.ask.zone) <= day);
    let own: i128 = naive
        .lines_of(person, day - Days::new(364), day)
        .iter()
        .map(|line| money(&line.paid_amount) - money(&line.refund_amount))
        .sum();
    let count = |of: fn(&SocialProfile) -> Option<i64>| profile.and_then(of).map(|count| count as f64);
    Some(Inputs {
        interactions: count(|row| row.interactions_30d),
        spread: count(|row| row.spread_30d),
        shares: count(|row| row.shares_30d).or(supplied.then_some(shares as f64)),
        attributed_gmv: profile.and_then(|row| currency(&row.attributed_gmv_30d)),
        own_gmv: profile
            .and_then(|row| currency(&row.own_gmv_365d))
            .or(sold.then_some(own as f64 / 10_000.0)),
        followers: count(|row| row.followers),
        follower_match: profile.and_then(|row| row.follower_match),
        follower_spending_power: profile.and_then(|row| row.follower_spending_power),
    })
}

/// Categories cut at level 2 that a person bought in 365 days.
fn bought(naive: &Naive<'_>, rows: &FactRows, person: &str) -> BTreeSet<String> {
    let (last, zone) = (naive.ask.last, naive.ask.zone);
    let first = last - Days::new(364);
    let of_products: BTreeMap<&str, Option<&str>> = rows
        .products
        .iter()
        .map(|product| (product.product.as_str(), product.category.as_deref()))
        .collect();
    let of_product = |product: &str| of_products.get(product).copied().flatten();
    let line_path = |line: &&&OrderLine| {
        let bought = line.consumer == person && line.quantity > 0;
        let day = date(&line.paid_at, zone);
        (bought && first <= day && day <= last)
            .then(|| line.category.as_deref().or(of_product(&line.product)))
            .flatten()
            .map(str::to_owned)
    };
    let act_path = |act: &&&Behavior| {
        let bought = act.consumer == person && act.kind == BehaviorKind::Purchase as i32;
        let day = naive.day(act);
        (bought && first <= day && day <= last)
            .then(|| {
                act.product
                    .as_deref()
                    .and_then(of_product)
                    .or(act.category.as_deref())
            })
            .flatten()
            .map(str::to_owned)
    };
    let paths: Vec<String> = if naive.lines.is_empty() {
        naive.acts.iter().filter_map(|act| act_path(&act)).collect()
    } else {
        naive.lines.iter().filter_map(|line| line_path(&line)).collect()
    };
    paths
        .iter()
        .map(|path| path.split('/').take(2).collect::<Vec<_>>().join("/"))
        .collect()
}

/// Every candidate by key, with its class and quadrant.
pub fn reference(rows: &FactRows, parameters: &Parameters, ask: &Ask) -> Vec<Expected> {
    let naive = Naive::new(rows, ask);
    let people: BTreeSet<&str> = naive
        .members
        .iter()
        .map(|member| member.consumer.as_str())
        .collect();
    let mut keys = Vec::new();
    let mut known = Vec::new();
    for person in people {
        // Members and paid members.
        if naive.role(person, ask.last) >= 3
            && let Some(inputs) = inputs(&naive, rows, person)
        {
            keys.push(person);
            known.push(inputs);
        }
    }
    let [interactions, attributed, spread] = [
        ranks(&known, |own| own.interactions),
        ranks(&known, |own| own.attributed_gmv),
        ranks(&known, |own| own.spread),
    ];
    let reach = ranks(&known, |own| Some(own.followers? * own.follower_match?));
    let own = ranks(&known, |own| own.own_gmv);
    let power = ranks(&known, |own| own.follower_spending_power);
    let powers: Vec<[f64; 3]> = (0..keys.len())
        .map(|at| {
            [
                mean(&[interactions[at], attributed[at]]),
                mean(&[reach[at], spread[at]]),
                mean(&[own[at], power[at], attributed[at]]),
            ]
        })
        .collect();
    let again = |of: usize| -> Vec<f64> {
        let values: Vec<f64> = powers.iter().map(|powers| powers[of]).collect();
        values.iter().map(|value| rank_among(*value, &values)).collect()
    };
    let [content, influence, purchasing] = [again(0), again(1), again(2)];
    let shares = ranks(&known, |own| own.shares);
    let influence_axis = parameters
        .koc_influence_axis
        .map_or(middle(&influence), f64::from);
    let purchasing_axis = parameters
        .koc_purchasing_axis
        .map_or(middle(&purchasing), f64::from);
    let upper = 100.0 - 100.0 * f64::from(parameters.koc_sharer_share);
    (0..keys.len())
        .map(|at| {
            let strong = content[at] >= f64::from(parameters.koc_content_cut);
            let shares_much = known[at].shares.unwrap_or(0.0) > 0.0 && shares[at].unwrap() >= upper;
            let class = if strong && influence[at] >= f64::from(parameters.koc_influence_cut) {
                "standard_koc"
            } else if strong || shares_much {
                "sharer"
            } else if purchasing[at] >= f64::from(parameters.koc_purchasing_cut) {
                "quality_buyer"
            } else {
                "none"
            };
            let quadrant = match (influence[at] > influence_axis, purchasing[at] > purchasing_axis) {
                (true, true) => "both",
                (true, false) => "influence",
                (false, true) => "purchasing",
                (false, false) => "neither",
            };
            Expected {
                key: keys[at].to_owned(),
                inputs: known[at],
                powers: powers[at],
                ranks: [content[at], influence[at], purchasing[at]],
                class,
                quadrant,
                bought: bought(&naive, rows, keys[at]),
            }
        })
        .collect()
}
