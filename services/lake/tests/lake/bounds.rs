//! What is taken in, and kept of what is refused, has bounds.

use std::{fs, time::Duration};

use arrow::array::RecordBatch;
use bytes::{Buf, BufMut};
use dualwheel_kit::{config::Config, failure::reason_of, server::Server};
use dualwheel_lake::{Lake, dead_letters::Bounds, mapping::to_ipc, rows::to_batch, service::Facts};
use dualwheel_proto::facts::{
    AppendRequest, FactKind, FactRows, append_request, fact_service_client::FactServiceClient,
    fact_service_server::FactServiceServer,
};
use tonic::{
    Status,
    client::Grpc,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    transport::Channel,
};

use crate::{House, OWNERS, line, lines, orders, request, send};

/// A service over the lake that takes and keeps no more than this.
fn bounded(lake: &Lake, rows: usize, letters: Bounds) -> FactServiceClient<Channel> {
    let facts = Facts::new(lake.clone(), &OWNERS).bounded(rows, letters);
    let facts = FactServiceServer::new(facts).max_decoding_message_size(17 << 20);
    let server = Server::builder(&Config::default()).unwrap().add(facts);
    FactServiceClient::new(server.build().unwrap().in_process())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_has_no_more_rows_than_are_configured() {
    let house = House::new();
    let mut client = bounded(&house.lake, 10, Bounds::default());
    let arrow = |rows: std::ops::Range<u32>| {
        let batch: RecordBatch = to_batch(FactKind::OrderLine, &lines(rows, "b")).unwrap().unwrap();
        AppendRequest {
            batch: Some(append_request::Batch::ArrowIpc(to_ipc(&batch).unwrap())),
            ..orders("p", 1, FactRows::default())
        }
    };
    for request in [orders("p", 1, lines(0..11, "b")), arrow(0..11)] {
        let refused = send(&mut client, vec![request]).await.unwrap_err();
        assert_eq!(reason_of(&refused).as_deref(), Some("BATCH_TOO_LARGE"));
        assert!(
            refused.message().contains("11 rows; at most 10 rows"),
            "{}",
            refused.message()
        );
    }
    let answers = send(&mut client, vec![arrow(0..10)]).await.unwrap();
    assert_eq!(answers[0].accepted, 10);
}

/// Bytes as they are.
#[derive(Default)]
struct Plain;

impl Codec for Plain {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Plain {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_slice(&item);
        Ok(())
    }
}

impl Decoder for Plain {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining()).to_vec()))
    }
}

/// The most memory that the process ever had, in MiB.
fn peak() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    let kib: usize = line.trim().trim_end_matches(" kB").parse().unwrap();
    kib >> 10
}

/// What is answered to a batch of these bytes, and how many MiB are taken for it.
async fn refused(request: Vec<u8>) -> (Status, usize) {
    let folder = tempfile::tempdir().unwrap();
    let options = dualwheel_lake::Options {
        location: folder.path().display().to_string(),
        frame_cache_bytes: 1 << 20,
        retention: std::time::Duration::from_secs(604_800),
    };
    let facts = Facts::new(Lake::open(&options).unwrap(), &OWNERS);
    let facts = FactServiceServer::new(facts).max_decoding_message_size(17 << 20);
    let server = Server::builder(&Config::default()).unwrap().add(facts);
    let mut client = Grpc::new(server.build().unwrap().in_process());
    client.ready().await.unwrap();

    let before = peak();
    let path = "/dualwheel.facts.v1.FactService/Append".parse().unwrap();
    let call = tonic::Request::new(tokio_stream::iter([request]));
    let mut answers = client.streaming(call, path, Plain).await.unwrap().into_inner();
    let refused = answers.message().await.unwrap_err();
    (refused, peak() - before)
}

