//! The table of publications.

#![allow(missing_docs, reason = "derived code has no place for prose")]

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "plugin_publications")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant: String,
    /// Publisher and SHA-256, with a slash between them.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    #[sea_orm(column_type = "Text")]
    pub signature: String,
    pub bytes: i64,
    pub state: i32,
    /// Resource name of the plugin, once it is published.
    #[sea_orm(column_type = "Text")]
    pub plugin: String,
    /// Bytes of a `google.rpc.Status`.
    pub refusal: Option<Vec<u8>>,
    /// What the check found, as JSON.
    #[sea_orm(column_type = "Text")]
    pub findings: String,
    /// Stands for what the same file is refused by; empty where it may be taken another time.
    pub standard: String,
    pub beats: i64,
    /// Microseconds since 1970 UTC.
    pub made_at: i64,
    /// Microseconds since 1970 UTC.
    pub changed_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
