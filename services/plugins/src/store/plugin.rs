//! The table of published versions.

#![allow(missing_docs, reason = "derived code has no place for prose")]

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "plugins")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub version: String,
    pub world: i32,
    pub sha256: String,
    pub publisher: String,
    #[sea_orm(column_type = "Text")]
    pub signature: String,
    /// What the model says of itself, as JSON.
    #[sea_orm(column_type = "Text")]
    pub description: String,
    /// What the check found when it was published, as JSON; empty where it was published without one.
    #[sea_orm(column_type = "Text")]
    pub findings: String,
    pub needs_wasi: bool,
    pub bytes: i64,
    /// Microseconds since 1970 UTC.
    pub made_at: i64,
    /// Microseconds since 1970 UTC; none while it can be activated.
    pub retired_at: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
