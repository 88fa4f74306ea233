//! Random audience expressions.

use dualwheel_consumer::{
    audience::expression::{
        Accepted, BehaviorMeasure, BehaviorTerm, Days, Expression, Field, Filter, FlowTerm, ProfileTerm,
        PurchaseMeasure, PurchaseTerm, Range, RoleTerm, StageTerm, Term,
    },
    parameters::Signal,
};
use dualwheel_lake::frames::{KeywordClass, Role};
use dualwheel_measure::{Day, Window};
use proptest::{option, prelude::*, sample::select};

use crate::world::{CATEGORIES, START};

fn day() -> impl Strategy<Value = Day> {
    prop_oneof![8 => START - 10..START + 50, 1 => START - 400..START].prop_map(Day)
}

fn days() -> impl Strategy<Value = Days> {
    prop_oneof![
        prop_oneof![4 => 1..40i32, 1 => 1..1_000i32].prop_map(Days::Last),
        (day(), 0..60i32).prop_map(|(first, length)| Days::Window(Window {
            first,
            last: first.plus(length),
        })),
    ]
}

fn category() -> impl Strategy<Value = Option<String>> {
    let paths = prop_oneof![select(vec!["a", "a/x", "b", "q"]), select(&CATEGORIES[..])];
    option::weighted(0.3, paths.prop_map(str::to_owned))
}

fn key(names: &'static [&'static str]) -> impl Strategy<Value = Option<String>> {
    option::weighted(0.2, select(names).prop_map(str::to_owned))
}

fn range<T: Copy + PartialOrd + std::fmt::Debug + 'static>(
    end: impl Strategy<Value = T> + Clone + 'static,
) -> impl Strategy<Value = Range<T>> {
    (end.clone(), end, 0..4u8).prop_map(|(one, other, ends)| {
        let (low, high) = if one <= other { (one, other) } else { (other, one) };
        match ends {
            0 => Range {
                at_least: Some(low),
                at_most: None,
            },
            1 => Range {
                at_least: None,
                at_most: Some(high),
            },
            2 => Range {
                at_least: Some(low),
                at_most: Some(low),
            },
            _ => Range {
                at_least: Some(low),
                at_most: Some(high),
            },
        }
    })
}

fn state() -> impl Strategy<Value = (Option<String>, String)> {
    let of = |model: Option<&'static str>, states: &'static [&'static str]| {
        select(states).prop_map(move |state| (model.map(str::to_owned), state.to_owned()))
    };
    prop_oneof![
        3 => of(None, &["A", "I", "P", "L"]),
        1 => of(Some("o5a"), &["O", "A1", "A2", "A3", "A4", "A5"]),
        1 => of(Some("4a"), &["A1", "A2", "A3", "A4"]),
    ]
}

fn stage_term() -> impl Strategy<Value = Term> {
    (state(), category(), option::weighted(0.3, day())).prop_map(|((model, state), category, day)| {
        // The rule for one category is AIPL's.
        let category = category.filter(|_| model.is_none());
        Term::Stage(StageTerm {
            model,
            state,
            category,
            day,
        })
    })
}

fn flow_term() -> impl Strategy<Value = Term> {
    let codes = || select(vec!["OUT", "A", "I", "P", "L"]);
    let cells = (codes(), codes()).prop_filter("not counted", |(from, to)| (*from, *to) != ("OUT", "OUT"));
    (cells, days(), category()).prop_map(|((from, to), days, category)| {
        Term::Flow(FlowTerm {
            model: None,
            from: from.to_owned(),
            to: to.to_owned(),
            days,
            category,
        })
    })
}

fn filter() -> impl Strategy<Value = Filter> {
    let class = option::weighted(0.1, select(KeywordClass::ALL.to_vec()));
    (
        key(&["p0", "p1", "p2", "nothing"]),
        category(),
        key(&["v0", "v1"]),
        key(&["douyin", "tmall store"]),
        class,
    )
        .prop_map(|(product, category, content, channel, keyword_class)| Filter {
            product,
            category,
            content,
            channel,
            keyword_class,
        })
}

