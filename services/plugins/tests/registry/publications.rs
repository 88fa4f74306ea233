//! What becomes of an uploaded file: step by step, once, and to its end whoever leaves.

use std::time::Duration;

use dualwheel_plugin_host::{World, sha256};
use dualwheel_proto::plugin::{
    ActivatePluginRequest, GetPluginPublicationRequest, PluginPublication, PluginPublicationState as State,
    PublishPluginRequest, publish_plugin_request::Part,
};
use tonic::Status;

use crate::{
    guest::Guest,
    house::{BRAND, House, UNTRIED, field, parts, reason, setting},
};

const SOON: Duration = Duration::from_millis(1_001);
const LATE: Duration = Duration::from_secs(30);

fn upload(house: &House, component: &[u8]) -> Vec<PublishPluginRequest> {
    let signature = house.key.sign(&sha256(component));
    parts("acme", &signature, component)
}

/// The header alone, with the file's hash.
fn by_hash(house: &House, component: &[u8]) -> Vec<PublishPluginRequest> {
    let mut parts = upload(house, component);
    parts.truncate(1);
    if let Some(Part::Header(header)) = &mut parts[0].part {
        header.sha256 = sha256(component);
    }
    parts
}

async fn read(house: &House, name: &str) -> Result<PluginPublication, Status> {
    let request = GetPluginPublicationRequest {
        name: name.to_owned(),
    };
    let answer = house
        .client
        .clone()
        .plugins
        .get_plugin_publication(request)
        .await?;
    Ok(answer.into_inner().publication.unwrap())
}

