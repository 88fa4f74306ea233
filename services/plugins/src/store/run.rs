//! The table of runs.

#![allow(missing_docs, reason = "derived code has no place for prose")]

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "plugin_runs")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub brand: String,
    pub world: i32,
    pub role: i32,
    /// A setting as JSON, with every parameter.
    #[sea_orm(column_type = "Text")]
    pub setting: String,
    pub sha256: String,
    #[sea_orm(column_type = "Text")]
    pub subject: String,
    /// Days since 1970.
    pub day: i32,
    /// The tables' versions as JSON.
    #[sea_orm(column_type = "Text")]
    pub versions: String,
    pub table_hash: String,
    pub rows: i64,
    pub input_hash: String,
    pub output_hash: String,
    pub succeeded: bool,
    pub reason: String,
    #[sea_orm(column_type = "Text")]
    pub message: String,
    pub limits: String,
    pub micros: i64,
    pub fuel: i64,
    pub memory_bytes: i64,
    /// Lines as JSON.
    #[sea_orm(column_type = "Text")]
    pub log: String,
    pub has_inputs: bool,
    pub has_result: bool,
    /// As JSON.
    #[sea_orm(column_type = "Text")]
    pub comparisons: String,
    /// Microseconds since 1970 UTC at which its answer was given last; none where it never was.
    pub given_at: Option<i64>,
    /// Revision of the activation under which it was given then.
    pub given_under: Option<i64>,
    /// Microseconds since 1970 UTC.
    pub made_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
