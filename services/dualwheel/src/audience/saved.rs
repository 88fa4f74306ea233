//! Saved audiences: save, import, list, show, update, refresh, delete.

use anyhow::Context;
use dualwheel_kit::question::day_to_proto;
use dualwheel_proto::{
    FieldMask,
    consumer::{
        Audience, AudienceKind, ConsumerKeys, CreateAudienceRequest, CreateAudienceResponse,
        DeleteAudienceRequest, GetAudienceRequest, ImportAudienceHeader, ImportAudienceRequest,
        ListAudiencesRequest, RefreshAudienceRequest, RefreshAudienceResponse, UpdateAudienceRequest,
        import_audience_request::Part,
    },
};
use tokio::sync::mpsc;
use tokio_stream::{StreamExt, wrappers::ReceiverStream};

use super::{Mesh, day, definition};
use crate::{
    cli::audience::{ImportKeys, ListSaved, RefreshSaved, Save, Saved, UpdateSaved},
    format,
    keys::{Keys, keys},
    output, table,
    target::taken,
};

/// Keys of one message.
const KEYS_PER_MESSAGE: usize = 10_000;
/// Full name of the message that describes an audience.
const AUDIENCE: &str = "dualwheel.consumer.v1.Audience";

impl Mesh<'_> {
    pub(super) async fn save(self, args: &Save) -> anyhow::Result<()> {
        let request = CreateAudienceRequest {
            request_id: String::new(),
            audience_id: args.id.clone().unwrap_or_default(),
            audience: Some(Audience {
                brand: args.basis.brand.clone(),
                display_name: args.name.clone(),
                definition: definition(&args.expression),
                ..Audience::default()
            }),
            freeze: args.freeze,
            as_of: day(&args.basis),
        };
        let made: CreateAudienceResponse = self.long("CreateAudience", &request).await?;
        self.print(made.audience)
    }

    pub(super) async fn import(mut self, args: &ImportKeys) -> anyhow::Result<()> {
        let keys = keys(&args.keys)?;
        let header = ImportAudienceHeader {
            request_id: String::new(),
            audience_id: args.id.clone().unwrap_or_default(),
            brand: args.brand.clone(),
            display_name: args.name.clone(),
        };
        let (sender, parts) = mpsc::channel(4);
        // The stream ends only behind the last line: a file that breaks off must not leave an audience of its beginning.
        let open = sender.clone();
        let reading = async move {
            let sent = tokio::task::spawn_blocking(move || send(keys, header, &sender)).await;
            sent.context("the file was not read to its end")??;
            drop(open);
            Ok(())
        };
        let parts = ReceiverStream::new(parts).map(|part| ImportAudienceRequest { part: Some(part) });
        let request = self.request(parts);
        let call = async { taken(self.client.import_audience(request).await) };
        let ((), imported) = tokio::try_join!(reading, call)?;
        if self.json {
            return output::json("dualwheel.consumer.v1.ImportAudienceResponse", &imported);
        }
        self.print(imported.audience)?;
        output::text(&format!(
            "{} keys are not known yet",
            format::whole(imported.unknown)
        ))
    }

    pub(super) async fn list(mut self, args: &ListSaved) -> anyhow::Result<()> {
        let (mut audiences, mut page_token) = (Vec::new(), String::new());
        loop {
            let request = self.request(ListAudiencesRequest {
                brand: args.brand.clone(),
                page_size: 1_000,
                page_token,
            });
            let page = taken(self.client.list_audiences(request).await)?;
            audiences.extend(page.audiences);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
        if !self.json {
            return output::text(&rows(&audiences));
        }
        audiences.iter().try_for_each(|one| output::line(AUDIENCE, one))
    }

    pub(super) async fn show(mut self, args: &Saved) -> anyhow::Result<()> {
        let request = self.request(GetAudienceRequest { name: name(args) });
        let found = taken(self.client.get_audience(request).await)?;
        self.print(found.audience)
    }

    pub(super) async fn update(mut self, args: &UpdateSaved) -> anyhow::Result<()> {
        let paths = [
            args.name.as_ref().map(|_| "display_name"),
            args.expression.as_ref().map(|_| "definition"),
        ];
        let request = self.request(UpdateAudienceRequest {
            audience: Some(Audience {
                name: name(&args.saved),
                display_name: args.name.clone().unwrap_or_default(),
                definition: args.expression.as_deref().and_then(definition),
                ..Audience::default()
            }),
            update_mask: Some(FieldMask {
                paths: paths.into_iter().flatten().map(str::to_owned).collect(),
            }),
        });
        let changed = taken(self.client.update_audience(request).await)?;
        self.print(changed.audience)
    }

    pub(super) async fn refresh(self, args: &RefreshSaved) -> anyhow::Result<()> {
        let request = RefreshAudienceRequest {
            name: name(&args.saved),
            as_of: args.as_of.map(day_to_proto),
            etag: String::new(),
        };
        let frozen: RefreshAudienceResponse = self.long("RefreshAudience", &request).await?;
        self.print(frozen.audience)
    }

    pub(super) async fn delete(mut self, args: &Saved) -> anyhow::Result<()> {
        let request = self.request(DeleteAudienceRequest {
            name: name(args),
            etag: String::new(),
        });
        taken(self.client.delete_audience(request).await)?;
        if self.json {
            Ok(())
        } else {
            output::text(&format!("{} is deleted", name(args)))
        }
    }

    fn print(&self, audience: Option<Audience>) -> anyhow::Result<()> {
        let audience = audience.context("the mesh answered without the audience")?;
        if self.json {
            return output::json(AUDIENCE, &audience);
        }
        output::text(&rows(std::slice::from_ref(&audience)))
    }
}

