//! Calls that nobody waits for any more: their work ends with them, and questions are answered beside them.

use std::time::{Duration, Instant};

use dualwheel_proto::clients;
use dualwheel_proto::consumer::{FindClustersRequest, GetFastRequest};
use tokio::time::sleep;
use tonic::{Code, Request, transport::Channel};

use crate::harness::{Server, date, journey, question, window};

const CALLS: usize = 24;
const DEADLINE: Duration = Duration::from_secs(1);
/// How soon the process is idle after the last call.
const SOON: Duration = Duration::from_secs(5);

async fn fast(channel: &Channel) {
    let request = GetFastRequest {
        query: question("544", window("2017-10-01", "2017-12-31")),
        ..GetFastRequest::default()
    };
    clients::Consumer::new(channel.clone())
        .consumers
        .get_fast(request)
        .await
        .unwrap();
}

/// Waits until the process has used a twentieth of a core at most for half a second.
async fn is_idle(server: &Server, within: Duration) -> bool {
    let limit = Instant::now() + within;
    while Instant::now() < limit {
        let before = server.cpu();
        sleep(Duration::from_millis(500)).await;
        if server.cpu() - before <= Duration::from_millis(25) {
            return true;
        }
    }
    false
}

#[tokio::test(flavor = "multi_thread")]
async fn models_that_nobody_waits_for_leave_the_process_idle_and_questions_fast() {
    let data = journey().copy();
    let server = Server::all(data.path());
    let channel = server.channel();
    // The facts are read, and the index follows them.
    fast(&channel).await;
    assert!(
        is_idle(&server, Duration::from_secs(60)).await,
        "{}",
        server.log()
    );
    let before = server.cpu();
    let calls: Vec<_> = (0..CALLS)
        .map(|_| {
            let mut client = clients::Consumer::new(channel.clone());
            let mut request = Request::new(FindClustersRequest {
                brand: "544".to_owned(),
                as_of: Some(date("2017-12-31")),
                ..FindClustersRequest::default()
            });
            request.set_timeout(DEADLINE);
            tokio::spawn(async move { client.targeting.find_clusters(request).await })
        })
        .collect();
    sleep(DEADLINE / 5).await;
    fast(&channel).await;
    let ended = calls.iter().filter(|call| call.is_finished()).count();
    assert!(ended < CALLS, "the question was answered after all models");
    let mut late = 0;
    for call in calls {
        if let Err(status) = call.await.unwrap() {
            assert_eq!(status.code(), Code::DeadlineExceeded, "{status}");
            late += 1;
        }
    }
    assert!(
        late >= CALLS / 2,
        "{late}: the models are too small to be given up"
    );
    assert!(server.cpu() - before >= DEADLINE / 4, "nothing was begun");
    assert!(is_idle(&server, SOON).await, "{}", server.log());
}
