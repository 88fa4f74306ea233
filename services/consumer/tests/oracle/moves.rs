//! Moves and what they cost against a slow and obvious reading, by hand, and through the service.

use std::collections::{BTreeMap, BTreeSet};

use dualwheel_consumer::{
    flow,
    moves::{CampaignMoves, MoveCost, Moves, measure},
    stages::Model,
};
use dualwheel_kit::{failure::violations_of, question::window_to_proto};
use dualwheel_measure::{Day, Window};
use dualwheel_proto::{
    Money,
    consumer::{
        GetFlowRequest, GetMoveCostsRequest, MoveCost as ToldCost,
        consumer_service_client::ConsumerServiceClient,
    },
    facts::{Behavior, BehaviorKind, Campaign, FactKind, FactRows},
    types::MetricQuery,
};
use proptest::{prelude::*, sample::select};

use crate::{
    aipl::{Of, stage},
    edges::{D, act, sale, world as world_of},
    facts::day_of,
    service::{append, fill, house_of},
    world::{BRAND, START, World, definitions, facts, instant, text, world},
};

const CODES: [&str; 5] = ["OUT", "A", "I", "P", "L"];

/// Campaigns of a few keys, so that rows of one replace each other; about one in nine ends before it starts.
fn campaign() -> impl Strategy<Value = Campaign> {
    let days = (START - 50..START + 60, proptest::option::of(-5..40i32));
    let asks = (
        proptest::option::of(select(vec!["douyin", "tmall store", "weibo"])),
        proptest::collection::btree_set(0..7u8, 0..3),
    );
    let brand = prop_oneof![6 => Just(BRAND), 1 => Just("b1")];
    let spend = proptest::option::of(0..9_000_000i64);
    (0..5u8, 0..86_400i64, days, asks, brand, spend).prop_map(
        |(key, second, (first, length), (channel, products), brand, spend)| Campaign {
            campaign: format!("k{key}"),
            brand: brand.to_owned(),
            updated_at: instant(START, second),
            channel: channel.map(str::to_owned),
            starts_at: instant(first, second),
            ends_at: length.and_then(|length| instant(first + length, second)),
            spend: spend.map(text),
            products: products
                .into_iter()
                .map(|product| format!("p{product}"))
                .collect(),
            ..Default::default()
        },
    )
}

fn with_campaigns() -> impl Strategy<Value = World> {
    (world(), proptest::collection::vec(campaign(), 0..9)).prop_map(|(mut world, mut campaigns)| {
        // Which of two rows that are as late counts is the lake's to say.
        let mut seen = BTreeSet::new();
        campaigns.retain(|row| seen.insert((row.campaign.clone(), row.updated_at.as_ref().unwrap().seconds)));
        world.rows.campaigns = campaigns;
        world
    })
}

/// In ten-thousandths, from the text with four decimals.
fn money(text: &str) -> i128 {
    let (whole, part) = text.split_once('.').unwrap();
    whole.parse::<i128>().unwrap() * 10_000 + part.parse::<i128>().unwrap()
}

fn half_up(amount: i128, parts: i128) -> i128 {
    amount / parts + i128::from(amount % parts * 2 >= parts)
}

fn told(cells: &BTreeMap<(usize, usize), i64>, spend: Option<i128>) -> Vec<MoveCost> {
    let moved = cells.iter().filter(|((from, to), _)| from != to);
    moved
        .map(|((from, to), people)| MoveCost {
            from: *from,
            to: *to,
            people: *people,
            spend_per_person: spend.map(|spend| half_up(spend, i128::from(*people))),
        })
        .collect()
}

