//! The database of operational state: stored resources such as audiences and runs, on SQLite or PostgreSQL.
//!
//! Who uses it brings its own migrations, which [`prepare`] runs, or only checks, before the first use.

use std::{
    path::Path,
    time::{Duration, Instant},
};

pub use sea_orm::DatabaseConnection;
use sea_orm::{ConnectOptions, ConnectionTrait, DatabaseBackend, DbErr, TransactionTrait};
use sea_orm_migration::{MigrationStatus, MigratorTrait};
use tokio::time::sleep;

use crate::{
    Config,
    config::{State, shown},
    private,
};

/// How long a statement waits for another process's write.
const BUSY: Duration = Duration::from_secs(10);
/// Times that a migration is tried, and the pause between.
const TRIES: (u32, Duration) = (50, Duration::from_millis(100));
/// Number of the lock under which processes that start together migrate one after another.
const MIGRATION_LOCK: i64 = 7_650;
/// Times that a write is tried which the database gave up for another one's sake.
const WRITES: u32 = 5;

/// What can go wrong with the database.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder of an SQLite file cannot be made.
    #[error(
        "the database's folder {folder} (setting `database` or `data`) cannot be made: {source}; name one that can be"
    )]
    Folder {
        /// Folder.
        folder: String,
        /// Cause.
        source: std::io::Error,
    },
    /// It cannot be opened.
    #[error(
        "the database {place} (setting `database`, or in the folder of `data`) cannot be opened: {source}; see that it is \
         there, that this process may write to it, and that user and password are right"
    )]
    Open {
        /// Its URL, a password hidden.
        place: String,
        /// Cause.
        source: DbErr,
    },
    /// No database of this kind is known; the URL is left out, as it may carry a password.
    #[error("the setting `database` expects a URL that begins with postgres:// or sqlite:")]
    Kind,
    /// The database refuses.
    #[error("the database refuses: {0}")]
    Refused(#[from] DbErr),
    /// The tables are not those of this version.
    #[error("the database is not up to date; run `dualwheel migrate up`: {0} not applied")]
    Outdated(String),
}

/// A pool of connections, and whether tables are brought up to date through it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Database {
    connection: DatabaseConnection,
    migrate: bool,
}

impl Database {
    /// The pool.
    #[must_use]
    pub fn connection(&self) -> &DatabaseConnection {
        &self.connection
    }
}

/// Connects to the configured database.
///
/// # Errors
/// As [`connect`].
pub async fn open(config: &Config) -> Result<Database, Error> {
    let connection = pool(&config.database_url(), &config.state).await?;
    gauges(&connection, &config.state);
    Ok(Database {
        connection,
        migrate: config.state.migrate,
    })
}

/// Connects to `url`: `postgres://…`, `sqlite://FILE`, made with its folder where absent, or `sqlite::memory:`.
///
/// SQLite keeps a write-ahead log, checks foreign keys and waits 10 s for other processes. A process uses one
/// connection, so that its own transactions queue instead of failing as busy.
///
/// # Errors
/// When the database cannot be reached, or the file or its folder cannot be made or opened.
pub async fn connect(url: &str) -> Result<Database, Error> {
    Ok(Database {
        connection: pool(url, &State::default()).await?,
        migrate: true,
    })
}

