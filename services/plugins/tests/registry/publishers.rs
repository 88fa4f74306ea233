//! A publisher's life: what it may be called, and what its models may.

use dualwheel_plugins::signature::SecretKey;
use dualwheel_proto::plugin::{
    ActivatePluginRequest, CreatePublisherRequest, GetPluginRequest, PromotePluginRequest, Publisher,
};

use crate::{
    guest::Guest,
    house::{BRAND, House, KOC, field, reason},
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
        house.client.clone().create_publisher(request).await
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
        force_reason: force_reason.clone(),
        ..Default::default()
    };
    assert_eq!(field(client.activate_plugin(activate).await), "force_reason");
    let promote = PromotePluginRequest {
        brand: BRAND.to_owned(),
        world: KOC,
        force_reason,
        ..Default::default()
    };
    assert_eq!(field(client.promote_plugin(promote).await), "force_reason");
    let unknown = GetPluginRequest {
        name: "plugins/\u{202e}/versions/1.0.0".to_owned(),
    };
    assert_eq!(field(client.get_plugin(unknown).await), "name");
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
