//! The service's RPCs.

use dualwheel_kit::Call;
use dualwheel_measure::MetricGroup;
use dualwheel_proto::{
    consumer::{
        CompareAudiencesRequest, CompareAudiencesResponse, CreateAudienceRequest, CreateAudienceResponse,
        DeleteAudienceRequest, DeleteAudienceResponse, DeleteConsumersRequest, DeleteConsumersResponse,
        EstimateAudienceRequest, EstimateAudienceResponse, ExpandAudienceRequest, ExpandAudienceResponse,
        ExportAudienceRequest, ExportConsumerRequest, FindClustersRequest, FindClustersResponse, FlowCell,
        GetAiplRequest, GetAiplResponse, GetAudienceRequest, GetAudienceResponse, GetBrandSignalsRequest,
        GetBrandSignalsResponse, GetConsumerDeletionRequest, GetConsumerDeletionResponse, GetFastRequest,
        GetFastResponse, GetFlowRequest, GetFlowResponse, GetGrowRequest, GetGrowResponse,
        GetJourneysRequest, GetJourneysResponse, GetMoveCostsRequest, GetMoveCostsResponse,
        GetPeopleIndexRequest, GetPeopleIndexResponse, GetRfmRequest, GetRfmResponse, GetSourcesRequest,
        GetSourcesResponse, GetValueRequest, GetValueResponse, GetWinbackRequest, GetWinbackResponse,
        ImportAudienceRequest, ImportAudienceResponse, ListAudiencesRequest, ListAudiencesResponse,
        ListConsumerDeletionsRequest, ListConsumerDeletionsResponse, ListValuesRequest,
        ListWinbackOutlooksRequest, ListWinbackOutlooksResponse, ProfileAudienceRequest,
        ProfileAudienceResponse, RebuildPeopleIndexRequest, RebuildPeopleIndexResponse,
        RefreshAudienceRequest, RefreshAudienceResponse, SaveClustersRequest, SaveClustersResponse,
        SaveWinbackPacksRequest, SaveWinbackPacksResponse, UpdateAudienceRequest, UpdateAudienceResponse,
        VerifyPeopleIndexRequest, VerifyPeopleIndexResponse, consumer_service_server::ConsumerService,
    },
    types,
};
use tonic::{Request, Response, Status, Streaming};

use super::{
    Service,
    audience::Keys,
    deletion::Kept,
    value::{VALUE_CUTS, Values, models_to_proto},
};
use crate::{aipl::Aipl, matrix::Matrix, signals::BrandSignals, value::group::Rfm};

/// The cells with people in them, by stage before and after.
fn cells(matrix: &Matrix) -> Vec<FlowCell> {
    let code = |depth: usize| matrix.codes.get(depth).cloned().unwrap_or_default();
    let filled = matrix.iter().filter(|(_, _, people)| *people > 0);
    filled
        .map(|(from, to, people)| FlowCell {
            from: code(from),
            to: code(to),
            people,
        })
        .collect()
}

