//! RFM and customer value between contract and domain.

use std::pin::Pin;

use dualwheel_kit::Call;
use dualwheel_measure::{Extent, MetricGroup};
use dualwheel_proto::{
    consumer::{BgNbd, ConsumerValue, GammaGamma, GetValueResponse, ListValuesResponse},
    types,
};
use futures::{Stream, stream};
use tonic::Status;

use super::{Answered, Service};
use crate::{
    queries::{self, compute},
    value::{
        group::Value,
        measure::{Forecast, Valued, by_key},
    },
};

/// Cuts of a question for value.
pub(super) const VALUE_CUTS: [&str; 1] = ["role"];
/// Customers of one message.
const PER_MESSAGE: usize = 1_000;

/// A stream of customers.
pub(super) type Values = Pin<Box<dyn Stream<Item = Result<ListValuesResponse, Status>> + Send>>;

impl Service {
    /// Metrics, models and weeks foreseen; `cuts` are those that the question may have.
    pub(super) async fn value(
        &self,
        call: &Call,
        query: Option<types::MetricQuery>,
        cuts: &[&str],
        weeks: i32,
    ) -> Result<(Answered, Valued, u32), Status> {
        let (asked, ()) = self.ask(call, query, cuts, |_| Ok(())).await?;
        // Where none are asked for, the definition decides.
        let weeks = u32::try_from(weeks).ok().filter(|weeks| *weeks > 0);
        let weeks = weeks.unwrap_or(u32::from(asked.definitions.parameters.value_weeks.get()));
        let part = queries::value(&asked.reader, &asked.question).await?;
        let (question, definitions) = (asked.question.clone(), asked.definitions.clone());
        let fit = move || {
            let (group, ask) = (Value { weeks: Some(weeks) }, question.ask(&definitions));
            let customers = group.partial(&part, &(), Extent::Whole, &ask);
            group.answer(&customers, &ask)
        };
        let (metrics, valued) = queries::model(fit).await?;
        Ok((asked.answered(metrics), valued, weeks))
    }

    pub(super) async fn values(
        &self,
        call: &Call,
        query: Option<types::MetricQuery>,
        weeks: i32,
    ) -> Result<Values, Status> {
        let (answered, valued, _) = self.value(call, query, &[], weeks).await?;
        let names = answered.names;
        let customers = compute(move || by_key(&valued.customers, &names)).await?;
        call.notes().people(customers.len());
        let messages: Vec<ListValuesResponse> = customers
            .chunks(PER_MESSAGE)
            .map(|some| ListValuesResponse {
                values: some.iter().map(|(key, one)| value_to_proto(key, one)).collect(),
            })
            .collect();
        Ok(Box::pin(stream::iter(messages.into_iter().map(Ok))))
    }
}

/// The models as the contract writes them.
pub(super) fn models_to_proto(answered: &Answered, valued: &Valued, weeks: u32) -> GetValueResponse {
    let purchases = valued.purchases.as_ref().map(|model| BgNbd {
        r: model.r,
        alpha: model.alpha,
        a: model.a,
        b: model.b,
        log_likelihood: model.log_likelihood,
        customers: valued.customers.len() as i64,
    });
    let spending = valued.spending.as_ref().map(|model| GammaGamma {
        p: model.p,
        q: model.q,
        gamma: model.gamma,
        log_likelihood: model.log_likelihood,
        customers: valued.spenders as i64,
        correlation: valued.correlation,
    });
    GetValueResponse {
        metrics: answered.to_proto(&answered.metrics),
        purchases_refusal: purchases
            .as_ref()
            .err()
            .map(ToString::to_string)
            .unwrap_or_default(),
        purchases: purchases.ok(),
        spending_refusal: spending
            .as_ref()
            .err()
            .map(ToString::to_string)
            .unwrap_or_default(),
        spending: spending.ok(),
        horizon_weeks: i32::try_from(weeks).unwrap_or(i32::MAX),
    }
}

fn value_to_proto(key: &str, one: &Forecast) -> ConsumerValue {
    ConsumerValue {
        consumer: key.to_owned(),
        repeats: i32::try_from(one.history.repeats).unwrap_or(i32::MAX),
        recency_weeks: one.timing.recency,
        age_weeks: one.timing.age,
        alive_probability: one.alive,
        expected_purchases: one.purchases,
        expected_purchase_value: one.purchase_value,
        lifetime_value: one.lifetime_value,
    }
}
