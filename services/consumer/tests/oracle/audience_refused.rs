//! Expressions over gRPC that must be refused, and where.

use dualwheel_kit::question::day_to_proto;
use dualwheel_measure::Day;
use dualwheel_proto::{
    consumer::{AudienceDefinition, EstimateAudienceRequest, audience_definition::Form},
    types::{self, AudienceExpression, audience_expression::Node},
};

use crate::{
    audience_service::{by_text, estimate, house, refused},
    edges::D,
    world::BRAND,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_expression_is_refused_field_by_field() {
    let folder = tempfile::tempdir().unwrap();
    let (mut client, _) = house(&folder).await;
    let term = |node: Node| AudienceExpression { node: Some(node) };
    let stage = |state: &str| {
        term(Node::Stage(types::StageTerm {
            state: state.to_owned(),
            ..Default::default()
        }))
    };
    let purchase = types::PurchaseTerm {
        measure: types::PurchaseMeasure::NetGmv as i32,
        money: Some(types::MoneyRange {
            at_least: Some(dualwheel_proto::Money {
                currency_code: "EUR".to_owned(),
                units: 1,
                nanos: 1,
            }),
            at_most: None,
        }),
        ..Default::default()
    };
    let parts = vec![
        stage("P"),
        stage("Z"),
        term(Node::Purchase(purchase)),
        AudienceExpression::default(),
        term(Node::AnyOf(types::AudienceParts::default())),
        term(Node::Behavior(types::BehaviorTerm {
            kinds: vec!["CART".to_owned(), "KART".to_owned()],
            days: Some(types::AudienceDays {
                days: Some(types::audience_days::Days::LastDays(0)),
            }),
            ..Default::default()
        })),
    ];
    let request = |expression: AudienceExpression| EstimateAudienceRequest {
        brand: BRAND.to_owned(),
        definition: Some(AudienceDefinition {
            form: Some(Form::Expression(expression)),
        }),
        ..Default::default()
    };
    let all = term(Node::AllOf(types::AudienceParts { parts }));
    let (reason, violations) = refused(client.audiences.estimate_audience(request(all)).await);
    assert_eq!(reason, "INVALID_QUESTION");
    let fields: Vec<&str> = violations
        .iter()
        .map(|(field, _)| field.trim_start_matches("definition.expression.all_of.parts"))
        .collect();
    let expected = [
        "[1].stage.state",
        "[2].purchase.money.at_least",
        "[2].purchase.money.at_least",
        "[2].purchase.days",
        "[3]",
        "[4].any_of.parts",
        "[5].behavior.kinds[1]",
        "[5].behavior.days",
    ];
    assert_eq!(fields, expected);
    let deep = (0..33).fold(stage("P"), |inner, _| {
        term(Node::AllOf(types::AudienceParts {
            parts: vec![inner, stage("A")],
        }))
    });
    let (_, violations) = refused(client.audiences.estimate_audience(request(deep)).await);
    assert_eq!(violations[0].0, "definition.expression");
    let (reason, violations) = refused(estimate(&mut client, "stage(P) and").await);
    assert_eq!(
        (reason.as_str(), violations[0].0.as_str()),
        ("INVALID_QUESTION", "definition.text")
    );
    let (reason, _) = refused(estimate(&mut client, "predicted(alive_probability) >= 0.5").await);
    assert_eq!(reason, "MODEL_REFUSED");
    let missing = EstimateAudienceRequest {
        as_of: Some(day_to_proto(Day(D + 100_000))),
        ..Default::default()
    };
    let (_, violations) = refused(client.audiences.estimate_audience(missing).await);
    assert_eq!(violations[0].0, "brand");
    let stranger = EstimateAudienceRequest {
        brand: "nobody".to_owned(),
        definition: by_text("stage(P)"),
        ..Default::default()
    };
    assert_eq!(
        refused(client.audiences.estimate_audience(stranger).await).0,
        "BRAND_UNKNOWN"
    );
}
