//! The metric groups of the service, as they are asked.

use std::sync::Arc;

use dualwheel_kit::{
    Call, Question,
    metrics::{Group, InForce, Measured, Registry},
};
use dualwheel_lake::{
    frames::Orders,
    groups::{Asked, Handler, Source},
};
use dualwheel_measure::{Ask, Extent, MetricGroup};
use dualwheel_proto::types;
use tonic::Status;

use super::{People, Service};
use crate::{
    Parameters,
    aipl::Aipl,
    facts::Facts,
    fast::Fast,
    flow::Flow,
    grow::{self, Grow},
    index::Judge,
    queries::{self, compute},
    signals::{self, BrandSignals},
    value::group::{self as value, Rfm, Value},
};

/// A group that the people index answers as well as the facts do, for the whole brand.
trait Indexed: MetricGroup<Parameters = Parameters, Part = Facts, Whole = ()> + Copy + 'static {
    /// What the index knows.
    fn by_index(self, judge: &Judge<'_>, ask: &Ask<'_, Parameters>) -> Self::Partial;
}

impl Indexed for Aipl {
    fn by_index(self, judge: &Judge<'_>, ask: &Ask<'_, Parameters>) -> Self::Partial {
        Self::by_index(self, judge, ask)
    }
}

impl Indexed for Flow {
    fn by_index(self, judge: &Judge<'_>, ask: &Ask<'_, Parameters>) -> Self::Partial {
        Self::by_index(self, judge, ask)
    }
}

impl Indexed for Fast {
    fn by_index(self, judge: &Judge<'_>, ask: &Ask<'_, Parameters>) -> Self::Partial {
        Self::by_index(self, judge, ask)
    }
}

/// Such a group, with the service whose index it asks.
struct OfPeople<G> {
    service: Service,
    group: G,
}

#[tonic::async_trait]
impl<G: Indexed> Group for OfPeople<G> {
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
        self.service.catalogue.of(tenant, brand)
    }

    async fn measure(&self, call: &Call, query: Option<types::MetricQuery>) -> Result<Measured, Status> {
        let whole = |question: &Question| Ok(((), question.category.is_none() && question.by.is_none()));
        let asking = self.service.ask_people(call, query, self.cuts(), whole);
        let (asked, ()) = asking.await?;
        let (question, definitions) = (asked.question.clone(), asked.definitions.clone());
        let (people, group) = (asked.people().await?, self.group);
        let metrics = compute(move || {
            let ask = question.ask(&definitions);
            let known = match &people {
                People::Indexed(people) => group.by_index(&people.judge(), &ask),
                People::Facts(facts) => group.partial(facts, &(), Extent::Whole, &ask),
            };
            group.finish(known, &(), &ask)
        });
        let metrics = metrics.await?;
        Ok(Measured {
            metrics,
            currency: asked.reader.currency().to_owned(),
            versions: asked.reader.versions(),
        })
    }
}

/// The frames of the lake.
struct Frames;

#[tonic::async_trait]
impl Source<Grow> for Frames {
    async fn read(&self, asked: &Asked<Parameters>) -> Result<(grow::Part, grow::Whole), Status> {
        queries::grow(&asked.reader, &asked.question).await
    }
}

#[tonic::async_trait]
impl Source<BrandSignals> for Frames {
    async fn read(&self, asked: &Asked<Parameters>) -> Result<(signals::Part, ()), Status> {
        let part = signals::Part {
            people: queries::people(&asked.reader, &asked.question.brand).await?,
            profiles: queries::profiles(&asked.reader).await?,
        };
        Ok((part, ()))
    }
}

#[tonic::async_trait]
impl Source<Rfm> for Frames {
    async fn read(&self, asked: &Asked<Parameters>) -> Result<(Arc<Orders>, ()), Status> {
        Ok((asked.reader.orders(&asked.question.brand).await?, ()))
    }
}

#[tonic::async_trait]
impl Source<Value> for Frames {
    const FITS: bool = true;

    async fn read(&self, asked: &Asked<Parameters>) -> Result<(value::Part, ()), Status> {
        let (reader, question) = (&asked.reader, &asked.question);
        Ok((queries::value(reader, question).await?, ()))
    }
}

/// All groups, in the order of the definitions.
pub(super) fn registry(service: &Service) -> Registry {
    fn people<G: Indexed>(service: &Service, group: G) -> Arc<dyn Group> {
        let service = service.clone();
        Arc::new(OfPeople { service, group })
    }
    fn frames<G>(service: &Service, group: G) -> Arc<dyn Group>
    where
        G: MetricGroup<Parameters = Parameters> + Clone + 'static,
        Frames: Source<G>,
    {
        Arc::new(Handler {
            lake: service.lake.clone(),
            catalogue: service.catalogue.clone(),
            group,
            source: Frames,
        })
    }
    let groups = [
        people(service, Aipl),
        people(service, Flow),
        people(service, Fast),
        frames(service, Grow::default()),
        frames(service, BrandSignals),
        frames(service, Rfm),
        frames(service, Value::default()),
    ];
    groups.into_iter().collect()
}
