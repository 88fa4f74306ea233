//! `dualwheel consumer delete | deletions | export`: removing consumers for good, and what is kept about one.

use std::time::Duration;

use dualwheel_kit::config::Config;
use dualwheel_proto::consumer::{
    ConsumerDeletion, DeleteConsumersRequest, DeletionPart, DeletionState, ExportConsumerRequest,
    GetConsumerDeletionRequest, ListConsumerDeletionsRequest, privacy_service_client::PrivacyServiceClient,
};
use tonic::transport::Channel;

use crate::{
    cli::{Common, DeleteConsumers, Deletions, ExportConsumer},
    format,
    keys::keys,
    mesh::{self, Role},
    output, table,
    target::{explain, reach, taken},
};

/// How often a deletion is asked about while it is waited for.
const ASKED_EVERY: Duration = Duration::from_millis(200);
/// Full name of the message that describes a deletion.
const DELETION: &str = "dualwheel.consumer.v1.ConsumerDeletion";

type Client = PrivacyServiceClient<Channel>;

/// Asks for a deletion and waits for it.
pub(super) async fn delete(config: &Config, common: &Common, args: &DeleteConsumers) -> anyhow::Result<()> {
    let mut consumers = args.keys.clone();
    if let Some(file) = &args.file {
        consumers.extend(keys(file)?.collect::<anyhow::Result<Vec<_>>>()?);
    }
    // Every service removes its own.
    let mut client = client(args.place.endpoint.as_deref(), Role::All, config).await?;
    let request = DeleteConsumersRequest {
        consumers,
        request_id: String::new(),
    };
    let request = mesh::request(config, request)?;
    let begun = taken(client.delete_consumers(request).await)?
        .deletion
        .unwrap_or_default();
    let wanted = if args.erased {
        DeletionState::Erased
    } else {
        DeletionState::Removed
    };
    let mut deletion = begun;
    while deletion.state() < wanted {
        tokio::time::sleep(ASKED_EVERY).await;
        deletion = get(&mut client, config, deletion.name).await?;
    }
    print(common, &deletion)
}

/// Prints the deletions, or the parts of one.
pub(super) async fn list(config: &Config, common: &Common, args: &Deletions) -> anyhow::Result<()> {
    let mut client = client(args.place.endpoint.as_deref(), Role::Consumer, config).await?;
    if let Some(id) = &args.id {
        let name = format!("consumerDeletions/{id}");
        return print(common, &get(&mut client, config, name).await?);
    }
    let (mut deletions, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = ListConsumerDeletionsRequest {
            page_size: 1_000,
            page_token,
        };
        let request = mesh::request(config, request)?;
        let page = taken(client.list_consumer_deletions(request).await)?;
        deletions.extend(page.deletions);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    if common.json {
        for deletion in &deletions {
            output::line(DELETION, deletion)?;
        }
        return Ok(());
    }
    let row = |deletion: &ConsumerDeletion| {
        vec![
            deletion.name.trim_start_matches("consumerDeletions/").to_owned(),
            format::whole(deletion.consumers),
            word(deletion.state()).to_owned(),
            deletion
                .create_time
                .map(|time| time.to_string())
                .unwrap_or_default(),
        ]
    };
    let headings = [
        ("Deletion", false),
        ("Consumers", true),
        ("State", false),
        ("Asked for", false),
    ];
    output::text(&table::rows(&headings, deletions.iter().map(row).collect()))
}

/// Prints everything that is kept about a consumer.
pub(super) async fn export(config: &Config, _common: &Common, args: &ExportConsumer) -> anyhow::Result<()> {
    let mut client = client(args.place.endpoint.as_deref(), Role::Consumer, config).await?;
    let request = ExportConsumerRequest {
        consumer: args.key.clone(),
    };
    let mut kept = taken(client.export_consumer(mesh::request(config, request)?).await)?;
    while let Some(some) = kept.message().await.map_err(|status| explain(&status))? {
        for row in some.rows {
            // What is no row is the name of an audience.
            let row = serde_json::from_str(&row).unwrap_or(serde_json::Value::String(row));
            output::text(&serde_json::json!({ "table": some.table, "row": row }).to_string())?;
        }
    }
    Ok(())
}

async fn client(endpoint: Option<&str>, role: Role, config: &Config) -> anyhow::Result<Client> {
    let channel = reach(endpoint, role, config).await?;
    Ok(PrivacyServiceClient::new(channel).max_decoding_message_size(usize::MAX))
}

async fn get(client: &mut Client, config: &Config, name: String) -> anyhow::Result<ConsumerDeletion> {
    let request = mesh::request(config, GetConsumerDeletionRequest { name })?;
    let found = taken(client.get_consumer_deletion(request).await)?;
    Ok(found.deletion.unwrap_or_default())
}

fn print(common: &Common, deletion: &ConsumerDeletion) -> anyhow::Result<()> {
    if common.json {
        return output::json(DELETION, deletion);
    }
    let row = |part: &DeletionPart| {
        vec![
            part.service.clone(),
            part.part.clone(),
            word(part.state()).to_owned(),
            format::whole(part.rows),
            part.problem.clone(),
        ]
    };
    let headings = [
        ("Service", false),
        ("Part", false),
        ("State", false),
        ("Rows removed", true),
        ("Problem", false),
    ];
    output::text(&format!(
        "{}: {} consumers, {}\n\n{}",
        deletion.name,
        format::whole(deletion.consumers),
        word(deletion.state()),
        table::rows(&headings, deletion.parts.iter().map(row).collect())
    ))
}

fn word(state: DeletionState) -> &'static str {
    match state {
        DeletionState::Erased => "erased",
        DeletionState::Removed => "removed",
        DeletionState::Removing | DeletionState::Unspecified => "removing",
    }
}
