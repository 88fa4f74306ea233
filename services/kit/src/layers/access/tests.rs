use bytes::Bytes;
use tonic::{Code, Status};

use super::*;
use crate::{
    access::{Brands, Method, Scope},
    failure::{reason_of, value_of},
    layers::{
        tests::{answer, call, code, next},
        wrap,
    },
};

fn identity(brands: &[&str], scopes: &[Scope]) -> Identity {
    Identity {
        subject: "s".to_owned(),
        tenant: "t".to_owned(),
        brands: match brands {
            ["*"] => Brands::All,
            some => Brands::Some(some.iter().map(|brand| (*brand).to_owned()).collect()),
        },
        scopes: scopes.iter().copied().collect(),
    }
}

/// A call of `path` by somebody known.
fn of(identity: &Identity, path: &str, message: Bytes) -> Request<Body> {
    let mut request = call(path, "t", message);
    let call = Call::make(&mut request, Arc::new(identity.clone()), None);
    request.extensions_mut().insert(call);
    request
}

async fn ask(identity: &Identity, path: &str, json: &str) -> Result<(), Status> {
    let calls = wrap(vec![authorization()], next(|_| async { answer(b"") }));
    let message = named::request(path).map_or(Bytes::new(), |_| named::encode(path, json).into());
    let request = of(identity, &format!("/{path}"), message);
    match Status::from_header_map(calls.run(request).await.headers()) {
        Some(status) if status.code() != Code::Ok => Err(status),
        _ => Ok(()),
    }
}

#[tokio::test]
async fn a_method_takes_its_own_scope_and_no_other() {
    for method in Method::all() {
        for scope in Scope::ALL {
            let asked = ask(&identity(&["*"], &[*scope]), method.path, "{}").await;
            match asked {
                Ok(()) => assert_eq!(*scope, method.scope, "{}", method.path),
                Err(status) => {
                    assert_ne!(*scope, method.scope, "{}", method.path);
                    assert_eq!(status.code(), Code::PermissionDenied);
                    assert_eq!(value_of(&status, "scope").unwrap(), method.scope.name());
                }
            }
        }
    }
    let all = identity(&["*"], Scope::ALL);
    assert!(
        ask(&all, "dualwheel.consumer.v1.ConsumerService/Nothing", "")
            .await
            .is_err()
    );
    assert!(
        ask(&all, "grpc.reflection.v1.ServerReflection/Info", "")
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn every_brand_of_a_request_must_be_allowed() {
    let some = identity(&["A", "B"], Scope::ALL);
    let neo = "dualwheel.diagnosis.v1.DiagnosisService/GetNeo";
    assert!(
        ask(&some, neo, r#"{"query": {"brand": "A"}, "peers": ["B"]}"#)
            .await
            .is_ok()
    );
    let refused = ask(&some, neo, r#"{"query": {"brand": "A"}, "peers": ["B", "C"]}"#).await;
    let refused = refused.unwrap_err();
    assert_eq!(reason_of(&refused).unwrap(), "PERMISSION_DENIED");
    assert_eq!(value_of(&refused, "brand").unwrap(), "C");
    // Who names no brand would be answered for all of them.
    let list = "dualwheel.consumer.v1.AudienceService/ListAudiences";
    assert!(ask(&some, list, "{}").await.is_err());
    assert!(ask(&some, list, r#"{"brand": "A"}"#).await.is_ok());
    assert!(
        ask(
            &some,
            "dualwheel.consumer.v1.PrivacyService/DeleteConsumers",
            "{}"
        )
        .await
        .is_err()
    );
    assert!(
        ask(&identity(&[], Scope::ALL), list, r#"{"brand": "A"}"#)
            .await
            .is_err()
    );
}

#[tokio::test]
async fn what_cannot_be_read_is_not_let_through() {
    let calls = wrap(vec![authorization()], next(|_| async { answer(b"") }));
    let path = "/dualwheel.consumer.v1.ConsumerService/GetFast";
    for message in [Bytes::from_static(&[0xff]), vec![0; NAMED_BYTES].into()] {
        let request = of(&identity(&["A"], Scope::ALL), path, message);
        assert_ne!(code(&calls.run(request).await), Code::Ok);
    }
}

#[tokio::test]
async fn without_identities_everything_is_one_tenants_own() {
    let calls = wrap(
        vec![anonymous("house"), authorization()],
        next(|request| async move {
            let call = request.extensions().get::<Call>().unwrap();
            assert_eq!(call.tenant(), "house");
            assert!(call.may_see("any"));
            answer(b"")
        }),
    );
    let path = "/dualwheel.consumer.v1.PrivacyService/DeleteConsumers";
    assert_eq!(code(&calls.run(call(path, "t", Bytes::new())).await), Code::Ok);
}

#[tokio::test]
async fn what_says_not_who_calls_is_refused_and_health_alone_is_not() {
    let calls = wrap(vec![authorization()], next(|_| async { answer(b"") }));
    let ask = async |path: &str| {
        let mut request = call(path, "t", Bytes::new());
        request.extensions_mut().remove::<Call>();
        code(&calls.run(request).await)
    };
    assert_eq!(
        ask("/dualwheel.consumer.v1.ConsumerService/GetFast").await,
        Code::Internal
    );
    assert_eq!(
        ask("/grpc.reflection.v1.ServerReflection/Info").await,
        Code::Internal
    );
    assert_eq!(ask("/grpc.health.v1.Health/Check").await, Code::Ok);
    let jobs = wrap(vec![on_behalf()], next(|_| async { answer(b"") }));
    assert_eq!(
        code(&jobs.run(call("/x", "t", Bytes::new())).await),
        Code::Internal
    );
}
