//! Files made to hurt who reads or compiles them, published to a running mesh: each is told why it is refused, and nothing
//! else notices.

use std::time::{Duration, Instant};

use dualwheel_kit::failure::reason_of;
use dualwheel_plugins::signature::SecretKey;
use dualwheel_proto::clients;
use dualwheel_proto::plugin::{
    CreatePublisherRequest, ListPluginsRequest, Plugin, PublishPluginHeader, PublishPluginRequest, Publisher,
    publish_plugin_request::Part,
};
use tonic::{Request, Status};

use crate::harness::{Server, component};

#[path = "../../plugins/host/tests/host/hostile_files.rs"]
mod hostile_files;

/// Bytes of memory that the server may grow by, whatever is published.
const GROWTH: u64 = 300 << 20;

struct Stranger {
    client: clients::Plugin,
    key: SecretKey,
}

impl Stranger {
    async fn trusted(server: &Server) -> Self {
        let mut client = clients::Plugin::new(server.channel());
        let key = SecretKey::generate().unwrap();
        let publisher = Publisher {
            public_key_pem: key.public().to_pem().unwrap(),
            ..Default::default()
        };
        let request = CreatePublisherRequest {
            publisher: Some(publisher),
            publisher_id: "stranger".to_owned(),
            ..Default::default()
        };
        client.publishers.create_publisher(request).await.unwrap();
        Self { client, key }
    }

    async fn publish(&mut self, file: &[u8]) -> Result<Option<Plugin>, Status> {
        let sha256 = dualwheel_plugin_host::sha256(file);
        let header = PublishPluginHeader {
            publisher: "publishers/stranger".to_owned(),
            signature: self.key.sign(&sha256),
            sha256,
            ..Default::default()
        };
        let chunks = file.chunks(1 << 20).map(|chunk| Part::Chunk(chunk.to_vec()));
        let parts = std::iter::once(Part::Header(header)).chain(chunks);
        let parts: Vec<_> = parts
            .map(|part| PublishPluginRequest { part: Some(part) })
            .collect();
        let mut request = Request::new(tokio_stream::iter(parts));
        request.set_timeout(Duration::from_secs(60));
        Ok(self
            .client
            .plugins
            .publish_plugin(request)
            .await?
            .into_inner()
            .plugin)
    }
}

/// Bytes of memory that a process has of its own: now, and at most so far.
fn memory(server: &Server) -> [u64; 2] {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    ["VmRSS:", "VmHWM:"].map(|name| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
        kibibytes << 10
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_files_hurt_nobody() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::all(data.path());
    let mut stranger = Stranger::trusted(&server).await;
    let good = std::fs::read(component("koc-affinity")).unwrap();
    assert!(stranger.publish(&good).await.unwrap().is_some());
    let [before, _] = memory(&server);
    for file in hostile_files::all() {
        let refused = stranger.publish(&file.bytes).await.unwrap_err();
        let reason = reason_of(&refused).unwrap_or_default();
        assert!(
            reason == file.code && refused.message().contains(file.words),
            "{}: {refused:?}",
            file.name
        );
        let asked = Instant::now();
        let listed = stranger
            .client
            .plugins
            .list_plugins(ListPluginsRequest::default())
            .await;
        assert_eq!(listed.unwrap().into_inner().plugins.len(), 1, "{}", file.name);
        let answered = asked.elapsed();
        assert!(answered < Duration::from_secs(10), "{}: {answered:?}", file.name);
    }
    let [after, most] = memory(&server);
    assert!(
        most < before + GROWTH,
        "from {before} to {most} bytes, {after} now"
    );
    // Nothing of them is kept but why they were refused.
    let kept = std::fs::read_dir(data.path().join("blobs/default/plugins")).unwrap();
    assert_eq!(kept.count(), 1);
    assert!(stranger.publish(&good).await.unwrap().is_some());
}
