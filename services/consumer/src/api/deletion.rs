//! Deletion and export of consumers between contract and domain.

use std::pin::Pin;

use dualwheel_kit::{
    Call, Reason, Violations,
    audit::Notes,
    page::page_size,
    resource::{id_of, read_request_id, time_to_proto},
};
use dualwheel_lake::{TenantLake, erasure::Part};
use dualwheel_proto::{consumer as proto, consumer::DeletionState};
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tonic::Status;

use super::Service;
use crate::{
    deletion::{Deletion, Error},
    store::{self, Audiences},
};

/// Rows of one message.
const ROWS: usize = 500;

/// What is kept about a consumer, as a stream.
pub(super) type Kept = Pin<Box<dyn Stream<Item = Result<proto::ExportConsumerResponse, Status>> + Send>>;

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        match error {
            Error::Lake(error) => error.into(),
            Error::Store(error) => error.into(),
            Error::Index(error) => error.into(),
            Error::Panicked(error) => dualwheel_kit::Failure::internal(&error).into(),
        }
    }
}

impl Service {
    pub(super) async fn delete_consumers(
        &self,
        call: &Call,
        request: proto::DeleteConsumersRequest,
    ) -> Result<proto::ConsumerDeletion, Status> {
        let mut violations = Violations::new();
        let request_id = read_request_id(&request.request_id, &mut violations);
        violations.finish(Reason::InvalidResource)?;
        call.notes().people(request.consumers.len());
        let asked = self
            .deletions
            .ask(call, request_id.as_deref(), request.consumers)
            .await?;
        let deletion = to_proto(&asked);
        call.notes().resource(&deletion.name);
        Ok(deletion)
    }

    pub(super) async fn get_deletion(
        &self,
        call: &Call,
        name: &str,
    ) -> Result<proto::ConsumerDeletion, Status> {
        let id = id_of("consumerDeletions", name)
            .ok_or_else(|| store::Error::Unknown(format!("consumerDeletions/ of the name {name:?}")))?;
        Ok(to_proto(&self.deletions.get(call, &id).await?))
    }

    pub(super) async fn list_deletions(
        &self,
        call: &Call,
        request: &proto::ListConsumerDeletionsRequest,
    ) -> Result<proto::ListConsumerDeletionsResponse, Status> {
        let size = page_size(request.page_size)?;
        let page = self.deletions.list(call, size, &request.page_token).await?;
        Ok(proto::ListConsumerDeletionsResponse {
            deletions: page.items.iter().map(to_proto).collect(),
            next_page_token: page.next,
        })
    }

    pub(super) async fn export_consumer(&self, call: &Call, consumer: String) -> Result<Kept, Status> {
        let (lake, audiences) = (self.lake.of(call), self.audiences(call));
        let (messages, receiver) = mpsc::channel(2);
        let sender = Sender {
            messages,
            notes: call.notes().clone(),
        };
        call.notes().people(1);
        tokio::spawn(async move {
            if let Err(status) = kept(&lake, &audiences, &consumer, &sender).await {
                let _ = sender.messages.send(Err(status)).await;
            }
        });
        Ok(Box::pin(tokio_stream::wrappers::ReceiverStream::new(receiver)))
    }
}

/// Sends messages, and notes their rows in the audit log.
struct Sender {
    messages: mpsc::Sender<Result<proto::ExportConsumerResponse, Status>>,
    notes: Notes,
}

/// Sends everything that is kept about a consumer, until nobody listens.
async fn kept(
    lake: &TenantLake,
    audiences: &Audiences,
    consumer: &str,
    sender: &Sender,
) -> Result<(), Status> {
    for table in TenantLake::personal_tables() {
        send(sender, table, lake.rows_about(table, consumer).await?).await;
    }
    send(sender, "refused_rows", lake.refused_about(consumer).await?).await;
    let mut named = Vec::new();
    for audience in audiences.with_people().await? {
        if let Some(people) = &audience.people
            && lake.keys(&people.keys).await?.iter().any(|key| key == consumer)
        {
            named.push(format!("audiences/{}", audience.id));
        }
    }
    send(sender, "audiences", named).await;
    Ok(())
}

async fn send(sender: &Sender, table: &str, rows: Vec<String>) {
    for some in rows.chunks(ROWS) {
        let answer = proto::ExportConsumerResponse {
            table: table.to_owned(),
            rows: some.to_vec(),
        };
        // Nobody to send to any more: the rest is dropped as well.
        if sender.messages.send(Ok(answer)).await.is_err() {
            return;
        }
        sender.notes.add_rows(some.len() as u64);
    }
}

fn to_proto(deletion: &Deletion) -> proto::ConsumerDeletion {
    let state = deletion.parts.iter().map(state_of).min();
    proto::ConsumerDeletion {
        name: format!("consumerDeletions/{}", deletion.id),
        consumers: deletion.consumers,
        state: state.unwrap_or(DeletionState::Removing) as i32,
        parts: deletion.parts.iter().map(part_to_proto).collect(),
        create_time: Some(time_to_proto(deletion.asked_at)),
    }
}

fn state_of(part: &Part) -> DeletionState {
    match (part.removed_at, part.erased_at) {
        (_, Some(_)) => DeletionState::Erased,
        (Some(_), None) => DeletionState::Removed,
        (None, None) => DeletionState::Removing,
    }
}

fn part_to_proto(part: &Part) -> proto::DeletionPart {
    proto::DeletionPart {
        service: part.service.clone(),
        part: part.name.clone(),
        state: state_of(part) as i32,
        rows: i64::try_from(part.rows).unwrap_or(i64::MAX),
        remove_time: part.removed_at.map(time_to_proto),
        erase_time: part.erased_at.map(time_to_proto),
        problem: part.problem.clone(),
    }
}
