//! Many build and read frames of the same names at once: everybody comes to an end, and every key has one ordinal.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use chrono_tz::Asia::Shanghai;
use dualwheel_lake::{
    frames::{Keys, Names},
    memory::Frames,
};
use dualwheel_proto::Date;
use dualwheel_proto::facts::{
    Behavior, BehaviorKind, Campaign, ConsumerProfile, Content, FactRows, Member, OrderLine, Product, Role,
    SocialProfile, StockDay,
};

use crate::at;

const THREADS: usize = 4;
const ROUNDS: usize = 40;
const ROWS: usize = 40;

/// Rows of one kind of fact; keys of half of them are those of every round.
fn rows(kind: usize, round: usize) -> FactRows {
    let mut rows = FactRows::default();
    for row in 0..ROWS {
        let number = if row % 2 == 0 { row } else { round * ROWS + row };
        let key = |of: &str| format!("{of}-{number}");
        let (brand, when) = ("b".to_owned(), at("2026-05-01T18:00:00Z"));
        match kind {
            0 => rows.products.push(Product {
                product: key("p"),
                brand,
                updated_at: when,
                category: Some(key("c")),
                ..Product::default()
            }),
            1 => rows.behaviors.push(Behavior {
                event_id: key("e"),
                consumer: key("u"),
                brand,
                occurred_at: when,
                kind: BehaviorKind::ContentView.into(),
                product: Some(key("p")),
                category: Some(key("c")),
                content: Some(key("t")),
                channel: Some(key("w")),
                ..Behavior::default()
            }),
            2 => rows.order_lines.push(OrderLine {
                order: key("o"),
                line: "1".to_owned(),
                consumer: key("u"),
                brand,
                product: key("p"),
                sku: Some(key("s")),
                category: Some(key("c")),
                channel: Some(key("w")),
                quantity: 1,
                paid_amount: "9".to_owned(),
                paid_at: when,
                ..OrderLine::default()
            }),
            3 => rows.stock_days.push(StockDay {
                product: key("p"),
                brand,
                sku: Some(key("s")),
                location: key("w"),
                day: Some(Date {
                    year: 2026,
                    month: 5,
                    day: 1,
                }),
                on_hand: 5,
                ..StockDay::default()
            }),
            4 => rows.contents.push(Content {
                content: key("t"),
                brand,
                updated_at: when,
                channel: Some(key("w")),
                products: vec![key("p")],
                ..Content::default()
            }),
            5 => rows.campaigns.push(Campaign {
                campaign: key("w"),
                brand,
                updated_at: when,
                starts_at: when,
                products: vec![key("p")],
                ..Campaign::default()
            }),
            6 => rows.members.push(Member {
                consumer: key("u"),
                brand,
                role: Role::PaidMember.into(),
                joined_at: when,
                tier: Some(key("w")),
                ..Member::default()
            }),
            7 => rows.social_profiles.push(SocialProfile {
                consumer: key("u"),
                brand,
                updated_at: when,
                ..SocialProfile::default()
            }),
            _ => rows.consumer_profiles.push(ConsumerProfile {
                consumer: key("u"),
                updated_at: when,
                ..ConsumerProfile::default()
            }),
        }
    }
    rows
}

/// The `number`-th order of `len` things.
fn order(mut number: usize, len: usize) -> Vec<usize> {
    let mut rest: Vec<usize> = (0..len).collect();
    let mut pick = |left: usize| {
        let picked = rest.remove(number % left);
        number /= left;
        picked
    };
    (1..=len).rev().map(&mut pick).collect()
}

fn tables(names: &Names) -> [&Keys; 6] {
    let Names {
        consumers,
        products,
        skus,
        categories,
        contents,
        words,
    } = names;
    [consumers, products, skus, categories, contents, words]
}

fn build(names: &Arc<Names>, thread: usize) {
    for round in 0..ROUNDS {
        for kind in order(round * 9_973 + thread * 40_320, 9) {
            Frames::with_names(names, Shanghai, &rows(kind, round), "b").unwrap();
        }
    }
}

/// Holds the keys of all kinds, taken in every order.
fn read(names: &Names, until: &AtomicBool) {
    for number in 0.. {
        if until.load(Ordering::Relaxed) {
            return;
        }
        let views: Vec<_> = order(number, 6)
            .into_iter()
            .map(|at| tables(names)[at].view())
            .collect();
        for view in &views {
            let last = view.len().saturating_sub(1) as u32;
            assert!(view.is_empty() || !view.key(last).is_empty());
        }
    }
}

#[test]
fn frames_are_built_and_read_in_every_order_at_once() {
    let (names, done, built) = (
        Arc::new(Names::default()),
        Arc::new(AtomicBool::new(false)),
        mpsc::channel(),
    );
    for thread in 0..THREADS {
        let (all, until) = (names.clone(), done.clone());
        thread::spawn(move || read(&all, &until));
        let (all, end) = (names.clone(), built.0.clone());
        thread::spawn(move || {
            build(&all, thread);
            end.send(()).unwrap();
        });
    }
    for _ in 0..THREADS {
        built
            .1
            .recv_timeout(Duration::from_secs(120))
            .expect("somebody waits for ever");
    }
    done.store(true, Ordering::Relaxed);
    let distinct: BTreeSet<usize> = (0..ROUNDS)
        .flat_map(|round| (0..ROWS).map(move |row| if row % 2 == 0 { row } else { round * ROWS + row }))
        .collect();
    for keys in tables(&names) {
        let view = keys.view();
        assert_eq!(view.len(), distinct.len());
        assert!((0..view.len() as u32).all(|ordinal| keys.find(view.key(ordinal)) == Some(ordinal)));
    }
}
