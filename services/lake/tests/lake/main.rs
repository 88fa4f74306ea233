//! The lake through its gRPC service: what is acknowledged is there, once, and nothing else is.
#![cfg(test)]

mod append;
mod bad_input;
mod bounds;
mod campaigns;
mod compact;
mod damage;
mod days;
mod discovery;
mod dst;
mod erase;
mod faulty;
mod files;
mod files_json;
mod files_packed;
mod files_parquet;
mod groups;
mod import;
mod mapped;
mod names;
mod portrait;
mod propose;
mod reference;
mod releases;
mod resend;
mod samples;
mod shops;
mod social;
mod spread;
mod stamp;
mod survive;
mod ties;
mod zones;

use std::{collections::BTreeMap, sync::Arc};

use dualwheel_kit::{Call, config::Config, server::Server};
use dualwheel_lake::{Lake, Options, service::Facts};
use dualwheel_proto::facts::{
    AppendRequest, AppendResponse, Behavior, BehaviorKind, FactKind, FactRows, OrderLine, append_request,
    fact_service_client::FactServiceClient, fact_service_server::FactServiceServer,
};
use object_store::ObjectStore;
use prost_types::Timestamp;
use tempfile::TempDir;
use tonic::{Status, transport::Channel};

/// A lake in a folder of its own, behind its service.
struct House {
    lake: Lake,
    client: FactServiceClient<Channel>,
    folder: TempDir,
}

const OWNERS: [&str; 4] = ["consumer", "product", "content", "membership"];

impl House {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (lake, client) = open(&folder);
        Self { lake, client, folder }
    }

    /// The same folder as another process would open it.
    fn again(&self) -> (Lake, FactServiceClient<Channel>) {
        open(&self.folder)
    }

    async fn append(&mut self, requests: Vec<AppendRequest>) -> Result<Vec<AppendResponse>, Status> {
        send(&mut self.client, requests).await
    }

    /// Order lines of a brand as a new reader sees them.
    async fn lines(&self, brand: &str) -> usize {
        count_lines(&self.lake, brand).await
    }
}

async fn count_lines(lake: &Lake, brand: &str) -> usize {
    let reader = lake
        .of(&Call::background("default"))
        .reader(&BTreeMap::new())
        .await
        .unwrap();
    reader.orders(brand).await.unwrap().lines.len()
}

fn open(folder: &TempDir) -> (Lake, FactServiceClient<Channel>) {
    open_through(folder, |store| store)
}

/// The same with another store for the lake's own small files.
fn open_through(
    folder: &TempDir,
    through: impl FnOnce(Arc<dyn ObjectStore>) -> Arc<dyn ObjectStore>,
) -> (Lake, FactServiceClient<Channel>) {
    let options = Options {
        location: folder.path().join("lake").display().to_string(),
        frame_cache_bytes: 64 << 20,
        retention: std::time::Duration::from_secs(604_800),
    };
    let lake = Lake::open_through(&options, through).unwrap();
    let config = Config::default();
    let facts = FactServiceServer::new(Facts::new(lake.clone(), &OWNERS)).max_decoding_message_size(17 << 20);
    let channel = Server::builder(&config)
        .unwrap()
        .add(facts)
        .build()
        .unwrap()
        .in_process();
    (lake, FactServiceClient::new(channel))
}

async fn send(
    client: &mut FactServiceClient<Channel>,
    requests: Vec<AppendRequest>,
) -> Result<Vec<AppendResponse>, Status> {
    let mut answers = client.append(tokio_stream::iter(requests)).await?.into_inner();
    let mut taken = Vec::new();
    while let Some(answer) = answers.message().await? {
        taken.push(answer);
    }
    Ok(taken)
}

fn at(text: &str) -> Option<Timestamp> {
    Some(text.parse().unwrap())
}

/// A good order line.
fn line(order: u32, brand: &str) -> OrderLine {
    OrderLine {
        order: format!("o{order}"),
        line: "1".into(),
        consumer: format!("c{}", order % 97),
        brand: brand.into(),
        product: format!("p{}", order % 7),
        quantity: 1,
        paid_amount: "12.50".into(),
        paid_at: at("2026-05-01T04:00:00Z"),
        ..OrderLine::default()
    }
}

fn lines(orders: std::ops::Range<u32>, brand: &str) -> FactRows {
    FactRows {
        order_lines: orders.map(|order| line(order, brand)).collect(),
        ..FactRows::default()
    }
}

fn behavior(event: &str) -> Behavior {
    Behavior {
        event_id: event.into(),
        consumer: "c1".into(),
        brand: "b".into(),
        kind: BehaviorKind::Browse as i32,
        occurred_at: at("2026-05-01T16:30:00Z"),
        ..Behavior::default()
    }
}

fn request(producer: &str, sequence: i64, kind: FactKind, rows: FactRows) -> AppendRequest {
    AppendRequest {
        producer: producer.into(),
        sequence,
        kind: kind as i32,
        batch: Some(append_request::Batch::Rows(rows)),
    }
}

fn orders(producer: &str, sequence: i64, rows: FactRows) -> AppendRequest {
    request(producer, sequence, FactKind::OrderLine, rows)
}