/// A field whose bytes have a length.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut field = vec![number << 3 | 2];
    prost::encoding::encode_varint(bytes.len() as u64, &mut field);
    field.extend(bytes);
    field
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_and_what_their_lists_hold_are_counted_before_there_is_room_for_them() {
    // Of two bytes each: empty order lines, and the empty products of one content.
    let rows = field(3, &[]).repeat(8_000_000);
    let products = field(7, &field(8, &[]).repeat(8_000_000));
    for (rows, most_mib) in [(products, 150), (rows, 1_000)] {
        let (refused, taken) = refused(field(4, &rows)).await;
        assert_eq!(reason_of(&refused).as_deref(), Some("BATCH_TOO_LARGE"));
        let bounds = "131072 rows, 1048576 elements";
        assert!(refused.message().contains(bounds), "{}", refused.message());
        assert!(taken < most_mib, "{taken} MiB were taken for 16");
    }
}

/// Order lines of which every second one is wrong.
fn half_wrong(sequence: i64) -> AppendRequest {
    let mut rows = vec![line(1, "b"); 20];
    rows.iter_mut().step_by(2).for_each(|row| row.quantity = -1);
    let rows = FactRows {
        order_lines: rows,
        ..FactRows::default()
    };
    orders("p", sequence, rows)
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_rows_stay_within_their_bytes_and_the_newest_stay() {
    let house = House::new();
    let bounds = Bounds {
        bytes: 40_000,
        ..Bounds::default()
    };
    let mut client = bounded(&house.lake, 100, bounds);
    let mut letters = Vec::new();
    for sequence in 1..=40 {
        let answers = send(&mut client, vec![half_wrong(sequence)]).await.unwrap();
        letters.push(house.folder.path().join("lake").join(&answers[0].dead_letter));
    }
    let kept: Vec<bool> = letters.iter().map(|letter| letter.exists()).collect();
    let bytes = |letter: &std::path::PathBuf| fs::metadata(letter).map_or(0, |file| file.len());
    let sum: u64 = letters.iter().map(bytes).sum();
    assert!((20_000..=48_000).contains(&sum), "{sum} bytes");
    assert!(kept[39] && !kept[0], "{kept:?}");
    assert!(kept.is_sorted(), "the oldest go first: {kept:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_rows_are_kept_no_longer_than_configured() {
    let mut house = House::new();
    let answers = house.append(vec![half_wrong(1)]).await.unwrap();
    let letter = house.folder.path().join("lake").join(&answers[0].dead_letter);
    let bounds = |age| Bounds {
        age: Duration::from_secs(age),
        ..Bounds::default()
    };
    house.lake.keep_dead_letters(&["product"], bounds(0));
    house.lake.keep_dead_letters(&OWNERS, bounds(3_600));
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(letter.exists());
    house.lake.keep_dead_letters(&OWNERS, bounds(0));
    for _ in 0..200 {
        if !letter.exists() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("it is still there");
}

/// Sums over counts would otherwise run over.
#[tokio::test(flavor = "multi_thread")]
async fn counts_of_markets_and_audiences_are_bounded() {
    const MOST: i64 = 1_000_000_000_000;
    let mut house = House::new();
    for (kind, mut rows) in crate::samples::rows(1) {
        for stat in &mut rows.market_stats {
            stat.units = Some(MOST);
        }
        for profile in &mut rows.social_profiles {
            profile.followers = Some(MOST);
        }
        let mut over = rows.clone();
        for stat in &mut over.market_stats {
            stat.units = Some(MOST + 1);
        }
        for profile in &mut over.social_profiles {
            profile.followers = Some(i64::MAX);
        }
        if over == rows {
            continue;
        }
        let sent = [(1, rows), (2, over)].map(|(sequence, rows)| request("p", sequence, kind, rows));
        let answers = house.append(sent.into()).await.unwrap();
        assert_eq!((answers[0].accepted, answers[1].refused), (1, 1), "{kind:?}");
        let reason = &answers[1].refusals[0].reason;
        assert!(reason.contains("1000000000000"), "{reason}");
    }
}
