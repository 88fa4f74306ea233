//! The database of operational state: stored resources such as audiences and runs, on SQLite or PostgreSQL.
//!
//! Who uses it brings its own migrations, which [`prepare`] runs, or only checks, before the first use.

use std::{
    io::Write,
    path::Path,
    time::{Duration, Instant},
};

pub use sea_orm::DatabaseConnection;
use sea_orm::{ConnectOptions, ConnectionTrait, DatabaseBackend, DbErr, Statement, TransactionTrait};
use sea_orm_migration::{MigrationStatus, MigratorTrait};
use tokio::time::sleep;
use url::Url;

use crate::{
    Config,
    config::{State, shown},
    private,
};

/// How long a statement waits for another process's write.
const BUSY: Duration = Duration::from_secs(10);
/// Pause before what was refused for a lock is tried again.
const BUSY_PAUSE: Duration = Duration::from_millis(20);
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
    /// An SQLite file lacks what was written to it.
    #[error(
        "the database {file} lacks what was written to it: it was opened {seen} times, but knows of {known}. Its write-ahead log \
         {file}-wal is gone, or it is an older copy: restore both from one backup, or remove {file}.opened to go on with what \
         is there"
    )]
    Behind {
        /// File.
        file: String,
        /// Times that it was opened, as remembered beside it.
        seen: i32,
        /// Times that it was opened, as it knows itself.
        known: i32,
    },
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
    if let Some(folder) = file.as_deref().and_then(|file| Path::new(file).parent()) {
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
    let connection = loop {
        match sea_orm::Database::connect(options.clone()).await {
            Err(error) if begun.elapsed() < BUSY && error.to_string().contains("database is locked") => {
                sleep(BUSY_PAUSE).await;
            }
            done => break done.map_err(failed)?,
        }
    };
    if let Some(file) = &file {
        count_opening(&connection, file).await?;
    }
    Ok(connection)
}

/// Counts, in the file and beside it, how often it was opened. Where the file knows of fewer times, what was written last is
/// not in it: a write-ahead log that is gone is taken by SQLite for one that is empty.
async fn count_opening(connection: &DatabaseConnection, file: &str) -> Result<(), Error> {
    let beside = format!("{file}.opened");
    let seen = std::fs::read_to_string(&beside).ok();
    let seen = seen.and_then(|text| text.trim().parse().ok()).unwrap_or(0);
    let known = opened(connection).await?;
    if known < seen {
        let file = file.to_owned();
        return Err(Error::Behind { file, seen, known });
    }
    let begun = Instant::now();
    let counted = loop {
        match count_one_more(connection).await {
            // Another process brings tables up to date: what was read before is another version, and is not waited for.
            Err(error) if begun.elapsed() < BUSY && is_given_up(&error) => sleep(BUSY_PAUSE).await,
            done => break done,
        }
    };
    match counted {
        // Afterwards: what is remembered is never ahead of the file. Where it cannot be written, an older number stays.
        Ok(next) => {
            if let Err(error) = write(&beside, &format!("{next}\n")) {
                tracing::warn!(%error, file = beside, "how often the database was opened is not remembered");
            }
            Ok(())
        }
        Err(error) if is_full(&error) || is_read_only(&error) => {
            tracing::warn!(%error, file, "the database can be read and not written");
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

async fn count_one_more(connection: &DatabaseConnection) -> Result<i32, DbErr> {
    let transaction = connection.begin().await?;
    let next = opened(&transaction).await?.saturating_add(1);
    let set = format!("PRAGMA user_version = {next}");
    transaction.execute_unprepared(&set).await?;
    transaction.commit().await?;
    Ok(next)
}

fn write(file: &str, text: &str) -> std::io::Result<()> {
    let mut open = private::options();
    let mut file = open.create(true).truncate(true).write(true).open(file)?;
    file.write_all(text.as_bytes())
}

async fn opened(connection: &impl ConnectionTrait) -> Result<i32, DbErr> {
    let asked = Statement::from_string(DatabaseBackend::Sqlite, "PRAGMA user_version");
    let told = connection.query_one_raw(asked).await?;
    told.map_or(Ok(0), |row| row.try_get_by_index(0))
}

/// Brings all that was written into an SQLite file itself, so that it can be copied without its write-ahead log: for the end
/// of a process. Where another one has the file open, that does it.
pub async fn checkpoint(config: &Config) {
    let url = config.database_url();
    let Some(log) = sqlite_file(&url).map(|file| format!("{file}-wal")) else {
        return;
    };
    if std::fs::metadata(&log).is_ok_and(|log| log.len() > 0)
        && let Err(error) = empty_log(&url).await
    {
        tracing::warn!(%error, log, "the write-ahead log stays: copy it along with the database");
    }
}

async fn empty_log(url: &str) -> Result<(), DbErr> {
    let mut options = ConnectOptions::new(url);
    options.sqlx_logging(false).max_connections(1);
    let connection = sea_orm::Database::connect(options).await?;
    connection
        .execute_unprepared("PRAGMA wal_checkpoint(TRUNCATE)")
        .await?;
    connection.close().await
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
                sleep(pause.mul_f64(crate::jitter::random_share())).await;
                pause *= 2;
            }
            done => return done,
        }
    }
    write().await
}

