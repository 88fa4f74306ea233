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
    /// A deletion of this id was asked for other consumers.
    #[error("request_id `{id}` was used before, for the deletion of other consumers; make a new one")]
    RequestReused {
        /// Id of the request.
        id: String,
    },
    /// Something stored is not what was written.
    #[error("{what} is damaged: {reason}; {cure}")]
    Damaged {
        /// Which file, or what else.
        what: String,
        /// What is wrong with it.
        reason: String,
        /// What to do.
        cure: &'static str,
    },
    /// The clocks of this machine and the storage differ.
    #[error(
        "the clocks of this machine and of the storage differ by {seconds} s: no file is removed until they agree to a minute; \
         set them by NTP"
    )]
    ClocksDiffer {
        /// By how much.
        seconds: i64,
    },
    /// The clock of this machine was reset.
    #[error(
        "the clock of this machine was reset, or the machine slept: no file is removed for an hour, until what was under way \
         has ended"
    )]
    ClockStepped,
    /// Another process exchanges a table's files by now.
    #[error("another process has taken over the exchange of files of table {table}; it is tried again later")]
    RewritingLost {
        /// Table.
        table: String,
    },
    /// Another process wrote batches of the same producer at the same time.
    #[error("another process is writing the same batches; send them again for their result")]
    Overtaken,
    /// Storage is full.
    #[error("{0}")]
    Full(String),
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
            || matches!(self, Self::Full(_))
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

    /// The same failure, for another one who waited for the same work.
    pub(crate) fn for_another(&self) -> Self {
        match self {
            Self::VersionUnknown { table, version } => Self::VersionUnknown {
                table: table.clone(),
                version: *version,
            },
            Self::Damaged { what, reason, cure } => Self::Damaged {
                what: what.clone(),
                reason: reason.clone(),
                cure,
            },
            _ if self.is_full() => Self::Full(self.to_string()),
            _ => Self::Group(self.to_string()),
        }
    }

    /// Whether something stored is not what was written.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged { .. })
    }

    /// Whether the storage could not be asked, or would not answer.
    #[must_use]
    pub(crate) fn is_of_storage(&self) -> bool {
        self.has_cause(|error| {
            let store = error.downcast_ref::<object_store::Error>();
            error.is::<std::io::Error>()
                || store.is_some_and(|error| !matches!(error, object_store::Error::NotFound { .. }))
        })
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
            Error::Damaged { what, .. } => {
                tracing::error!(%error, "what is stored is damaged");
                Failure::new(Reason::LakeDamaged, message)
                    .with("what", what.as_str())
                    .into()
            }
            Error::RequestReused { id } => Failure::new(Reason::RequestIdReused, message)
                .with("request_id", id.as_str())
                .into(),
            _ if error.is_full() => Failure::new(
                Reason::StorageFull,
                format!("the lake's storage is full ({message}); nothing of the batch was kept: make room and send it again"),
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
