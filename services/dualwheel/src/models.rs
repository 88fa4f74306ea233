//! `dualwheel koc` and `dualwheel trends`: what models say of a brand's members and of its market.

use dualwheel_kit::{config::Config, question::day_to_proto};
use dualwheel_proto::{
    membership::{
        GetKocBoardRequest, GetKocBoardResponse, KocCandidate, KocCell, KocClass, KocQuadrant,
        ListKocCandidatesRequest, membership_service_client::MembershipServiceClient,
    },
    plugin::{ModelSource, ModelUse},
    product::{
        ListStyleTrendsRequest, ListStyleTrendsResponse, StyleAttribute, StylePriority, StyleTrend,
        product_service_client::ProductServiceClient,
    },
};

use crate::{
    cli::{
        Common,
        models::{Attribute, Koc, Trends},
    },
    format,
    mesh::{self, Role},
    output, table,
    target::{reach, taken},
};

/// `dualwheel koc`.
///
/// # Errors
/// When the mesh cannot be reached or refuses the question.
pub async fn koc(config: &Config, common: &Common, args: &Koc) -> anyhow::Result<()> {
    let channel = reach(args.place.endpoint.as_deref(), Role::Membership, config).await?;
    let mut client = MembershipServiceClient::new(channel).max_decoding_message_size(usize::MAX);
    let as_of = Some(day_to_proto(args.as_of));
    let Some(most) = args.list else {
        let request = GetKocBoardRequest {
            brand: args.brand.clone(),
            as_of,
            data_version: None,
        };
        let request = mesh::request(config, request)?;
        let board = taken(client.get_koc_board(request).await)?;
        if common.json {
            return output::json("dualwheel.membership.v1.GetKocBoardResponse", &board);
        }
        return output::text(&board_text(&board));
    };
    let request = ListKocCandidatesRequest {
        brand: args.brand.clone(),
        as_of,
        page_size: most.into(),
        ..Default::default()
    };
    let request = mesh::request(config, request)?;
    let page = taken(client.list_koc_candidates(request).await)?;
    if common.json {
        return output::json("dualwheel.membership.v1.ListKocCandidatesResponse", &page);
    }
    let headings = [
        ("Consumer", false),
        ("Class", false),
        ("High on", false),
        ("Content", true),
        ("Influence", true),
        ("Purchasing", true),
        ("Followers", true),
    ];
    let rows = page.candidates.iter().map(candidate).collect();
    output::text(&format!(
        "{} of {} candidates, {}\n\n{}",
        page.candidates.len(),
        format::whole(page.total_size),
        by(page.scored_by.as_ref()),
        table::rows(&headings, rows)
    ))
}

/// `dualwheel trends`.
///
/// # Errors
/// When the mesh cannot be reached or refuses the question.
pub async fn trends(config: &Config, common: &Common, args: &Trends) -> anyhow::Result<()> {
    let channel = reach(args.place.endpoint.as_deref(), Role::Product, config).await?;
    let mut client = ProductServiceClient::new(channel).max_decoding_message_size(usize::MAX);
    let attribute = match args.attribute {
        Attribute::Style => StyleAttribute::Style,
        Attribute::Function => StyleAttribute::Function,
        Attribute::Craft => StyleAttribute::Craft,
        Attribute::Material => StyleAttribute::Material,
        Attribute::Colour => StyleAttribute::Colour,
    };
    let request = ListStyleTrendsRequest {
        brand: args.brand.clone(),
        attribute: attribute.into(),
        by_price_band: args.by_price_band,
        category: args.category.clone(),
        as_of: Some(day_to_proto(args.as_of)),
        page_size: args.most.into(),
        ..Default::default()
    };
    let request = mesh::request(config, request)?;
    let page = taken(client.list_style_trends(request).await)?;
    if common.json {
        return output::json("dualwheel.product.v1.ListStyleTrendsResponse", &page);
    }
    output::text(&trends_text(&page))
}

fn board_text(board: &GetKocBoardResponse) -> String {
    let headings = [
        ("Class", false),
        ("High on", false),
        ("People", true),
        ("Buys more of (lift)", false),
        ("Where to meet them", false),
        ("How to move them", false),
    ];
    let cells = board.cells.iter().filter(|cell| cell.people > 0);
    let unclassed: i64 = board.unclassed.iter().map(|count| count.people).sum();
    format!(
        "{}\n\n{}\n\n{} candidates without a class",
        by(board.scored_by.as_ref()),
        table::rows(&headings, cells.map(cell).collect()),
        format::whole(unclassed)
    )
}

