//! `dualwheel audience`: the people of audience expressions, and saved audiences.

mod clusters;
mod expansion;
mod saved;

use dualwheel_kit::{Call, client, config::Config, question::day_to_proto};
use dualwheel_proto::{
    Date,
    consumer::{
        AudienceDefinition, AudienceTermSize, AudienceTrait, CompareAudiencesRequest,
        CompareAudiencesResponse, EstimateAudienceRequest, EstimateAudienceResponse, ExportAudienceRequest,
        NamedAudience, ProfileAudienceRequest, ProfileAudienceResponse, audience_definition::Form,
        audience_service_client::AudienceServiceClient,
    },
};
use prost::Message;
use tonic::{Request, transport::Channel};

use crate::{
    cli::{
        Common,
        audience::{Audience, Basis, Compare, People, ProfilePeople},
    },
    format, job,
    mesh::{self, Role},
    output, table,
    target::{explain, reach, taken},
};

/// Runs the command.
///
/// # Errors
/// When the mesh cannot be reached or refuses the question.
pub async fn run(config: &Config, common: &Common, command: &Audience) -> anyhow::Result<()> {
    let channel = reach(command.place().endpoint.as_deref(), Role::Consumer, config).await?;
    let mesh = Mesh {
        call: mesh::call(config)?,
        channel: channel.clone(),
        client: AudienceServiceClient::new(channel).max_decoding_message_size(usize::MAX),
        config,
        json: common.json,
    };
    match command {
        Audience::Estimate(args) => mesh.estimate(args).await,
        Audience::Export(args) => mesh.export(args).await,
        Audience::Compare(args) => mesh.compare(args).await,
        Audience::Profile(args) => mesh.profile(args).await,
        Audience::Expand(args) => mesh.expand(args).await,
        Audience::Clusters(args) => mesh.clusters(args).await,
        Audience::Save(args) => mesh.save(args).await,
        Audience::Import(args) => mesh.import(args).await,
        Audience::List(args) => mesh.list(args).await,
        Audience::Show(args) => mesh.show(args).await,
        Audience::Update(args) => mesh.update(args).await,
        Audience::Refresh(args) => mesh.refresh(args).await,
        Audience::Delete(args) => mesh.delete(args).await,
    }
}

/// Where to ask, and how to answer.
struct Mesh<'a> {
    call: Call,
    channel: Channel,
    client: AudienceServiceClient<Channel>,
    config: &'a Config,
    json: bool,
}

impl Mesh<'_> {
    fn request<T>(&self, request: T) -> Request<T> {
        client::with_deadline(&self.call, request, mesh::patience(self.config))
    }

    /// Makes a call that may take long.
    async fn long<A: Message + Default>(&self, call: &str, request: &impl Message) -> anyhow::Result<A> {
        job::long(&self.channel, self.config, call, request).await
    }

    async fn estimate(mut self, args: &People) -> anyhow::Result<()> {
        let request = self.request(EstimateAudienceRequest {
            brand: args.basis.brand.clone(),
            definition: definition(&args.expression),
            as_of: day(&args.basis),
            data_version: None,
        });
        let estimated = taken(self.client.estimate_audience(request).await)?;
        if self.json {
            return output::json("dualwheel.consumer.v1.EstimateAudienceResponse", &estimated);
        }
        output::text(&sizes(&estimated))
    }

    /// Prints a key a line: as it is, or as a JSON object with `--json`.
    async fn export(mut self, args: &People) -> anyhow::Result<()> {
        let request = self.request(ExportAudienceRequest {
            brand: args.basis.brand.clone(),
            definition: definition(&args.expression),
            as_of: day(&args.basis),
            data_version: None,
        });
        let mut keys = taken(self.client.export_audience(request).await)?;
        while let Some(some) = keys.message().await.map_err(|status| explain(&status))? {
            for consumer in some.consumers {
                if self.json {
                    output::text(&serde_json::json!({ "consumer": consumer }).to_string())?;
                } else {
                    output::text(&consumer)?;
                }
            }
        }
        Ok(())
    }

    async fn compare(mut self, args: &Compare) -> anyhow::Result<()> {
        let named = |text: &String| NamedAudience {
            label: text.clone(),
            definition: definition(text),
        };
        let request = self.request(CompareAudiencesRequest {
            brand: args.basis.brand.clone(),
            audiences: args.expressions.iter().map(named).collect(),
            as_of: day(&args.basis),
            data_version: None,
        });
        let compared = taken(self.client.compare_audiences(request).await)?;
        if self.json {
            return output::json("dualwheel.consumer.v1.CompareAudiencesResponse", &compared);
        }
        output::text(&overlaps(&compared))
    }

    async fn profile(mut self, args: &ProfilePeople) -> anyhow::Result<()> {
        let request = self.request(ProfileAudienceRequest {
            brand: args.basis.brand.clone(),
            definition: definition(&args.expression),
            base: args.base.as_deref().and_then(definition),
            traits: args.traits.clone(),
            as_of: day(&args.basis),
            data_version: None,
        });
        let profiled = taken(self.client.profile_audience(request).await)?;
        if self.json {
            return output::json("dualwheel.consumer.v1.ProfileAudienceResponse", &profiled);
        }
        output::text(&traits(&profiled))
    }
}

