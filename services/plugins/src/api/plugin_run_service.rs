//! The RPCs of [`PluginRunService`].

use dualwheel_kit::{Call, page::page_size};
use dualwheel_proto::plugin::{
    GetPluginRunRequest, GetPluginRunResponse, GetPluginRunRowsRequest, ListPluginRunsRequest,
    ListPluginRunsResponse, ReplayPluginRunRequest, ReplayPluginRunResponse,
    plugin_run_service_server::PluginRunService,
};
use tonic::{Request, Response, Status};

use super::{Service, convert, names, runs};

#[tonic::async_trait]
impl PluginRunService for Service {
    async fn list_plugin_runs(
        &self,
        request: Request<ListPluginRunsRequest>,
    ) -> Result<Response<ListPluginRunsResponse>, Status> {
        let (call, request) = Call::of(request)?;
        names::brand_and_world(&request.brand, request.world)?;
        let size = page_size(request.page_size)?;
        let runs = self.plugins.runs(&call);
        let page = runs
            .list(&request.brand, request.world, size, &request.page_token)
            .await?;
        Ok(Response::new(ListPluginRunsResponse {
            runs: page.items.into_iter().map(convert::run).collect(),
            next_page_token: page.next,
        }))
    }

    async fn get_plugin_run(
        &self,
        request: Request<GetPluginRunRequest>,
    ) -> Result<Response<GetPluginRunResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let id = names::run("name", &request.name)?;
        let run = Some(convert::run(self.plugins.runs(&call).get(&id).await?));
        Ok(Response::new(GetPluginRunResponse { run }))
    }

    type GetPluginRunRowsStream = runs::Rows;

    async fn get_plugin_run_rows(
        &self,
        request: Request<GetPluginRunRowsRequest>,
    ) -> Result<Response<runs::Rows>, Status> {
        let (call, request) = Call::of(request)?;
        let id = names::run("name", &request.name)?;
        Ok(Response::new(self.rows(&call, &id).await?))
    }

    async fn replay_plugin_run(
        &self,
        request: Request<ReplayPluginRunRequest>,
    ) -> Result<Response<ReplayPluginRunResponse>, Status> {
        let (call, request) = Call::of(request)?;
        let id = names::run("name", &request.name)?;
        Ok(Response::new(self.replay(&call, &id).await?))
    }
}
