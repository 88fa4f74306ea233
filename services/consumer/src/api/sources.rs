//! Sources between contract and domain.

use dualwheel_kit::{Call, question::day_to_proto};
use dualwheel_proto::consumer::{GetSourcesRequest, GetSourcesResponse, Source};
use tonic::Status;

use super::{Service, of_whole_brand};
use crate::queries;

impl Service {
    pub(super) async fn sources(
        &self,
        call: &Call,
        request: GetSourcesRequest,
    ) -> Result<GetSourcesResponse, Status> {
        let (asked, ()) = self.ask(call, request.query, &[], of_whole_brand).await?;
        let found = queries::sources(&asked.reader, &asked.question, &asked.definitions).await?;
        let source = |source: crate::sources::Source| Source {
            brand: source.brand,
            category: source.category,
            people: source.people,
            share: source.share,
        };
        Ok(GetSourcesResponse {
            new_buyers: found.new_buyers,
            without_source: found.without_source,
            sources: found.sources.into_iter().map(source).collect(),
            as_of: Some(day_to_proto(asked.question.window.last)),
            definition_version: asked.definitions.version.clone(),
            data_version: Some(asked.reader.versions()),
        })
    }
}
