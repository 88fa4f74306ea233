//! A store that panics whenever it is asked for certain files.

use std::{
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures::stream::BoxStream;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, path::Path,
};

/// What a faulty store does wrong. Clones are one.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    at: Arc<Mutex<Option<String>>>,
    met: Arc<AtomicUsize>,
}

impl Faults {
    /// Panics from now on at files in whose path `part` is.
    pub fn panic_at(&self, part: &str) {
        *self.at.lock().unwrap() = Some(part.to_owned());
    }

    /// Does nothing wrong any more.
    pub fn heal(&self) {
        *self.at.lock().unwrap() = None;
    }

    /// How often it panicked.
    pub fn met(&self) -> usize {
        self.met.load(Ordering::SeqCst)
    }

    /// The store with these faults.
    pub fn in_store(&self, inner: Arc<dyn ObjectStore>) -> Arc<dyn ObjectStore> {
        let faults = self.clone();
        Arc::new(Faulty { inner, faults })
    }

    fn look(&self, path: &Path) {
        let at = self.at.lock().unwrap().clone();
        if at.is_some_and(|part| path.as_ref().contains(&part)) {
            self.met.fetch_add(1, Ordering::SeqCst);
            panic!("a fault at {path}");
        }
    }
}

#[derive(Debug)]
struct Faulty {
    inner: Arc<dyn ObjectStore>,
    faults: Faults,
}

impl fmt::Display for Faulty {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(formatter)
    }
}

#[async_trait::async_trait]
impl ObjectStore for Faulty {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.faults.look(location);
        self.inner.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.faults.look(location);
        self.inner.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.faults.look(location);
        self.inner.get_opts(location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.faults.look(to);
        self.inner.copy_opts(from, to, options).await
    }
}