/// Everyone and every campaign by itself.
fn naive(world: &World) -> Moves {
    let raw = world.raw();
    let (first, last) = (world.window.first.0, world.window.last.0);
    let moves: BTreeMap<String, (usize, usize)> = raw
        .consumers()
        .into_iter()
        .map(|who| {
            let on = |day: i32| stage(&raw, &who, day, &Of::Brand);
            let cell = (on(first - 1), on(last));
            (who, cell)
        })
        .collect();
    let count = |who: &mut dyn Iterator<Item = &String>| {
        let mut cells: BTreeMap<(usize, usize), i64> = BTreeMap::new();
        for who in who {
            *cells.entry(moves[who]).or_default() += 1;
        }
        cells
    };
    let mut latest: BTreeMap<&str, &Campaign> = BTreeMap::new();
    for row in world.rows.campaigns.iter().filter(|row| row.brand == BRAND) {
        let kept = latest.entry(&row.campaign).or_insert(row);
        if kept.updated_at.as_ref().unwrap().seconds < row.updated_at.as_ref().unwrap().seconds {
            *kept = row;
        }
    }
    let mut campaigns = Vec::new();
    for (key, row) in latest {
        let starts = day_of(&row.starts_at, world.zone);
        let ends = row
            .ends_at
            .as_ref()
            .map_or(last, |_| day_of(&row.ends_at, world.zone));
        let inside: Vec<i32> = (starts..=ends)
            .filter(|day| (first..=last).contains(day))
            .collect();
        if inside.is_empty() {
            continue;
        }
        let days = (starts..=ends).count() as i128;
        let spend = row
            .spend
            .as_deref()
            .map(|spend| half_up(money(spend) * inside.len() as i128, days));
        let reached: BTreeSet<&String> = raw
            .acts
            .iter()
            .filter(|_| row.channel.is_some() || !row.products.is_empty())
            .filter(|act| inside.contains(&act.day))
            .filter(|act| act.kind != BehaviorKind::Purchase || raw.lines.is_empty())
            .filter(|act| row.channel.is_none() || act.channel == row.channel)
            .filter(|act| {
                row.products.is_empty()
                    || act
                        .product
                        .as_ref()
                        .is_some_and(|product| row.products.contains(product))
            })
            .map(|act| &act.consumer)
            .collect();
        campaigns.push(CampaignMoves {
            campaign: key.to_owned(),
            spend,
            reached: reached.len() as i64,
            cells: told(&count(&mut reached.into_iter()), spend),
        });
    }
    let known: Vec<i128> = campaigns.iter().filter_map(|one| one.spend).collect();
    let spend = (!known.is_empty()).then(|| known.iter().sum());
    Moves {
        codes: CODES.map(str::to_owned).to_vec(),
        cells: told(&count(&mut moves.keys()), spend),
        campaigns,
    }
}

