//! Trusting publishers and publishing components: what is right is stored, all else leaves nothing.

use dualwheel_plugin_host::{World, sha256};
use dualwheel_plugins::signature::SecretKey;
use dualwheel_proto::plugin::{
    CheckPluginRequest, CreatePublisherRequest, DeletePublisherRequest, GetPluginRequest, ListPluginsRequest,
    ListPublishersRequest, PluginWorld, PublishPluginRequest, Publisher, publish_plugin_request::Part,
};
use tonic::Code;

use crate::{
    guest::Guest,
    house::{House, field, parts, reason},
};

async fn plugins(house: &House) -> Vec<String> {
    let listed = house
        .client
        .clone()
        .plugins
        .list_plugins(ListPluginsRequest::default())
        .await;
    let plugins = listed.unwrap().into_inner().plugins;
    plugins.into_iter().map(|plugin| plugin.name).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_published_can_be_read_and_checked() {
    let house = House::new().await;
    let component = Guest::koc("plain").build();
    let plugin = house.publish(&component).await.unwrap();
    assert_eq!(plugin.name, "plugins/fixture/versions/1.2.0");
    assert_eq!(
        (plugin.world(), plugin.needs_sealed_wasi),
        (PluginWorld::KocModel, false)
    );
    assert_eq!(plugin.sha256, sha256(&component));
    assert_eq!(
        (plugin.publisher.as_str(), plugin.size_bytes),
        ("publishers/acme", component.len() as i64)
    );
    assert_eq!(plugin.columns.len(), 2);
    let parameter = &plugin.parameters[0];
    assert_eq!(
        (parameter.default_value, parameter.least, parameter.greatest),
        (0.5, 0.0, 1.0)
    );

    // The same file again is the same plugin.
    assert_eq!(house.publish(&component).await.unwrap(), plugin);
    let name = plugin.name.clone();
    let got = house
        .client
        .clone()
        .plugins
        .get_plugin(GetPluginRequest { name: name.clone() })
        .await;
    assert_eq!(got.unwrap().into_inner().plugin.unwrap(), plugin);

    let check = CheckPluginRequest { name, rows: 50 };
    let checked = house
        .client
        .clone()
        .plugins
        .check_plugin(check)
        .await
        .unwrap()
        .into_inner();
    // It answers not a number where a rank is none.
    let failed: Vec<&str> = checked
        .findings
        .iter()
        .filter(|finding| !finding.holds)
        .map(|finding| finding.check.as_str())
        .collect();
    assert_eq!(
        (failed, checked.conforms),
        (vec!["single values unknown", "nothing known"], false)
    );
    for rows in [1, -1, 65_537] {
        let name = plugin.name.clone();
        let refused = house
            .client
            .clone()
            .plugins
            .check_plugin(CheckPluginRequest { name, rows })
            .await;
        assert_eq!(field(refused), "rows");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_stand_side_by_side_and_in_pages() {
    let house = House::new().await;
    for version in ["1.0.0", "1.1.0", "2.0.0"] {
        house.published(Guest::koc("plain").named("model", version)).await;
    }
    house
        .published(Guest::style("trend").named("styles", "1.0.0"))
        .await;
    let mut client = house.client.clone();
    let (mut names, mut token) = (Vec::new(), String::new());
    loop {
        let request = ListPluginsRequest {
            world: PluginWorld::KocModel.into(),
            page_size: 2,
            page_token: token,
        };
        let page = client.plugins.list_plugins(request).await.unwrap().into_inner();
        names.extend(page.plugins.into_iter().map(|plugin| plugin.name));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    let name = |version: &str| format!("plugins/model/versions/{version}");
    assert_eq!(names, ["1.0.0", "1.1.0", "2.0.0"].map(name));
    assert_eq!(plugins(&house).await.len(), 4);
    let request = ListPluginsRequest {
        page_token: "nonsense".to_owned(),
        ..Default::default()
    };
    assert_eq!(reason(client.plugins.list_plugins(request).await), "INVALID_PAGE");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_must_be_of_this_file_by_a_trusted_key() {
    let house = House::new().await;
    let component = Guest::koc("plain").build();
    let hash = sha256(&component);
    let stranger = SecretKey::generate().unwrap();
    let of_another = house.key.sign(&sha256(b"another file"));
    for wrong in [stranger.sign(&hash), of_another, String::new(), "AAAA".to_owned()] {
        let refused = house.upload(parts("acme", &wrong, &component)).await;
        assert_eq!(reason(refused), "PLUGIN_SIGNATURE", "{wrong}");
    }
    let good = house.key.sign(&hash);
    let refused = house.upload(parts("nobody", &good, &component)).await;
    assert_eq!(reason(refused), "PUBLISHER_UNKNOWN");
    let refused = house.upload(parts("Not A Name", &good, &component)).await;
    assert_eq!(field(refused), "header.publisher");
    // Nothing looked into the file: even what is no component is refused for its signature first.
    let refused = house.upload(parts("acme", &good, b"no component")).await;
    assert_eq!(reason(refused), "PLUGIN_SIGNATURE");
    assert_eq!(plugins(&house).await.len(), 0);
    assert_eq!(house.files("blobs").len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_components_of_the_contract_are_taken() {
    let house = House::with(|config| config.plugins.component_bytes = 100_000).await;
    let module = wat::parse_str("(module)").unwrap();
    let mut cut = Guest::koc("plain").build();
    cut.truncate(cut.len() / 2);
    let older = Guest::koc("plain").version("0.9.0").build();
    let import = wat::parse_str(r#"(component (import "wasi:sockets/tcp@0.2.0" (instance)))"#).unwrap();
    for (component, expected) in [
        (module, "PLUGIN_NOT_A_COMPONENT"),
        (b"GIF89a".to_vec(), "PLUGIN_NOT_A_COMPONENT"),
        (cut, "PLUGIN_MALFORMED"),
        (older, "PLUGIN_CONTRACT_VERSION"),
        (vec![0; 100_001], "PLUGIN_TOO_LARGE"),
        (Guest::koc("spin_describe").build(), "PLUGIN_FUEL_EXHAUSTED"),
        (
            Guest::koc("plain").named("No Name", "1.0.0").build(),
            "PLUGIN_BAD_DESCRIPTION",
        ),
        (import, "PLUGIN_IMPORT_REFUSED"),
    ] {
        let told = house.publish(&component).await;
        assert_eq!(reason(told), expected);
    }
    assert_eq!(plugins(&house).await.len(), 0);
    assert_eq!(house.files("blobs").len(), 0);
    // And the next one is taken.
    house.published(Guest::koc("plain")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_breaks_off_or_the_rules_leaves_nothing() {
    let house = House::new().await;
    let component = Guest::koc("plain").build();
    let good = parts("acme", &house.key.sign(&sha256(&component)), &component);
    let chunk = |bytes: Vec<u8>| PublishPluginRequest {
        part: Some(Part::Chunk(bytes)),
    };
    let header = good[0].clone();
    for wrong in [
        vec![],
        good[1..].to_vec(),
        vec![header.clone()],
        vec![header.clone(), header.clone()],
        vec![header.clone(), chunk(vec![])],
        vec![header.clone(), chunk(vec![0; (1 << 20) + 1])],
        vec![PublishPluginRequest { part: None }],
    ] {
        assert_eq!(reason(house.upload(wrong).await), "PLUGIN_UPLOAD");
    }
    // A part is missing, or the caller goes away in the middle.
    let refused = house.upload(good[..good.len() - 1].to_vec()).await;
    assert_eq!(reason(refused), "PLUGIN_SIGNATURE");
    let (send, parts) = tokio::sync::mpsc::channel(1);
    let mut client = house.client.clone();
    let call = tokio::spawn(async move {
        let parts = tokio_stream::wrappers::ReceiverStream::new(parts);
        client.plugins.publish_plugin(parts).await
    });
    for part in &good[..good.len() / 2] {
        send.send(part.clone()).await.unwrap();
    }
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    drop(send);
    assert_eq!(plugins(&house).await.len(), 0);
    assert_eq!(house.files("blobs").len(), 0);
    house.upload(good).await.unwrap();
    assert_eq!(plugins(&house).await.len(), 1);
    assert_eq!(house.files("blobs").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_is_one_file_and_a_name_one_publishers() {
    let house = House::new().await;
    house.published(Guest::koc("plain").named("model", "1.0.0")).await;
    let other = Guest::koc("plain").with("f64.const 0.5", "f64.const 0.25");
    let refused = house
        .publish(&other.clone().named("model", "1.0.0").build())
        .await;
    assert_eq!(refused.as_ref().unwrap_err().code(), Code::AlreadyExists);
    assert_eq!(reason(refused), "PLUGIN_VERSION_EXISTS");

    let second = SecretKey::generate().unwrap();
    house.trust("second", &second).await.unwrap();
    let component = other.named("model", "1.1.0").build();
    let signature = second.sign(&sha256(&component));
    let refused = house.upload(parts("second", &signature, &component)).await;
    assert_eq!(reason(refused), "PLUGIN_NAME_TAKEN");
    assert_eq!(plugins(&house).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_takes_the_worlds_that_it_serves() {
    let house = House::new().await;
    let beside = house.beside(&[World::KocModel], |_| {}).await;
    let component = Guest::style("trend").build();
    let signature = house.key.sign(&sha256(&component));
    let upload = || parts("acme", &signature, &component);
    let refused = beside.upload(upload()).await;
    let service = dualwheel_kit::failure::value_of(refused.as_ref().unwrap_err(), "service");
    assert_eq!(
        (reason(refused).as_str(), service.as_deref()),
        ("PLUGIN_WORLD_NOT_SERVED", Some("product"))
    );
    let hits = Guest::hit("hit").build();
    let signature = house.key.sign(&sha256(&hits));
    let refused = beside.upload(parts("acme", &signature, &hits)).await.unwrap_err();
    assert!(
        refused.message().contains("no service asks such models yet"),
        "{refused}"
    );
    house.upload(upload()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn publishers_are_one_key_each() {
    let house = House::new().await;
    let first = house.trust("acme", &house.key).await.unwrap();
    assert_eq!(first.name, "publishers/acme");
    let other = SecretKey::generate().unwrap();
    assert_eq!(reason(house.trust("acme", &other).await), "PUBLISHER_EXISTS");
    for id in ["", "9lives", "Acme"] {
        assert_eq!(field(house.trust(id, &other).await), "publisher_id");
    }
    let request = CreatePublisherRequest {
        publisher: Some(Publisher {
            public_key_pem: "no key".to_owned(),
            ..Default::default()
        }),
        publisher_id: "x".to_owned(),
        ..Default::default()
    };
    let mut client = house.client.clone();
    assert_eq!(
        field(client.publishers.create_publisher(request).await),
        "publisher.public_key_pem"
    );
    house.trust("beta", &other).await.unwrap();
    let page = client
        .publishers
        .list_publishers(ListPublishersRequest::default())
        .await
        .unwrap();
    let names = page
        .into_inner()
        .publishers
        .into_iter()
        .map(|publisher| publisher.name);
    assert_eq!(names.collect::<Vec<_>>(), ["publishers/acme", "publishers/beta"]);
    let name = "publishers/beta".to_owned();
    client
        .publishers
        .delete_publisher(DeletePublisherRequest { name: name.clone() })
        .await
        .unwrap();
    assert_eq!(
        reason(
            client
                .publishers
                .delete_publisher(DeletePublisherRequest { name })
                .await
        ),
        "PUBLISHER_UNKNOWN"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn publishers_are_bounded_and_those_there_can_be_repeated() {
    let house = House::new().await;
    let other = SecretKey::generate().unwrap();
    for number in 1..100 {
        house.trust(&format!("p{number}"), &other).await.unwrap();
    }
    assert_eq!(reason(house.trust("p100", &other).await), "PLUGIN_REGISTRY_LIMIT");
    house.trust("acme", &house.key).await.unwrap();
    assert_eq!(reason(house.trust("acme", &other).await), "PUBLISHER_EXISTS");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_has_its_own_registry() {
    let house = House::new().await;
    let component = Guest::koc("plain").build();
    let name = house.publish(&component).await.unwrap().name;
    let beside = house
        .beside(&World::ALL, |config| config.tenant = "other".to_owned())
        .await;
    assert_eq!(plugins(&beside).await.len(), 0);
    let got = beside
        .client
        .clone()
        .plugins
        .get_plugin(GetPluginRequest { name })
        .await;
    assert_eq!(reason(got), "PLUGIN_UNKNOWN");
    let signature = house.key.sign(&sha256(&component));
    let refused = beside.upload(parts("acme", &signature, &component)).await;
    assert_eq!(reason(refused), "PUBLISHER_UNKNOWN");
}
