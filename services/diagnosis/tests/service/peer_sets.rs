//! Peer sets over the contract.

#![cfg(test)]

use dualwheel_proto::diagnosis::{
    CreatePeerSetRequest, DeletePeerSetRequest, DiagnosisSpec, GetIndexRequest, GetPeerSetRequest,
    ListPeerSetsRequest, Peer, PeerSet, SuppliedMetric, UpdatePeerSetRequest,
};
use prost_types::FieldMask;
use tonic::Code;

use crate::{House, fields, reason, spec};

fn peers(brands: &[&str]) -> Vec<Peer> {
    brands
        .iter()
        .map(|brand| Peer {
            brand: (*brand).to_owned(),
            ..Peer::default()
        })
        .collect()
}

fn create(id: &str, brands: &[&str]) -> CreatePeerSetRequest {
    let peer_set = PeerSet {
        display_name: "Trees".to_owned(),
        peers: peers(brands),
        ..PeerSet::default()
    };
    CreatePeerSetRequest {
        peer_set: Some(peer_set),
        peer_set_id: id.to_owned(),
        ..CreatePeerSetRequest::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_measured_set_scores_as_its_brands_do() {
    let house = House::new().await;
    let mut client = house.client.clone();
    let mut request = create("measured", &["birch", "cedar", "elm", "fir"]);
    request.measured_over = spec("ash", &[]).window;
    request.peer_set.as_mut().unwrap().open_to = vec!["ash".to_owned()];
    let made = client.peer_sets.create_peer_set(request.clone()).await.unwrap();
    let made = made.into_inner().peer_set.unwrap();
    assert_eq!(
        (made.measured_over, made.open_to.len()),
        (request.measured_over, 1)
    );
    assert!(made.peers.iter().all(|peer| peer.supplied.len() > 30), "{made:?}");
    let by_set = DiagnosisSpec {
        peer_set: made.name.clone(),
        ..spec("ash", &[])
    };
    let mut index = async |spec: DiagnosisSpec| {
        let answer = client
            .diagnoses
            .get_index(GetIndexRequest { spec: Some(spec) })
            .await;
        answer.map(|answer| answer.into_inner().diagnosis.unwrap())
    };
    let live = index(spec("ash", &["birch", "cedar", "elm", "fir"]))
        .await
        .unwrap();
    let kept = index(by_set.clone()).await.unwrap();
    assert_eq!((&kept.index, &kept.members), (&live.index, &live.members));
    // Over other days it says nothing.
    let mut other = by_set;
    other.window.as_mut().unwrap().last_day.as_mut().unwrap().day -= 1;
    assert_eq!(fields(&index(other).await.unwrap_err()), ["spec.window"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_sets_of_aggregates_are_opened() {
    let house = House::new().await;
    let mut client = house.client.clone();
    let mut request = create("live", &["birch"]);
    request.peer_set.as_mut().unwrap().open_to = ["ash", "", "ash"].map(str::to_owned).to_vec();
    let status = client
        .peer_sets
        .create_peer_set(request.clone())
        .await
        .unwrap_err();
    assert_eq!(
        fields(&status),
        ["peer_set.open_to", "peer_set.open_to[1]", "peer_set.open_to[2]"]
    );
    request.peer_set.as_mut().unwrap().open_to.clear();
    let made = client
        .peer_sets
        .create_peer_set(request)
        .await
        .unwrap()
        .into_inner();
    let open = |mask: &[&str], peers: Vec<Peer>| UpdatePeerSetRequest {
        peer_set: Some(PeerSet {
            open_to: vec!["ash".to_owned()],
            peers,
            ..made.peer_set.clone().unwrap()
        }),
        update_mask: Some(FieldMask {
            paths: mask.iter().map(|path| (*path).to_owned()).collect(),
        }),
    };
    let status = client
        .peer_sets
        .update_peer_set(open(&["open_to"], Vec::new()))
        .await;
    assert_eq!(fields(&status.unwrap_err()), ["peer_set.open_to"]);
    let supplied = Peer {
        brand: "rival".to_owned(),
        supplied: [(
            "super.star".to_owned(),
            SuppliedMetric {
                value: 0.5,
                ..Default::default()
            },
        )]
        .into(),
    };
    let change = open(&["open_to", "peers"], vec![supplied]);
    let opened = client
        .peer_sets
        .update_peer_set(change)
        .await
        .unwrap()
        .into_inner()
        .peer_set
        .unwrap();
    assert_eq!(opened.open_to, ["ash"]);
    // An opened set cannot be given peers whose facts would be asked for.
    let change = UpdatePeerSetRequest {
        peer_set: Some(PeerSet {
            peers: peers(&["birch"]),
            ..opened
        }),
        update_mask: Some(FieldMask {
            paths: vec!["peers".to_owned()],
        }),
    };
    assert_eq!(
        fields(&client.peer_sets.update_peer_set(change).await.unwrap_err()),
        ["peer_set.open_to"]
    );
    // A service that does not answer leaves no half of a set behind.
    let world = crate::fakes::World {
        failing: [("content", Code::Unavailable)].into(),
        ..Default::default()
    };
    let house = House::with(world, std::time::Duration::from_secs(20)).await;
    let mut request = create("half", &["birch", "cedar"]);
    request.measured_over = spec("ash", &[]).window;
    let status = house
        .client
        .clone()
        .peer_sets
        .create_peer_set(request)
        .await
        .unwrap_err();
    assert_eq!(
        (status.code(), reason(&status).as_str()),
        (Code::Unavailable, "SERVICE_UNAVAILABLE")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn made_read_changed_and_deleted() {
    let house = House::new().await;
    let mut client = house.client.clone();
    let mut request = create("trees", &["ash", "birch", "cedar", "elm"]);
    let metric = SuppliedMetric {
        value: 0.5,
        numerator: Some(1.0),
        denominator: Some(2.0),
    };
    let rival = Peer {
        brand: "rival".to_owned(),
        supplied: [("super.star".to_owned(), metric)].into(),
    };
    request.peer_set.as_mut().unwrap().peers.push(rival);
    let made = client
        .peer_sets
        .create_peer_set(request.clone())
        .await
        .unwrap()
        .into_inner()
        .peer_set
        .unwrap();
    assert_eq!((made.name.as_str(), made.peers.len()), ("peerSets/trees", 5));
    assert!(!made.etag.is_empty() && made.create_time == made.update_time);
    let get = GetPeerSetRequest {
        name: made.name.clone(),
    };
    assert_eq!(
        client
            .peer_sets
            .get_peer_set(get.clone())
            .await
            .unwrap()
            .into_inner()
            .peer_set
            .unwrap(),
        made
    );
    assert_eq!(
        reason(&client.peer_sets.create_peer_set(request).await.unwrap_err()),
        "PEER_SET_EXISTS"
    );

    // Only the name is masked in; the peers of the request are not looked at.
    let change = |etag: &str, paths: &[&str]| UpdatePeerSetRequest {
        peer_set: Some(PeerSet {
            name: made.name.clone(),
            display_name: "Conifers".to_owned(),
            peers: peers(&["fir"]),
            etag: etag.to_owned(),
            ..PeerSet::default()
        }),
        update_mask: (!paths.is_empty()).then(|| FieldMask {
            paths: paths.iter().map(|path| (*path).to_owned()).collect(),
        }),
    };
    let renamed = client
        .peer_sets
        .update_peer_set(change(&made.etag, &["display_name"]))
        .await
        .unwrap()
        .into_inner()
        .peer_set
        .unwrap();
    assert_eq!(
        (renamed.display_name.as_str(), renamed.peers.len()),
        ("Conifers", 5)
    );
    assert!(renamed.etag != made.etag && renamed.update_time != made.update_time);
    let stale = client
        .peer_sets
        .update_peer_set(change(&made.etag, &[]))
        .await
        .unwrap_err();
    assert_eq!(
        (stale.code(), reason(&stale).as_str()),
        (Code::Aborted, "ETAG_MISMATCH")
    );
    assert_eq!(
        fields(
            &client
                .peer_sets
                .update_peer_set(change("", &["etag"]))
                .await
                .unwrap_err()
        ),
        ["update_mask"]
    );
    let all = client
        .peer_sets
        .update_peer_set(change("", &[]))
        .await
        .unwrap()
        .into_inner()
        .peer_set
        .unwrap();
    assert_eq!((all.peers.len(), all.create_time), (1, made.create_time));

    let delete = |etag: &str| DeletePeerSetRequest {
        name: made.name.clone(),
        etag: etag.to_owned(),
    };
    assert_eq!(
        reason(
            &client
                .peer_sets
                .delete_peer_set(delete(&made.etag))
                .await
                .unwrap_err()
        ),
        "ETAG_MISMATCH"
    );
    client.peer_sets.delete_peer_set(delete(&all.etag)).await.unwrap();
    assert_eq!(
        reason(&client.peer_sets.get_peer_set(get).await.unwrap_err()),
        "PEER_SET_UNKNOWN"
    );
    assert_eq!(
        reason(&client.peer_sets.delete_peer_set(delete("")).await.unwrap_err()),
        "PEER_SET_UNKNOWN"
    );
    assert_eq!(
        reason(
            &client
                .peer_sets
                .update_peer_set(change("", &[]))
                .await
                .unwrap_err()
        ),
        "PEER_SET_UNKNOWN"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_sets_are_refused() {
    let house = House::new().await;
    let mut client = house.client.clone();
    let mut refused = async |request| fields(&client.peer_sets.create_peer_set(request).await.unwrap_err());
    assert_eq!(refused(create("1tree", &["elm"])).await, ["peer_set_id"]);
    assert_eq!(
        refused(create("Tree", &[])).await,
        ["peer_set_id", "peer_set.peers"]
    );
    assert_eq!(
        refused(create("", &["elm", "elm"])).await,
        ["peer_set.peers[1].brand"]
    );
    assert_eq!(
        refused(create("", &["elm", "elm", ""])).await,
        ["peer_set.peers[2].brand"]
    );
    let request = CreatePeerSetRequest {
        request_id: "x".to_owned(),
        ..create("", &["elm"])
    };
    assert_eq!(refused(request).await, ["request_id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_diagnosis_takes_a_stored_set_without_the_brand() {
    let house = House::new().await;
    let mut client = house.client.clone();
    client
        .peer_sets
        .create_peer_set(create("trees", &["ash", "birch", "cedar", "elm"]))
        .await
        .unwrap();
    let mut ask = async |brand: &str, set: &str| {
        let spec = DiagnosisSpec {
            peer_set: set.to_owned(),
            ..spec(brand, &[])
        };
        client
            .diagnoses
            .get_index(GetIndexRequest { spec: Some(spec) })
            .await
            .map(|answer| answer.into_inner().diagnosis.unwrap())
    };
    let ash = ask("ash", "peerSets/trees").await.unwrap();
    let elm = ask("elm", "peerSets/trees").await.unwrap();
    assert_eq!((ash.reference_size, ash.members.len()), (4, 4));
    assert_eq!(ash.members, elm.members);
    assert_eq!(ask("fir", "peerSets/trees").await.unwrap().reference_size, 5);
    assert_eq!(
        reason(&ask("ash", "peerSets/none").await.unwrap_err()),
        "PEER_SET_UNKNOWN"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_oldest_first_and_paged() {
    let house = House::new().await;
    let mut client = house.client.clone();
    let id = "01890a5d-ac96-774b-bcce-b302099a8057";
    let mut names = Vec::new();
    for name in ["zebra", "yak", ""] {
        let request = CreatePeerSetRequest {
            request_id: if name.is_empty() {
                id.to_owned()
            } else {
                String::new()
            },
            ..create(name, &["elm"])
        };
        let made = client
            .peer_sets
            .create_peer_set(request.clone())
            .await
            .unwrap()
            .into_inner()
            .peer_set
            .unwrap();
        // Where there is a request id, the same request makes nothing new.
        if name.is_empty() {
            assert_eq!(
                client
                    .peer_sets
                    .create_peer_set(request)
                    .await
                    .unwrap()
                    .into_inner()
                    .peer_set
                    .unwrap(),
                made
            );
        }
        names.push(made.name);
    }
    let page = |page_token: &str| ListPeerSetsRequest {
        page_size: 2,
        page_token: page_token.to_owned(),
    };
    let first = client
        .peer_sets
        .list_peer_sets(page(""))
        .await
        .unwrap()
        .into_inner();
    let second = client
        .peer_sets
        .list_peer_sets(page(&first.next_page_token))
        .await
        .unwrap()
        .into_inner();
    let listed: Vec<String> = first
        .peer_sets
        .iter()
        .chain(&second.peer_sets)
        .map(|set| set.name.clone())
        .collect();
    assert_eq!((listed, second.next_page_token), (names, String::new()));
    assert_eq!(
        reason(&client.peer_sets.list_peer_sets(page("zz")).await.unwrap_err()),
        "INVALID_PAGE"
    );
}

#[tokio::test]
async fn whoever_changes_a_set_without_an_etag_is_not_told_of_others() {
    let house = House::new().await;
    let mut client = house.client.clone();
    let made = client
        .peer_sets
        .create_peer_set(create("raced", &["birch"]))
        .await
        .unwrap();
    let made = made.into_inner().peer_set.unwrap();
    let change = |number: usize| {
        let mut client = house.client.clone();
        // What is checked against what is stored, and what is not.
        let path = if number.is_multiple_of(2) {
            "peers"
        } else {
            "display_name"
        };
        let request = UpdatePeerSetRequest {
            peer_set: Some(PeerSet {
                display_name: format!("Name {number}"),
                peers: peers(&["fir"]),
                etag: String::new(),
                ..made.clone()
            }),
            update_mask: Some(FieldMask {
                paths: vec![path.to_owned()],
            }),
        };
        async move { client.peer_sets.update_peer_set(request).await }
    };
    for changed in futures::future::join_all((0..12).map(change)).await {
        changed.unwrap();
    }
    let get = GetPeerSetRequest {
        name: made.name.clone(),
    };
    let now = client
        .peer_sets
        .get_peer_set(get)
        .await
        .unwrap()
        .into_inner()
        .peer_set
        .unwrap();
    assert_eq!(now.peers[0].brand, "fir");
    assert!(now.display_name.starts_with("Name "), "{}", now.display_name);
}
