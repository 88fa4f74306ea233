//! The table of what brands use, every revision of it.

#![allow(missing_docs, reason = "derived code has no place for prose")]

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "plugin_activations")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub brand: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub world: i32,
    #[sea_orm(primary_key, auto_increment = false)]
    pub revision: i64,
    /// A setting as JSON; none while the built-in model is active.
    #[sea_orm(column_type = "Text", nullable)]
    pub active: Option<String>,
    /// Likewise.
    #[sea_orm(column_type = "Text", nullable)]
    pub shadow: Option<String>,
    pub fallback: i32,
    pub allow_wasi: bool,
    pub keep_inputs: bool,
    /// Why it is active although its check did not hold; empty where it held.
    #[sea_orm(column_type = "Text")]
    pub forced: String,
    /// Revision with what was active before.
    pub before: Option<i64>,
    pub change: i32,
    pub etag: String,
    /// Microseconds since 1970 UTC.
    pub made_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
