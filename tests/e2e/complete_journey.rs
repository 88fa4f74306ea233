//! The Complete Journey slice: every figure of the engine against the second calculation in SQL, and that
//! calculation against its committed answer.

use std::{collections::BTreeMap, fs, process::Command};

use dualwheel_proto::{
    consumer::{
        FlowCell, GetAiplRequest, GetBrandSignalsRequest, GetFastRequest, GetFlowRequest, GetGrowRequest,
        consumer_service_client::ConsumerServiceClient,
    },
    membership::{GetPlusRequest, membership_service_client::MembershipServiceClient},
    product::{GetPriceStrengthRequest, GetSuperRequest, product_service_client::ProductServiceClient},
    types::{Absence, Metric, Quantity, quantity::Amount},
};
use serde_json::Value;
use tonic::transport::Channel;

use crate::harness::{Server, journey, journey_folder, question, question_by, tests_folder, window};

const FIRST: &str = "2017-10-01";
const LAST: &str = "2017-12-31";
const DAY_BEFORE: &str = "2017-09-30";
/// Largest relative difference of two ratios.
const RATIO: f64 = 1e-9;

type Expected = BTreeMap<String, BTreeMap<String, Value>>;

fn expected() -> Expected {
    let text = fs::read_to_string(journey_folder().join("expected.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Names under which the engine answers what the SQL names otherwise.
const RENAMED: [(&str, &str); 6] = [
    ("grow.gmv0", "grow.gmv_base"),
    ("grow.gmv1", "grow.gmv"),
    ("grow.delta", "grow.delta_gmv"),
    ("grow.residual", "grow.rounding"),
    ("grow.boost.list", "grow.boost.list_price"),
    ("grow.new_product.new_customers", "grow.new_product.customers"),
];

#[tokio::test]
async fn every_figure_equals_the_second_calculation() {
    let data = journey();
    let folder = data.copy();
    let server = Server::all(folder.path());
    let mut differences = Vec::new();
    let mut compared = 0;
    for (brand, metrics) in expected() {
        let answers = Answers::ask(server.channel(), &brand).await;
        for (name, wanted) in &metrics {
            compared += 1;
            for difference in answers.compare(name, wanted) {
                differences.push(format!("{brand} {name}: {difference}"));
            }
        }
    }
    assert_eq!(compared, 390, "the expected file holds other metrics than before");
    assert!(
        differences.is_empty(),
        "{} differences:\n{}",
        differences.len(),
        differences.join("\n")
    );
}

/// All that one brand is asked.
struct Answers {
    metrics: Vec<Metric>,
    before: Vec<Metric>,
    months: Vec<Metric>,
    venues: Vec<Metric>,
    cells: Vec<FlowCell>,
}

impl Answers {
    async fn ask(channel: Channel, brand: &str) -> Self {
        let days = || window(FIRST, LAST);
        let query = || question(brand, days());
        let mut consumer = ConsumerServiceClient::new(channel.clone());
        let mut product = ProductServiceClient::new(channel.clone());
        let mut membership = MembershipServiceClient::new(channel);
        let mut metrics = Vec::new();
        macro_rules! ask {
            ($client:ident.$call:ident($request:expr)) => {
                $client.$call($request).await.unwrap().into_inner()
            };
        }
        metrics.extend(ask!(consumer.get_aipl(GetAiplRequest { query: query() })).metrics);
        metrics.extend(
            ask!(consumer.get_fast(GetFastRequest {
                query: query(),
                trend_step: 0
            }))
            .metrics,
        );
        metrics.extend(
            ask!(consumer.get_grow(GetGrowRequest {
                query: query(),
                base: None
            }))
            .metrics,
        );
        metrics.extend(ask!(consumer.get_brand_signals(GetBrandSignalsRequest { query: query() })).metrics);
        metrics.extend(ask!(product.get_super(GetSuperRequest { query: query() })).metrics);
        metrics.extend(ask!(product.get_price_strength(GetPriceStrengthRequest { query: query() })).metrics);
        metrics.extend(ask!(membership.get_plus(GetPlusRequest { query: query() })).metrics);
        let flow = ask!(consumer.get_flow(GetFlowRequest { query: query() }));
        metrics.extend(flow.metrics);
        let by_month = GetGrowRequest {
            query: question_by(brand, days(), "month"),
            base: None,
        };
        let by_venue = GetPlusRequest {
            query: question_by(brand, days(), "venue"),
        };
        let day_before = GetAiplRequest {
            query: question(brand, window(DAY_BEFORE, DAY_BEFORE)),
        };
        Self {
            before: ask!(consumer.get_aipl(day_before)).metrics,
            months: ask!(consumer.get_grow(by_month)).metrics,
            venues: ask!(membership.get_plus(by_venue)).metrics,
            metrics,
            cells: flow.cells,
        }
    }

    fn compare(&self, name: &str, wanted: &Value) -> Vec<String> {
        if name == "aipl.flow" {
            return self.compare_flow(wanted);
        }
        let id = RENAMED
            .iter()
            .find(|(sql, _)| *sql == name)
            .map_or(name, |(_, engine)| engine);
        let mut found = Vec::new();
        for (field, wanted) in wanted.as_object().unwrap() {
            found.extend(self.compare_field(id, field, wanted));
        }
        found
    }

    /// What differs in one field of an expected answer.
    fn compare_field(&self, id: &str, field: &str, wanted: &Value) -> Option<String> {
        let metric = whole(&self.metrics, id);
        match field {
            "value" => differs(field, value_of(metric, wanted), wanted),
            "before" => differs(field, value_of(whole(&self.before, id), wanted), wanted),
            "numerator" => differs(field, amount(metric.numerator.as_ref()), wanted),
            "denominator" => differs(field, amount(metric.denominator.as_ref()), wanted),
            "absent" => differs(field, absence(metric), wanted),
            "label" => (!metric.labels.contains(&wanted.as_str().unwrap().to_owned()))
                .then(|| format!("label {wanted}, but has {:?}", metric.labels)),
            "recruits" | "leavers" => differs(
                field,
                value_of(whole(&self.metrics, &format!("plus.{field}")), wanted),
                wanted,
            ),
            "mean_venues" => differs(
                field,
                absence(whole(&self.metrics, "plus.connection.venues")),
                &wanted["absent"],
            ),
            "by_venue" => self.compare_venues(wanted),
            "by_month" => self.compare_months(wanted),
            // The amount before it was rounded; what is answered is the rounded one.
            "raw" => None,
            other => Some(format!("nobody compares the field {other}")),
        }
    }

    fn compare_venues(&self, wanted: &Value) -> Option<String> {
        let mut venues = segments(&self.venues, "plus.connection", "venue");
        assert_eq!(venues.by_ref().count(), 9);
        segments(&self.venues, "plus.connection", "venue")
            .find_map(|(venue, metric)| differs(venue, absence(metric), &wanted["absent"]))
    }

    fn compare_months(&self, wanted: &Value) -> Option<String> {
        let found: BTreeMap<&str, f64> = segments(&self.months, "grow.new_product.launches", "month")
            .map(|(month, metric)| (month, metric.value.unwrap()))
            .filter(|(_, launches)| *launches != 0.0)
            .collect();
        let wanted: BTreeMap<&str, f64> = wanted
            .as_object()
            .unwrap()
            .iter()
            .map(|(month, n)| (month.as_str(), n.as_f64().unwrap()))
            .collect();
        (found != wanted).then(|| format!("by month {found:?}, wanted {wanted:?}"))
    }

    fn compare_flow(&self, wanted: &Value) -> Vec<String> {
        let mut found = Vec::new();
        for word in ["advanced", "stayed", "fell_back", "lost", "gained"] {
            let metric = whole(&self.metrics, &format!("flow.{word}"));
            found.extend(differs(word, value_of(metric, &wanted[word]), &wanted[word]));
        }
        assert_eq!(
            (wanted["from"].as_str(), wanted["to"].as_str()),
            (Some(DAY_BEFORE), Some(LAST))
        );
        let cells: BTreeMap<String, i64> = self
            .cells
            .iter()
            .map(|cell| (format!("{}>{}", cell.from, cell.to), cell.people))
            .collect();
        let wanted: BTreeMap<String, i64> = wanted["cells"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(cell, people)| (cell.clone(), people.as_i64().unwrap()))
            .filter(|(_, people)| *people != 0)
            .collect();
        if cells != wanted {
            found.push(format!("cells {cells:?}, wanted {wanted:?}"));
        }
        found
    }
}

/// The metric for the whole brand.
#[track_caller]
fn whole<'a>(metrics: &'a [Metric], id: &str) -> &'a Metric {
    let found = metrics
        .iter()
        .find(|metric| metric.id == id && metric.segments.is_empty());
    found.unwrap_or_else(|| panic!("nobody answers {id}"))
}

fn segments<'a>(metrics: &'a [Metric], id: &str, by: &str) -> impl Iterator<Item = (&'a str, &'a Metric)> {
    metrics
        .iter()
        .filter(move |metric| metric.id == id)
        .filter_map(move |metric| {
            let segment = metric.segments.iter().find(|segment| segment.dimension == by)?;
            Some((segment.value.as_str(), metric))
        })
}

