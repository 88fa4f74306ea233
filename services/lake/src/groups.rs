//! Metric groups of facts in the lake: the one way from a question to its answer.

use std::sync::Arc;

use async_trait::async_trait;
use dualwheel_kit::{
    Call, Question,
    metrics::{Group, InForce, Measured},
    work,
};
use dualwheel_measure::{Catalogue, Day, Definitions, Metric, MetricGroup, Need, definitions::Ranged};
use dualwheel_proto::types;
use serde::{Serialize, de::DeserializeOwned};
use tonic::Status;

use crate::{Lake, Reader, fact::Fact};

/// A question that was checked, with what it takes to answer it.
pub struct Asked<P> {
    /// Who asks.
    pub call: Call,
    /// The question.
    pub question: Question,
    /// The facts, at one version.
    pub reader: Arc<Reader>,
    /// The definitions in force.
    pub definitions: Arc<Definitions<P>>,
}

impl<P> Asked<P> {
    /// The answer.
    #[must_use]
    pub fn measured(&self, metrics: Vec<Metric>) -> Measured {
        Measured {
            metrics,
            currency: self.reader.currency().to_owned(),
            versions: self.reader.versions(),
        }
    }
}

/// Reads a question that may be cut by `cuts` and opens the facts for it. All but the current day is checked before the
/// lake is touched; the day needs the tenant's zone.
///
/// # Errors
/// `INVALID_QUESTION`, `BRAND_UNKNOWN`, or when the lake cannot be read.
pub async fn ask<P>(
    call: &Call,
    lake: &Lake,
    catalogue: &Catalogue<P>,
    query: Option<types::MetricQuery>,
    cuts: &[&str],
) -> Result<Asked<P>, Status>
where
    P: DeserializeOwned + Serialize + Clone + Ranged,
{
    let unread = Question::read(query.clone(), cuts, Day(i32::MAX))?;
    let reader = lake.of(call).reader(&unread.pin).await?;
    let question = Question::read(query, cuts, reader.today())?;
    reader.require_brand(&question.brand).await?;
    Ok(Asked {
        definitions: catalogue.of(call.tenant(), &question.brand),
        call: call.clone(),
        question,
        reader: Arc::new(reader),
    })
}

/// The first table or column among `needs` that the lake does not have, `table.column`; a group names none.
#[must_use]
pub fn unknown(needs: &[Need]) -> Option<String> {
    needs.iter().find_map(|need| {
        let Some(fact) = Fact::in_table(need.table) else {
            return Some(need.table.to_owned());
        };
        let schema = fact.schema();
        let mut columns = need.columns.iter();
        let unknown = columns.find(|column| schema.field_with_name(column).is_err())?;
        Some(format!("{}.{unknown}", need.table))
    })
}

/// How the facts of a group are read.
#[async_trait]
pub trait Source<G: MetricGroup>: Send + Sync {
    /// Whether the group fits models, which are worked out beside the scans.
    const FITS: bool = false;

    /// Reads what the group needs for a question.
    ///
    /// # Errors
    /// When a table cannot be read.
    async fn read(&self, asked: &Asked<G::Parameters>) -> Result<(G::Part, G::Whole), Status>;
}

/// A group with its source and its definitions: it can be asked.
pub struct Handler<G: MetricGroup, S> {
    /// The lake.
    pub lake: Lake,
    /// Its definitions.
    pub catalogue: Catalogue<G::Parameters>,
    /// The group.
    pub group: G,
    /// Where its facts come from.
    pub source: S,
}

#[async_trait]
impl<G, S> Group for Handler<G, S>
where
    G: MetricGroup + Clone + 'static,
    S: Source<G> + 'static,
    G::Parameters: DeserializeOwned + Serialize + Clone + Ranged + Send + Sync + 'static,
{
    fn name(&self) -> &'static str {
        self.group.name()
    }

    fn ids(&self) -> &'static [&'static str] {
        self.group.ids()
    }

    fn cuts(&self) -> &'static [&'static str] {
        self.group.cuts()
    }

    fn in_force(&self, tenant: &str, brand: &str) -> Arc<dyn InForce> {
        self.catalogue.of(tenant, brand)
    }

    async fn measure(&self, call: &Call, query: Option<types::MetricQuery>) -> Result<Measured, Status> {
        let asked = ask(call, &self.lake, &self.catalogue, query, self.cuts()).await?;
        let (part, whole) = self.source.read(&asked).await?;
        let (group, question, definitions) = (
            self.group.clone(),
            asked.question.clone(),
            asked.definitions.clone(),
        );
        let measure = move || group.measure(&part, &whole, &question.ask(&definitions));
        let metrics = match S::FITS {
            true => work::models(measure).await?,
            false => work::metrics(measure).await?,
        };
        Ok(asked.measured(metrics))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needs_of_what_there_is_not_are_named() {
        let known = Need::of("order_lines", &["product", "paid_amount"]);
        assert_eq!(unknown(std::slice::from_ref(&known)), None);
        let column = Need::of("order_lines", &["product", "prize"]);
        assert_eq!(unknown(&[known, column]).as_deref(), Some("order_lines.prize"));
        assert_eq!(unknown(&[Need::of("lines", &[])]).as_deref(), Some("lines"));
    }
}