fn signals() -> impl Strategy<Value = Vec<Signal>> {
    let names = select(vec![
        "passive",
        "active",
        "loyal",
        "BROWSE",
        "SEARCH",
        "CART",
        "PURCHASE",
        "EXPOSURE",
        "RECOMMEND",
    ]);
    let signal = names.prop_map(|name| Signal::try_from(name.to_owned()).unwrap());
    proptest::collection::vec(signal, 0..4)
}

fn behavior_term() -> impl Strategy<Value = Term> {
    let measure = select(BehaviorMeasure::ALL.to_vec());
    (signals(), filter(), days(), measure, range(0..6i64)).prop_map(
        |(kinds, filter, days, measure, range)| {
            Term::Behavior(BehaviorTerm::new(kinds, filter, days, measure, range))
        },
    )
}

fn purchase_term() -> impl Strategy<Value = Term> {
    let measure = select(PurchaseMeasure::ALL.to_vec());
    (
        measure,
        filter(),
        days(),
        range(0..8i128),
        range(-500_000..800_000i128),
    )
        .prop_map(|(measure, filter, days, numbers, money)| {
            let filter = Filter {
                content: None,
                keyword_class: None,
                ..filter
            };
            let range = if measure.is_money() { money } else { numbers };
            Term::Purchase(PurchaseTerm::new(measure, filter, days, range))
        })
}

fn profile_term() -> impl Strategy<Value = Term> {
    let numbers = |field, low: i32, high: i32| {
        range((low..high).prop_map(f64::from)).prop_map(move |range| ProfileTerm {
            field,
            accepted: Accepted::Numbers(range),
        })
    };
    let words = |field, all: &'static [&'static str]| {
        proptest::collection::vec(select(all).prop_map(str::to_owned), 1..3).prop_map(move |words| {
            ProfileTerm {
                field,
                accepted: Accepted::Words(words),
            }
        })
    };
    let power = range(select(vec![0.0, 0.1, 0.3, 0.55, 1.0]));
    prop_oneof![
        numbers(Field::Age, 15, 70),
        numbers(Field::CityTier, 1, 7),
        numbers(Field::ChildBirthMonth, 202_001, 202_013),
        power.prop_map(|range| ProfileTerm {
            field: Field::SpendingPower,
            accepted: Accepted::Numbers(range),
        }),
        words(Field::Gender, &["female", "male", "other"]),
        words(Field::HasChild, &["true", "false"]),
        words(Field::Occupation, &["driver", "Teacher", "餐饮"]),
        words(
            Field::StrategicAudience,
            &[
                "gen_z",
                "rising_white_collars",
                "small_town_youth",
                "urban_silver"
            ]
        ),
    ]
    .prop_map(Term::Profile)
}

fn role_term() -> impl Strategy<Value = Term> {
    let roles = proptest::collection::vec(select(Role::ALL.to_vec()), 0..3);
    (roles, key(&["gold", "top 1 %"]), option::weighted(0.3, day()))
        .prop_map(|(roles, tier, day)| Term::Role(RoleTerm { roles, tier, day }))
}

pub fn expression() -> impl Strategy<Value = Expression> {
    let labels = select(vec!["pioneer@a", "pioneer@b", "close_fan@b0", "quote \" and \\"]);
    let term = prop_oneof![
        4 => stage_term(),
        2 => flow_term(),
        4 => behavior_term(),
        4 => purchase_term(),
        3 => profile_term(),
        1 => labels.prop_map(|label| Term::Label(label.to_owned())),
        2 => role_term(),
        1 => select(vec!["spring", "vip-2"]).prop_map(|id| Term::Audience(id.to_owned())),
    ];
    term.prop_map(Expression::Term).prop_recursive(5, 24, 4, |inner| {
        let parts = || proptest::collection::vec(inner.clone(), 1..4);
        prop_oneof![
            parts().prop_map(Expression::all_of),
            parts().prop_map(Expression::any_of),
            (inner.clone(), inner.clone()).prop_map(|(from, without)| from.but_not(without)),
        ]
    })
}
