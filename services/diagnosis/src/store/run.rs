//! The table of runs.

#![allow(missing_docs, reason = "derived code has no place for prose")]

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "runs")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub request_id: Option<String>,
    /// Hash of the request that made it.
    pub request_hash: Option<i64>,
    pub brand: String,
    /// Keys of its peers, as JSON.
    #[sea_orm(column_type = "Text")]
    pub peers: String,
    /// Number of the contract's `RunState`.
    pub state: i32,
    pub done_steps: i32,
    pub total_steps: i32,
    /// Protobuf bytes of the contract's `DiagnosisSpec`.
    #[sea_orm(column_type = "Blob")]
    pub spec: Vec<u8>,
    /// Protobuf bytes of the contract's `Diagnosis`.
    #[sea_orm(column_type = "Blob", nullable)]
    pub result: Option<Vec<u8>>,
    #[sea_orm(column_type = "Text")]
    pub error: String,
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
