//! The gRPC handlers: contract → domain → contract.

mod lifecycle;
mod style_trend;

use std::{collections::BTreeMap, sync::Arc};

use dualwheel_kit::{
    Call,
    metrics::{Group, Registry},
};
use dualwheel_lake::{Lake, Reader, groups::Handler};
use dualwheel_measure::{Catalogue, Day, MetricGroup};
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
    price_strength::PriceStrength,
    queries::{self, Brands},
    style_trend::DefaultStyleTrend,
    super_::Super,
};

/// The product service's handlers.
#[derive(Clone)]
pub struct Service {
    lake: Lake,
    catalogue: Catalogue<Parameters>,
    groups: Registry,
    plugins: Plugins,
    built_in: Plugin,
}

impl Service {
    pub(crate) fn new(lake: Lake, catalogue: Catalogue<Parameters>, plugins: Plugins) -> Self {
        let markets = Markets::new();
        let brands = || Brands {
            markets: markets.clone(),
            catalogue: catalogue.clone(),
        };
        let groups: [Arc<dyn Group>; 2] = [
            Arc::new(Handler {
                lake: lake.clone(),
                catalogue: catalogue.clone(),
                group: Super,
                source: brands(),
            }),
            Arc::new(Handler {
                lake: lake.clone(),
                catalogue: catalogue.clone(),
                group: PriceStrength,
                source: brands(),
            }),
        ];
        Self {
            lake,
            catalogue,
            groups: groups.into_iter().collect(),
            plugins,
            built_in: Plugin::native_style_trend(DefaultStyleTrend),
        }
    }

    /// The metric groups of the service.
    #[must_use]
    pub fn groups(&self) -> Registry {
        self.groups.clone()
    }

    async fn reader(&self, call: &Call, pin: &BTreeMap<String, i64>) -> Result<Reader, Status> {
        Ok(self.lake.of(call).reader(pin).await?)
    }
}

#[tonic::async_trait]
impl ProductService for Service {
    async fn get_super(
        &self,
        request: Request<GetSuperRequest>,
    ) -> Result<Response<GetSuperResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let measured = self.groups.measure(Super.name(), &call, request.query).await?;
        let metrics = measured.to_proto();
        Ok(Response::new(GetSuperResponse { metrics }))
    }

    async fn get_price_strength(
        &self,
        request: Request<GetPriceStrengthRequest>,
    ) -> Result<Response<GetPriceStrengthResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let measured = self
            .groups
            .measure(PriceStrength.name(), &call, request.query)
            .await?;
        let metrics = measured.to_proto();
        Ok(Response::new(GetPriceStrengthResponse { metrics }))
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
        Ok(Response::new(self.groups.definitions(&call, &request.brand)))
    }

    async fn explain_metric(
        &self,
        request: Request<types::ExplainMetricRequest>,
    ) -> Result<Response<types::ExplainMetricResponse>, Status> {
        let (call, request) = Call::of(request)?;
        Ok(Response::new(self.groups.explain(&call, request).await?))
    }
}
