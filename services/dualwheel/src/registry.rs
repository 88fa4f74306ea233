//! `dualwheel plugin trust | publish | activate | …`: the registry of a mesh.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use dualwheel_kit::{Call, client, config::Config};
use dualwheel_plugins::signature::PublicKey;
use dualwheel_proto::clients;
use dualwheel_proto::plugin::{
    ActivatePluginRequest, AddPublisherKeyRequest, CreatePublisherRequest, DeactivatePluginRequest,
    DeletePluginRequest, DeletePublisherRequest, GetPluginRequest, GetPluginRunRequest,
    GetPluginRunRowsRequest, ListPluginActivationsRequest, ListPluginRunsRequest, ListPluginsRequest,
    ListPublishersRequest, Plugin, PluginActivation, PluginChange, PluginFallback, PluginPublication,
    PluginPublicationState, PluginRole, PluginRun, PluginRunState, PluginSetting, PluginWorld,
    PromotePluginRequest, PublishPluginHeader, PublishPluginRequest, Publisher, RemovePublisherKeyRequest,
    ReplayPluginRunRequest, RetirePluginRequest, RollBackPluginRequest, ShadowPluginRequest,
    WatchPluginPublicationRequest, publish_plugin_request::Part,
};
use prost::Message;
use tonic::{Request, Response};

use crate::{
    cli::{
        Common,
        plugin::World,
        registry::{
            Activate, Distrust, Fallback, Fixtures, OfBrand, Promote, Publish, Registry, Replay, Retire,
            Shadow, Trust,
        },
    },
    format,
    mesh::{self, Role},
    output, table,
    target::taken,
};

/// What a publication is at.
fn at(state: PluginPublicationState) -> &'static str {
    match state {
        PluginPublicationState::Verified => "waiting to be inspected",
        PluginPublicationState::Inspected => "compiling",
        PluginPublicationState::Compiled => "checking",
        _ => "storing",
    }
}

/// Bytes of an upload's parts.
const CHUNK: usize = 1 << 20;
/// Items asked for at once.
const PAGE: i32 = 200;

/// Runs the command.
///
/// # Errors
/// When a file cannot be read, or the mesh cannot be reached or refuses.
pub async fn run(config: &Config, common: &Common, command: &Registry) -> anyhow::Result<()> {
    let channel = match &command.place().endpoint {
        Some(endpoint) => client::connect(endpoint, config)?,
        None => mesh::in_process(config, &[Role::Membership, Role::Product]).await?,
    };
    let mesh = Mesh {
        call: mesh::call(config)?,
        client: clients::Plugin::new(channel),
        config,
        json: common.json,
    };
    match command {
        Registry::Trust(args) => mesh.trust(args).await,
        Registry::Distrust(args) => mesh.distrust(args).await,
        Registry::Publishers(_) => mesh.publishers().await,
        Registry::Publish(args) => mesh.publish(args).await,
        Registry::List(_) => mesh.list().await,
        Registry::Retire(args) => mesh.retire(args).await,
        Registry::Delete(args) => mesh.delete(&args.plugin).await,
        Registry::Activate(args) => mesh.activate(args).await,
        Registry::Deactivate(args) => mesh.deactivate(args).await,
        Registry::Shadow(args) => mesh.shadow(args).await,
        Registry::Promote(args) => mesh.promote(args).await,
        Registry::Rollback(args) => mesh.roll_back(args).await,
        Registry::History(args) => mesh.history(args).await,
        Registry::Runs(args) => mesh.runs(args).await,
        Registry::Fixtures(args) => mesh.fixtures(args).await,
        Registry::Replay(args) => mesh.replay(args).await,
    }
}

/// Where to ask, and how to answer.
struct Mesh<'a> {
    call: Call,
    client: clients::Plugin,
    config: &'a Config,
    json: bool,
}