async fn pool(url: &str, state: &State) -> Result<DatabaseConnection, Error> {
    if !url.starts_with("postgres") && !url.starts_with("sqlite:") {
        return Err(Error::Kind);
    }
    let failed = |source| Error::Open {
        place: shown(url),
        source,
    };
    let mut options = ConnectOptions::new(url);
    options.sqlx_logging(false).acquire_timeout(BUSY * 3);
    if url.starts_with("postgres") {
        let limit = state.statement_timeout_ms.to_string();
        options
            .max_connections(state.max_connections)
            .acquire_timeout(BUSY)
            .map_sqlx_postgres_opts(move |postgres| {
                postgres.application_name("dualwheel").options([
                    ("statement_timeout", limit.as_str()),
                    ("lock_timeout", limit.as_str()),
                ])
            });
        return sea_orm::Database::connect(options).await.map_err(failed);
    }
    let file = sqlite_file(url);
    if let Some(folder) = file.and_then(|file| Path::new(file).parent()) {
        private::make_folders(folder).map_err(|source| Error::Folder {
            folder: folder.display().to_string(),
            source,
        })?;
    }
    let on_disk = file.is_some();
    options.map_sqlx_sqlite_opts(move |sqlite| {
        let sqlite = sqlite.foreign_keys(true).busy_timeout(BUSY);
        if on_disk {
            // SQLite opens it to others, and what it writes beside it as it finds it. Where it cannot be made, SQLite says why.
            let _ = private::options()
                .create(true)
                .append(true)
                .open(sqlite.get_filename());
            sqlite.create_if_missing(true).pragma("journal_mode", "WAL")
        } else {
            sqlite
        }
    });
    if !on_disk {
        // A database in memory lives as long as its connection.
        options.max_connections(1).idle_timeout(None).max_lifetime(None);
    }
    // The change to a write-ahead log does not wait: of processes that make the file together, some are refused.
    let begun = Instant::now();
    loop {
        match sea_orm::Database::connect(options.clone()).await {
            Err(error) if begun.elapsed() < BUSY && error.to_string().contains("database is locked") => {
                sleep(Duration::from_millis(20)).await;
            }
            done => return done.map_err(failed),
        }
    }
}

/// Brings the tables of `M` up to date, or only checks that they are, as the configuration has it. Of processes that start
/// together one does it; the others find it done.
///
/// # Errors
/// `Outdated`; the database's.
pub async fn prepare<M: MigratorTrait>(database: &Database) -> Result<(), Error> {
    if database.migrate {
        return up::<M>(database).await;
    }
    let pending = statuses::<M>(database)
        .await?
        .into_iter()
        .filter(|(_, done)| !done);
    let names: Vec<String> = pending.map(|(name, _)| name).collect();
    if names.is_empty() {
        return Ok(());
    }
    Err(Error::Outdated(names.join(", ")))
}

/// Runs the migrations of `M` that were not run yet.
///
/// # Errors
/// The database's.
pub async fn up<M: MigratorTrait>(database: &Database) -> Result<(), Error> {
    let (mut left, pause) = TRIES;
    loop {
        left -= 1;
        let tried = async {
            let transaction = locked(database).await?;
            M::up(&transaction, None).await?;
            transaction.commit().await
        };
        match tried.await {
            // SQLite has no lock to wait for: who comes second starts over.
            Err(_) if left > 0 && !is_postgres(database) => sleep(pause).await,
            done => return Ok(done?),
        }
    }
}

/// Takes the last `steps` migrations of `M` back, and with them what they kept.
///
/// # Errors
/// The database's.
pub async fn down<M: MigratorTrait>(database: &Database, steps: u32) -> Result<(), Error> {
    let transaction = locked(database).await?;
    M::down(&transaction, Some(steps)).await?;
    Ok(transaction.commit().await?)
}

/// The migrations of `M`, oldest first, and whether they were run. Changes nothing.
///
/// # Errors
/// The database's.
pub async fn statuses<M: MigratorTrait>(database: &Database) -> Result<Vec<(String, bool)>, Error> {
    let known = M::get_migration_with_status_read_only(&database.connection).await?;
    let status =
        |one: sea_orm_migration::Migration| (one.name().to_owned(), one.status() == MigrationStatus::Applied);
    Ok(known.into_iter().map(status).collect())
}

async fn locked(database: &Database) -> Result<sea_orm::DatabaseTransaction, DbErr> {
    let transaction = database.connection.begin().await?;
    if is_postgres(database) {
        // A migration, and the wait for another process's, may take longer than what a call asks for.
        let unbounded = "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0";
        transaction.execute_unprepared(unbounded).await?;
        let lock = format!("SELECT pg_advisory_xact_lock({MIGRATION_LOCK})");
        transaction.execute_unprepared(&lock).await?;
    }
    Ok(transaction)
}

fn is_postgres(database: &Database) -> bool {
    database.connection.get_database_backend() == DatabaseBackend::Postgres
}

