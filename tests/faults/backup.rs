//! A backup as the guide tells to make it: the database first, then the lake; brought back into empty places, the mesh
//! answers the same.

use std::{path::Path, process::Command};

use dualwheel_proto::{
    clients,
    consumer::{
        Audience, AudienceDefinition, CreateAudienceRequest, EstimateAudienceRequest, GetFastRequest,
        ListAudiencesRequest, audience_definition::Form,
    },
    diagnosis::{CreatePeerSetRequest, ListPeerSetsRequest, Peer, PeerSet},
};
use dualwheel_tests::servers::Postgres;
use tonic::transport::Channel;

use crate::harness::{Server, market, market_window, question};

fn text(text: &str) -> Option<AudienceDefinition> {
    Some(AudienceDefinition {
        form: Some(Form::Text(text.to_owned())),
    })
}

/// What the mesh says, and the version of the lake that it read.
async fn answers(channel: Channel) -> String {
    let mut consumer = clients::Consumer::new(channel.clone());
    let fast = GetFastRequest {
        query: question("brand-01", market_window()),
        ..GetFastRequest::default()
    };
    let frozen = EstimateAudienceRequest {
        brand: "brand-01".to_owned(),
        definition: text("audience(kept)"),
        as_of: market_window().last_day,
        ..EstimateAudienceRequest::default()
    };
    let list = ListAudiencesRequest {
        brand: "brand-01".to_owned(),
        ..ListAudiencesRequest::default()
    };
    format!(
        "{:?}\n{:?}\n{:?}\n{:?}",
        consumer.consumers.get_fast(fast).await.unwrap().into_inner(),
        consumer
            .audiences
            .estimate_audience(frozen)
            .await
            .unwrap()
            .into_inner(),
        consumer
            .audiences
            .list_audiences(list)
            .await
            .unwrap()
            .into_inner(),
        clients::Diagnosis::new(channel)
            .peer_sets
            .list_peer_sets(ListPeerSetsRequest::default())
            .await
            .unwrap()
            .into_inner(),
    )
}

/// Stores what lies in both places: an audience whose people are a list in the lake, and a peer set.
async fn store(channel: Channel) {
    let audience = CreateAudienceRequest {
        audience_id: "kept".to_owned(),
        audience: Some(Audience {
            brand: "brand-01".to_owned(),
            display_name: "kept".to_owned(),
            definition: text("stage(L)"),
            ..Audience::default()
        }),
        freeze: true,
        as_of: market_window().last_day,
        ..CreateAudienceRequest::default()
    };
    clients::Consumer::new(channel.clone())
        .audiences
        .create_audience(audience)
        .await
        .unwrap();
    let peers = ["brand-02", "brand-03", "brand-04"].map(|brand| Peer {
        brand: brand.to_owned(),
        ..Peer::default()
    });
    let set = CreatePeerSetRequest {
        peer_set_id: "kept".to_owned(),
        peer_set: Some(PeerSet {
            display_name: "kept".to_owned(),
            peers: peers.into(),
            ..PeerSet::default()
        }),
        ..CreatePeerSetRequest::default()
    };
    clients::Diagnosis::new(channel)
        .peer_sets
        .create_peer_set(set)
        .await
        .unwrap();
}

fn serve(data: &Path, postgres: &Postgres) -> Server {
    Server::start(data, &["all"], &[format!("database={}", postgres.url())])
}

fn done(command: &mut Command) {
    let ran = command.output().unwrap();
    assert!(
        ran.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&ran.stderr)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_brings_back_the_same_answers() {
    let backup = tempfile::tempdir().unwrap();
    let (dump, copy) = (backup.path().join("state.sql"), backup.path().join("lake"));
    let before = {
        let (data, postgres) = (market().copy(), Postgres::start().unwrap());
        let server = serve(data.path(), &postgres);
        store(server.channel()).await;
        let before = answers(server.channel()).await;
        // While the mesh runs.
        done(
            Command::new(postgres.program("pg_dump").unwrap())
                .arg(postgres.url())
                .arg("-f")
                .arg(&dump),
        );
        done(Command::new("cp").arg("-r").arg(data.path()).arg(&copy));
        before
        // And everything is gone.
    };
    let postgres = Postgres::start().unwrap();
    done(
        Command::new(postgres.program("psql").unwrap())
            .args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-f"])
            .arg(&dump)
            .arg(postgres.url()),
    );
    let server = serve(&copy, &postgres);
    assert_eq!(answers(server.channel()).await, before);
    assert!(server.stop().await.success());
}
