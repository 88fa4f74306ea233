//! The table of jobs.

#![allow(missing_docs, reason = "derived code has no place for prose")]

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "jobs")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// Who made it.
    #[sea_orm(column_type = "Text")]
    pub subject: String,
    /// The brands that its maker may see, as JSON; null for all.
    #[sea_orm(column_type = "Text")]
    pub brands: String,
    pub request_id: Option<String>,
    /// Hash of the request that made it.
    pub request_hash: Option<i64>,
    pub method: String,
    #[sea_orm(column_type = "Blob")]
    pub request: Vec<u8>,
    /// Number of the contract's `JobState`.
    pub state: i32,
    #[sea_orm(column_type = "Text")]
    pub step: String,
    pub done: i64,
    pub total: i64,
    #[sea_orm(column_type = "Blob", nullable)]
    pub answer: Option<Vec<u8>>,
    /// Bytes of a `google.rpc.Status`.
    #[sea_orm(column_type = "Blob", nullable)]
    pub error: Option<Vec<u8>>,
    /// Microseconds since 1970 UTC.
    pub made_at: i64,
    /// Microseconds since 1970 UTC.
    pub ended_at: Option<i64>,
    /// How often the process at work on it has said so.
    pub beats: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