/// Writes, again where the database gave the write up for another one's sake: a serialization failure or a deadlock on
/// PostgreSQL, a locked table on SQLite.
///
/// # Errors
/// The last try's.
pub async fn retried<T, F, W>(mut write: F) -> Result<T, DbErr>
where
    F: FnMut() -> W,
    W: Future<Output = Result<T, DbErr>>,
{
    let mut pause = Duration::from_millis(10);
    for _ in 1..WRITES {
        match write().await {
            Err(error) if is_given_up(&error) => {
                sleep(pause.mul_f64(crate::client::random_share())).await;
                pause *= 2;
            }
            done => return done,
        }
    }
    write().await
}

fn is_given_up(error: &DbErr) -> bool {
    let (DbErr::Exec(cause) | DbErr::Query(cause)) = error else {
        return false;
    };
    let code = match cause {
        sea_orm::RuntimeErr::SqlxError(error) => error
            .as_database_error()
            .and_then(|error| error.code().map(|code| code.into_owned())),
        sea_orm::RuntimeErr::Internal(_) => None,
    };
    // serialization_failure, deadlock_detected, lock_not_available; SQLITE_BUSY and what extends it, SQLITE_LOCKED.
    code.is_some_and(|code| {
        ["40001", "40P01", "55P03", "5", "261", "517", "6", "262"].contains(&code.as_str())
    })
}

/// Tells how many connections there are.
fn gauges(connection: &DatabaseConnection, state: &State) {
    let meter = opentelemetry::global::meter("dualwheel");
    let most = u64::from(state.max_connections);
    meter
        .u64_observable_gauge("dualwheel.db.connections.max")
        .with_description("Most connections of the pool")
        .with_callback(move |observer| observer.observe(most, &[]))
        .build();
    if connection.get_database_backend() != DatabaseBackend::Postgres {
        return;
    }
    let pool = connection.get_postgres_connection_pool().clone();
    meter
        .u64_observable_gauge("dualwheel.db.connections")
        .with_description("Open connections of the pool")
        .with_callback(move |observer| {
            let idle = pool.num_idle() as u64;
            let state = |state: &'static str| [opentelemetry::KeyValue::new("state", state)];
            observer.observe(idle, &state("idle"));
            observer.observe(u64::from(pool.size()).saturating_sub(idle), &state("used"));
        })
        .build();
}

/// The file behind an SQLite URL; `None` in memory.
fn sqlite_file(url: &str) -> Option<&str> {
    let rest = url.strip_prefix("sqlite:")?;
    let path = rest.strip_prefix("//").unwrap_or(rest);
    let path = path.split('?').next().unwrap_or(path);
    (path != ":memory:" && !path.is_empty() && !rest.contains("mode=memory")).then_some(path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use sea_orm::{ConnectionTrait, DbBackend, Statement};

    use super::*;

    async fn text(database: &DatabaseConnection, sql: &str) -> String {
        let statement = Statement::from_string(DbBackend::Sqlite, sql);
        database
            .query_one_raw(statement)
            .await
            .unwrap()
            .unwrap()
            .try_get_by_index(0)
            .unwrap()
    }

    #[tokio::test]
    async fn a_file_is_made_with_its_folder_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/a/b/state.db", folder.path().display());
        let database = connect(&url).await.unwrap().connection;
        assert_eq!(text(&database, "PRAGMA journal_mode").await, "wal");
        for file in std::fs::read_dir(folder.path().join("a/b")).unwrap() {
            let file = file.unwrap();
            let mode = file.metadata().unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{file:?}");
        }
        database
            .execute_unprepared("CREATE TABLE t (x TEXT); INSERT INTO t VALUES ('kept')")
            .await
            .unwrap();
        database.close().await.unwrap();
        assert_eq!(
            text(&connect(&url).await.unwrap().connection, "SELECT x FROM t").await,
            "kept"
        );
    }

    #[tokio::test]
    async fn memory_needs_no_file() {
        let database = connect("sqlite::memory:").await.unwrap().connection;
        assert_eq!(text(&database, "SELECT 'x'").await, "x");
        let told = connect("mysql://me:hush@db/x").await.unwrap_err().to_string();
        assert!(told.contains("postgres://") && !told.contains("hush"), "{told}");
    }
}
