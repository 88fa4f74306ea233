//! What a caller is told of brands that they may not see: against a naive second calculation, and against somebody who
//! tries to work a brand's prices out.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use dualwheel_kit::{Call, access::Brands};
use dualwheel_lake::Lake;
use dualwheel_product::Service;
use dualwheel_proto::{
    facts::{FactKind, FactRows, OrderLine, Product},
    product::{
        GetPriceStrengthRequest, GetSuperRequest, product_service_client::ProductServiceClient,
        product_service_server::ProductServiceServer,
    },
    types::{Absence, Metric, MetricQuery, Window},
};
use tonic::Request;

use crate::{
    api,
    market::cut,
    raw::{START, date, day_of, money, stamp},
};

/// Two years before the other tests' start: the service holds questions against the real clock.
const FIRST: i64 = START - 730 * 86_400;

fn first_day() -> i32 {
    day_of(FIRST, chrono_tz::Asia::Shanghai)
}

/// What was sold: brand, day from the first, category, units, cents.
#[derive(Clone, Debug)]
struct Sale {
    brand: String,
    day: i32,
    category: &'static str,
    units: i64,
    cents: i64,
}

fn rows(sales: &[Sale]) -> FactRows {
    let line = |(number, sale): (usize, &Sale)| OrderLine {
        order: format!("o{number}"),
        line: "1".to_owned(),
        consumer: format!("c{number}"),
        brand: sale.brand.clone(),
        product: format!("{}-{}", sale.brand, sale.category.replace('/', "-")),
        category: Some(sale.category.to_owned()),
        quantity: sale.units,
        paid_amount: money(sale.cents),
        paid_at: stamp(FIRST + i64::from(sale.day) * 86_400 + 3_600),
        ..Default::default()
    };
    FactRows {
        order_lines: sales.iter().enumerate().map(line).collect(),
        ..Default::default()
    }
}

async fn store(folder: &Path, sales: &[Sale]) {
    let channel = api::open(folder).await;
    let products: BTreeMap<String, Product> = sales
        .iter()
        .map(|sale| {
            let product = Product {
                product: format!("{}-{}", sale.brand, sale.category.replace('/', "-")),
                brand: sale.brand.clone(),
                category: Some(sale.category.to_owned()),
                updated_at: stamp(FIRST),
                launched_at: stamp(FIRST),
                ..Default::default()
            };
            (product.product.clone(), product)
        })
        .collect();
    let products = FactRows {
        products: products.into_values().collect(),
        ..Default::default()
    };
    let batches = vec![(FactKind::Product, products), (FactKind::OrderLine, rows(sales))];
    api::append(&channel, 1, batches).await;
}

/// The service, as somebody calls it who may see `brands`.
#[derive(Clone)]
struct Desk {
    client: ProductServiceClient<ProductServiceServer<Service>>,
    call: Call,
}

impl Desk {
    async fn open(folder: &Path, lake: &Lake, brands: Brands) -> Self {
        let service = api::service(folder, lake, None).await;
        Self {
            client: ProductServiceClient::new(ProductServiceServer::from_arc(service)),
            call: Call::background("default").seeing(&brands),
        }
    }

    /// The same service for another caller.
    fn of(&self, brands: Brands) -> Self {
        Self {
            client: self.client.clone(),
            call: Call::background("default").seeing(&brands),
        }
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.extensions_mut().insert(self.call.clone());
        request
    }

    async fn premium(&self, query: MetricQuery) -> Metric {
        let mut client = self.client.clone();
        let request = self.request(GetPriceStrengthRequest { query: Some(query) });
        client
            .get_price_strength(request)
            .await
            .unwrap()
            .into_inner()
            .metrics
            .swap_remove(0)
    }

    async fn goods(&self, query: MetricQuery) -> Vec<Metric> {
        let mut client = self.client.clone();
        let request = self.request(GetSuperRequest { query: Some(query) });
        client.get_super(request).await.unwrap().into_inner().metrics
    }
}

fn query(brand: &str, (first, last): (i32, i32), category: &str) -> MetricQuery {
    MetricQuery {
        brand: brand.to_owned(),
        window: Some(Window {
            first_day: date(first_day() + first),
            last_day: date(first_day() + last),
        }),
        category: category.to_owned(),
        ..Default::default()
    }
}

fn these<'a>(brands: impl IntoIterator<Item = &'a str>) -> Brands {
    Brands::Some(brands.into_iter().map(str::to_owned).collect())
}

