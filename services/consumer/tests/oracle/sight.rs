//! What a token for one brand tells of people: of those known to the brand, and of nobody else.

use std::collections::BTreeSet;

use dualwheel_consumer::audience::{
    expression::{Field, Term},
    text,
};
use dualwheel_kit::{
    access::{BrandRule, Method},
    failure::reason_of,
    question::window_to_proto,
};
use dualwheel_measure::{Day, Window};
use dualwheel_proto::{
    consumer::{
        Audience, CompareAudiencesRequest, CreateAudienceRequest, ExpandAudienceRequest, FindClustersRequest,
        GetAudienceRequest, GetJourneysRequest, JourneyOutcome, ListAudiencesRequest, ListValuesRequest,
        NamedAudience, ProfileAudienceRequest, RefreshAudienceRequest, SaveClustersRequest,
    },
    types::MetricQuery,
};
use tonic::Code;

use crate::{
    audience_service::{by_text, import},
    edges::D,
    sight_house::{Asker, House, OTHER},
    world::{BRAND, date, definitions},
};

/// Everyone who has a profile with an age.
const EVERYONE: &str = "profile(age) in 0..150";
/// The definition's `min_cell`.
const LEAST: usize = 30;

/// Terms of every kind, and expressions of them.
const TEXTS: [&str; 42] = [
    "stage(A)",
    "stage(P)",
    "stage(L, on: 2024-03-20)",
    "stage(P, category: \"a/x\")",
    "flow(OUT -> A, last 90 days)",
    "behavior(BROWSE, last 90 days) >= 1",
    "behavior(BROWSE, last 90 days) >= 3",
    "behavior(last 90 days) in 0..0",
    "behavior(last 90 days, measure: recency) >= 4",
    "behavior(last 90 days, channel: shop) in 0..0",
    "purchase(net_gmv, last 900 days) >= 10",
    "purchase(orders, last 900 days) >= 1",
    "purchase(orders, last 900 days) in 0..0",
    "purchase(days, last 900 days) >= 2",
    "profile(age) in 0..150",
    "profile(age) in 25..30",
    "profile(gender) = female",
    "profile(city_tier) >= 1",
    "profile(has_child) = true",
    "profile(child_birth_month) >= 1",
    "profile(spending_power) >= 0",
    "profile(occupation) = teacher",
    "profile(strategic_audience) = gen_z",
    "label(tea)",
    "label(rare)",
    "label(\"pioneer@a\")",
    "label(\"close_fan@b0\")",
    "role()",
    "role(fan | member)",
    "role(tier: gold)",
    "predicted(expected_purchases) >= 0",
    "predicted(alive_probability) >= 0.5",
    "audience(live)",
    "audience(frozen)",
    "audience(list)",
    "profile(age) in 0..150 and not behavior(BROWSE, last 90 days) >= 1",
    "profile(age) in 0..150 or audience(list) or role()",
    "label(tea) and profile(gender) = female",
    "audience(frozen) and not audience(live)",
    "(label(tea) and not stage(A)) or (profile(city_tier) >= 3 and not label(rare))",
    "profile(gender) = male and not purchase(orders, last 900 days) >= 1",
    "profile(age) in 0..150 and not (label(tea) or profile(age) in 0..40)",
];

/// A name for every kind of term: a new one has to be asked, too.
fn kind(term: &Term) -> &'static str {
    match term {
        Term::Stage(_) => "stage",
        Term::Flow(_) => "flow",
        Term::Behavior(_) => "behavior",
        Term::Purchase(_) => "purchase",
        Term::Profile(term) => term.field.name(),
        Term::Label(_) => "label",
        Term::Role(_) => "role",
        Term::Predicted(_) => "predicted",
        Term::Audience(_) => "audience",
        // No expression may have it: no model is in force.
        Term::Koc(_) => "koc",
    }
}

fn query() -> Option<MetricQuery> {
    Some(MetricQuery {
        brand: BRAND.to_owned(),
        window: Some(window_to_proto(Window::ending(Day(D), 90))),
        ..Default::default()
    })
}

fn both(one: &BTreeSet<String>, other: &BTreeSet<String>) -> BTreeSet<String> {
    one & other
}

fn told(people: &BTreeSet<String>) -> (i64, bool) {
    match people.len() {
        few if few < LEAST => (0, true),
        many => (many as i64, false),
    }
}

