//! The database of operational state: stored resources such as peer sets and runs.
//!
//! Who uses it brings its own migrations and runs them after connecting.

use std::{path::Path, time::Duration};

pub use sea_orm::DatabaseConnection;
use sea_orm::{ConnectOptions, Database};

/// How long a statement waits for another process's write.
const BUSY: Duration = Duration::from_secs(10);

/// What can go wrong with connecting.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder of an SQLite file cannot be made.
    #[error("the database's folder {folder} cannot be made: {source}")]
    Folder {
        /// Folder.
        folder: String,
        /// Cause.
        source: std::io::Error,
    },
    /// The database refuses; the URL is left out, as it may carry a password.
    #[error("the database cannot be opened: {0}")]
    Connect(#[from] sea_orm::DbErr),
}

/// Connects to `url`: `sqlite://FILE`, made with its folder where absent, or `sqlite::memory:`.
///
/// SQLite keeps a write-ahead log, checks foreign keys and waits 10 s for other processes. A process uses one
/// connection, so that its own transactions queue instead of failing as busy.
///
/// # Errors
/// When the file or its folder cannot be made or opened.
pub async fn connect(url: &str) -> Result<DatabaseConnection, Error> {
    let mut options = ConnectOptions::new(url);
    options.sqlx_logging(false).acquire_timeout(BUSY * 3);
    let file = sqlite_file(url);
    if let Some(folder) = file.and_then(|file| Path::new(file).parent()) {
        std::fs::create_dir_all(folder).map_err(|source| Error::Folder {
            folder: folder.display().to_string(),
            source,
        })?;
    }
    let on_disk = file.is_some();
    options.map_sqlx_sqlite_opts(move |sqlite| {
        let sqlite = sqlite.foreign_keys(true).busy_timeout(BUSY);
        if on_disk {
            sqlite.create_if_missing(true).pragma("journal_mode", "WAL")
        } else {
            sqlite
        }
    });
    if !on_disk {
        // A database in memory lives as long as its connection.
        options.max_connections(1).idle_timeout(None).max_lifetime(None);
    }
    Ok(Database::connect(options).await?)
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
        let database = connect(&url).await.unwrap();
        assert_eq!(text(&database, "PRAGMA journal_mode").await, "wal");
        database
            .execute_unprepared("CREATE TABLE t (x TEXT); INSERT INTO t VALUES ('kept')")
            .await
            .unwrap();
        database.close().await.unwrap();
        assert_eq!(
            text(&connect(&url).await.unwrap(), "SELECT x FROM t").await,
            "kept"
        );
    }

    #[tokio::test]
    async fn memory_needs_no_file() {
        let database = connect("sqlite::memory:").await.unwrap();
        assert_eq!(text(&database, "SELECT 'x'").await, "x");
        assert!(connect("nonsense").await.is_err());
    }
}
