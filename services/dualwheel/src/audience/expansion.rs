//! `dualwheel audience expand`: the people most like those of an expression.

use dualwheel_proto::consumer::{ExpandAudienceRequest, ExpandAudienceResponse};

use super::{Mesh, day, definition};
use crate::{cli::expansion::Expand, format, output, table};

/// Features that are listed.
const LISTED: usize = 8;

impl Mesh<'_> {
    pub(super) async fn expand(self, args: &Expand) -> anyhow::Result<()> {
        let request = ExpandAudienceRequest {
            brand: args.basis.brand.clone(),
            definition: definition(&args.expression),
            candidates: args.candidates.as_deref().and_then(definition),
            size: args.size,
            as_of: day(&args.basis),
            audience_id: args.save.clone().unwrap_or_default(),
            display_name: args.name.clone(),
            request_id: String::new(),
        };
        let expanded: ExpandAudienceResponse = self.long("ExpandAudience", &request).await?;
        if self.json {
            return output::json("dualwheel.consumer.v1.ExpandAudienceResponse", &expanded);
        }
        output::text(&readable(&expanded))
    }
}

/// The figures of the added people, then the strongest features.
fn readable(expanded: &ExpandAudienceResponse) -> String {
    let day = format::day(format::calendar(expanded.as_of.as_ref()));
    let figure = |name: &str, value: String| vec![name.to_owned(), value];
    let mut rows = vec![
        figure(
            "People of the audience",
            format::people(expanded.seed_size, expanded.seed_size_withheld),
        ),
        figure(
            "People to choose from",
            format::people(expanded.candidates, expanded.candidates_withheld),
        ),
        figure("People added", format::whole(expanded.size)),
        figure(
            "Likeness of the least alike",
            format::decimal(expanded.least_likeness, 4),
        ),
        figure(
            "Will buy within 30 days",
            format::percent(expanded.expected_conversion),
        ),
        figure("Of all to choose from", format::percent(expanded.base_conversion)),
        figure("AUC", format::decimal(expanded.auc, 3)),
    ];
    if !expanded.audience.is_empty() {
        rows.push(figure("Saved as", expanded.audience.clone()));
    }
    let strongest = expanded.features.iter().take(LISTED);
    let features: Vec<String> = strongest
        .map(|feature| format!("{} {}", feature.name, format::percent(feature.importance)))
        .collect();
    format!(
        "{}\nfeatures by gain: {}",
        table::rows(&[("Expansion", false), (&day, true)], rows),
        features.join(", ")
    )
}