#[tonic::async_trait]
impl ConsumerService for Service {
    async fn get_aipl(&self, request: Request<GetAiplRequest>) -> Result<Response<GetAiplResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let measured = self.groups.measure(Aipl.name(), &call, request.query).await?;
        let metrics = measured.to_proto();
        Ok(Response::new(GetAiplResponse { metrics }))
    }

    async fn get_flow(&self, request: Request<GetFlowRequest>) -> Result<Response<GetFlowResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let (answered, matrix) = self.flow(&call, request.query).await?;
        Ok(Response::new(GetFlowResponse {
            metrics: answered.to_proto(&answered.metrics),
            cells: cells(&matrix),
        }))
    }

    async fn get_fast(&self, request: Request<GetFastRequest>) -> Result<Response<GetFastResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let step = request.trend_step();
        let (answered, trend) = self.fast(&call, request.query, step).await?;
        Ok(Response::new(GetFastResponse {
            metrics: answered.to_proto(&answered.metrics),
            trend: answered.to_proto(&trend),
        }))
    }

    async fn get_grow(&self, request: Request<GetGrowRequest>) -> Result<Response<GetGrowResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let GetGrowRequest { query, base } = request;
        let answered = self.grow(&call, query, base).await?;
        Ok(Response::new(GetGrowResponse {
            metrics: answered.to_proto(&answered.metrics),
        }))
    }

    async fn get_brand_signals(
        &self,
        request: Request<GetBrandSignalsRequest>,
    ) -> Result<Response<GetBrandSignalsResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let measured = self
            .groups
            .measure(BrandSignals.name(), &call, request.query)
            .await?;
        let metrics = measured.to_proto();
        Ok(Response::new(GetBrandSignalsResponse { metrics }))
    }

    async fn get_rfm(&self, request: Request<GetRfmRequest>) -> Result<Response<GetRfmResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let measured = self.groups.measure(Rfm.name(), &call, request.query).await?;
        let metrics = measured.to_proto();
        Ok(Response::new(GetRfmResponse { metrics }))
    }

    async fn get_value(
        &self,
        request: Request<GetValueRequest>,
    ) -> Result<Response<GetValueResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let GetValueRequest { query, horizon_weeks } = request;
        let (answered, valued, weeks) = self.value(&call, query, &VALUE_CUTS, horizon_weeks).await?;
        Ok(Response::new(models_to_proto(&answered, &valued, weeks)))
    }

    type ListValuesStream = Values;

    async fn list_values(&self, request: Request<ListValuesRequest>) -> Result<Response<Values>, Status> {
        let (call, request) = Call::of(request)?;
        let ListValuesRequest { query, horizon_weeks } = request;
        Ok(Response::new(self.values(&call, query, horizon_weeks).await?))
    }

    async fn get_journeys(
        &self,
        request: Request<GetJourneysRequest>,
    ) -> Result<Response<GetJourneysResponse>, Status> {
        let (call, request) = Call::of(request)?;
        Ok(Response::new(self.journeys(&call, request).await?))
    }

    async fn estimate_audience(
        &self,
        request: Request<EstimateAudienceRequest>,
    ) -> Result<Response<EstimateAudienceResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let estimated = self.estimate_audience(&call, request).await?;
        Ok(Response::new(estimated))
    }

    type ExportAudienceStream = Keys;

    async fn export_audience(
        &self,
        request: Request<ExportAudienceRequest>,
    ) -> Result<Response<Keys>, Status> {
        let (call, request) = Call::of(request)?;
        let keys = self.export_audience(&call, request).await?;
        Ok(Response::new(keys))
    }

    async fn compare_audiences(
        &self,
        request: Request<CompareAudiencesRequest>,
    ) -> Result<Response<CompareAudiencesResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let compared = self.compare_audiences(&call, request).await?;
        Ok(Response::new(compared))
    }

    async fn profile_audience(
        &self,
        request: Request<ProfileAudienceRequest>,
    ) -> Result<Response<ProfileAudienceResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let profiled = self.profile_audience(&call, request).await?;
        Ok(Response::new(profiled))
    }

    async fn create_audience(
        &self,
        request: Request<CreateAudienceRequest>,
    ) -> Result<Response<CreateAudienceResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let audience = Some(self.create_audience(&call, request).await?);
        Ok(Response::new(CreateAudienceResponse { audience }))
    }

    async fn import_audience(
        &self,
        request: Request<Streaming<ImportAudienceRequest>>,
    ) -> Result<Response<ImportAudienceResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let imported = self.import_audience(&call, request).await?;
        Ok(Response::new(imported))
    }

    async fn get_audience(
        &self,
        request: Request<GetAudienceRequest>,
    ) -> Result<Response<GetAudienceResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let audience = Some(self.get_audience(&call, &request.name).await?);
        Ok(Response::new(GetAudienceResponse { audience }))
    }

    async fn list_audiences(
        &self,
        request: Request<ListAudiencesRequest>,
    ) -> Result<Response<ListAudiencesResponse>, Status> {
        let (call, request) = Call::of(request)?;
        Ok(Response::new(self.list_audiences(&call, &request).await?))
    }

    async fn update_audience(
        &self,
        request: Request<UpdateAudienceRequest>,
    ) -> Result<Response<UpdateAudienceResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let audience = Some(self.update_audience(&call, request).await?);
        Ok(Response::new(UpdateAudienceResponse { audience }))
    }

    async fn refresh_audience(
        &self,
        request: Request<RefreshAudienceRequest>,
    ) -> Result<Response<RefreshAudienceResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let audience = Some(self.refresh_audience(&call, request).await?);
        Ok(Response::new(RefreshAudienceResponse { audience }))
    }

    async fn delete_audience(
        &self,
        request: Request<DeleteAudienceRequest>,
    ) -> Result<Response<DeleteAudienceResponse>, Status> {
        let (call, request) = Call::of(request)?;
        self.delete_audience(&call, &request).await?;
        Ok(Response::new(DeleteAudienceResponse {}))
    }

    async fn get_winback(
        &self,
        request: Request<GetWinbackRequest>,
    ) -> Result<Response<GetWinbackResponse>, Status> {
        let (call, request) = Call::of(request)?;
        Ok(Response::new(self.winback(&call, request).await?))
    }

    async fn save_winback_packs(
        &self,
        request: Request<SaveWinbackPacksRequest>,
    ) -> Result<Response<SaveWinbackPacksResponse>, Status> {
        let (call, request) = Call::of(request)?;
        Ok(Response::new(self.save_winback(&call, request).await?))
    }

    async fn get_move_costs(
        &self,
        request: Request<GetMoveCostsRequest>,
    ) -> Result<Response<GetMoveCostsResponse>, Status> {
        let (call, request) = Call::of(request)?;
        Ok(Response::new(self.move_costs(&call, request).await?))
    }

    async fn get_sources(
        &self,
        request: Request<GetSourcesRequest>,
    ) -> Result<Response<GetSourcesResponse>, Status> {
        let (call, request) = Call::of(request)?;
        Ok(Response::new(self.sources(&call, request).await?))
    }

    async fn expand_audience(
        &self,
        request: Request<ExpandAudienceRequest>,
    ) -> Result<Response<ExpandAudienceResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let expanded = self.expand_audience(&call, request).await?;
        Ok(Response::new(expanded))
    }

    async fn find_clusters(
        &self,
        request: Request<FindClustersRequest>,
    ) -> Result<Response<FindClustersResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let found = self.find_clusters(&call, request).await?;
        Ok(Response::new(found))
    }

    async fn save_clusters(
        &self,
        request: Request<SaveClustersRequest>,
    ) -> Result<Response<SaveClustersResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let saved = self.save_clusters(&call, request).await?;
        Ok(Response::new(saved))
    }

    async fn list_winback_outlooks(
        &self,
        request: Request<ListWinbackOutlooksRequest>,
    ) -> Result<Response<ListWinbackOutlooksResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let told = self.winback_outlooks(&call, request).await?;
        Ok(Response::new(told))
    }

    async fn delete_consumers(
        &self,
        request: Request<DeleteConsumersRequest>,
    ) -> Result<Response<DeleteConsumersResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let deletion = Some(self.delete_consumers(&call, request).await?);
        Ok(Response::new(DeleteConsumersResponse { deletion }))
    }

    async fn get_consumer_deletion(
        &self,
        request: Request<GetConsumerDeletionRequest>,
    ) -> Result<Response<GetConsumerDeletionResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let deletion = Some(self.get_deletion(&call, &request.name).await?);
        Ok(Response::new(GetConsumerDeletionResponse { deletion }))
    }

    async fn list_consumer_deletions(
        &self,
        request: Request<ListConsumerDeletionsRequest>,
    ) -> Result<Response<ListConsumerDeletionsResponse>, Status> {
        let (call, request) = Call::of(request)?;
        Ok(Response::new(self.list_deletions(&call, &request).await?))
    }

    type ExportConsumerStream = Kept;

    async fn export_consumer(
        &self,
        request: Request<ExportConsumerRequest>,
    ) -> Result<Response<Kept>, Status> {
        let (call, request) = Call::of(request)?;
        Ok(Response::new(
            self.export_consumer(&call, request.consumer).await?,
        ))
    }

    async fn get_people_index(
        &self,
        request: Request<GetPeopleIndexRequest>,
    ) -> Result<Response<GetPeopleIndexResponse>, Status> {
        let (call, _) = Call::of(request)?;
        Ok(Response::new(self.people_index(&call).await?))
    }

    async fn rebuild_people_index(
        &self,
        request: Request<RebuildPeopleIndexRequest>,
    ) -> Result<Response<RebuildPeopleIndexResponse>, Status> {
        let (call, _) = Call::of(request)?;
        Ok(Response::new(self.rebuild_index(&call).await?))
    }

    async fn verify_people_index(
        &self,
        request: Request<VerifyPeopleIndexRequest>,
    ) -> Result<Response<VerifyPeopleIndexResponse>, Status> {
        let (call, _) = Call::of(request)?;
        Ok(Response::new(self.verify_index(&call).await?))
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