/// A metric's value in the form in which it is expected: money is text, exact to four decimals.
fn value_of(metric: &Metric, wanted: &Value) -> Value {
    if wanted.is_string() {
        return amount(metric.numerator.as_ref());
    }
    metric.value.map_or(Value::Null, Value::from)
}

fn amount(quantity: Option<&Quantity>) -> Value {
    match quantity.and_then(|quantity| quantity.amount.as_ref()) {
        Some(Amount::Count(count)) => Value::from(*count),
        Some(Amount::Money(money)) => {
            let sign = if money.units < 0 || money.nanos < 0 {
                "-"
            } else {
                ""
            };
            assert_eq!(money.nanos % 100_000, 0);
            Value::from(format!(
                "{sign}{}.{:04}",
                money.units.abs(),
                money.nanos.abs() / 100_000
            ))
        }
        Some(Amount::Real(real)) => Value::from(*real),
        None => Value::Null,
    }
}

fn absence(metric: &Metric) -> Value {
    match metric.absence() {
        Absence::Unspecified => Value::Null,
        absence => Value::from(absence.as_str_name().trim_start_matches("ABSENCE_")),
    }
}

fn differs(field: &str, found: Value, wanted: &Value) -> Option<String> {
    let same = match (found.as_f64(), wanted.as_f64()) {
        (Some(found), Some(wanted)) => (found - wanted).abs() <= RATIO * wanted.abs().max(1.0),
        _ => found == *wanted,
    };
    (!same).then(|| format!("{field} is {found}, wanted {wanted}"))
}

