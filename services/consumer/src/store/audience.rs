//! The table of audiences.

#![allow(missing_docs, reason = "derived code has no place for prose")]

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "audiences")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub request_id: Option<String>,
    /// Hash of the request that made it.
    pub request_hash: Option<i64>,
    pub brand: String,
    #[sea_orm(column_type = "Text")]
    pub display_name: String,
    /// Number of the contract's `AudienceKind`.
    pub kind: i32,
    /// Protobuf bytes of the contract's `AudienceExpression`.
    #[sea_orm(column_type = "Blob", nullable)]
    pub expression: Option<Vec<u8>>,
    /// Name of the list of keys in the lake.
    pub keys: Option<String>,
    pub size: i64,
    /// Days since 1970.
    pub as_of: Option<i32>,
    pub etag: String,
    /// Microseconds since 1970 UTC.
    pub made_at: i64,
    /// Microseconds since 1970 UTC.
    pub changed_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
