//! Which facts there are, as told to callers of all brands, of one, and of another tenant.

use bytes::Bytes;
use dualwheel_proto::facts::{
    Coverage, FactKind, ListBrandsResponse, ListCoverageResponse, ListDimensionValuesResponse,
};
use prost::Message;
use serde_json::{Value, json};
use tonic::{Code, Status};

use crate::{
    harness::{BRAND, market, run},
    identity::House,
    requests,
};

async fn ask(house: &House, token: &str, method: &str, request: Value) -> Result<Bytes, Status> {
    let path = format!("dualwheel.facts.v1.FactService/{method}");
    let bearer = format!("Bearer {token}");
    requests::call(
        &house.server.channel(),
        ("authorization", &bearer),
        &path,
        &request,
    )
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn brands_and_coverage_are_shown_to_those_who_may_see_them() {
    let house = House::new(&[]);
    let brands = async |token: &str| {
        let bytes = ask(&house, token, "ListBrands", json!({})).await.unwrap();
        ListBrandsResponse::decode(bytes).unwrap().brands
    };
    let coverage = async |token: &str| {
        let bytes = ask(&house, token, "ListCoverage", json!({"pageSize": 1_000}))
            .await
            .unwrap();
        ListCoverageResponse::decode(bytes).unwrap().coverage
    };
    let all = house.token("default", &["*"]);
    let owner = house.token("default", &[BRAND]);
    let stranger = house.token("other", &["*"]);

    let (known, covered) = (brands(&all).await, coverage(&all).await);
    assert!(known.len() > 3 && known.iter().any(|one| one.brand == BRAND));
    // Every brand has the facts that coverage has of it.
    for one in &known {
        let of = covered.iter().filter(|entry| entry.brand == one.brand);
        assert!(
            of.map(|entry| entry.kind).eq(one.kinds.iter().copied()),
            "{one:?}"
        );
    }
    assert!(
        covered
            .iter()
            .all(|entry| entry.rows > 0 && entry.last_append_time.is_some())
    );

    // One brand: the same of it, and what belongs to the tenant.
    let own = brands(&owner).await;
    assert_eq!(
        own,
        known
            .into_iter()
            .filter(|one| one.brand == BRAND)
            .collect::<Vec<_>>()
    );
    let shown = covered
        .into_iter()
        .filter(|entry| [BRAND, ""].contains(&entry.brand.as_str()))
        // When others were busy is theirs.
        .map(|entry| Coverage {
            last_append_time: None,
            ..entry
        });
    let own = coverage(&owner).await;
    assert_eq!(own, shown.collect::<Vec<_>>());
    assert!(own.iter().any(|entry| entry.kind() == FactKind::ConsumerProfile));

    // Another tenant has nothing.
    assert!(brands(&stranger).await.is_empty() && coverage(&stranger).await.is_empty());
    let values = async |token: &str, brand: &str| {
        let request = json!({"brand": brand, "dimension": "DIMENSION_CATEGORY"});
        let told = ask(&house, token, "ListDimensionValues", request).await;
        told.map(|bytes| ListDimensionValuesResponse::decode(bytes).unwrap().values)
    };
    assert!(!values(&owner, BRAND).await.unwrap().is_empty());
    let refused = values(&owner, "brand-03").await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    assert_eq!(values(&stranger, BRAND).await.unwrap_err().code(), Code::NotFound);
}

#[test]
fn the_command_line_lists_brands_and_coverage() {
    let data = market().copy();
    let folder = data.path().display().to_string();
    let brands = run(["brands", "--data", &folder]).ok();
    assert!(
        brands.contains(BRAND) && brands.contains("order_line"),
        "{brands}"
    );
    let lines = run(["coverage", "--kind", "order_line", "--json", "--data", &folder]);
    let told = lines.json();
    let entries = told["coverage"].as_array().unwrap();
    assert!(
        entries
            .iter()
            .all(|entry| entry["kind"] == "FACT_KIND_ORDER_LINE")
    );
    assert!(entries.iter().any(|entry| entry["brand"] == BRAND));
}