fn measured(world: &World) -> Moves {
    let frames = world.frames();
    measure(
        &facts(&frames),
        &frames.campaigns,
        world.window,
        &definitions().parameters,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn moves_equal_the_methodology_in_any_order_of_facts(mut world in with_campaigns()) {
        let got = measured(&world);
        prop_assert_eq!(&got, &naive(&world));
        world.rows.campaigns.reverse();
        world.rows.behaviors.reverse();
        world.rows.order_lines.reverse();
        prop_assert_eq!(&measured(&world), &got);
    }

    #[test]
    fn cells_are_those_of_the_flow(world in with_campaigns()) {
        let (frames, definitions) = (world.frames(), definitions());
        let model = Model::new(&definitions.parameters.aipl, &definitions.parameters, false);
        let (before, after) = (world.window.first.plus(-1), world.window.last);
        let matrix = flow::matrix(&facts(&frames), &model, before, after, None);
        let got = measured(&world);
        let people = |cells: &[MoveCost]| -> BTreeMap<(usize, usize), i64> {
            cells.iter().map(|cell| ((cell.from, cell.to), cell.people)).collect()
        };
        let flowed: BTreeMap<(usize, usize), i64> = matrix
            .iter()
            .filter(|(from, to, people)| from != to && *people > 0)
            .map(|(from, to, people)| ((from, to), people))
            .collect();
        prop_assert_eq!(people(&got.cells), flowed.clone());
        for campaign in &got.campaigns {
            let moved = people(&campaign.cells);
            prop_assert!(moved.values().sum::<i64>() <= campaign.reached);
            prop_assert!(moved.iter().all(|(cell, people)| *people <= flowed[cell]));
        }
    }
}

// ---- by hand --------------------------------------------------------------------------------------

fn act_in(who: &str, kind: BehaviorKind, day: i32, channel: &str, product: &str) -> Behavior {
    let named = |key: &str| (!key.is_empty()).then(|| key.to_owned());
    Behavior {
        channel: named(channel),
        product: named(product),
        ..act(who, kind, day)
    }
}

fn campaign_of(key: &str, first: i32, last: Option<i32>, spend: Option<&str>) -> Campaign {
    Campaign {
        campaign: key.to_owned(),
        brand: BRAND.to_owned(),
        updated_at: instant(D, 0),
        starts_at: instant(first, 43_200),
        ends_at: last.and_then(|last| instant(last, 43_200)),
        spend: spend.map(str::to_owned),
        ..Default::default()
    }
}

fn asking(row: Campaign, channel: &str, products: &[&str]) -> Campaign {
    Campaign {
        channel: (!channel.is_empty()).then(|| channel.to_owned()),
        products: products.iter().map(|product| (*product).to_owned()).collect(),
        ..row
    }
}

/// The window is D−9 to D, ten days; stages are judged on D−10 and D.
fn worked() -> FactRows {
    use BehaviorKind::{AdClick, Cart, Search};
    FactRows {
        behaviors: vec![
            // OUT to A, both; the second by no channel.
            act_in("a1", AdClick, D - 3, "douyin", ""),
            act_in("a2", AdClick, D - 3, "", ""),
            // A to I.
            act_in("b", AdClick, D - 12, "", ""),
            act_in("b", Search, D - 2, "douyin", "p"),
            // P to L by the sales below.
            act_in("c", Cart, D - 1, "tmall store", "p"),
            // A to OUT: on D the click is 16 days old.
            act_in("d", AdClick, D - 16, "douyin", "p"),
            // I on both days.
            act_in("e", Search, D - 11, "", ""),
            act_in("e", AdClick, D - 4, "douyin", ""),
        ],
        order_lines: vec![sale("c", D - 20, "a", 1, 5), sale("c", D - 1, "a", 1, 5)],
        campaigns: vec![
            // 10 of its 30 days lie in the window: 33.3333. It names neither channel nor products.
            campaign_of("all", D - 29, Some(D), Some("100")),
            // Two of its ten days lie in the window: 1.0001 · 2 ÷ 10 = 0.20002, which is 0.2000. b searched a day too
            // early.
            asking(
                campaign_of("goods", D - 1, Some(D + 8), Some("1.0001")),
                "",
                &["o", "p"],
            ),
            // Both of channel and product: b alone. It does not tell its spend.
            asking(campaign_of("both", D - 9, Some(D), None), "douyin", &["p"]),
            // It still runs, so that its five days are D−4 to D: a1, b, e.
            asking(campaign_of("open", D - 4, None, Some("10")), "douyin", &[]),
            asking(
                campaign_of("over", D - 20, Some(D - 10), Some("70")),
                "douyin",
                &[],
            ),
            asking(campaign_of("to come", D + 1, None, Some("70")), "douyin", &[]),
            asking(
                campaign_of("never", D - 2, Some(D - 3), Some("70")),
                "douyin",
                &[],
            ),
        ],
        ..Default::default()
    }
}

#[test]
fn costs_by_hand() {
    let got = measured(&world_of(worked()));
    let cell = |from, to, people, spend: Option<i128>| MoveCost {
        from,
        to,
        people,
        spend_per_person: spend,
    };
    // Together 33.3333 + 0.2 + 10 = 43.5333; for two people 21.76665 each, which is 21.7667.
    assert_eq!(
        got.cells,
        [
            cell(0, 1, 2, Some(217_667)),
            cell(1, 0, 1, Some(435_333)),
            cell(1, 2, 1, Some(435_333)),
            cell(3, 4, 1, Some(435_333)),
        ]
    );
    let campaign = |key: &str, spend, reached, cells: &[MoveCost]| CampaignMoves {
        campaign: key.to_owned(),
        spend,
        reached,
        cells: cells.to_vec(),
    };
    assert_eq!(
        got.campaigns,
        [
            campaign("all", Some(333_333), 0, &[]),
            campaign("both", None, 1, &[cell(1, 2, 1, None)]),
            campaign("goods", Some(2_000), 1, &[cell(3, 4, 1, Some(2_000))]),
            campaign(
                "open",
                Some(100_000),
                3,
                &[cell(0, 1, 1, Some(100_000)), cell(1, 2, 1, Some(100_000))]
            ),
        ]
    );
    assert_eq!(got.codes, CODES);
}

#[test]
fn without_a_known_spend_nothing_is_said_of_costs() {
    let mut rows = worked();
    for campaign in &mut rows.campaigns {
        campaign.spend = None;
    }
    let got = measured(&world_of(rows.clone()));
    assert_eq!((got.cells.len(), got.campaigns.len()), (4, 4));
    assert!(got.cells.iter().all(|cell| cell.spend_per_person.is_none()));
    rows.campaigns.clear();
    let got = measured(&world_of(rows));
    assert_eq!((got.cells.len(), got.campaigns.len()), (4, 0));
    assert!(got.cells.iter().all(|cell| cell.spend_per_person.is_none()));
}

// ---- through the service --------------------------------------------------------------------------

fn query() -> MetricQuery {
    let window = Window {
        first: Day(D - 9),
        last: Day(D),
    };
    MetricQuery {
        brand: BRAND.to_owned(),
        window: Some(window_to_proto(window)),
        ..Default::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn costs_through_the_service() {
    let folder = tempfile::tempdir().unwrap();
    let channel = house_of(&folder).await;
    fill(&channel).await;
    let searched = FactRows {
        behaviors: vec![act_in("d", BehaviorKind::Search, D - 6, "douyin", "")],
        ..Default::default()
    };
    append(&channel, FactKind::Behavior, 2, searched).await;
    let campaigns = FactRows {
        campaigns: vec![
            // Half of its 20 days lie in the window.
            campaign_of("all", D - 19, Some(D), Some("100.01")),
            asking(campaign_of("live", D - 9, Some(D + 5), None), "douyin", &[]),
        ],
        ..Default::default()
    };
    append(&channel, FactKind::Campaign, 1, campaigns).await;
    let mut client = ConsumerServiceClient::new(channel);
    let asked = GetMoveCostsRequest { query: Some(query()) };
    let told = client.get_move_costs(asked).await.unwrap().into_inner();

    // e browsed, d bought once, c once more; each for 50.005.
    let spend = Some(Money {
        currency_code: "CNY".to_owned(),
        units: 50,
        nanos: 5_000_000,
    });
    let cell = |from: &str, to: &str, spend: &Option<Money>| ToldCost {
        from: from.to_owned(),
        to: to.to_owned(),
        people: 1,
        spend_per_person: spend.clone(),
    };
    assert_eq!(
        told.cells,
        [
            cell("OUT", "A", &spend),
            cell("OUT", "P", &spend),
            cell("P", "L", &spend)
        ]
    );
    let (all, live) = (&told.campaigns[0], &told.campaigns[1]);
    assert_eq!(
        (all.campaign.as_str(), all.reached, &all.spend),
        ("all", 0, &spend)
    );
    assert_eq!(
        (live.campaign.as_str(), live.reached, &live.spend),
        ("live", 1, &None)
    );
    assert_eq!(live.cells, [cell("OUT", "P", &None)]);
    let tables = told.data_version.unwrap().tables;
    for table in ["behaviors", "campaigns", "order_lines", "products"] {
        // Nobody has appended a product: that table has no version.
        assert_eq!(tables.contains_key(table), table != "products", "{table}");
    }
    assert!(!told.definition_version.is_empty() && told.as_of.is_some());

    let asked = GetFlowRequest { query: Some(query()) };
    let flow = client.get_flow(asked).await.unwrap().into_inner();
    let flowed: Vec<_> = flow.cells.iter().filter(|cell| cell.from != cell.to).collect();
    assert_eq!(flowed.len(), told.cells.len());
    for (flowed, moved) in flowed.iter().zip(&told.cells) {
        assert_eq!(
            (&flowed.from, &flowed.to, flowed.people),
            (&moved.from, &moved.to, moved.people)
        );
    }

    let asked = GetMoveCostsRequest {
        query: Some(MetricQuery {
            category: "a".to_owned(),
            ..query()
        }),
    };
    let refused = client.get_move_costs(asked).await.unwrap_err();
    let fields: Vec<String> = violations_of(&refused)
        .into_iter()
        .map(|(field, _)| field)
        .collect();
    assert_eq!(fields, ["query.category"]);
}