#[test]
fn the_second_calculation_still_gives_the_committed_answer() {
    let python = std::env::var("ORACLE_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let duckdb = Command::new(&python).args(["-c", "import duckdb"]).output();
    let there = duckdb.as_ref().is_ok_and(|done| done.status.success());
    assert!(
        there,
        "{python} cannot import duckdb, which makes the second calculation: pip install duckdb, or name a Python that \
         has it in ORACLE_PYTHON ({duckdb:?})"
    );
    let done = Command::new(&python)
        .arg(tests_folder().join("oracles/complete_journey.py"))
        .arg("--all")
        .arg(journey_folder())
        .args([FIRST, LAST])
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let again: Value = serde_json::from_slice(&done.stdout).unwrap();
    let committed = serde_json::to_value(expected()).unwrap();
    let mut differences = Vec::new();
    compare_json("", &again, &committed, &mut differences);
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// Equal but for the last digits of numbers, which another release of DuckDB may round otherwise.
fn compare_json(path: &str, found: &Value, wanted: &Value, differences: &mut Vec<String>) {
    match (found, wanted) {
        (Value::Object(found), Value::Object(wanted)) => {
            for key in found
                .keys()
                .chain(wanted.keys().filter(|key| !found.contains_key(*key)))
            {
                let (found, wanted) = (found.get(key), wanted.get(key));
                let null = Value::Null;
                compare_json(
                    &format!("{path}/{key}"),
                    found.unwrap_or(&null),
                    wanted.unwrap_or(&null),
                    differences,
                );
            }
        }
        _ => {
            let close = match (found.as_f64(), wanted.as_f64()) {
                (Some(found), Some(wanted)) => (found - wanted).abs() <= 2e-8 + 1e-12 * wanted.abs(),
                _ => found == wanted,
            };
            if !close {
                differences.push(format!("{path} is {found}, committed {wanted}"));
            }
        }
    }
}
