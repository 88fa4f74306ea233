//! Audiences that are saved together: all of them or none, and once for a request.

use dualwheel_kit::{
    Call,
    db::retried,
    store::{Collection, Repository, Requested, is_taken},
};
use sea_orm::{DbErr, EntityTrait, TransactionTrait};

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
        let call = self.rows.call();
        let kept = answer.request_id.map(|request_id| Model {
            tenant: call.tenant().to_owned(),
            brand: answer.brand,
            request_id,
            request_hash: call.request_hash(),
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
        let transaction = self.rows.database().begin().await?;
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
        let answers = Repository::<Entity>::of(self.rows.call(), self.rows.database());
        answers.by_request(request).await
    }
}

impl Collection for Entity {
    const NAME: &'static str = "audiences";
    const TENANT: Column = Column::Tenant;
    const ID: &'static [Column] = &[Column::Brand, Column::RequestId];
    type Resource = Vec<u8>;

    fn read(row: Model) -> Result<Vec<u8>, Error> {
        Ok(row.answer)
    }

    fn is_shown(call: &Call, row: &Model) -> Result<bool, Error> {
        Ok(call.may_see(&row.brand))
    }

    fn name(_: &[&str]) -> String {
        Self::NAME.to_owned()
    }
}

impl Requested for Entity {
    const REQUEST_ID: Column = Column::RequestId;
    const REQUEST_HASH: Column = Column::RequestHash;
}