async fn create(asker: &mut Asker, id: &str, text: &str, freeze: bool) -> Audience {
    let request = CreateAudienceRequest {
        audience_id: id.to_owned(),
        audience: Some(Audience {
            brand: BRAND.to_owned(),
            definition: by_text(text),
            ..Default::default()
        }),
        freeze,
        as_of: date(D).filter(|_| freeze),
        ..Default::default()
    };
    let made = asker
        .0
        .audiences
        .create_audience(request)
        .await
        .unwrap()
        .into_inner();
    made.audience.unwrap()
}

async fn get(asker: &mut Asker, name: &str) -> Audience {
    let request = GetAudienceRequest {
        name: name.to_owned(),
    };
    asker
        .0
        .audiences
        .get_audience(request)
        .await
        .unwrap()
        .into_inner()
        .audience
        .unwrap()
}

fn of_name(name: &str) -> String {
    format!("audience({})", name.strip_prefix("audiences/").unwrap())
}

/// People of each kind: 40 known to the brand, 40 to the other, 40 with a profile alone, 40 of whom nobody has heard.
fn brought() -> Vec<String> {
    (0..40)
        .flat_map(|number| {
            [
                format!("{BRAND}-browses-{number:03}"),
                format!("{OTHER}-browses-{number:03}"),
                format!("nobody-{number:03}"),
                format!("stranger-{number:03}"),
            ]
        })
        .collect()
}

async fn bring(asker: &mut Asker, id: &str, keys: &[String]) {
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let parts = tokio_stream::iter(import(id, &keys));
    asker.0.audiences.import_audience(parts).await.unwrap();
}

/// A house in which who may see all has saved audiences of everyone.
async fn house() -> House {
    let mut house = House::new().await;
    create(&mut house.all, "live", "profile(gender) = female", false).await;
    create(&mut house.all, "frozen", EVERYONE, true).await;
    bring(&mut house.all, "list", &brought()).await;
    house
}