/// A market kept from one question must not be read with the names of another: those of a tenant are given anew between
/// any two questions here, by whichever brand is asked first.
#[tokio::test(flavor = "multi_thread")]
async fn a_kept_market_outlives_its_names() {
    const CATEGORIES: [&str; 5] = ["c/a", "c/b", "c/c", "c/d", "c/e"];
    let folder = tempfile::tempdir().unwrap();
    let brands: Vec<String> = (0..10).map(|brand| format!("b{brand}")).collect();
    let sale = |(brand, at): (usize, usize)| Sale {
        brand: brands[brand].clone(),
        day: at as i32,
        category: CATEGORIES[(brand + at) % 5],
        units: 1,
        cents: 1_000 + 700 * ((brand + at) % 5) as i64 + 10 * brand as i64,
    };
    let sales: Vec<Sale> = (0..10)
        .flat_map(|brand| (0..3).map(move |at| (brand, at)))
        .map(sale)
        .collect();
    store(folder.path(), &sales).await;
    let lake = api::lake(folder.path());
    let desk = Desk::open(folder.path(), &lake, Brands::All).await;
    let asked = |brand: &str| query(brand, (0, 9), "");
    let by_band = |brand: &str| MetricQuery {
        by: "price_band".to_owned(),
        ..asked(brand)
    };
    let mut known: BTreeMap<String, (Metric, Vec<Metric>)> = BTreeMap::new();
    for first in 0..10 {
        let _ = lake.renew(&Call::background("default"));
        for at in 0..10 {
            let brand = &brands[(first + at) % 10];
            let answer = (desk.premium(asked(brand)).await, desk.goods(by_band(brand)).await);
            assert!(answer.0.value.is_some());
            match known.get(brand) {
                None => assert!(known.insert(brand.clone(), answer).is_none()),
                Some(before) => assert_eq!(&answer, before, "{brand}, {} asked first", brands[first]),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_is_handed_no_call_gets_nothing() {
    let folder = tempfile::tempdir().unwrap();
    store(folder.path(), &market()).await;
    let lake = api::lake(folder.path());
    let desk = Desk::open(folder.path(), &lake, Brands::All).await;
    let question = GetPriceStrengthRequest {
        query: Some(query("b0", (0, 23), "")),
    };
    let ask = async |request: Request<GetPriceStrengthRequest>| {
        let mut client = desk.client.clone();
        // Beside a call that sees everything, and spawned from it.
        let asked = tokio::spawn(async move { client.get_price_strength(request).await });
        asked
            .await
            .unwrap()
            .map(|answer| answer.into_inner().metrics.len())
    };
    assert!(ask(desk.request(question.clone())).await.unwrap() > 0);
    let refused = ask(Request::new(question)).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::Internal);
    assert_eq!(dualwheel_kit::failure::reason_of(&refused).unwrap(), "INTERNAL");
}

/// Eight brands on 24 days: in a/x many sell together now and one alone then, in a/y b3 sells more than all others, in b/z
/// only three sell, in c/w none but b0 does before day 12.
fn market() -> Vec<Sale> {
    let mut sales = Vec::new();
    let mut seed: u64 = 7;
    let mut dice = |sides: u64| {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % sides
    };
    for day in 0..24 {
        for brand in 0..8u64 {
            for category in ["a/x/1", "a/x/2", "a/y", "b/z", "c/w"] {
                let own = brand == 0;
                let sells = match category {
                    "a/x/1" | "a/x/2" if day % 4 == 3 => brand == 1 + day as u64 / 4,
                    "a/x/1" | "a/x/2" => dice(3) > 0,
                    "a/y" => dice(2) > 0,
                    "b/z" => brand < 4,
                    _ => own || day >= 12,
                };
                if !own && !sells {
                    continue;
                }
                let units = 1 + dice(3) as i64 + if category == "a/y" && brand == 3 { 40 } else { 0 };
                sales.push(Sale {
                    brand: format!("b{brand}"),
                    day,
                    category,
                    units,
                    cents: units * (1_000 + 137 * brand as i64) + dice(97) as i64,
                });
            }
        }
    }
    sales
}

fn in_category(sale: &Sale, category: &str) -> bool {
    category.is_empty() || sale.category == category || sale.category.starts_with(&format!("{category}/"))
}

/// Whether what `sales` of strangers add up to may be told: five brands, none with more than half of GMV or units.
fn may_be_told(sales: &[&Sale]) -> bool {
    let of = |amount: fn(&Sale) -> i64| {
        let mut by_brand: BTreeMap<&str, i64> = BTreeMap::new();
        for sale in sales {
            *by_brand.entry(&sale.brand).or_default() += amount(sale);
        }
        let total: i64 = by_brand.values().sum();
        by_brand.len() >= 5 && by_brand.values().all(|held| held * 2 <= total)
    };
    of(|sale| sale.cents) && of(|sale| sale.units)
}

/// GMV and units of a class from the first whole run in the window to the last; `None` where it has none.
fn told(sales: &[Sale], class: &str, sees: &BTreeSet<&str>, window: (i32, i32)) -> Option<(i64, i64)> {
    let of_class = || sales.iter().filter(|sale| cut(sale.category, 2) == class);
    let strange =
        |day: i32| of_class().filter(move |sale| sale.day == day && !sees.contains(sale.brand.as_str()));
    let (mut run, mut span): (Vec<&Sale>, Option<(i32, i32)>) = (Vec::new(), None);
    for day in 0..24 {
        run.extend(strange(day));
        let Some(first) = run.first().map(|sale| sale.day) else {
            continue;
        };
        if may_be_told(&run) {
            if window.0 <= first && day <= window.1 {
                span = Some((span.map_or(first, |span| span.0), day));
            }
            run.clear();
        }
    }
    let (first, last) = span?;
    let within = || of_class().filter(|sale| (first..=last).contains(&sale.day));
    let units = within().map(|sale| sale.units).sum();
    Some((within().map(|sale| sale.cents).sum(), units))
}

/// The premium of b0 as the methodology has it; `None` where it is not told.
fn premium(sales: &[Sale], sees: &BTreeSet<&str>, window: (i32, i32), category: &str) -> Option<f64> {
    let own: Vec<&Sale> = (sales.iter())
        .filter(|sale| sale.brand == "b0" && window.0 <= sale.day && sale.day <= window.1)
        .filter(|sale| in_category(sale, category))
        .collect();
    let mut below = 0.0;
    for class in own
        .iter()
        .map(|sale| cut(sale.category, 2))
        .collect::<BTreeSet<_>>()
    {
        let (gmv, units) = told(sales, &class, sees, window)?;
        let sold: i64 = own
            .iter()
            .filter(|sale| cut(sale.category, 2) == class)
            .map(|sale| sale.units)
            .sum();
        below += sold as f64 * gmv as f64 / units as f64;
    }
    Some(own.iter().map(|sale| sale.cents).sum::<i64>() as f64 / below)
}

const CATEGORIES: [&str; 6] = ["", "a", "a/x", "a/x/1", "a/y", "b/z"];

/// Market prices of a/x by window, worked out from premiums: what b0's units would make ÷ b0's units.
async fn prices(desk: &Desk, sales: &[Sale]) -> BTreeMap<(i32, i32), f64> {
    let mut prices = BTreeMap::new();
    for first in 0..24 {
        for last in first..24 {
            let metric = desk.premium(query("b0", (first, last), "a/x")).await;
            let own = sales
                .iter()
                .filter(|sale| sale.brand == "b0" && in_category(sale, "a/x"));
            let own: Vec<&Sale> = own.filter(|sale| (first..=last).contains(&sale.day)).collect();
            let gmv: i64 = own.iter().map(|sale| sale.cents).sum();
            let units: i64 = own.iter().map(|sale| sale.units).sum();
            if let Some(value) = metric.value {
                prices.insert((first, last), gmv as f64 / value / units as f64);
            }
        }
    }
    prices
}

/// Days of a/x on which one brand sold besides b0, and that brand's price, as found out from windows that differ by that
/// day. Units are given to the attacker for nothing.
fn solved(sales: &[Sale], prices: &BTreeMap<(i32, i32), f64>) -> BTreeSet<(i32, String)> {
    let of = |days: std::ops::RangeInclusive<i32>, own: bool| {
        let sold = sales
            .iter()
            .filter(move |sale| in_category(sale, "a/x") && days.contains(&sale.day));
        let sold = sold.filter(move |sale| !own || sale.brand == "b0");
        sold.fold((0.0, 0.0), |(gmv, units), sale| {
            (gmv + sale.cents as f64, units + sale.units as f64)
        })
    };
    let gmv = |window: (i32, i32), price: f64| price * of(window.0..=window.1, false).1;
    let mut found = BTreeSet::new();
    for day in 0..24 {
        let alone: BTreeSet<&str> = (sales.iter())
            .filter(|sale| in_category(sale, "a/x") && sale.day == day && sale.brand != "b0")
            .map(|sale| sale.brand.as_str())
            .collect();
        let [brand] = alone.iter().copied().collect::<Vec<_>>()[..] else {
            continue;
        };
        let strange = |sale: &&Sale| sale.brand == brand && sale.day == day && in_category(sale, "a/x");
        let truth: f64 = sales.iter().filter(strange).map(|sale| sale.cents as f64).sum();
        for (window, price) in prices {
            let shorter = [(window.0 + 1, window.1), (window.0, window.1 - 1)];
            let parts = shorter
                .into_iter()
                .filter_map(|part| Some((part, *prices.get(&part)?)));
            let mut guesses: Vec<f64> = parts
                .filter(|(part, _)| (part.0 > day) || (part.1 < day))
                .map(|(part, less)| gmv(*window, *price) - gmv(part, less))
                .collect();
            if *window == (day, day) {
                guesses.push(gmv(*window, *price));
            }
            let own = of(day..=day, true).0;
            if guesses.iter().any(|guess| (guess - own - truth).abs() < 0.5) {
                found.insert((day, brand.to_owned()));
            }
        }
    }
    found
}

/// A sweep over windows and categories: every figure is the methodology's, and nothing of one brand comes out of any two
/// of them. The caller who may see all brands asks the same service first, and works out six brands' prices.
#[tokio::test(flavor = "multi_thread")]
async fn prices_of_one_brand_cannot_be_solved_for() {
    let folder = tempfile::tempdir().unwrap();
    let sales = market();
    store(folder.path(), &sales).await;
    let all = Desk::open(folder.path(), &api::lake(folder.path()), Brands::All).await;
    let everything = prices(&all, &sales).await;
    let by_all = solved(&sales, &everything);
    assert_eq!(by_all.len(), 6, "{by_all:?}");

    let own = all.of(these(["b0"]));
    let seen = prices(&own, &sales).await;
    assert!(
        !seen.is_empty() && seen.len() < everything.len(),
        "{}",
        seen.len()
    );
    assert_eq!(solved(&sales, &seen), BTreeSet::new());

    let mut counts = [0; 2];
    let askers = [vec!["b0"], vec!["b0", "b1"], vec!["b0", "b1", "b2", "b4"]];
    for sees in askers {
        let brands = these(sees.iter().copied());
        let (desk, sees) = (all.of(brands), sees.into_iter().collect::<BTreeSet<_>>());
        for window in (0..24)
            .step_by(3)
            .flat_map(|first| (first..24).step_by(4).map(move |last| (first, last)))
        {
            for category in CATEGORIES {
                let wanted = premium(&sales, &sees, window, category);
                let found = desk.premium(query("b0", window, category)).await;
                let context = format!("{sees:?} {window:?} {category} {wanted:?} {found:?}");
                counts[usize::from(wanted.is_some())] += 1;
                match wanted {
                    Some(wanted) => assert!((found.value.unwrap() / wanted - 1.0).abs() < 1e-9, "{context}"),
                    None => {
                        assert_eq!(found.absence(), Absence::SignalNotSupplied, "{context}");
                        assert_eq!(found.value, None, "{context}");
                        assert!(found.denominator.is_none(), "{context}");
                    }
                }
            }
        }
    }
    assert!(counts.iter().all(|count| *count > 20), "{counts:?}");
}

/// Stars and price bands hang on the market as well. Six brands beside b0 sell as much each, so that for b0 alone the market
/// is the whole one; who sees two of them knows four others, and is told what does not hang on these.
#[tokio::test(flavor = "multi_thread")]
async fn stars_and_bands_are_told_of_five_others_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let sale = |(brand, category): (i64, &'static str)| Sale {
        brand: format!("b{brand}"),
        day: 1,
        category,
        units: 1,
        cents: 1_000 + 100 * brand + if category == "a/x/1" { 0 } else { 900 - 200 * brand },
    };
    let goods = (0..7).flat_map(|brand| ["a/x/1", "a/x/2"].map(|category| (brand, category)));
    let sales: Vec<Sale> = goods.map(sale).collect();
    store(folder.path(), &sales).await;
    let all = Desk::open(folder.path(), &api::lake(folder.path()), Brands::All).await;
    let by_band = || MetricQuery {
        by: "price_band".to_owned(),
        ..query("b0", (0, 3), "")
    };
    let whole = all.goods(by_band()).await;
    let bands: BTreeSet<&str> = whole
        .iter()
        .flat_map(|metric| &metric.segments)
        .map(|segment| segment.value.as_str())
        .collect();
    assert_eq!(bands, ["1", "5"].into());
    assert!(whole[0].value.is_some_and(|share| share > 0.0), "{:?}", whole[0]);
    assert_eq!(all.of(these(["b0"])).goods(by_band()).await, whole);

    let few = all.of(these(["b0", "b1", "b2"])).goods(by_band()).await;
    assert_eq!(few.len(), 20, "the whole, and goods without a band");
    let (of_all, of_none) = few.split_at(10);
    assert_eq!(
        (few[0].value, few[0].absence()),
        (None, Absence::SignalNotSupplied)
    );
    assert_eq!(&of_all[1..], &whole[1..10]);
    for metric in of_none {
        assert_eq!(metric.segments[0].value, "");
        assert_eq!(
            (metric.value, metric.absence()),
            (None, Absence::SignalNotSupplied)
        );
        assert!(
            metric.absence_detail.contains("min_brands"),
            "{}",
            metric.absence_detail
        );
    }
    // The market of a question by those who see all is not what others find kept, nor the other way round.
    assert_eq!(all.goods(by_band()).await, whole);
}
