//! Outlooks of win-back between contract and domain.

use dualwheel_kit::{Call, Reason, Violations, question::day_to_proto};
use dualwheel_lake::frames::Categories;
use dualwheel_proto::consumer::{ListWinbackOutlooksRequest, ListWinbackOutlooksResponse, WinbackOutlook};
use tonic::Status;

use super::{
    Service,
    winback::{model_to_proto, refuse_category},
};
use crate::{
    queries,
    winback::{self, Outlook, features::Portrayer},
};

impl Service {
    pub(super) async fn winback_outlooks(
        &self,
        call: &Call,
        request: ListWinbackOutlooksRequest,
    ) -> Result<ListWinbackOutlooksResponse, Status> {
        let (asked, ()) = self
            .ask(call, request.query, &[], |question| {
                let mut violations = Violations::new();
                refuse_category(question, &mut violations);
                violations.finish(Reason::InvalidQuestion)
            })
            .await?;
        let facts = queries::people(&asked.reader, &asked.question.brand).await?;
        let profiles = queries::profiles(&asked.reader).await?;
        let (question, definitions) = (asked.question.clone(), asked.definitions.clone());
        let names = asked.reader.names();
        let found = queries::model({
            let names = names.clone();
            move || {
                let parameters = &definitions.parameters;
                let level = question.category_level.unwrap_or(parameters.category_level.get());
                let cuts = Categories::new(&names, None, level);
                let portrayer = Portrayer { profiles: &profiles };
                winback::outlooks(&facts, &portrayer, question.window.last, &cuts, parameters)
            }
        })
        .await?;
        let words = names.words.view();
        let to_proto = |outlook: Outlook| {
            let channel = outlook.channel.map(|channel| words.key(channel).to_owned());
            let refusal = outlook.model.as_ref().err().map(ToString::to_string);
            WinbackOutlook {
                horizon_days: outlook.horizon,
                channel: channel.unwrap_or_default(),
                expected_returners: outlook.expected,
                model: outlook.model.ok().map(model_to_proto),
                refusal: refusal.unwrap_or_default(),
            }
        };
        Ok(ListWinbackOutlooksResponse {
            outlooks: found.outlooks.into_iter().map(to_proto).collect(),
            candidates: found.candidates as i64,
            as_of: Some(day_to_proto(asked.question.window.last)),
            definition_version: asked.definitions.version.clone(),
            data_version: Some(asked.reader.versions()),
        })
    }
}
