//! The mesh as its callers find it: reflection and health of one process, and of one that serves a part.

use std::collections::BTreeSet;

use dualwheel_proto::{
    consumer::{GetAiplRequest, consumer_service_client::ConsumerServiceClient},
    facts::{GetTenantRequest, fact_service_client::FactServiceClient},
};
use tonic::{Code, transport::Channel};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};

use crate::{
    diagnosis::query,
    harness::{Server, market},
};

const SERVICES: [&str; 16] = [
    "dualwheel.consumer.v1.ConsumerService",
    "dualwheel.content.v1.ContentService",
    "dualwheel.diagnosis.v1.DiagnosisService",
    "dualwheel.facts.v1.FactService",
    "dualwheel.membership.v1.MembershipService",
    "dualwheel.metric.v1.MetricService",
    "dualwheel.product.v1.ProductService",
    "dualwheel.plugin.v1.PluginService",
    "dualwheel.consumer.v1.AudienceService",
    "dualwheel.consumer.v1.TargetingService",
    "dualwheel.consumer.v1.PeopleIndexService",
    "dualwheel.consumer.v1.PrivacyService",
    "dualwheel.diagnosis.v1.PeerSetService",
    "dualwheel.plugin.v1.ActivationService",
    "dualwheel.plugin.v1.PluginRunService",
    "dualwheel.plugin.v1.PublisherService",
];

async fn reflect(channel: Channel, question: MessageRequest) -> MessageResponse {
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(question),
    };
    let requests = tokio_stream::iter([request]);
    let mut answers = ServerReflectionClient::new(channel)
        .server_reflection_info(requests)
        .await
        .unwrap()
        .into_inner();
    answers
        .message()
        .await
        .unwrap()
        .unwrap()
        .message_response
        .unwrap()
}

async fn listed(channel: Channel) -> BTreeSet<String> {
    match reflect(channel, MessageRequest::ListServices(String::new())).await {
        MessageResponse::ListServicesResponse(list) => {
            list.service.into_iter().map(|service| service.name).collect()
        }
        other => panic!("{other:?}"),
    }
}

async fn health(channel: Channel, service: &str) -> Result<ServingStatus, Code> {
    let request = HealthCheckRequest {
        service: service.to_owned(),
    };
    let answer = HealthClient::new(channel)
        .check(request)
        .await
        .map_err(|status| status.code())?;
    Ok(answer.into_inner().status())
}

#[tokio::test]
async fn all_services_are_reflected_and_healthy() {
    let data = market().copy();
    let server = Server::all(data.path());
    let names = listed(server.channel()).await;
    for service in SERVICES
        .iter()
        .chain(&["grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection"])
    {
        assert!(names.contains(*service), "{service} is not among {names:?}");
        let question = MessageRequest::FileContainingSymbol((*service).to_owned());
        let MessageResponse::FileDescriptorResponse(files) = reflect(server.channel(), question).await else {
            panic!("{service} has no descriptor")
        };
        assert!(!files.file_descriptor_proto.is_empty());
    }
    for service in SERVICES.iter().chain(&[""]) {
        assert_eq!(
            health(server.channel(), service).await,
            Ok(ServingStatus::Serving),
            "{service}"
        );
    }
    assert_eq!(
        health(server.channel(), "dualwheel.nobody.v1.Nobody").await,
        Err(Code::NotFound)
    );
    assert!(server.stop().await.success());
}

#[tokio::test]
async fn a_process_offers_what_it_was_told_to() {
    let data = market().copy();
    let server = Server::start(data.path(), &["content", "membership"], &[]);
    let names = listed(server.channel()).await;
    assert!(
        names.contains(SERVICES[1]) && names.contains(SERVICES[4]),
        "{names:?}"
    );
    assert!(
        !names.contains(SERVICES[0]) && !names.contains(SERVICES[2]),
        "{names:?}"
    );
    assert_eq!(health(server.channel(), SERVICES[0]).await, Err(Code::NotFound));
    let refused = ConsumerServiceClient::new(server.channel())
        .get_aipl(GetAiplRequest { query: query() })
        .await;
    assert_eq!(refused.unwrap_err().code(), Code::Unimplemented);
    let tenant = FactServiceClient::new(server.channel())
        .get_tenant(GetTenantRequest {})
        .await
        .unwrap()
        .into_inner();
    assert_eq!(tenant.owned, [7, 8, 9], "content, member and social profile");
}
