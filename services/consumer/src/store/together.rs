//! Audiences that are saved together: all of them or none, and once for a request.

use dualwheel_kit::{db::retried, store::is_taken};
use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter, TransactionTrait};

use super::{
    Audiences, Error, NewAudience, audience,
    saved_together::{ActiveModel, Column, Entity, Model},
};

/// What is answered to a request that saves several audiences of a brand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Brand.
    pub brand: String,
    /// Makes the call safe to repeat.
    pub request_id: Option<String>,
    /// The answer, which this module does not look into.
    pub bytes: Vec<u8>,
}

impl Audiences {
    /// Makes all of `new`, which have ids, or none of them: where the same request was answered before, this comes back and
    /// nothing is made.
    ///
    /// # Errors
    /// `RequestReused` when another request had the id, `Exists` when an id is taken; the database's.
    pub async fn create_all(&self, new: Vec<NewAudience>, answer: Answer) -> Result<Option<Vec<u8>>, Error> {
        let rows: Vec<audience::Model> = new.into_iter().map(|new| self.row(new)).collect();
        let ids: Vec<String> = rows.iter().map(|row| row.id.clone()).collect();
        let request = answer.request_id.clone();
        let kept = answer.request_id.map(|request_id| Model {
            tenant: self.call.tenant().to_owned(),
            brand: answer.brand,
            request_id,
            request_hash: self.call.request_hash(),
            answer: answer.bytes,
        });
        match retried(|| self.insert_all(&rows, kept.as_ref())).await {
            Ok(()) => Ok(None),
            // Either the same request ran at the same time, or an id is taken.
            Err(error) if is_taken(&error) => match self.answered(request.as_deref()).await? {
                Some(first) => Ok(Some(first)),
                None => {
                    self.require_free(&ids).await?;
                    Err(error.into())
                }
            },
            Err(error) => Err(error.into()),
        }
    }

    async fn insert_all(&self, rows: &[audience::Model], answer: Option<&Model>) -> Result<(), DbErr> {
        let transaction = self.database.begin().await?;
        if let Some(answer) = answer {
            let row = ActiveModel::from(answer.clone());
            Entity::insert(row).exec_without_returning(&transaction).await?;
        }
        for row in rows {
            let row = audience::ActiveModel::from(row.clone());
            audience::Entity::insert(row)
                .exec_without_returning(&transaction)
                .await?;
        }
        transaction.commit().await
    }

    /// What was answered to a request that saved audiences together.
    ///
    /// # Errors
    /// `RequestReused`; the database's.
    pub async fn answered(&self, request: Option<&str>) -> Result<Option<Vec<u8>>, Error> {
        let Some(request) = request else { return Ok(None) };
        let rows = Entity::find()
            .filter(Column::Tenant.eq(self.call.tenant()))
            .filter(Column::RequestId.eq(request))
            .all(&self.database)
            .await?;
        let made = self.call.made(
            rows,
            |row| self.call.may_see(&row.brand),
            |row| row.request_hash,
            |_| "audiences".to_owned(),
        )?;
        Ok(made.map(|row| row.answer))
    }
}