/// The values of every trait, then how many are withheld.
fn traits(profiled: &ProfileAudienceResponse) -> String {
    let share = |part: i64, whole: i64| format::percent(part as f64 / whole.max(1) as f64);
    let number = |number: Option<f64>| number.map_or(format::NONE.to_owned(), |one| format::decimal(one, 0));
    let row = |one: &AudienceTrait| {
        let interval = one
            .low
            .and(one.high)
            .map(|_| format!("{} – {}", number(one.low), number(one.high)));
        vec![
            one.r#trait.clone(),
            one.value.clone(),
            format::whole(one.people),
            share(one.people, one.known),
            share(one.base_people, one.base_known),
            number(one.tgi),
            interval.unwrap_or_default(),
        ]
    };
    let headings = [
        ("Trait", false),
        ("Value", false),
        ("People", true),
        ("Share", true),
        ("Base", true),
        ("TGI", true),
        ("95% interval", true),
    ];
    let mut text = table::rows(&headings, profiled.traits.iter().map(row).collect());
    for (of, values) in &profiled.withheld {
        text.push_str(&format!(
            "\n{of}: {values} values with too few people are withheld"
        ));
    }
    text
}

/// An expression as text.
pub(crate) fn definition(text: &str) -> Option<AudienceDefinition> {
    Some(AudienceDefinition {
        form: Some(Form::Text(text.to_owned())),
    })
}

fn day(basis: &Basis) -> Option<Date> {
    basis.as_of.map(day_to_proto)
}

/// The people of every term, then those of the whole.
fn sizes(estimated: &EstimateAudienceResponse) -> String {
    let term = |text: &str, size: String| vec![text.to_owned(), size];
    let of_term = |one: &AudienceTermSize| term(&one.text, format::people(one.size, one.size_withheld));
    let mut rows: Vec<Vec<String>> = Vec::new();
    if estimated.terms.len() > 1 {
        rows.extend(estimated.terms.iter().map(of_term));
    }
    let size = format::people(estimated.size, estimated.size_withheld);
    rows.push(term(&estimated.text, size));
    let day = format::day(format::calendar(estimated.as_of.as_ref()));
    table::rows(&[("Audience", false), (&format!("People on {day}"), true)], rows)
}

/// The people of each audience, then of each pair.
fn overlaps(compared: &CompareAudiencesResponse) -> String {
    let label = |at: i32| {
        let one = usize::try_from(at).ok().and_then(|at| compared.audiences.get(at));
        one.map(|one| one.label.clone()).unwrap_or_default()
    };
    let day = format::day(format::calendar(compared.as_of.as_ref()));
    let sizes = compared.audiences.iter();
    let sizes = sizes.map(|one| vec![one.label.clone(), format::people(one.size, one.size_withheld)]);
    let pairs = compared.overlaps.iter().map(|pair| {
        let jaccard = pair
            .jaccard
            .map_or(format::NONE.to_owned(), |share| format::decimal(share, 4));
        vec![
            label(pair.first),
            label(pair.second),
            format::people(pair.both, pair.both_withheld),
            jaccard,
        ]
    });
    let people = table::rows(
        &[("Audience", false), (&format!("People on {day}"), true)],
        sizes.collect(),
    );
    let both = [
        ("One", false),
        ("Other", false),
        ("People of both", true),
        ("Jaccard", true),
    ];
    format!("{people}\n\n{}", table::rows(&both, pairs.collect()))
}