impl Mesh<'_> {
    fn request<T>(&self, request: T) -> Request<T> {
        client::with_deadline(&self.call, request, mesh::patience(self.config))
    }

    async fn trust(mut self, args: &Trust) -> anyhow::Result<()> {
        if args.also {
            let request = self.request(AddPublisherKeyRequest {
                name: format!("publishers/{}", args.publisher),
                public_key_pem: text(&args.key)?,
            });
            let answer = taken(self.client.publishers.add_publisher_key(request).await)?;
            let publisher = answer.publisher.unwrap_or_default();
            let told = format!("{} is trusted with this key too", publisher.name);
            return self.told("Publisher", &publisher, &told);
        }
        let request = self.request(CreatePublisherRequest {
            publisher: Some(Publisher {
                display_name: args.display_name.clone(),
                public_key_pem: text(&args.key)?,
                ..Publisher::default()
            }),
            publisher_id: args.publisher.clone(),
            request_id: String::new(),
        });
        let answer = taken(self.client.publishers.create_publisher(request).await)?;
        let publisher = answer.publisher.unwrap_or_default();
        self.told("Publisher", &publisher, &format!("{} is trusted", publisher.name))
    }

    async fn distrust(mut self, args: &Distrust) -> anyhow::Result<()> {
        let name = format!("publishers/{}", args.publisher);
        if let Some(key) = &args.key {
            let request = self.request(RemovePublisherKeyRequest {
                name,
                public_key_pem: text(key)?,
            });
            let answer = taken(self.client.publishers.remove_publisher_key(request).await)?;
            let publisher = answer.publisher.unwrap_or_default();
            let name = &publisher.name;
            let told =
                format!("{name} is trusted with its other key alone; what only this one signed runs no more");
            return self.told("Publisher", &publisher, &told);
        }
        let request = self.request(DeletePublisherRequest { name: name.clone() });
        taken(self.client.publishers.delete_publisher(request).await)?;
        output::text(&format!(
            "{name} is trusted no longer; its plugins do not run any more"
        ))
    }

    async fn publishers(mut self) -> anyhow::Result<()> {
        let (mut publishers, mut page_token) = (Vec::new(), String::new());
        loop {
            let request = self.request(ListPublishersRequest {
                page_size: PAGE,
                page_token,
            });
            let page = taken(self.client.publishers.list_publishers(request).await)?;
            publishers.extend(page.publishers);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
        let row = |publisher: &Publisher| {
            let name = publisher.name.trim_start_matches("publishers/");
            vec![
                name.to_owned(),
                publisher.display_name.clone(),
                keys(publisher),
                time(publisher.create_time),
            ]
        };
        let headings = [
            ("Publisher", false),
            ("Name", false),
            ("Keys", false),
            ("Trusted since", false),
        ];
        self.listed("Publisher", &publishers, &headings, row)
    }

    async fn publish(mut self, args: &Publish) -> anyhow::Result<()> {
        let component = std::fs::read(&args.component)
            .with_context(|| format!("{} cannot be read", args.component.display()))?;
        let beside = || PathBuf::from(format!("{}.sig", args.component.display()));
        let signature = text(&args.signature.clone().unwrap_or_else(beside))
            .context("sign the component first: dualwheel plugin sign")?;
        let header = Part::Header(PublishPluginHeader {
            publisher: format!("publishers/{}", args.publisher),
            signature: signature.trim().to_owned(),
            request_id: String::new(),
            sha256: dualwheel_plugin_host::sha256(&component),
        });
        let chunks = component.chunks(CHUNK).map(|chunk| Part::Chunk(chunk.to_vec()));
        let parts: Vec<PublishPluginRequest> = std::iter::once(header)
            .chain(chunks)
            .map(|part| PublishPluginRequest { part: Some(part) })
            .collect();
        let request = self.request(tokio_stream::iter(parts));
        let answer = taken(self.client.plugins.publish_plugin(request).await)?;
        let plugin = match answer.plugin {
            Some(plugin) => plugin,
            None => self.followed(answer.publication.unwrap_or_default()).await?,
        };
        let failed = plugin.findings.iter().filter(|finding| !finding.holds);
        let failed: String = failed
            .map(|finding| format!("\n{} does not hold: {}", finding.check, finding.found))
            .collect();
        let name = short(&plugin.name);
        let told = format!("{name} is published, sha256 {}{failed}", plugin.sha256);
        self.told("Plugin", &plugin, &told)
    }

    /// Follows a publication to its end, telling what it is at.
    async fn followed(&mut self, begun: PluginPublication) -> anyhow::Result<Plugin> {
        let name = begun.name;
        let request = client::unbounded(&self.call, WatchPluginPublicationRequest { name: name.clone() });
        let mut changes = taken(self.client.plugins.watch_plugin_publication(request).await)?;
        let progress = indicatif::ProgressBar::new_spinner();
        if self.json {
            progress.set_draw_target(indicatif::ProgressDrawTarget::hidden());
        }
        while let Some(change) = changes.message().await? {
            let publication = change.publication.unwrap_or_default();
            match publication.state() {
                PluginPublicationState::Published => {
                    let name = publication.plugin;
                    let request = self.request(GetPluginRequest { name });
                    let answer = taken(self.client.plugins.get_plugin(request).await)?;
                    return Ok(answer.plugin.unwrap_or_default());
                }
                PluginPublicationState::Refused => {
                    bail!("{} ({})", publication.message, publication.reason)
                }
                PluginPublicationState::Interrupted => break,
                state => progress.set_message(at(state)),
            }
        }
        bail!("the process that worked on {name} has gone; publish again, and it goes on")
    }

    async fn list(mut self) -> anyhow::Result<()> {
        let (mut plugins, mut page_token) = (Vec::new(), String::new());
        loop {
            let request = self.request(ListPluginsRequest {
                page_size: PAGE,
                page_token,
                ..Default::default()
            });
            let page = taken(self.client.plugins.list_plugins(request).await)?;
            plugins.extend(page.plugins);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
        let row = |plugin: &Plugin| {
            let needs = if plugin.needs_sealed_wasi {
                "sealed WASI"
            } else {
                ""
            };
            vec![
                short(&plugin.name),
                world_name(plugin.world()).to_owned(),
                plugin.publisher.trim_start_matches("publishers/").to_owned(),
                format::whole(plugin.size_bytes),
                needs.to_owned(),
                time(plugin.retire_time),
                plugin.summary.clone(),
            ]
        };
        let headings = [
            ("Plugin", false),
            ("World", false),
            ("Publisher", false),
            ("Bytes", true),
            ("Needs", false),
            ("Retired", false),
            ("Summary", false),
        ];
        self.listed("Plugin", &plugins, &headings, row)
    }

    async fn retire(mut self, args: &Retire) -> anyhow::Result<()> {
        let request = self.request(RetirePluginRequest {
            name: args.of.plugin.clone(),
            undo: args.undo,
        });
        let answer = taken(self.client.plugins.retire_plugin(request).await)?;
        let plugin = answer.plugin.unwrap_or_default();
        let now = match plugin.retire_time {
            Some(_) => "is retired: it becomes active nowhere any more",
            None => "can be activated",
        };
        self.told("Plugin", &plugin, &format!("{} {now}", short(&plugin.name)))
    }

    async fn delete(mut self, name: &str) -> anyhow::Result<()> {
        let request = self.request(DeletePluginRequest {
            name: name.to_owned(),
        });
        taken(self.client.plugins.delete_plugin(request).await)?;
        output::text(&format!("{} is removed", short(name)))
    }

    async fn activate(mut self, args: &Activate) -> anyhow::Result<()> {
        let fallback = match args.fallback {
            Fallback::BuiltIn => PluginFallback::BuiltIn,
            Fallback::LastGood => PluginFallback::LastGood,
            Fallback::None => PluginFallback::None,
        };
        let request = self.request(ActivatePluginRequest {
            brand: args.brand.clone(),
            setting: Some(setting(&args.plugin, &args.parameters)),
            fallback: fallback.into(),
            allow_sealed_wasi: args.sealed_wasi,
            keep_inputs: args.keep_inputs,
            etag: String::new(),
            force_reason: args.force.clone().unwrap_or_default(),
        });
        let answer = taken(self.client.activations.activate_plugin(request).await)?;
        self.using(answer.activation)
    }

    async fn deactivate(mut self, args: &OfBrand) -> anyhow::Result<()> {
        let request = self.request(DeactivatePluginRequest {
            brand: args.brand.clone(),
            world: world(args.world).into(),
            etag: String::new(),
        });
        let answer = taken(self.client.activations.deactivate_plugin(request).await)?;
        self.using(answer.activation)
    }

    async fn shadow(mut self, args: &Shadow) -> anyhow::Result<()> {
        let request = self.request(ShadowPluginRequest {
            brand: args.of.brand.clone(),
            world: world(args.of.world).into(),
            setting: args
                .plugin
                .as_ref()
                .map(|plugin| setting(plugin, &args.parameters)),
            etag: String::new(),
        });
        let answer = taken(self.client.activations.shadow_plugin(request).await)?;
        self.using(answer.activation)
    }

    async fn promote(mut self, args: &Promote) -> anyhow::Result<()> {
        let request = self.request(PromotePluginRequest {
            brand: args.of.brand.clone(),
            world: world(args.of.world).into(),
            etag: String::new(),
            force_reason: args.force.clone().unwrap_or_default(),
        });
        let answer = taken(self.client.activations.promote_plugin(request).await)?;
        self.using(answer.activation)
    }

    async fn roll_back(mut self, args: &OfBrand) -> anyhow::Result<()> {
        let request = self.request(RollBackPluginRequest {
            brand: args.brand.clone(),
            world: world(args.world).into(),
            etag: String::new(),
        });
        let answer = taken(self.client.activations.roll_back_plugin(request).await)?;
        self.using(answer.activation)
    }

    async fn history(mut self, args: &OfBrand) -> anyhow::Result<()> {
        let (mut activations, mut page_token) = (Vec::new(), String::new());
        loop {
            let request = self.request(ListPluginActivationsRequest {
                brand: args.brand.clone(),
                world: world(args.world).into(),
                page_size: PAGE,
                page_token,
            });
            let page = taken(self.client.activations.list_plugin_activations(request).await)?;
            activations.extend(page.activations);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
        let row = |activation: &PluginActivation| {
            vec![
                activation.revision.to_string(),
                change(activation.change()).to_owned(),
                set(activation.active.as_ref()),
                activation
                    .shadow
                    .as_ref()
                    .map(|shadow| set(Some(shadow)))
                    .unwrap_or_default(),
                fallback(activation.fallback()).to_owned(),
                time(activation.change_time),
            ]
        };
        let headings = [
            ("Revision", true),
            ("Change", false),
            ("Active", false),
            ("Shadow", false),
            ("Where it fails", false),
            ("When", false),
        ];
        self.listed("PluginActivation", &activations, &headings, row)
    }

    async fn runs(mut self, args: &OfBrand) -> anyhow::Result<()> {
        let request = self.request(ListPluginRunsRequest {
            brand: args.brand.clone(),
            world: world(args.world).into(),
            page_size: PAGE,
            page_token: String::new(),
        });
        // No more of them are kept.
        let runs = taken(self.client.runs.list_plugin_runs(request).await)?.runs;
        if self.json {
            let name = "dualwheel.plugin.v1.PluginRun";
            return runs.iter().try_for_each(|run| output::line(name, run));
        }
        // A line each, so that the id is never broken.
        runs.iter().try_for_each(|run| output::text(&run_line(run)))
    }

    async fn fixtures(mut self, args: &Fixtures) -> anyhow::Result<()> {
        let name = format!("pluginRuns/{}", args.run);
        let request = self.request(GetPluginRunRequest { name: name.clone() });
        let run = taken(self.client.runs.get_plugin_run(request).await)?
            .run
            .unwrap_or_default();
        let request = self.request(GetPluginRunRowsRequest { name });
        let mut parts = taken(self.client.runs.get_plugin_run_rows(request).await)?;
        let mut bytes = Vec::new();
        while let Some(part) = taken(parts.message().await.map(Response::new))? {
            bytes.extend_from_slice(&part.chunk);
        }
        let batches = dualwheel_plugins::kept_rows(&bytes).context("the rows that came cannot be read")?;
        std::fs::write(&args.out, &bytes)
            .with_context(|| format!("{} cannot be written", args.out.display()))?;
        let rows: usize = batches.iter().map(|batch| batch.rows).sum();
        let setting = run.setting.unwrap_or_default();
        let parameters = setting.parameters.iter();
        let parameters: String = parameters
            .map(|(name, value)| format!(" --parameter {name}={value}"))
            .collect();
        output::text(&format!(
            "{}: {rows} rows; to answer them as {} did: dualwheel plugin run COMPONENT --input {}{parameters}",
            args.out.display(),
            setting.plugin,
            args.out.display()
        ))
    }

    async fn replay(mut self, args: &Replay) -> anyhow::Result<()> {
        let name = format!("pluginRuns/{}", args.run);
        let request = self.request(ReplayPluginRunRequest { name });
        let replayed = taken(self.client.runs.replay_plugin_run(request).await)?;
        let same = |same: bool| if same { "the same" } else { "OTHER" };
        let told = format!(
            "rows: {}; answer: {} ({})",
            same(replayed.same_input),
            same(replayed.same_output),
            if replayed.reason.is_empty() {
                &replayed.output_hash
            } else {
                &replayed.reason
            }
        );
        self.told("ReplayPluginRunResponse", &replayed, &told)?;
        anyhow::ensure!(
            replayed.same_input && replayed.same_output,
            "the run could not be repeated bit by bit"
        );
        Ok(())
    }

    fn using(&self, activation: Option<PluginActivation>) -> anyhow::Result<()> {
        let activation = activation.unwrap_or_default();
        let shadow = match &activation.shadow {
            Some(shadow) => format!("; shadow: {}", set(Some(shadow))),
            None => String::new(),
        };
        let told = format!(
            "{} {}: {}{shadow} (revision {})",
            activation.brand,
            world_name(activation.world()),
            set(activation.active.as_ref()),
            activation.revision
        );
        self.told("PluginActivation", &activation, &told)
    }

    fn told<M: Message>(&self, name: &str, message: &M, text: &str) -> anyhow::Result<()> {
        if self.json {
            return output::json(&format!("dualwheel.plugin.v1.{name}"), message);
        }
        output::text(text)
    }

    fn listed<M: Message>(
        &self,
        name: &str,
        items: &[M],
        headings: &[(&str, bool)],
        row: impl Fn(&M) -> Vec<String>,
    ) -> anyhow::Result<()> {
        if self.json {
            let name = format!("dualwheel.plugin.v1.{name}");
            return items.iter().try_for_each(|item| output::line(&name, item));
        }
        output::text(&table::rows(headings, items.iter().map(row).collect()))
    }
}

fn run_line(run: &PluginRun) -> String {
    let plugin = run.setting.as_ref().map(|setting| short(&setting.plugin));
    let role = match run.role() {
        PluginRole::Shadow => " as shadow",
        _ => "",
    };
    let result = match run.state() {
        PluginRunState::Succeeded => compared(run),
        _ => run.reason.clone(),
    };
    format!(
        "{} {}{role}, as of {}: {} rows, {} ms, {} units of fuel; {result}",
        run.name.trim_start_matches("pluginRuns/"),
        plugin.unwrap_or_default(),
        format::day(format::calendar(run.as_of.as_ref())),
        format::whole(run.rows),
        format::decimal(run.duration_ms, 1),
        format::whole(run.fuel),
    )
}

/// How a shadow compares; that a run went well otherwise.
fn compared(run: &PluginRun) -> String {
    if run.comparisons.is_empty() {
        return "answered".to_owned();
    }
    let columns = run.comparisons.iter().map(|one| {
        let correlation = one.rank_correlation.map_or_else(
            || format::NONE.to_owned(),
            |correlation| format::decimal(correlation, 2),
        );
        format!("{} {correlation}", one.column)
    });
    format!("rank correlation: {}", columns.collect::<Vec<_>>().join(", "))
}

fn setting(plugin: &str, parameters: &[(String, f64)]) -> PluginSetting {
    PluginSetting {
        plugin: plugin.to_owned(),
        parameters: parameters.iter().cloned().collect(),
    }
}

/// What the audit log calls a publisher's keys.
fn keys(publisher: &Publisher) -> String {
    let pems = [&publisher.public_key_pem, &publisher.other_key_pem];
    let keys = pems.into_iter().filter_map(|pem| PublicKey::from_pem(pem).ok());
    let names: Vec<String> = keys.filter_map(|key| key.fingerprint().ok()).collect();
    names.join(" ")
}

/// A setting in words.
fn set(setting: Option<&PluginSetting>) -> String {
    let Some(setting) = setting else {
        return "built-in model".to_owned();
    };
    let parameters = setting.parameters.iter();
    let parameters: Vec<String> = parameters
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    [vec![short(&setting.plugin)], parameters].concat().join(" ")
}

/// `NAME@VERSION` of a resource name.
fn short(name: &str) -> String {
    name.trim_start_matches("plugins/").replace("/versions/", "@")
}

fn world(world: World) -> PluginWorld {
    match world {
        World::KocModel => PluginWorld::KocModel,
        World::StyleTrendModel => PluginWorld::StyleTrendModel,
        World::HitModel => PluginWorld::HitModel,
    }
}

fn world_name(world: PluginWorld) -> &'static str {
    match world {
        PluginWorld::KocModel => "koc-model",
        PluginWorld::StyleTrendModel => "style-trend-model",
        PluginWorld::HitModel => "hit-model",
        PluginWorld::Unspecified => "",
    }
}

fn change(change: PluginChange) -> &'static str {
    match change {
        PluginChange::Unspecified => "",
        PluginChange::Activated => "activated",
        PluginChange::Deactivated => "deactivated",
        PluginChange::Shadowed => "shadow set",
        PluginChange::Promoted => "promoted",
        PluginChange::RolledBack => "rolled back",
    }
}

fn fallback(fallback: PluginFallback) -> &'static str {
    match fallback {
        PluginFallback::Unspecified | PluginFallback::BuiltIn => "built-in model",
        PluginFallback::LastGood => "last good result",
        PluginFallback::None => "nothing",
    }
}

fn time(time: Option<prost_types::Timestamp>) -> String {
    time.map(|time| time.to_string()).unwrap_or_default()
}

fn text(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))
}
