//! One question to each metric group.

use dualwheel_measure::Window;
use dualwheel_proto::{
    consumer::{
        GetAiplRequest, GetFastRequest, GetFlowRequest, GetGrowRequest,
        consumer_service_client::ConsumerServiceClient,
    },
    content::{GetStartRequest, content_service_client::ContentServiceClient},
    membership::{GetPlusRequest, membership_service_client::MembershipServiceClient},
    product::{GetSuperRequest, product_service_client::ProductServiceClient},
    types::Metric,
};
use tonic::transport::Channel;

use crate::market::question;

/// The metric groups.
pub(crate) const GROUPS: [&str; 7] = ["aipl", "flow", "fast", "grow", "super", "start", "plus"];

/// Asks `group` about the brand in `window`.
pub(crate) async fn ask(channel: &Channel, group: &str, window: Window) -> anyhow::Result<Vec<Metric>> {
    let query = Some(question(window));
    let people = || ConsumerServiceClient::new(channel.clone());
    Ok(match group {
        "aipl" => {
            people()
                .get_aipl(GetAiplRequest { query })
                .await?
                .into_inner()
                .metrics
        }
        "flow" => {
            people()
                .get_flow(GetFlowRequest { query })
                .await?
                .into_inner()
                .metrics
        }
        "fast" => {
            people()
                .get_fast(GetFastRequest {
                    query,
                    ..GetFastRequest::default()
                })
                .await?
                .into_inner()
                .metrics
        }
        "grow" => {
            people()
                .get_grow(GetGrowRequest {
                    query,
                    ..GetGrowRequest::default()
                })
                .await?
                .into_inner()
                .metrics
        }
        "super" => {
            let mut goods = ProductServiceClient::new(channel.clone());
            goods
                .get_super(GetSuperRequest { query })
                .await?
                .into_inner()
                .metrics
        }
        "start" => {
            let mut contents = ContentServiceClient::new(channel.clone());
            contents
                .get_start(GetStartRequest { query })
                .await?
                .into_inner()
                .metrics
        }
        "plus" => {
            let mut members = MembershipServiceClient::new(channel.clone());
            members
                .get_plus(GetPlusRequest { query })
                .await?
                .into_inner()
                .metrics
        }
        other => anyhow::bail!("there is no metric group {other}"),
    })
}
