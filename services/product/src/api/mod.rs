//! The gRPC handlers: contract → domain → contract.

mod lifecycle;
mod style_trend;

use std::collections::BTreeMap;

use dualwheel_kit::{Call, Question, access::Brands, answer, explain};
use dualwheel_lake::{Lake, Reader};
use dualwheel_measure::{Catalogue, Day};
use dualwheel_plugin_host::Plugin;
use dualwheel_plugins::Plugins;
use dualwheel_proto::{
    product::{
        GetPriceStrengthRequest, GetPriceStrengthResponse, GetSuperRequest, GetSuperResponse,
        ListLifecycleRequest, ListLifecycleResponse, ListStyleTrendsRequest, ListStyleTrendsResponse,
        product_service_server::ProductService,
    },
    types,
};
use tonic::{Request, Response, Status};

use crate::{
    Parameters,
    markets::Markets,
    price_strength,
    queries::{self, Answered, Case},
    strangers::Stranger,
    style_trend::DefaultStyleTrend,
    super_::{self, Dimension},
};

/// The product service's handlers.
#[derive(Clone)]
pub struct Service {
    lake: Lake,
    catalogue: Catalogue<Parameters>,
    markets: Markets,
    plugins: Plugins,
    built_in: Plugin,
}

/// A metric group: what it may be cut by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Group {
    Super,
    PriceStrength,
}

impl Group {
    fn owning(metric: &str) -> Option<Self> {
        if super_::IDS.contains(&metric) {
            Some(Self::Super)
        } else {
            price_strength::IDS
                .contains(&metric)
                .then_some(Self::PriceStrength)
        }
    }

    fn allowed_by(self) -> &'static [&'static str] {
        match self {
            Self::Super => &Dimension::NAMES,
            Self::PriceStrength => &[],
        }
    }
}

impl Service {
    pub(crate) fn new(lake: Lake, catalogue: Catalogue<Parameters>, plugins: Plugins) -> Self {
        Self {
            lake,
            catalogue,
            markets: Markets::new(),
            plugins,
            built_in: Plugin::native_style_trend(DefaultStyleTrend),
        }
    }

    async fn reader(&self, call: &Call, pin: &BTreeMap<String, i64>) -> Result<Reader, Status> {
        Ok(self.lake.of(call).reader(pin).await?)
    }

    async fn answer(
        &self,
        call: &Call,
        query: Option<types::MetricQuery>,
        group: Group,
    ) -> Result<Answered, Status> {
        // All but the current day is checked before the lake is touched; the day needs the tenant's zone.
        let unread = Question::read(query.clone(), group.allowed_by(), Day(i32::MAX))?;
        let reader = self.reader(call, &unread.pin).await?;
        let question = Question::read(query, group.allowed_by(), reader.today())?;
        reader.require_brand(&question.brand).await?;
        let case = Case {
            tenant: call.tenant(),
            reader: &reader,
            definitions: self.catalogue.of(call.tenant(), &question.brand),
            stranger: self.stranger(call),
            question,
            markets: &self.markets,
        };
        match group {
            Group::Super => case.super_().await,
            Group::PriceStrength => case.price_strength().await,
        }
    }

    /// Who asks, where they may not see every brand. What they are told of the others goes by the tenant's definitions: by
    /// those of several brands they could be told the same thing in two ways, and more by what these differ by.
    fn stranger(&self, call: &Call) -> Option<Stranger> {
        let Brands::Some(sees) = call.brands().clone() else {
            return None;
        };
        let parameters = &self.catalogue.of(call.tenant(), "").parameters;
        Some(Stranger {
            sees,
            least: parameters.min_brands,
            level: parameters.category_level,
        })
    }
}

fn to_proto(answered: &Answered) -> Vec<types::Metric> {
    answer::metrics_to_proto(&answered.metrics, &answered.currency, &answered.versions)
}

#[tonic::async_trait]
impl ProductService for Service {
    async fn get_super(
        &self,
        request: Request<GetSuperRequest>,
    ) -> Result<Response<GetSuperResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let answered = self.answer(&call, request.query, Group::Super).await?;
        Ok(Response::new(GetSuperResponse {
            metrics: to_proto(&answered),
        }))
    }

    async fn get_price_strength(
        &self,
        request: Request<GetPriceStrengthRequest>,
    ) -> Result<Response<GetPriceStrengthResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let answered = self.answer(&call, request.query, Group::PriceStrength).await?;
        Ok(Response::new(GetPriceStrengthResponse {
            metrics: to_proto(&answered),
        }))
    }

    async fn list_lifecycle(
        &self,
        request: Request<ListLifecycleRequest>,
    ) -> Result<Response<ListLifecycleResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let unread = lifecycle::Listing::read(&request, Day(i32::MAX))?;
        let reader = self.reader(&call, &unread.pin).await?;
        let listing = lifecycle::Listing::read(&request, reader.today())?;
        reader.require_brand(&listing.brand).await?;
        let definitions = self.catalogue.of(call.tenant(), &listing.brand);
        let placed = queries::lifecycle(&reader, &listing.brand, listing.day, definitions).await?;
        Ok(Response::new(listing.page(&placed, reader.versions())))
    }

    async fn list_style_trends(
        &self,
        request: Request<ListStyleTrendsRequest>,
    ) -> Result<Response<ListStyleTrendsResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let today = self.reader(&call, &BTreeMap::new()).await?.today();
        let listing = style_trend::Listing::read(request, today)?;
        Ok(Response::new(self.style_trends(&call, listing).await?))
    }

    async fn list_definitions(
        &self,
        request: Request<types::ListDefinitionsRequest>,
    ) -> Result<Response<types::ListDefinitionsResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let definitions = self.catalogue.of(call.tenant(), &request.brand);
        Ok(Response::new(answer::list_definitions(&definitions)))
    }

    async fn explain_metric(
        &self,
        request: Request<types::ExplainMetricRequest>,
    ) -> Result<Response<types::ExplainMetricResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let types::ExplainMetricRequest { metric: id, query } = request;
        let brand = query
            .as_ref()
            .map(|query| query.brand.clone())
            .unwrap_or_default();
        let definitions = self.catalogue.of(call.tenant(), &brand);
        let (Some(entry), Some(group)) = (definitions.entry(&id), Group::owning(&id)) else {
            return Err(explain::unknown(&id));
        };
        let answered = self.answer(&call, query, group).await?;
        Ok(Response::new(explain::explanation(
            &definitions,
            entry,
            &answered.metrics,
            &answered.currency,
            &answered.versions,
        )))
    }
}