fn name(component: &[u8]) -> String {
    format!("publishers/acme/publications/{}", sha256(component))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publication_is_followed_to_its_end() {
    let house = House::new().await;
    let component = Guest::koc("spin").build();
    // It goes on when the call has ended.
    let begun = house.begun(upload(&house, &component), SOON).await.unwrap();
    let publication = begun.publication.unwrap();
    assert_eq!(
        (publication.name.as_str(), begun.plugin),
        (name(&component).as_str(), None)
    );
    let told = house.watched(&publication.name).await;
    let states: Vec<State> = told.iter().map(PluginPublication::state).collect();
    assert!(
        states.is_sorted() && states.last() == Some(&State::Published),
        "{states:?}"
    );
    let last = told.last().unwrap();
    assert_eq!(last.plugin, "plugins/fixture/versions/1.2.0");
    assert!(last.findings.iter().any(|finding| !finding.holds), "{last:?}");
    assert_eq!(&read(&house, &last.name).await.unwrap(), last);

    // What was found stands with the version, and in its way.
    let plugin = house
        .begun(upload(&house, &component), LATE)
        .await
        .unwrap()
        .plugin;
    assert_eq!(plugin.unwrap().findings, last.findings);
    let mut request = ActivatePluginRequest {
        brand: BRAND.to_owned(),
        setting: setting(&last.plugin),
        ..Default::default()
    };
    let refused = house
        .client
        .clone()
        .activations
        .activate_plugin(request.clone())
        .await;
    assert_eq!(reason(refused), "PLUGIN_DOES_NOT_CONFORM");
    request.force_reason = "x".repeat(1_001);
    let refused = house
        .client
        .clone()
        .activations
        .activate_plugin(request.clone())
        .await;
    assert_eq!(field(refused), "force_reason");
    request.force_reason = UNTRIED.to_owned();
    let activated = house
        .client
        .clone()
        .activations
        .activate_plugin(request)
        .await
        .unwrap();
    assert_eq!(activated.into_inner().activation.unwrap().force_reason, UNTRIED);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_file_again_joins_what_is_under_way() {
    let house = House::new().await;
    let beside = house
        .beside(&[World::KocModel, World::StyleTrendModel], |_| {})
        .await;
    let component = Guest::koc("plain").build();
    let calls = (0..6).map(|at| {
        let (house, parts) = (
            if at % 2 == 0 { &house } else { &beside },
            upload(&house, &component),
        );
        house.begun(parts, LATE)
    });
    let made: Vec<_> = futures::future::join_all(calls).await;
    let first = made[0].as_ref().unwrap();
    assert!(first.plugin.is_some());
    for one in &made {
        assert_eq!(one.as_ref().unwrap(), first);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_kept_and_its_file_is_not() {
    let house = House::new().await;
    let nobodys = Guest::koc("plain").version("9.0.0").build();
    let refused = house.begun(upload(&house, &nobodys), LATE).await;
    assert_eq!(reason(refused), "PLUGIN_CONTRACT_VERSION");
    let kept = read(&house, &name(&nobodys)).await.unwrap();
    assert_eq!(
        (kept.state(), kept.reason.as_str()),
        (State::Refused, "PLUGIN_CONTRACT_VERSION")
    );
    assert!(kept.message.contains("9.0.0"), "{kept:?}");
    assert_eq!(house.files("blobs").len(), 0);
    // Again, it is told what was found then; nothing looks into the file once more.
    let refused = house.begun(upload(&house, &nobodys), LATE).await;
    assert_eq!(reason(refused), "PLUGIN_CONTRACT_VERSION");
    assert_eq!(read(&house, &name(&nobodys)).await.unwrap(), kept);
    // By other limits it is looked at anew.
    let beside = house
        .beside(&[World::KocModel], |config| config.plugins.memory_bytes *= 2)
        .await;
    let refused = beside.begun(upload(&house, &nobodys), LATE).await;
    assert_eq!(reason(refused), "PLUGIN_CONTRACT_VERSION");
    assert_ne!(read(&house, &name(&nobodys)).await.unwrap(), kept);
    assert_eq!(
        reason(read(&house, &name(b"never seen")).await),
        "PLUGIN_PUBLICATION_UNKNOWN"
    );
    for wrong in ["", "publishers/acme", "publishers/acme/publications/ABC"] {
        assert_eq!(field(read(&house, wrong).await), "name", "{wrong}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_process_left_unfinished_goes_on_by_its_hash() {
    let house = House::new().await;
    let component = Guest::koc("spin").build();
    // A process of its own runtime, which ends with it.
    let (config, parts) = (house.config.clone(), upload(&house, &component));
    let left = std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let plugins = crate::house::start(&config, &[World::KocModel]).await.unwrap();
            let server = plugins.mount(dualwheel_kit::server::Server::builder(&config).unwrap());
            let channel = server.build().unwrap().in_process();
            let mut client = dualwheel_proto::clients::Plugin::new(channel);
            let mut request = tonic::Request::new(tokio_stream::iter(parts));
            request.set_timeout(SOON);
            client
                .plugins
                .publish_plugin(request)
                .await
                .unwrap()
                .into_inner()
                .publication
                .unwrap()
        })
        // The runtime goes, and what it worked on stays.
    });
    let left = left.join().unwrap();
    assert!(left.state() < State::Published, "{left:?}");
    // Whoever watches marks it as interrupted, and by its hash it goes on: the file is here.
    let last = house.ended(&left.name).await;
    assert_eq!(last.state(), State::Interrupted);
    let begun = house.begun(by_hash(&house, &component), SOON).await.unwrap();
    let publication = match begun.plugin {
        Some(_) => begun.publication.unwrap(),
        None => house.ended(&left.name).await,
    };
    assert_eq!(publication.state(), State::Published);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_with_a_hash_is_held_against_it_before_the_file() {
    let house = House::new().await;
    let component = Guest::koc("plain").build();
    // The file is not here.
    let refused = house.begun(by_hash(&house, &component), LATE).await;
    assert_eq!(reason(refused), "PLUGIN_UPLOAD");
    let with_hash = |hash: &str| {
        let mut parts = upload(&house, &component);
        if let Some(Part::Header(header)) = &mut parts[0].part {
            header.sha256 = hash.to_owned();
        }
        parts
    };
    let refused = house.begun(with_hash("ABC"), LATE).await;
    assert_eq!(field(refused), "header.sha256");
    // The signature is not of that file.
    let refused = house.begun(with_hash(&sha256(b"another")), LATE).await;
    assert_eq!(reason(refused), "PLUGIN_SIGNATURE");
    // Another file than the header's, though that is signed.
    let mut parts = by_hash(&house, &component);
    parts.extend(upload(&house, b"another").into_iter().skip(1));
    assert_eq!(reason(house.begun(parts, LATE).await), "PLUGIN_UPLOAD");
    assert!(
        house
            .begun(with_hash(&sha256(&component)), LATE)
            .await
            .unwrap()
            .plugin
            .is_some()
    );
    assert!(
        house
            .begun(by_hash(&house, &component), LATE)
            .await
            .unwrap()
            .plugin
            .is_some()
    );
}
