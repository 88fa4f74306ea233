//! What can go wrong in the lake.

use dualwheel_kit::failure::{Failure, Reason};

/// What can go wrong in the lake.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A batch as a whole is wrong.
    #[error("{reason}")]
    Malformed {
        /// What is wrong, and the cure.
        reason: String,
    },
    /// A batch is larger than admitted.
    #[error("the batch has {given}; at most {most} are admitted: send it in parts")]
    TooLarge {
        /// Size and its unit.
        given: String,
        /// Limit and its unit.
        most: String,
    },
    /// A sequence came again with another body.
    #[error(
        "sequence {sequence} of producer `{producer}` was written before with another body; count on from the producer's last \
         sequence, which GetProducer tells, or send under another name"
    )]
    SequenceReused {
        /// Producer.
        producer: String,
        /// Sequence.
        sequence: i64,
    },
    /// A sequence came before the one that is due.
    #[error("producer `{producer}` sent sequence {sequence}, but {next} is due; send on from there")]
    SequenceSkipped {
        /// Producer.
        producer: String,
        /// Sequence sent.
        sequence: i64,
        /// Sequence due.
        next: i64,
    },
    /// No such brand.
    #[error("no fact names the brand `{brand}`; check the spelling, or append its facts first")]
    BrandUnknown {
        /// Brand asked for.
        brand: String,
    },
    /// A pinned version does not exist.
    #[error(
        "version {version} of table {table} does not exist or has been removed; ask without data_version"
    )]
    VersionUnknown {
        /// Table.
        table: String,
        /// Version asked for.
        version: i64,
    },
    /// The tenant counts its days in another zone.
    #[error(
        "tenant `{tenant}` counts its days in {in_force}, not in {asked}; its facts would fall on other days"
    )]
    TimeZoneFixed {
        /// Tenant.
        tenant: String,
        /// Zone in force.
        in_force: String,
        /// Zone asked for.
        asked: String,
    },
    /// The tenant has another currency.
    #[error("tenant `{tenant}` keeps its money in {in_force}, not in {asked}")]
    CurrencyFixed {
        /// Tenant.
        tenant: String,
        /// Currency in force.
        in_force: String,
        /// Currency asked for.
        asked: String,
    },
    /// A setting is not known.
    #[error("{reason}")]
    Setting {
        /// Field of the request.
        field: &'static str,
        /// What is wrong, and the cure.
        reason: String,
    },
    /// A stored batch lacks a column.
    #[error("a stored file lacks the column `{column}`")]
    ColumnMissing {
        /// Column.
        column: &'static str,
    },
    /// A stored column has another type.
    #[error("a stored file has the column `{column}` in another type")]
    ColumnType {
        /// Column.
        column: &'static str,
    },
    /// A table's schema differs from the code's.
    #[error("table {table} does not fit this version: {reason}")]
    Schema {
        /// Table.
        table: String,
        /// What differs.
        reason: String,
    },
    /// Another process wrote batches of the same producer at the same time.
    #[error("another process is writing the same batches; send them again for their result")]
    Overtaken,
    /// Storage is full.
    #[error("the lake's storage is full")]
    Full,
    /// Arrow failed.
    #[error(transparent)]
    Arrow(#[from] arrow::error::ArrowError),
    /// Parquet failed.
    #[error(transparent)]
    Parquet(#[from] parquet::errors::ParquetError),
    /// Delta failed.
    #[error(transparent)]
    Delta(#[from] deltalake::DeltaTableError),
    /// DataFusion failed.
    #[error(transparent)]
    Query(#[from] datafusion::error::DataFusionError),
    /// The object store failed.
    #[error(transparent)]
    Store(#[from] object_store::Error),
    /// A file of settings or results cannot be read.
    #[error("{what}: {source}")]
    Json {
        /// Which file.
        what: String,
        /// Cause.
        source: serde_json::Error,
    },
    /// The writer of a table has stopped.
    #[error("the writer of table {table} has stopped")]
    WriterGone {
        /// Table.
        table: String,
    },
    /// The commit of a batch broke off.
    #[error("writing the batch broke off; send it again: it is never written twice")]
    BrokenOff,
    /// Something went wrong inside; what was under way may or may not have been done.
    #[error(transparent)]
    Panicked(#[from] dualwheel_kit::survive::Panicked),
    /// A group of appends failed as one.
    #[error("{0}")]
    Group(String),
}

impl Error {
    /// Whether storage ran out of room, however deep the cause lies.
    #[must_use]
    pub fn is_full(&self) -> bool {
        let full = |error: &(dyn std::error::Error + 'static)| {
            let io = error.downcast_ref::<std::io::Error>();
            io.is_some_and(|io| io.kind() == std::io::ErrorKind::StorageFull)
        };
        self.has_cause(full)
            || matches!(self, Self::Full)
            || self.to_string().contains("No space left on device")
    }

    /// Whether a stored file is not there, however deep the cause lies.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        let missing = |error: &(dyn std::error::Error + 'static)| {
            let store = error.downcast_ref::<object_store::Error>();
            matches!(store, Some(object_store::Error::NotFound { .. }))
        };
        // The reader of Parquet files keeps only the words of its cause.
        let text = self.to_string();
        self.has_cause(missing) || text.contains("Object at location") && text.contains("not found")
    }

    fn has_cause(&self, is: impl Fn(&(dyn std::error::Error + 'static)) -> bool) -> bool {
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(self);
        while let Some(error) = cause {
            if is(error) {
                return true;
            }
            cause = error.source();
        }
        false
    }
}

impl From<Error> for tonic::Status {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        match &error {
            Error::Malformed { .. } => Failure::new(Reason::BatchMalformed, message).into(),
            Error::TooLarge { most, .. } => Failure::new(Reason::BatchTooLarge, message)
                .with("most", most.as_str())
                .into(),
            Error::SequenceReused { .. } => Failure::new(Reason::SequenceReused, message).into(),
            Error::SequenceSkipped { next, .. } => Failure::new(Reason::SequenceSkipped, message)
                .with("next_sequence", next)
                .into(),
            Error::BrandUnknown { brand } => Failure::new(Reason::BrandUnknown, message)
                .with("brand", brand.as_str())
                .into(),
            Error::VersionUnknown { table, .. } => Failure::new(Reason::DataVersionUnknown, message)
                .with("table", table.as_str())
                .into(),
            Error::TimeZoneFixed { .. } => Failure::new(Reason::TenantTimeZoneFixed, message).into(),
            Error::CurrencyFixed { .. } => Failure::new(Reason::TenantCurrencyFixed, message).into(),
            Error::Setting { field, reason } => Failure::new(Reason::InvalidQuestion, message.clone())
                .violation(*field, reason.as_str())
                .into(),
            Error::BrokenOff => Failure::new(Reason::LakeUnavailable, message).into(),
            _ if error.is_full() => Failure::new(
                Reason::StorageFull,
                "the lake's storage is full; nothing of the batch was kept: make room and send it again",
            )
            .into(),
            _ => {
                tracing::error!(error = %error, "the lake could not be read or written");
                let text = "the lake cannot be read or written at the moment; the service's log says why";
                Failure::new(Reason::LakeUnavailable, text).into()
            }
        }
    }
}
