//! A publisher's life: what it may be called, and what its models may.

use dualwheel_kit::failure::value_of;
use dualwheel_plugin_host::sha256;
use dualwheel_plugins::signature::SecretKey;
use dualwheel_proto::plugin::{
    ActivatePluginRequest, AddPublisherKeyRequest, CreatePublisherRequest, DeactivatePluginRequest,
    DeletePluginRequest, GetPluginPublicationRequest, GetPluginRequest, ModelSource, Plugin, PluginFallback,
    PluginSetting, PromotePluginRequest, Publisher, RemovePublisherKeyRequest, RetirePluginRequest,
    RollBackPluginRequest, ShadowPluginRequest,
};
use sea_orm::ConnectionTrait;
use tonic::Status;

use crate::{
    guest::Guest,
    house::{BRAND, House, KOC, OTHER, UNTRIED, field, parts, reason, setting},
};

#[tokio::test(flavor = "multi_thread")]
async fn names_of_the_mesh_are_no_plugins() {
    let house = House::new().await;
    for name in ["koc-default", "style-trend-default", "dualwheel", "dualwheel-koc"] {
        let refused = house
            .publish(&Guest::koc("plain").named(name, "1.0.0").build())
            .await;
        assert_eq!(reason(refused), "PLUGIN_NAME_TAKEN", "{name}");
    }
    assert_eq!(house.files("blobs").len(), 0);
    house
        .published(Guest::koc("plain").named("koc-default-2", "1.0.0"))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_for_people_are_what_they_look_like() {
    let house = House::new().await;
    let key = SecretKey::generate().unwrap();
    let named = async |name: &str| {
        let request = CreatePublisherRequest {
            publisher: Some(Publisher {
                display_name: name.to_owned(),
                public_key_pem: key.public().to_pem().unwrap(),
                ..Default::default()
            }),
            publisher_id: "beta".to_owned(),
            ..Default::default()
        };
        house.client.clone().publishers.create_publisher(request).await
    };
    for wrong in [
        "\u{202e}emcA",
        "Ac\u{200b}me",
        "Acme\nis trusted",
        "\u{1b}[2J",
        "\u{2066}Acme",
    ] {
        assert_eq!(field(named(wrong).await), "publisher.display_name", "{wrong:?}");
    }
    named("Ácme 种草 👩\u{200d}🔬").await.unwrap();

    let mut client = house.client.clone();
    let force_reason = "fine\u{202e}".to_owned();
    let activate = ActivatePluginRequest {
        brand: BRAND.to_owned(),
        setting: Some(PluginSetting {
            plugin: "plugins/model/versions/1.0.0".to_owned(),
            ..PluginSetting::default()
        }),
        force_reason: force_reason.clone(),
        ..Default::default()
    };
    assert_eq!(
        field(client.activations.activate_plugin(activate).await),
        "force_reason"
    );
    let promote = PromotePluginRequest {
        brand: BRAND.to_owned(),
        world: KOC,
        force_reason,
        ..Default::default()
    };
    assert_eq!(
        field(client.activations.promote_plugin(promote).await),
        "force_reason"
    );
    let unknown = GetPluginRequest {
        name: "plugins/\u{202e}/versions/1.0.0".to_owned(),
    };
    assert_eq!(field(client.plugins.get_plugin(unknown).await), "name");
}

/// Models and resources are held to the same, but that what a model says may have several lines.
#[test]
fn both_rules_of_characters_are_one() {
    for character in '\0'..=char::MAX {
        let of_resources = dualwheel_kit::resource::is_misleading(character);
        let of_models = dualwheel_plugin_sdk::misleading(&character.to_string()).is_some();
        assert_eq!(
            of_models,
            of_resources && !"\t\n\r".contains(character),
            "{character:?}"
        );
    }
}

async fn retire(house: &House, name: &str, undo: bool) -> Result<Plugin, Status> {
    let name = name.to_owned();
    let request = RetirePluginRequest { name, undo };
    let answer = house.client.clone().plugins.retire_plugin(request).await?;
    Ok(answer.into_inner().plugin.unwrap())
}

async fn delete(house: &House, name: &str) -> Result<(), Status> {
    let name = name.to_owned();
    let answer = house
        .client
        .clone()
        .plugins
        .delete_plugin(DeletePluginRequest { name })
        .await;
    answer.map(|_| ())
}

async fn activate(house: &House, brand: &str, plugin: &str) -> Result<(), Status> {
    let request = ActivatePluginRequest {
        brand: brand.to_owned(),
        setting: setting(plugin),
        fallback: PluginFallback::LastGood.into(),
        force_reason: UNTRIED.to_owned(),
        ..Default::default()
    };
    house
        .client
        .clone()
        .activations
        .activate_plugin(request)
        .await
        .map(|_| ())
}

async fn shadow(house: &House, brand: &str, plugin: Option<&str>) -> Result<(), Status> {
    let request = ShadowPluginRequest {
        brand: brand.to_owned(),
        world: KOC,
        setting: plugin.and_then(setting),
        ..Default::default()
    };
    house
        .client
        .clone()
        .activations
        .shadow_plugin(request)
        .await
        .map(|_| ())
}

async fn roll_back(house: &House) -> Result<(), Status> {
    let request = RollBackPluginRequest {
        brand: BRAND.to_owned(),
        world: KOC,
        ..Default::default()
    };
    house
        .client
        .clone()
        .activations
        .roll_back_plugin(request)
        .await
        .map(|_| ())
}

/// The plugin that answers now.
async fn answering(house: &House) -> String {
    let (_, scored) = house.ask(1, &[(0.5, 0.25), (0.25, 0.75)]).await.unwrap();
    scored.by.plugin
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_retired_answers_on_but_becomes_active_nowhere() {
    let house = House::new().await;
    let component = Guest::koc("plain").named("model", "1.0.0").build();
    let first = house.publish(&component).await.unwrap().name;
    let second = house.published(Guest::koc("plain").named("model", "2.0.0")).await;
    shadow(&house, OTHER, Some(&first)).await.unwrap();
    activate(&house, BRAND, &first).await.unwrap();

    let retired = retire(&house, &first, false).await.unwrap();
    let since = retired.retire_time.unwrap();
    assert_eq!(
        retire(&house, &first, false).await.unwrap().retire_time,
        Some(since)
    );
    // Publishing the file again does not take it back.
    assert_eq!(house.publish(&component).await.unwrap().retire_time, Some(since));
    assert_eq!(answering(&house).await, first);

    // By no way does it become active or a shadow again.
    assert_eq!(reason(activate(&house, OTHER, &first).await), "PLUGIN_RETIRED");
    assert_eq!(
        reason(shadow(&house, BRAND, Some(&first)).await),
        "PLUGIN_RETIRED"
    );
    let promote = PromotePluginRequest {
        brand: OTHER.to_owned(),
        world: KOC,
        force_reason: UNTRIED.to_owned(),
        ..Default::default()
    };
    assert_eq!(
        reason(house.client.clone().activations.promote_plugin(promote).await),
        "PLUGIN_RETIRED"
    );
    activate(&house, BRAND, &second).await.unwrap();
    assert_eq!(answering(&house).await, second);
    assert_eq!(reason(roll_back(&house).await), "PLUGIN_RETIRED");

    let back = retire(&house, &first, true).await.unwrap();
    assert_eq!(back.retire_time, None);
    roll_back(&house).await.unwrap();
    assert_eq!(answering(&house).await, first);
    assert_eq!(
        reason(retire(&house, "plugins/none/versions/1.0.0", true).await),
        "PLUGIN_UNKNOWN"
    );
    assert_eq!(field(retire(&house, "plugins/none", false).await), "name");
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_of_what_is_retired_stand_in_for_no_other() {
    let house = House::new().await;
    let good = house.published(Guest::koc("plain").named("good", "1.0.0")).await;
    let broken = house
        .published(Guest::koc("unreachable").named("broken", "1.0.0"))
        .await;
    activate(&house, BRAND, &good).await.unwrap();
    assert_eq!(answering(&house).await, good);
    activate(&house, BRAND, &broken).await.unwrap();
    let source = async || {
        let people = [(0.5, 0.25), (0.25, 0.75)];
        let then = async |_, _| Ok(crate::house::People(people.to_vec()));
        let (_, scored) = house.ask_again(1, &people, then).await.unwrap();
        scored.by.source()
    };
    assert_eq!(source().await, ModelSource::LastGood);
    retire(&house, &good, false).await.unwrap();
    assert_eq!(source().await, ModelSource::BuiltInFallback);
    retire(&house, &good, true).await.unwrap();
    assert_eq!(source().await, ModelSource::LastGood);
    delete(&house, &good).await.unwrap();
    assert_eq!(source().await, ModelSource::BuiltInFallback);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_brand_uses_can_be_deleted_and_published_anew() {
    let house = House::new().await;
    let component = Guest::koc("plain").named("model", "1.0.0").build();
    let name = house.publish(&component).await.unwrap().name;
    let kept = house.published(Guest::koc("plain").named("kept", "1.0.0")).await;
    assert_eq!(house.files("blobs").len(), 2);
    activate(&house, BRAND, &name).await.unwrap();
    shadow(&house, OTHER, Some(&name)).await.unwrap();
    let refused = delete(&house, &name).await.unwrap_err();
    assert_eq!(value_of(&refused, "brands").as_deref(), Some("b1,b2"));
    assert_eq!(reason::<()>(Err(refused)), "PLUGIN_IN_USE");
    let deactivate = DeactivatePluginRequest {
        brand: BRAND.to_owned(),
        world: KOC,
        ..Default::default()
    };
    house
        .client
        .clone()
        .activations
        .deactivate_plugin(deactivate)
        .await
        .unwrap();
    let refused = delete(&house, &name).await.unwrap_err();
    assert_eq!(value_of(&refused, "brands").as_deref(), Some("b2"));
    shadow(&house, OTHER, None).await.unwrap();

    delete(&house, &name).await.unwrap();
    let mut client = house.client.clone();
    let request = GetPluginRequest { name: name.clone() };
    assert_eq!(reason(client.plugins.get_plugin(request).await), "PLUGIN_UNKNOWN");
    let request = GetPluginPublicationRequest {
        name: format!("publishers/acme/publications/{}", sha256(&component)),
    };
    let publication = client.plugins.get_plugin_publication(request).await;
    assert_eq!(reason(publication), "PLUGIN_PUBLICATION_UNKNOWN");
    assert_eq!(house.files("blobs").len(), 1);
    assert_eq!(reason(delete(&house, &name).await), "PLUGIN_UNKNOWN");
    // Nothing leads back to it.
    assert_eq!(reason(roll_back(&house).await), "PLUGIN_UNKNOWN");
    assert_eq!(reason(activate(&house, BRAND, &name).await), "PLUGIN_UNKNOWN");

    // Its name is its publisher's still, and the version may be another file now.
    let other = Guest::koc("plain").with("f64.const 0.5", "f64.const 0.25");
    let other = other.named("model", "1.0.0").build();
    let stranger = SecretKey::generate().unwrap();
    house.trust("second", &stranger).await.unwrap();
    let theirs = parts("second", &stranger.sign(&sha256(&other)), &other);
    assert_eq!(reason(house.upload(theirs).await), "PLUGIN_NAME_TAKEN");
    assert_eq!(house.publish(&other).await.unwrap().sha256, sha256(&other));
    delete(&house, &name).await.unwrap();
    assert_eq!(
        house.publish(&component).await.unwrap().sha256,
        sha256(&component)
    );
    activate(&house, BRAND, &name).await.unwrap();
    assert_eq!(answering(&house).await, name);
    delete(&house, &kept).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_has_so_many_versions_until_it_deletes_some() {
    let house = House::new().await;
    let first = house.published(Guest::koc("plain").named("first", "1.0.0")).await;
    let database = dualwheel_kit::db::connect(&house.config.database_url())
        .await
        .unwrap();
    let copies = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 199) \
                  INSERT INTO plugins SELECT tenant, 'copy', '0.0.' || i, world, sha256, publisher, signature, \
                  description, needs_wasi, bytes, made_at, findings, retired_at FROM plugins, n";
    database.connection().execute_unprepared(copies).await.unwrap();
    let one_more = Guest::koc("plain").named("one-more", "1.0.0").build();
    let refused = house.publish(&one_more).await;
    let told = refused.as_ref().unwrap_err().message().to_owned();
    assert_eq!(reason(refused), "PLUGIN_REGISTRY_LIMIT");
    assert!(told.contains("200 versions of publishers/acme"), "{told}");
    // What is there can be published again, and another publisher has room.
    house
        .publish(&Guest::koc("plain").named("first", "1.0.0").build())
        .await
        .unwrap();
    let second = SecretKey::generate().unwrap();
    house.trust("second", &second).await.unwrap();
    let theirs = Guest::koc("plain").named("theirs", "1.0.0").build();
    house
        .upload(parts("second", &second.sign(&sha256(&theirs)), &theirs))
        .await
        .unwrap();
    delete(&house, "plugins/copy/versions/0.0.7").await.unwrap();
    house.publish(&one_more).await.unwrap();
    // A file of which other versions are made stays.
    delete(&house, &first).await.unwrap();
    activate(&house, BRAND, "plugins/copy/versions/0.0.8")
        .await
        .unwrap();
}

fn pem(key: &SecretKey) -> String {
    key.public().to_pem().unwrap()
}

async fn add_key(house: &House, key: &SecretKey) -> Result<Publisher, Status> {
    let request = AddPublisherKeyRequest {
        name: "publishers/acme".to_owned(),
        public_key_pem: pem(key),
    };
    let answer = house.client.clone().publishers.add_publisher_key(request).await?;
    Ok(answer.into_inner().publisher.unwrap())
}

async fn remove_key(house: &House, key: &SecretKey) -> Result<Publisher, Status> {
    let request = RemovePublisherKeyRequest {
        name: "publishers/acme".to_owned(),
        public_key_pem: pem(key),
    };
    let answer = house
        .client
        .clone()
        .publishers
        .remove_publisher_key(request)
        .await?;
    Ok(answer.into_inner().publisher.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_takes_the_place_of_another_while_models_answer() {
    let house = House::new().await;
    let (old, new) = (&house.key, SecretKey::generate().unwrap());
    let moved = Guest::koc("plain").named("moved", "1.0.0").build();
    let left = Guest::koc("plain").named("left", "1.0.0").build();
    let signed = async |key: &SecretKey, component: &[u8]| {
        house
            .upload(parts("acme", &key.sign(&sha256(component)), component))
            .await
    };
    let name = signed(old, &moved).await.unwrap().name;
    let lost = signed(old, &left).await.unwrap().name;
    activate(&house, BRAND, &name).await.unwrap();
    assert_eq!(reason(signed(&new, &moved).await), "PLUGIN_SIGNATURE");

    let two = add_key(&house, &new).await.unwrap();
    assert_eq!((two.public_key_pem, two.other_key_pem), (pem(old), pem(&new)));
    add_key(&house, &new).await.unwrap();
    // It is trusted with either already, and with no third.
    house.trust("acme", &new).await.unwrap();
    let third = SecretKey::generate().unwrap();
    assert_eq!(reason(add_key(&house, &third).await), "PUBLISHER_KEYS");
    assert_eq!(reason(remove_key(&house, &third).await), "PUBLISHER_KEYS");

    // Both run, whichever signed; the same file signed anew is the same version.
    assert_eq!(answering(&house).await, name);
    let by_new = signed(&new, &moved).await.unwrap();
    assert_eq!(
        (by_new.name, by_new.signature),
        (name.clone(), new.sign(&sha256(&moved)))
    );
    assert_eq!(answering(&house).await, name);
    let one = remove_key(&house, old).await.unwrap();
    assert_eq!(
        (one.public_key_pem, one.other_key_pem),
        (pem(&new), String::new())
    );
    let (_, scored) = house.ask(2, &[(0.5, 0.25)]).await.unwrap();
    assert_eq!(scored.by.plugin, name);
    assert_eq!(reason(activate(&house, OTHER, &lost).await), "PLUGIN_UNTRUSTED");
    assert_eq!(reason(signed(old, &left).await), "PLUGIN_SIGNATURE");
    assert_eq!(reason(remove_key(&house, &new).await), "PUBLISHER_KEYS");
    // Signed anew, what was left runs too.
    signed(&new, &left).await.unwrap();
    activate(&house, OTHER, &lost).await.unwrap();

    let mut client = house.client.clone();
    let wrong = AddPublisherKeyRequest {
        name: "publishers/acme".to_owned(),
        public_key_pem: "no key".to_owned(),
    };
    assert_eq!(
        field(client.publishers.add_publisher_key(wrong).await),
        "public_key_pem"
    );
    let unknown = RemovePublisherKeyRequest {
        name: "publishers/none".to_owned(),
        public_key_pem: pem(&new),
    };
    assert_eq!(
        reason(client.publishers.remove_publisher_key(unknown).await),
        "PUBLISHER_UNKNOWN"
    );
}
