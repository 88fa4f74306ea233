//! The table of peer sets.

#![allow(missing_docs, reason = "derived code has no place for prose")]

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "peer_sets")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub request_id: Option<String>,
    /// Hash of the request that made it.
    pub request_hash: Option<i64>,
    #[sea_orm(column_type = "Text")]
    pub display_name: String,
    /// The peers as JSON.
    #[sea_orm(column_type = "Text")]
    pub peers: String,
    /// Brands whose callers may diagnose against it, as JSON.
    #[sea_orm(column_type = "Text")]
    pub open_to: String,
    /// Days over which it was measured, counted from 1970.
    pub measured_first: Option<i32>,
    pub measured_last: Option<i32>,
    pub etag: String,
    /// Microseconds since 1970 UTC.
    pub made_at: i64,
    /// Microseconds since 1970 UTC.
    pub changed_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