fn cell(cell: &KocCell) -> Vec<String> {
    let categories = cell
        .categories
        .iter()
        .filter(|category| category.lift > 1.0)
        .map(|category| format!("{} {}", category.category, format::decimal(category.lift, 2)));
    let said = |suggestion: &Option<dualwheel_proto::membership::KocSuggestion>| {
        suggestion
            .as_ref()
            .map(|suggestion| suggestion.text_en.clone())
            .unwrap_or_default()
    };
    vec![
        class(cell.koc_class()).to_owned(),
        quadrant(cell.quadrant()).to_owned(),
        format::whole(cell.people),
        categories.collect::<Vec<_>>().join(", "),
        said(&cell.scene),
        said(&cell.lever),
    ]
}

fn candidate(candidate: &KocCandidate) -> Vec<String> {
    let number = |number: f64| format::decimal(number, 1);
    vec![
        candidate.consumer.clone(),
        class(candidate.koc_class()).to_owned(),
        quadrant(candidate.quadrant()).to_owned(),
        number(candidate.content),
        number(candidate.influence),
        number(candidate.purchasing),
        known(candidate.followers, 0),
    ]
}

fn trends_text(page: &ListStyleTrendsResponse) -> String {
    let headings = [
        ("Rank", true),
        ("Category", false),
        ("Band", false),
        ("Value", false),
        ("Growth", true),
        ("Score", true),
        ("Fit", true),
        ("Priority", false),
        ("Share", true),
    ];
    let labels = match page.labels.is_empty() {
        true => String::new(),
        false => format!("; {}", page.labels.join(", ")),
    };
    format!(
        "{} of {} trends, {}; {} left out for too few periods{labels}\n\n{}",
        page.trends.len(),
        format::whole(page.total_size),
        by(page.scored_by.as_ref()),
        format::whole(page.skipped),
        table::rows(&headings, page.trends.iter().map(trend).collect())
    )
}

fn trend(trend: &StyleTrend) -> Vec<String> {
    let priority = match trend.priority() {
        StylePriority::Unspecified => format::NONE,
        StylePriority::Lead => "lead",
        StylePriority::Build => "build",
        StylePriority::Keep => "keep",
        StylePriority::Watch => "watch",
    };
    vec![
        trend.rank.to_string(),
        trend.category.clone(),
        trend.price_band.clone(),
        trend.value.clone(),
        format::percent(trend.growth),
        format::decimal(trend.score, 1),
        known(trend.fit, 1),
        priority.to_owned(),
        trend
            .brand_share
            .map_or_else(|| format::NONE.to_owned(), format::percent),
    ]
}

fn known(number: Option<f64>, places: usize) -> String {
    number.map_or_else(
        || format::NONE.to_owned(),
        |number| format::decimal(number, places),
    )
}

/// Which model scored, in words.
fn by(model: Option<&ModelUse>) -> String {
    let Some(model) = model else {
        return String::new();
    };
    let named = format!("scored by {} {}", model.model, model.version);
    let failed = model
        .failure
        .as_ref()
        .map(|failure| {
            format!(
                "{} failed: {} ({})",
                failure.plugin, failure.message, failure.reason
            )
        })
        .unwrap_or_default();
    match model.source() {
        ModelSource::LastGood => format!("{named} earlier, because {failed}"),
        ModelSource::BuiltInFallback => format!("{named}, which is built in, because {failed}"),
        ModelSource::BuiltIn => format!("{named}, which is built in"),
        ModelSource::Plugin | ModelSource::Unspecified => named,
    }
}

fn class(class: KocClass) -> &'static str {
    match class {
        KocClass::StandardKoc => "standard KOC",
        KocClass::Sharer => "sharer",
        KocClass::QualityBuyer => "quality buyer",
        KocClass::None | KocClass::Unspecified => format::NONE,
    }
}

fn quadrant(quadrant: KocQuadrant) -> &'static str {
    match quadrant {
        KocQuadrant::Both => "influence and purchasing",
        KocQuadrant::Influence => "influence",
        KocQuadrant::Purchasing => "purchasing",
        KocQuadrant::Neither | KocQuadrant::Unspecified => format::NONE,
    }
}