fn name(args: &Saved) -> String {
    format!("audiences/{}", args.id.trim_start_matches("audiences/"))
}

fn rows(audiences: &[Audience]) -> String {
    let row = |audience: &Audience| {
        let size = format::people(audience.size, audience.size_withheld);
        let (kind, size) = match audience.kind() {
            AudienceKind::Live => ("live", format::NONE.to_owned()),
            AudienceKind::Frozen => ("frozen", size),
            AudienceKind::Imported => ("imported", size),
            AudienceKind::Unspecified => ("", format::NONE.to_owned()),
        };
        let day = format::calendar(audience.as_of.as_ref());
        vec![
            audience.name.trim_start_matches("audiences/").to_owned(),
            audience.brand.clone(),
            audience.display_name.clone(),
            kind.to_owned(),
            size,
            day.map(|day| day.to_string()).unwrap_or_default(),
            audience.text.clone(),
        ]
    };
    let headings = [
        ("Id", false),
        ("Brand", false),
        ("Name", false),
        ("Kind", false),
        ("People", true),
        ("On", false),
        ("Expression", false),
    ];
    table::rows(&headings, audiences.iter().map(row).collect())
}

/// Sends the header and the keys, until the mesh takes no more.
fn send(keys: Keys, header: ImportAudienceHeader, sender: &mpsc::Sender<Part>) -> anyhow::Result<()> {
    if sender.blocking_send(Part::Header(header)).is_err() {
        return Ok(());
    }
    let mut consumers = Vec::with_capacity(KEYS_PER_MESSAGE);
    for key in keys {
        consumers.push(key?);
        if consumers.len() == KEYS_PER_MESSAGE {
            let full = ConsumerKeys {
                consumers: std::mem::take(&mut consumers),
            };
            if sender.blocking_send(Part::Keys(full)).is_err() {
                return Ok(());
            }
        }
    }
    if !consumers.is_empty() {
        // Nobody listens any more where the mesh has answered already.
        let _ = sender.blocking_send(Part::Keys(ConsumerKeys { consumers }));
    }
    Ok(())
}