#[tokio::test(flavor = "multi_thread")]
async fn every_term_has_the_people_known_to_the_brand() {
    let mut house = house().await;
    let known = house.known(BRAND);
    let parameters = definitions().parameters;
    let (mut kinds, mut strangers) = (BTreeSet::new(), 0);
    for asked in TEXTS {
        let expression = text::parse(asked, &parameters).unwrap();
        kinds.extend(expression.terms().into_iter().map(kind));
        let everyone = match house.all.export_at(asked, None).await {
            Ok(everyone) => everyone,
            // A model that does not fit is refused to both.
            Err(refused) => {
                let to_own = house.own.export_at(asked, None).await.unwrap_err();
                assert_eq!(reason_of(&to_own).as_deref(), Some("MODEL_REFUSED"), "{asked}");
                assert_eq!(to_own.message(), refused.message());
                continue;
            }
        };
        let expected = both(&everyone, &known);
        strangers += everyone.len() - expected.len();
        assert_eq!(house.own.export(asked).await, expected, "{asked}");
        let estimated = house.own.estimate(asked).await.unwrap();
        assert_eq!(
            (estimated.size, estimated.size_withheld),
            told(&expected),
            "{asked}"
        );
        for (term, told_of) in expression.terms().into_iter().zip(&estimated.terms) {
            let people = both(&house.all.export(&term.to_string()).await, &known);
            assert_eq!(
                (told_of.size, told_of.size_withheld),
                told(&people),
                "{term} of {asked}"
            );
        }
        // By the facts: a pinned question does not ask the index.
        let pinned = house.own.export_at(asked, estimated.data_version).await.unwrap();
        assert_eq!(pinned, expected, "{asked}, by the facts");
    }
    let fields = Field::ALL.map(Field::name);
    let terms = [
        "stage",
        "flow",
        "behavior",
        "purchase",
        "label",
        "role",
        "predicted",
        "audience",
    ];
    assert_eq!(kinds, terms.into_iter().chain(fields).collect());
    assert!(strangers > 1_000, "nobody would be told too much");
    // Against the oracle alone: who is known and has a profile, whatever else the evaluation does.
    assert_eq!(house.own.export(EVERYONE).await, both(&known, &house.profiled()));
    let other = house.all.export("label(\"close_fan@b1\")").await;
    assert_eq!(other, house.profiled(), "all bear the other brand's label");
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_of_other_brands_are_not_there() {
    let mut house = house().await;
    for label in ["close_fan@b1", "vip@b1", "close_fan@never-heard-of"] {
        let asked = format!("label(\"{label}\")");
        assert!(house.own.export(&asked).await.is_empty(), "{label}");
        let without = format!("{EVERYONE} and not {asked}");
        assert_eq!(
            house.own.export(&without).await,
            house.own.export(EVERYONE).await,
            "{label}"
        );
    }
    let request = ProfileAudienceRequest {
        brand: BRAND.to_owned(),
        definition: by_text("profile(gender) = female"),
        traits: vec!["label".to_owned()],
        as_of: date(D),
        ..Default::default()
    };
    let values = async |asker: &mut Asker| -> BTreeSet<String> {
        let answer = asker.0.audiences.profile_audience(request.clone()).await.unwrap();
        let traits = answer.into_inner().traits.into_iter();
        traits.map(|one| one.value).collect()
    };
    let own: BTreeSet<String> = ["close_fan@b0", "pioneer@a", "tea"].map(str::to_owned).into();
    assert_eq!(values(&mut house.own).await, own);
    assert!(values(&mut house.all).await.contains("vip@b1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn audiences_are_held_to_the_people_of_the_brand() {
    let mut house = house().await;
    let (known, profiled) = (house.known(BRAND), house.profiled());
    let seen = both(&known, &profiled);

    // The base of traits, and the sizes and overlaps of a comparison.
    let request = ProfileAudienceRequest {
        brand: BRAND.to_owned(),
        definition: by_text(EVERYONE),
        as_of: date(D),
        ..Default::default()
    };
    let by_own = house
        .own
        .0
        .audiences
        .profile_audience(request.clone())
        .await
        .unwrap();
    let (by_own, count) = (by_own.into_inner(), seen.len() as i64);
    assert_eq!((by_own.size, by_own.base_size), (count, count));
    let most = by_own
        .traits
        .iter()
        .map(|one| one.base_known.max(one.known))
        .max();
    assert_eq!(most, Some(count));
    assert!(by_own.traits.iter().all(|one| one.base_people >= LEAST as i64));
    let by_all = house
        .all
        .0
        .audiences
        .profile_audience(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(by_all.base_size, profiled.len() as i64);
    let texts = [EVERYONE, "role()", "label(rare)"];
    let request = CompareAudiencesRequest {
        brand: BRAND.to_owned(),
        audiences: texts
            .map(|text| NamedAudience {
                label: String::new(),
                definition: by_text(text),
            })
            .into(),
        as_of: date(D),
        data_version: None,
    };
    let compared = house
        .own
        .0
        .audiences
        .compare_audiences(request)
        .await
        .unwrap()
        .into_inner();
    let mut people = Vec::new();
    for (text, size) in texts.iter().zip(&compared.audiences) {
        people.push(both(&house.all.export(text).await, &known));
        assert_eq!((size.size, size.size_withheld), told(people.last().unwrap()));
    }
    for pair in &compared.overlaps {
        let [one, other] = [pair.first, pair.second].map(|at| &people[at as usize]);
        let common = both(one, other);
        assert_eq!((pair.both, pair.both_withheld), told(&common));
        let whole = (one | other).len() as f64;
        let few = [one, other, &common].iter().any(|some| some.len() < LEAST);
        let share = (!few).then(|| common.len() as f64 / whole);
        assert_eq!(pair.jaccard, share);
    }

    // Groups: everyone of them is known, and they are saved as such.
    let request = FindClustersRequest {
        brand: BRAND.to_owned(),
        definition: by_text(EVERYONE),
        clusters: 4,
        as_of: date(D),
        data_version: None,
    };
    let found = house
        .own
        .0
        .targeting
        .find_clusters(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!((found.refusal.as_str(), found.size), ("", count));
    let labels = found.clusters.iter().flat_map(|cluster| &cluster.traits);
    assert!(labels.into_iter().all(|one| !one.value.ends_with("@b1")));
    let request = SaveClustersRequest {
        brand: BRAND.to_owned(),
        definition: by_text(EVERYONE),
        clusters: 4,
        as_of: date(D),
        audience_prefix: "group".to_owned(),
        ..Default::default()
    };
    let saved = house
        .own
        .0
        .targeting
        .save_clusters(request)
        .await
        .unwrap()
        .into_inner();
    let mut grouped = BTreeSet::new();
    for name in saved.audiences {
        grouped.extend(house.all.export(&of_name(&name)).await);
    }
    assert_eq!(grouped, seen);

    // Expansion: whom to choose from, and who is added.
    let request = ExpandAudienceRequest {
        brand: BRAND.to_owned(),
        definition: by_text("profile(age) in 0..150 and behavior(BROWSE, last 90 days) >= 1"),
        candidates: by_text(EVERYONE),
        size: 10_000,
        as_of: date(D),
        audience_id: "alike".to_owned(),
        ..Default::default()
    };
    let expanded = house
        .own
        .0
        .targeting
        .expand_audience(request)
        .await
        .unwrap()
        .into_inner();
    let seed = both(
        &seen,
        &house.all.export("behavior(BROWSE, last 90 days) >= 1").await,
    );
    let candidates = &seen - &seed;
    assert_eq!(
        (expanded.seed_size, expanded.candidates, expanded.size),
        (
            seed.len() as i64,
            candidates.len() as i64,
            candidates.len() as i64
        )
    );
    assert_eq!(house.all.export(&of_name(&expanded.audience)).await, candidates);

    // Values of customers are those of the brand's.
    let request = ListValuesRequest {
        query: query(),
        horizon_weeks: 0,
    };
    let mut valued = house
        .own
        .0
        .consumers
        .list_values(request)
        .await
        .unwrap()
        .into_inner();
    let mut keys = BTreeSet::new();
    while let Some(some) = valued.message().await.unwrap() {
        keys.extend(some.values.into_iter().map(|one| one.consumer));
    }
    assert!(!keys.is_empty() && keys.is_subset(&known));
}

#[tokio::test(flavor = "multi_thread")]
async fn few_people_are_not_counted_to_one_brand() {
    let mut house = house().await;
    let (own, all) = (
        house.own.estimate("label(rare)").await.unwrap(),
        house.all.estimate("label(rare)").await.unwrap(),
    );
    assert_eq!((own.size, own.size_withheld), (0, true));
    assert!((1..LEAST as i64).contains(&all.size) && !all.size_withheld);
    assert!(own.terms[0].size_withheld);
    let frozen = create(&mut house.own, "few", "label(rare)", true).await;
    assert_eq!((frozen.size, frozen.size_withheld), (0, true));
    // Journeys of an audience are journeys of few people where it has few, or none whom the brand may know of.
    let journeys = async |asker: &mut Asker, audience: &str| {
        let request = GetJourneysRequest {
            query: query(),
            outcome: JourneyOutcome::Purchase.into(),
            audience: by_text(audience),
            ..Default::default()
        };
        let told = asker
            .0
            .consumers
            .get_journeys(request)
            .await
            .unwrap()
            .into_inner();
        (told.people, told.withheld)
    };
    let buyers = journeys(&mut house.all, EVERYONE).await;
    assert!(buyers.0 >= LEAST as i64);
    assert_eq!(journeys(&mut house.own, EVERYONE).await, buyers);
    assert_eq!(journeys(&mut house.all, "label(\"vip@b1\")").await, buyers);
    for hidden in ["label(rare)", "label(\"vip@b1\")"] {
        assert_eq!(journeys(&mut house.own, hidden).await, (0, true), "{hidden}");
    }
    // Refusals of models tell no numbers either.
    let request = ExpandAudienceRequest {
        brand: BRAND.to_owned(),
        definition: by_text("label(rare)"),
        size: 10,
        as_of: date(D),
        ..Default::default()
    };
    let refused = house
        .own
        .0
        .targeting
        .expand_audience(request.clone())
        .await
        .unwrap_err();
    assert_eq!(reason_of(&refused).as_deref(), Some("MODEL_REFUSED"));
    let message =
        "something is known of too few people of the audience; the model needs 200: widen the audience";
    assert_eq!(refused.message(), message);
    let told = house.all.0.targeting.expand_audience(request).await.unwrap_err();
    assert_ne!(told.message(), message);
    let request = FindClustersRequest {
        brand: BRAND.to_owned(),
        definition: by_text("label(rare)"),
        as_of: date(D),
        ..Default::default()
    };
    let found = house
        .own
        .0
        .targeting
        .find_clusters(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        found.refusal,
        "too few people to be grouped; ask for at least 120"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn saved_audiences_show_the_people_of_the_brand_when_they_are_read() {
    let mut house = house().await;
    let known = house.known(BRAND);
    let seen = both(&known, &house.profiled());
    let count = |people: &BTreeSet<String>| people.len() as i64;
    let listed = both(&known, &brought().into_iter().collect());
    for (name, people) in [("audiences/frozen", &seen), ("audiences/list", &listed)] {
        let (own, all) = (get(&mut house.own, name).await, get(&mut house.all, name).await);
        assert_eq!(own.size, count(people), "{name}");
        assert!(all.size > own.size);
    }
    let request = ListAudiencesRequest {
        brand: BRAND.to_owned(),
        ..Default::default()
    };
    let page = house
        .own
        .0
        .audiences
        .list_audiences(request)
        .await
        .unwrap()
        .into_inner();
    let sizes: Vec<i64> = page.audiences.iter().map(|one| one.size).collect();
    assert_eq!(sizes, [0, count(&seen), count(&listed)], "live, frozen, imported");

    // What one brand freezes has nobody else in it for anyone.
    let kept = create(&mut house.own, "kept", EVERYONE, true).await;
    assert_eq!(kept.size, count(&seen));
    assert_eq!(house.all.export(&of_name(&kept.name)).await, seen);
    let request = RefreshAudienceRequest {
        name: "audiences/frozen".to_owned(),
        as_of: date(D),
        etag: String::new(),
    };
    let fresh = house
        .own
        .0
        .audiences
        .refresh_audience(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(fresh.audience.unwrap().size, count(&seen));
    assert_eq!(house.all.export("audience(frozen)").await, seen);

    // Keys that others know and keys that nobody knows are the same to it.
    let of_others: Vec<String> = (0..40)
        .map(|number| format!("{OTHER}-browses-{number:03}"))
        .collect();
    let of_nobody: Vec<String> = (0..40).map(|number| format!("no-such-{number:03}")).collect();
    bring(&mut house.all, "of-others", &of_others).await;
    bring(&mut house.all, "of-nobody", &of_nobody).await;
    let mut answers = Vec::new();
    for id in ["of-others", "of-nobody"] {
        let asked = format!("audience({id}) or label(rare)");
        assert!(house.own.export(&format!("audience({id})")).await.is_empty());
        let estimated = house.own.estimate(&asked).await.unwrap();
        let sizes = estimated.terms.iter().map(|one| (one.size, one.size_withheld));
        let audience = get(&mut house.own, &format!("audiences/{id}")).await;
        answers.push((
            estimated.size,
            sizes.collect::<Vec<_>>(),
            audience.size,
            audience.size_withheld,
        ));
    }
    assert_eq!(answers[0], answers[1]);
}

/// Whoever adds an RPC says here how it keeps a token for one brand from others' people.
#[test]
fn every_rpc_is_held_to_the_people_of_the_brand() {
    let consumer = Method::all().iter().filter_map(|method| {
        let path = method.path.strip_prefix("dualwheel.consumer.v1.")?;
        Some((method, path.split_once('/')?.1))
    });
    for (method, name) in consumer {
        match name {
            // Numbers made of the brand's own facts.
            "GetAipl"
            | "GetFlow"
            | "GetFast"
            | "GetGrow"
            | "GetBrandSignals"
            | "GetRfm"
            | "GetValue"
            | "GetMoveCosts"
            | "GetWinback"
            | "ListWinbackOutlooks"
            | "ExplainMetric" => {
                assert_eq!(method.brands, BrandRule::Named);
            }
            // Driven above.
            "EstimateAudience" | "ExportAudience" | "CompareAudiences" | "ProfileAudience"
            | "CreateAudience" | "GetAudience" | "ListAudiences" | "RefreshAudience" | "ExpandAudience"
            | "FindClusters" | "SaveClusters" | "ListValues" | "GetJourneys" => {
                assert!(matches!(method.brands, BrandRule::Named | BrandRule::Stored))
            }
            // People who lapsed: buyers of the brand.
            "SaveWinbackPacks" => assert_eq!(method.brands, BrandRule::Named),
            // Answer an audience without people of their own, or nothing.
            "UpdateAudience" | "DeleteAudience" => assert_eq!(method.brands, BrandRule::Stored),
            "ListDefinitions" => assert_eq!(method.brands, BrandRule::Free),
            whole => assert_eq!(
                method.brands,
                BrandRule::Whole,
                "{whole} is not held to the people of a brand"
            ),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn audiences_of_other_brands_are_unknown() {
    let mut house = house().await;
    let mut answers = Vec::new();
    for (asked, id) in [("audience(frozen)", "frozen"), ("audience(nothing)", "nothing")] {
        let request = dualwheel_proto::consumer::EstimateAudienceRequest {
            brand: OTHER.to_owned(),
            definition: by_text(asked),
            as_of: date(D),
            data_version: None,
        };
        let refused = house
            .other
            .0
            .audiences
            .estimate_audience(request)
            .await
            .unwrap_err();
        assert_eq!(refused.code(), Code::NotFound);
        answers.push(refused.message().replace(id, "ID"));
    }
    assert_eq!(answers[0], answers[1]);
}
