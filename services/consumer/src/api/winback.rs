//! Win-back between contract and domain.

use std::sync::Arc;

use dualwheel_kit::{Call, Failure, Reason, Violations, question::day_to_proto, resource::read_request_id};
use dualwheel_lake::frames::{Categories, Names};
use dualwheel_proto::{
    consumer::{
        GetWinbackRequest, GetWinbackResponse, SaveWinbackPacksRequest, SaveWinbackPacksResponse,
        SavedWinbackPack, WinbackCalibration, WinbackFeature, WinbackModel, WinbackPack,
    },
    types::MetricQuery,
};
use tonic::Status;

use super::{
    Asked, Service,
    together::{Group, Saving, read_prefix},
};
use crate::{
    queries,
    winback::{
        self, Pack, Question, Trained, Winback,
        features::{FEATURES, Portrayer},
    },
};

/// Horizon where none is asked for, in days.
const HORIZON: i32 = 90;
impl Service {
    pub(super) async fn winback(
        &self,
        call: &Call,
        request: GetWinbackRequest,
    ) -> Result<GetWinbackResponse, Status> {
        let GetWinbackRequest {
            query,
            horizon_days,
            channel,
        } = request;
        let (asked, horizon, found) = self.lapsed(call, query, horizon_days, &channel).await?;
        let refusal = found.model.as_ref().err().map(ToString::to_string);
        Ok(GetWinbackResponse {
            candidates: found.candidates as i64,
            model: found.model.ok().map(model_to_proto),
            refusal: refusal.unwrap_or_default(),
            packs: found.packs.iter().map(pack_to_proto).collect(),
            horizon_days: horizon,
            as_of: Some(day_to_proto(asked.question.window.last)),
            definition_version: asked.definitions.version.clone(),
            data_version: Some(asked.reader.versions()),
        })
    }

    pub(super) async fn save_winback(
        &self,
        call: &Call,
        request: SaveWinbackPacksRequest,
    ) -> Result<SaveWinbackPacksResponse, Status> {
        let SaveWinbackPacksRequest {
            query,
            horizon_days,
            channel,
            audience_prefix,
            request_id,
        } = request;
        let mut violations = Violations::new();
        let request_id = read_request_id(&request_id, &mut violations);
        let brand = query.as_ref().map_or("", |query| &query.brand);
        let prefix = read_prefix(call, "audience_prefix", &audience_prefix, brand, &mut violations);
        violations.finish(Reason::InvalidResource)?;
        if let Some(first) = self.saved_together(call, request_id.as_deref()).await? {
            return Ok(first);
        }
        let (asked, _, found) = self.lapsed(call, query, horizon_days, &channel).await?;
        if let Err(refusal) = &found.model {
            return Err(Failure::new(Reason::ModelRefused, refusal.to_string()).into());
        }
        let groups: Vec<Group<'_>> = found
            .packs
            .iter()
            .map(|pack| Group {
                id: id_of(&prefix, pack),
                display_name: format!("Win-back {}: {}", pack.decile, name_of(pack.reason)),
                people: &pack.consumers,
            })
            .collect();
        let packs = found.packs.iter().zip(&groups);
        let packs = packs.map(|(pack, group)| SavedWinbackPack {
            pack: Some(pack_to_proto(pack)),
            audience: format!("audiences/{}", group.id),
        });
        let answer = SaveWinbackPacksResponse {
            packs: packs.collect(),
        };
        let saving = Saving {
            brand: &asked.question.brand,
            request_id,
            names: &asked.reader.names(),
            as_of: asked.question.window.last,
        };
        self.save_together(call, saving, groups, answer).await
    }

    /// The lapsed buyers that a question asks for.
    async fn lapsed(
        &self,
        call: &Call,
        query: Option<MetricQuery>,
        horizon: i32,
        channel: &str,
    ) -> Result<(Asked, i32, Winback), Status> {
        let (asked, horizon) = self
            .ask(call, query, &[], |question| {
                let mut violations = Violations::new();
                refuse_category(question, &mut violations);
                violations.finish(Reason::InvalidQuestion)?;
                Ok(if horizon == 0 { HORIZON } else { horizon })
            })
            .await?;
        let facts = queries::people(&asked.reader, &asked.question.brand).await?;
        let profiles = queries::profiles(&asked.reader).await?;
        let (question, definitions) = (asked.question.clone(), asked.definitions.clone());
        let names: Arc<Names> = asked.reader.names();
        let channel = channel.to_owned();
        let found = queries::model(move || {
            let parameters = &definitions.parameters;
            let level = question.category_level.unwrap_or(parameters.category_level.get());
            let ask = Question {
                as_of: question.window.last,
                horizon,
                // A channel that no fact names has no returns.
                channel: (!channel.is_empty()).then(|| names.words.find(&channel).unwrap_or(u32::MAX - 1)),
                cuts: &Categories::new(&names, None, level),
            };
            winback::measure(&facts, &Portrayer { profiles: &profiles }, ask, parameters)
        })
        .await?;
        Ok((asked, horizon, found))
    }
}

/// Notes a category that a question is restricted to.
pub(super) fn refuse_category(question: &dualwheel_kit::Question, violations: &mut Violations) {
    if question.category.is_some() {
        violations.add(
            "query.category",
            "must be empty: rhythms are told apart by category already",
        );
    }
}

fn name_of(reason: usize) -> &'static str {
    FEATURES.get(reason).map_or("", |feature| feature.name)
}

fn id_of(prefix: &str, pack: &Pack) -> String {
    format!(
        "{prefix}-{}-{}",
        pack.decile,
        name_of(pack.reason).replace('_', "-")
    )
}

fn pack_to_proto(pack: &Pack) -> WinbackPack {
    WinbackPack {
        decile: i32::try_from(pack.decile).unwrap_or(i32::MAX),
        reason: name_of(pack.reason).to_owned(),
        people: pack.consumers.len() as i64,
        expected_returners: pack.expected,
        suggested_touch: FEATURES
            .get(pack.reason)
            .map_or("", |feature| feature.touch)
            .to_owned(),
    }
}

pub(super) fn model_to_proto(trained: Trained) -> WinbackModel {
    let tested = trained.tested;
    let mut features: Vec<WinbackFeature> = FEATURES
        .iter()
        .zip(trained.importance)
        .map(|(feature, importance)| WinbackFeature {
            name: feature.name.to_owned(),
            importance,
        })
        .collect();
    features.sort_by(|one, other| other.importance.total_cmp(&one.importance));
    let calibration = tested.calibration.into_iter();
    WinbackModel {
        trained_on: Some(day_to_proto(trained.trained_on)),
        tested_on: Some(day_to_proto(trained.tested_on)),
        examples: trained.examples.0 as i64,
        positives: trained.examples.1 as i64,
        test_examples: tested.examples as i64,
        test_positives: tested.positives as i64,
        auc: tested.auc,
        recency_auc: trained.recency_auc,
        brier: tested.brier,
        calibration: calibration
            .map(|(examples, predicted, observed)| WinbackCalibration {
                examples: examples as i64,
                predicted,
                observed,
            })
            .collect(),
        features,
    }
}
