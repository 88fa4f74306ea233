//! Where a lake lies: a folder of this machine, whose files are on the disk when they are said to be written, or a bucket of
//! an object store, which promises as much by itself.

use std::{
    fmt,
    fs::{self, File, Permissions},
    io::{self, Write},
    ops::Range,
    os::unix::fs::PermissionsExt,
    path::{self, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use bytes::Bytes;
use deltalake::{
    DeltaResult,
    logstore::{
        LogStore, LogStoreFactory, ObjectStoreFactory, ObjectStoreRef, StorageConfig, default_logstore,
        logstore_factories, object_store_factories,
    },
};
use dualwheel_kit::{config::shown, private};
use futures::stream::BoxStream;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result, UploadPart,
    local::LocalFileSystem, path::Path,
};
use url::Url;
use uuid::Uuid;

use crate::Error;

/// Schemes of the URLs of lakes.
const SCHEMES: [&str; 9] = ["file", "s3", "s3a", "gs", "az", "adl", "azure", "abfs", "abfss"];
/// What the names of environment variables about buckets begin with.
const SETTINGS: [&str; 3] = ["AWS_", "GOOGLE_", "AZURE_"];

/// The store of the lake at `root`, and the place of the lake in it. From then on tables may lie there, too.
///
/// # Errors
/// When the URL is of no known kind, or the environment says too little of the bucket.
pub(crate) fn open(root: &Url) -> Result<(Arc<dyn ObjectStore>, Path), Error> {
    if !SCHEMES.contains(&root.scheme()) {
        return Err(Error::Setting {
            field: "data",
            reason: format!(
                "`{}` is neither a folder nor a URL that begins with file, s3, gs or az",
                shown(root.as_str())
            ),
        });
    }
    for scheme in SCHEMES {
        if let Ok(scheme) = Url::parse(&format!("{scheme}://")) {
            object_store_factories().insert(scheme.clone(), Arc::new(Places));
            logstore_factories().insert(scheme, Arc::new(Places));
        }
    }
    Ok(store_of(root)?)
}

fn store_of(url: &Url) -> Result<(Arc<dyn ObjectStore>, Path)> {
    let environment = std::env::vars_os().filter_map(|(name, value)| {
        let (name, value) = (name.into_string().ok()?, value.into_string().ok()?);
        let about = SETTINGS.iter().any(|begin| name.starts_with(begin));
        about.then_some((name, value))
    });
    let (store, path) = object_store::parse_url_opts(url, environment)?;
    if url.scheme() == "file" {
        return Ok((Arc::new(Disk(LocalFileSystem::new())), path));
    }
    Ok((store.into(), path))
}

/// Makes the stores of tables as that of the lake.
#[derive(Debug)]
struct Places;

impl ObjectStoreFactory for Places {
    fn parse_url_opts(&self, url: &Url, _: &StorageConfig) -> DeltaResult<(ObjectStoreRef, Path)> {
        Ok(store_of(url)?)
    }
}

impl LogStoreFactory for Places {
    fn with_options(
        &self,
        prefixed: ObjectStoreRef,
        root: ObjectStoreRef,
        location: &Url,
        options: &StorageConfig,
    ) -> DeltaResult<Arc<dyn LogStore>> {
        Ok(default_logstore(prefixed, root, location, options))
    }
}

/// A failure of the local disk.
pub(crate) fn local(source: io::Error) -> object_store::Error {
    let source = Box::new(source);
    object_store::Error::Generic {
        store: "local",
        source,
    }
}

/// The file system of this machine. A file has its name only when all of its bytes are on the disk, and its name is there when
/// it is said to be written: no cut of the power takes it away or leaves a part of it.
#[derive(Debug)]
struct Disk(LocalFileSystem);

impl fmt::Display for Disk {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

#[async_trait]
impl ObjectStore for Disk {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let once = match options.mode {
            PutMode::Overwrite => false,
            PutMode::Create => true,
            PutMode::Update(_) => return self.0.put_opts(location, payload, options).await,
        };
        let file = self.0.path_to_filesystem(location)?;
        blocking(move || write(&file, &payload, once).map_err(|error| named(error, &file))).await?;
        Ok(PutResult {
            e_tag: None,
            version: None,
        })
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let file = self.0.path_to_filesystem(location)?;
        let folder = folder_of(&file).to_owned();
        blocking(move || make_folders(&folder).map_err(local)).await?;
        let inner = self.0.put_multipart_opts(location, options).await?;
        Ok(Box::new(Upload { inner, file }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.0.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.0.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.0.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.0.list(prefix)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.0.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.0.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.0.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.0.rename_opts(from, to, options).await
    }
}

/// A large file that is written in parts.
#[derive(Debug)]
struct Upload {
    inner: Box<dyn MultipartUpload>,
    file: PathBuf,
}

#[async_trait]
impl MultipartUpload for Upload {
    fn put_part(&mut self, part: PutPayload) -> UploadPart {
        let (put, file) = (self.inner.put_part(part), self.file.clone());
        Box::pin(async move { put.await.map_err(|error| full(error, &file)) })
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let file = self.file.clone();
        let done = self.inner.complete().await.map_err(|error| full(error, &file))?;
        // It has its name before its bytes are safe; nothing tells of it before this returns.
        let synced = move || {
            let made = File::open(&file)?;
            made.set_permissions(Permissions::from_mode(0o600))?;
            made.sync_data().and_then(|()| sync_folder(folder_of(&file)))
        };
        blocking(move || synced().map_err(local)).await?;
        Ok(done)
    }

    async fn abort(&mut self) -> Result<()> {
        self.inner.abort().await
    }
}

/// Bytes that may still be written to the disk of a folder; `None` where it does not tell.
pub(crate) fn room(folder: &path::Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(local(io::Error::other(error))))
}

fn named(error: io::Error, file: &path::Path) -> object_store::Error {
    if error.kind() == io::ErrorKind::AlreadyExists {
        return object_store::Error::AlreadyExists {
            path: file.display().to_string(),
            source: Box::new(error),
        };
    }
    full(local(error), file)
}

/// An error because there is no room, with the file for which there was none.
fn full(error: object_store::Error, file: &path::Path) -> object_store::Error {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(one) = cause {
        let io = one.downcast_ref::<io::Error>();
        if io.is_some_and(|io| io.kind() == io::ErrorKind::StorageFull) {
            let told = format!("{}: {one}", file.display());
            return local(io::Error::new(io::ErrorKind::StorageFull, told));
        }
        cause = one.source();
    }
    error
}

/// Writes a whole file under another name, and gives it its own; with `once`, only where there is none yet.
fn write(file: &path::Path, payload: &PutPayload, once: bool) -> io::Result<()> {
    let folder = folder_of(file);
    make_folders(folder)?;
    // Names that end like this are never listed.
    let mut staged = file.as_os_str().to_owned();
    staged.push(format!("#{}", Uuid::new_v4().as_u64_pair().0));
    let staged = PathBuf::from(staged);
    let written = (|| {
        let mut open = private::options().write(true).create_new(true).open(&staged)?;
        payload.iter().try_for_each(|bytes| open.write_all(bytes))?;
        open.sync_data()?;
        if once {
            fs::hard_link(&staged, file)
        } else {
            fs::rename(&staged, file)
        }
    })();
    if once || written.is_err() {
        // What is left of it is in nobody's way.
        let _ = fs::remove_file(&staged);
    }
    written?;
    sync_folder(folder)
}

fn folder_of(file: &path::Path) -> &path::Path {
    file.parent().unwrap_or(file)
}

/// Makes a folder and those above it, and forces their names to the disk.
pub(crate) fn make_folders(folder: &path::Path) -> io::Result<()> {
    // Of a relative path the last ancestor is empty, and no folder.
    let folder = path::absolute(folder)?;
    let missing: Vec<&path::Path> = folder.ancestors().take_while(|folder| !folder.exists()).collect();
    private::make_folders(&folder)?;
    missing
        .into_iter()
        .try_for_each(|made| sync_folder(folder_of(made)))
}

/// Forces the names in a folder to the disk.
fn sync_folder(folder: &path::Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use futures::TryStreamExt;
    use object_store::ObjectStoreExt;

    use super::*;

    #[tokio::test]
    async fn files_are_written_once_or_anew_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let root = Url::from_directory_path(folder.path()).unwrap();
        let (store, root) = open(&root).unwrap();
        let file = root.clone().join("a").join("b c").join("d");
        let put = |text: &'static str, mode: PutMode| {
            let options = PutOptions {
                mode,
                ..PutOptions::default()
            };
            store.put_opts(&file, text.into(), options)
        };
        put("first", PutMode::Create).await.unwrap();
        let again = put("second", PutMode::Create).await.unwrap_err();
        assert!(matches!(again, object_store::Error::AlreadyExists { .. }));
        let read = || async { store.get(&file).await?.bytes().await };
        assert_eq!(read().await.unwrap(), "first");
        put("third", PutMode::Overwrite).await.unwrap();
        assert_eq!(read().await.unwrap(), "third");

        let mut parts = store
            .put_multipart(&root.clone().join("e").join("f"))
            .await
            .unwrap();
        parts.put_part("one ".into()).await.unwrap();
        parts.put_part("two".into()).await.unwrap();
        parts.complete().await.unwrap();
        let found: Vec<_> = store.list(Some(&root)).try_collect().await.unwrap();
        assert_eq!(found.iter().map(|file| file.size).sum::<u64>(), 5 + 7);
        let count = |path: &str| fs::read_dir(folder.path().join(path)).unwrap().count();
        let mode = |path: &str| folder.path().join(path).metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(["a", "a/b c", "e"].map(mode), [0o700; 3]);
        assert_eq!(["a/b c/d", "e/f"].map(mode), [0o600; 2]);
        assert_eq!((count("a/b c"), count("e")), (1, 1));
    }

    #[tokio::test]
    async fn of_many_that_write_at_once_one_is_first() {
        let folder = tempfile::tempdir().unwrap();
        let (store, root) = open(&Url::from_directory_path(folder.path()).unwrap()).unwrap();
        let file = root.join("new").join("file");
        let tries = (0..16).map(|number| {
            let options = PutOptions {
                mode: PutMode::Create,
                ..PutOptions::default()
            };
            store.put_opts(&file, number.to_string().into_bytes().into(), options)
        });
        let tries = futures::future::join_all(tries).await;
        assert_eq!(tries.iter().filter(|tried| tried.is_ok()).count(), 1);
    }

    #[test]
    fn other_places_are_refused() {
        for url in ["http://example.com/lake", "memory:///", "ftp://example.com/"] {
            assert!(matches!(
                open(&Url::parse(url).unwrap()),
                Err(Error::Setting { field: "data", .. })
            ));
        }
    }
}