fn is_given_up(error: &DbErr) -> bool {
    // serialization_failure, deadlock_detected, lock_not_available; SQLITE_BUSY and what extends it, SQLITE_LOCKED.
    has_code(error, &["40001", "40P01", "55P03", "5", "261", "517", "6", "262"])
}

/// Whether the disk of the database is full: disk_full on PostgreSQL, SQLITE_FULL on SQLite.
pub(crate) fn is_full(error: &DbErr) -> bool {
    has_code(error, &["53100", "13"])
}

/// Whether it is a file of SQLite that may not be written: SQLITE_READONLY and what extends it.
fn is_read_only(error: &DbErr) -> bool {
    has_code(error, &["8", "264", "520", "776", "1032", "1288", "1544"])
}

fn has_code(error: &DbErr, codes: &[&str]) -> bool {
    let (DbErr::Exec(cause) | DbErr::Query(cause)) = error else {
        return false;
    };
    let code = match cause {
        sea_orm::RuntimeErr::SqlxError(error) => error
            .as_database_error()
            .and_then(|error| error.code().map(|code| code.into_owned())),
        sea_orm::RuntimeErr::Internal(_) => None,
    };
    code.is_some_and(|code| codes.contains(&code.as_str()))
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
fn sqlite_file(url: &str) -> Option<String> {
    let rest = url.strip_prefix("sqlite:")?;
    let path = rest.strip_prefix("//").unwrap_or(rest);
    let path = path.split('?').next().unwrap_or(path);
    if path == ":memory:" || path.is_empty() || rest.contains("mode=memory") {
        return None;
    }
    // Letters that no URL has are escaped.
    let whole = Url::parse(&format!("file://{path}"))
        .ok()
        .filter(|_| path.starts_with('/'));
    let whole = whole.and_then(|url| url.to_file_path().ok()?.to_str().map(str::to_owned));
    Some(whole.unwrap_or_else(|| path.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use sea_orm::DbBackend;

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
    async fn a_folder_may_have_blanks_and_letters_of_any_language() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["my shop", "我的店", "100%?#&"] {
            let data = folder.path().join(name);
            let config = Config {
                data: data.display().to_string(),
                ..Config::default()
            };
            let url = config.database_url();
            let database = connect(&url).await.unwrap().connection;
            database
                .execute_unprepared("CREATE TABLE t (x TEXT)")
                .await
                .unwrap();
            database.close().await.unwrap();
            assert!(data.join("state.db").metadata().unwrap().len() > 0, "{url}");
            assert!(data.join("state.db.opened").exists(), "{url}");
            checkpoint(&config).await;
        }
    }

    #[tokio::test]
    async fn a_file_without_its_log_is_told_and_one_with_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("state.db");
        let beside = |ending: &str| folder.path().join(format!("state.db{ending}"));
        let config = Config {
            database: Some(format!("sqlite://{}", file.display())),
            ..Config::default()
        };
        let url = config.database_url();
        let running = connect(&url).await.unwrap().connection;
        running
            .execute_unprepared("CREATE TABLE t (x TEXT); INSERT INTO t VALUES ('kept')")
            .await
            .unwrap();
        // As it is found after a crash, and copied without the log.
        let copy = folder.path().join("copy.db");
        std::fs::copy(&file, &copy).unwrap();
        std::fs::copy(beside(".opened"), folder.path().join("copy.db.opened")).unwrap();
        let told = connect(&format!("sqlite://{}", copy.display()))
            .await
            .unwrap_err();
        assert!(told.to_string().contains("copy.db-wal is gone"), "{told}");

        checkpoint(&config).await;
        assert_eq!(std::fs::metadata(beside("-wal")).unwrap().len(), 0);
        std::fs::copy(&file, &copy).unwrap();
        let whole = connect(&format!("sqlite://{}", copy.display())).await.unwrap();
        assert_eq!(text(&whole.connection, "SELECT x FROM t").await, "kept");
        running.close().await.unwrap();
        // Whoever goes on with what is there removes what was remembered.
        assert!(connect(&url).await.is_ok());
    }

    #[tokio::test]
    async fn a_disk_without_room_is_told_from_other_failures() {
        let database = connect("sqlite::memory:").await.unwrap().connection;
        let fill = "INSERT INTO t VALUES (zeroblob(1000000))";
        assert!(!is_full(&database.execute_unprepared(fill).await.unwrap_err()));
        database
            .execute_unprepared("CREATE TABLE t (x BLOB); PRAGMA max_page_count = 8")
            .await
            .unwrap();
        assert!(is_full(&database.execute_unprepared(fill).await.unwrap_err()));
    }

    #[tokio::test]
    async fn memory_needs_no_file() {
        let database = connect("sqlite::memory:").await.unwrap().connection;
        assert_eq!(text(&database, "SELECT 'x'").await, "x");
        let told = connect("mysql://me:hush@db/x").await.unwrap_err().to_string();
        assert!(told.contains("postgres://") && !told.contains("hush"), "{told}");
    }
}
