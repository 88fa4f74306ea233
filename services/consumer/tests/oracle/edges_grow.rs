//! GROW worked by hand.

use dualwheel_consumer::grow::By;
use dualwheel_measure::{Absence, Day, Interval, IntervalAbsence, IntervalMethod, Quantity, Window, wilson};
use dualwheel_proto::facts::{FactRows, MarketStat, OrderLine, Product};

use crate::{
    edges::{D, lines, metric, sale, world},
    grow::measured,
    world::{BRAND, World, date, instant, text},
};

fn grow(world: &World, id: &str) -> f64 {
    *metric(&measured(world, world.window.before(), By::Whole), id)
        .value
        .as_ref()
        .unwrap()
}

#[test]
fn grow_by_hand() {
    let (before, now) = (D - 15, D - 5);
    let listed = |line: OrderLine, list: i64| OrderLine {
        list_price: Some(text(list * 10_000)),
        ..line
    };
    // Period 0: 1 buyer, 2 units, 20. Period 1: 2 buyers, 4 units, 80. List prices 10 and 20 per unit.
    let rows = lines(vec![
        listed(sale("old", before, "a", 2, 20), 10),
        listed(sale("old", now, "a", 2, 40), 20),
        listed(sale("new", now, "a", 2, 40), 20),
        // Entered and left: +7 and −3.
        sale("new", now, "entered", 1, 7),
        sale("old", before, "left", 1, 3),
    ]);
    let world = world(rows);
    // L = 60/ln 4 = 43.2809; G = L·ln 2 = 30; R = L·ln 1 = 0; O = L·ln 2 = 30, all of it list price.
    let expected = [
        ("grow.delta_gmv", 64.0),
        ("grow.gmv_base", 23.0),
        ("grow.gmv", 87.0),
        ("grow.gain", 30.0),
        ("grow.retain", 0.0),
        ("grow.boost", 30.0),
        ("grow.boost.list_price", 30.0),
        ("grow.boost.discount", 0.0),
        ("grow.widen", 4.0),
        ("grow.unexplained", 0.0),
        ("grow.rounding", 0.0),
        // New buyers 1 → 1 (`old` was new in period 0), existing 0 → 1: all of G is existing.
        ("grow.gain.new", 0.0),
        ("grow.gain.existing", 30.0),
        // Everything was first sold within 90 days.
        ("grow.new_product", 1.0),
        ("grow.new_product.customers", 1.0),
    ];
    for (id, value) in expected {
        assert!(
            (grow(&world, id) - value).abs() < 1e-9,
            "{id}: {}",
            grow(&world, id)
        );
    }
}

#[test]
fn returns_larger_than_sales_are_unexplained_and_missing_list_prices_have_no_split() {
    let (before, now) = (D - 15, D - 5);
    let back = OrderLine {
        returned_quantity: 3,
        refund_amount: text(300_000),
        ..sale("c", now, "a", 0, 0)
    };
    let rows = lines(vec![
        sale("c", before, "a", 2, 20),
        sale("c", now, "a", 1, 10),
        back,
        // Continuing, without list prices.
        sale("c", before, "b", 1, 10),
        sale("c", now, "b", 1, 12),
        // Only a return-only row in period 1: present there, so neither left nor continuing.
        sale("c", before, "r", 1, 10),
        OrderLine {
            returned_quantity: 1,
            refund_amount: text(40_000),
            ..sale("c", now, "r", 0, 0)
        },
    ]);
    let world = world(rows);
    // a: 20 → 10 − 30 = −20, change −40; r: 10 → −4, change −14. b: 10 → 12, all price.
    assert_eq!(grow(&world, "grow.unexplained"), -54.0);
    assert_eq!(
        (grow(&world, "grow.boost"), grow(&world, "grow.widen")),
        (2.0, 0.0)
    );
    let got = measured(&world, world.window.before(), By::Whole);
    assert_eq!(
        metric(&got, "grow.boost.list_price")
            .value
            .as_ref()
            .unwrap_err()
            .0,
        Absence::NoData
    );
}

#[test]
fn what_rounding_leaves_goes_to_the_largest_part() {
    let (before, now) = (D - 15, D - 5);
    // Three parts that each end in fractions of a cent; their sum is 1 cent off the change.
    let rows = lines(vec![
        sale("a", before, "x", 3, 31),
        sale("a", now, "x", 5, 47),
        sale("b", now, "x", 2, 29),
        sale("b", now, "y", 1, 1),
    ]);
    let world = world(rows);
    let got = measured(&world, world.window.before(), By::Whole);
    let cents = |id: &str| (metric(&got, id).value.as_ref().unwrap() * 100.0).round() as i64;
    let parts = [
        "grow.gain",
        "grow.retain",
        "grow.boost",
        "grow.widen",
        "grow.unexplained",
    ]
    .map(cents);
    assert_eq!(parts.iter().sum::<i64>(), cents("grow.delta_gmv"));
    // L = 45/ln(76/31) = 50.1823…; G = L·ln 2 = 34.78, R = L·ln((7/2)/3) = 7.74, O = L·ln((76/7)/(31/3)) = 2.48.
    assert_eq!(parts, [3478, 774, 248, 100, 0]);
}

