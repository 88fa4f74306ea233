//! Moves between contract and domain.

use dualwheel_kit::{Call, answer::money_to_proto, question::day_to_proto};
use dualwheel_proto::consumer::{CampaignMoves, GetMoveCostsRequest, GetMoveCostsResponse, MoveCost};
use tonic::Status;

use super::{Service, of_whole_brand};
use crate::{
    moves::{self, Moves},
    queries::{self, compute},
};

impl Service {
    pub(super) async fn move_costs(
        &self,
        call: &Call,
        request: GetMoveCostsRequest,
    ) -> Result<GetMoveCostsResponse, Status> {
        let (asked, ()) = self.ask(call, request.query, &[], of_whole_brand).await?;
        let (brand, window) = (&asked.question.brand, asked.question.window);
        let facts = queries::people(&asked.reader, brand).await?;
        let campaigns = asked.reader.campaigns(brand).await?;
        let definitions = asked.definitions.clone();
        let moves =
            compute(move || moves::measure(&facts, &campaigns, window, &definitions.parameters)).await?;
        let currency = asked.reader.currency();
        Ok(GetMoveCostsResponse {
            cells: cells_to_proto(&moves, &moves.cells, currency),
            campaigns: moves
                .campaigns
                .iter()
                .map(|one| CampaignMoves {
                    campaign: one.campaign.clone(),
                    spend: one.spend.map(|spend| money_to_proto(spend, currency)),
                    reached: one.reached,
                    cells: cells_to_proto(&moves, &one.cells, currency),
                })
                .collect(),
            as_of: Some(day_to_proto(window.last)),
            definition_version: asked.definitions.version.clone(),
            data_version: Some(asked.reader.versions()),
        })
    }
}

fn cells_to_proto(moves: &Moves, cells: &[moves::MoveCost], currency: &str) -> Vec<MoveCost> {
    let code = |depth: usize| moves.codes.get(depth).cloned().unwrap_or_default();
    let cell = |cell: &moves::MoveCost| MoveCost {
        from: code(cell.from),
        to: code(cell.to),
        people: cell.people,
        spend_per_person: cell.spend_per_person.map(|spend| money_to_proto(spend, currency)),
    };
    cells.iter().map(cell).collect()
}