#[test]
fn novelty_counts_from_the_launch_and_before_it() {
    let product = |name: &str, launched: Option<i32>| Product {
        product: format!("p {name}"),
        brand: BRAND.to_owned(),
        updated_at: instant(D, 0),
        category: Some(name.to_owned()),
        launched_at: launched.and_then(|day| instant(day, 0)),
        ..Default::default()
    };
    let now = D - 1;
    let rows = FactRows {
        products: vec![
            product("ninety", Some(now - 90)),
            product("older", Some(now - 91)),
            product("early", Some(now + 5)),
            product("first sale", None),
            product("never", None),
        ],
        order_lines: vec![
            sale("c", now, "ninety", 1, 1),
            sale("c", now, "older", 1, 10),
            sale("c", now, "early", 1, 100),
            sale("d", D - 200, "first sale", 1, 1),
            sale("d", now, "first sale", 1, 1_000),
        ],
        ..Default::default()
    };
    let world = world(rows);
    let got = measured(&world, world.window.before(), By::Whole);
    let share = metric(&got, "grow.new_product");
    // New: ninety 1 and early 100, of 1 111.
    assert_eq!(share.numerator, Some(Quantity::Money(101 * 10_000)));
    assert_eq!(share.denominator, Some(Quantity::Money(1_111 * 10_000)));
    // New customers: c, who bought new products; d bought within 913 days before.
    let customers = metric(&got, "grow.new_product.customers");
    assert_eq!(
        (customers.numerator, customers.denominator),
        (Some(Quantity::Count(1)), Some(Quantity::Count(1)))
    );
    // No launch lies in the window: ninety, older and first sale were before it, early is after it.
    assert_eq!(metric(&got, "grow.new_product.launches").value, Ok(0.0));
}

#[test]
fn penetration_counts_buyers_in_the_markets_own_periods() {
    let stat = |first: i32, last: i32, buyers: i64| MarketStat {
        category: "a/x".to_owned(),
        first_day: date(first),
        last_day: date(last),
        gmv: "1".to_owned(),
        buyers: Some(buyers),
        ..Default::default()
    };
    let sales = vec![
        sale("c", D - 15, "a/x", 1, 1),
        sale("c", D - 5, "a/x/1", 1, 1),
        sale("d", D - 5, "a/x", 1, 1),
        sale("d", D - 4, "a/x", 1, 1),
        sale("e", D - 5, "b", 1, 1),
    ];
    // The whole window: 2 of 10 against 1 of 8.
    let rows = FactRows {
        market_stats: vec![stat(D - 9, D, 10), stat(D - 19, D - 10, 8), stat(D - 30, D, 99)],
        ..lines(sales.clone())
    };
    let got = measured(
        &world(rows),
        Window {
            first: Day(D - 19),
            last: Day(D - 10),
        },
        By::Category,
    );
    let share = metric(&got, "grow.penetration");
    let (low, high) = wilson::interval(2, 10).unwrap();
    assert_eq!(share.value, Ok(0.2));
    assert_eq!(
        share.interval,
        Ok(Interval {
            low,
            high,
            method: IntervalMethod::Wilson
        })
    );
    assert!((metric(&got, "grow.penetration_change").value.as_ref().unwrap() - 0.075).abs() < 1e-12);
    let of_b = got.iter().find(|metric| {
        metric.id == "grow.penetration" && metric.segments[..] == [("category".to_owned(), "b".to_owned())]
    });
    assert_eq!(
        of_b.unwrap().value.as_ref().unwrap_err().0,
        Absence::SignalNotSupplied
    );
    // Two half windows: c and d in the first, d in the second: 2 + 1 of 6 + 5, and no interval.
    let rows = FactRows {
        market_stats: vec![stat(D - 9, D - 5, 6), stat(D - 4, D, 5)],
        ..lines(sales)
    };
    let got = measured(
        &world(rows),
        Window {
            first: Day(D - 19),
            last: Day(D - 10),
        },
        By::Whole,
    );
    let share = metric(&got, "grow.penetration");
    assert_eq!(
        (share.value.clone(), share.interval),
        (Ok(3.0 / 11.0), Err(IntervalAbsence::NoUnitData))
    );
}
