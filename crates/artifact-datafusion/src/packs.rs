//! Packs: found under a location, fetched, opened, and kept open.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use compact_artifact::{CompactArtifact, Options, Snapshot};
use datafusion::common::{Result, plan_datafusion_err};
use datafusion::datasource::listing::ListingTableUrl;
use datafusion::execution::runtime_env::RuntimeEnv;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path as ObjectPath;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};

use crate::error::about;
use crate::left_out::{self, Exchanged, LeftOut};
use crate::manifest::{MANIFEST, Manifest, under};
use crate::{external, on_a_thread};

/// How artifacts are opened, and those that are open. Shared by all tables and searches of a session.
///
/// An artifact or pack in the local file system is mapped where it lies. A pack in any other store is fetched as a whole: into memory, or with
/// [`cache_folder`](Self::cache_folder) into a file that is mapped.
pub struct Packs {
    options: Options,
    folder: Option<PathBuf>,
    max_bytes: u64,
    leave_out: bool,
    left_out: left_out::List,
    /// Fetched packs, the one used last at the end.
    kept: Mutex<Vec<Kept>>,
}

/// A fetched pack.
struct Kept {
    /// Where it is, and which version of it.
    identity: String,
    bytes: u64,
    artifact: Arc<CompactArtifact>,
}

/// One artifact, as it was when it was found.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    /// Its URL, which the column `pack` has.
    pub(crate) name: String,
    pub(crate) snapshot: Snapshot,
    /// Keeps it open.
    pub(crate) artifact: Arc<CompactArtifact>,
}

/// The artifacts under one location, by name.
pub(crate) type Sources = HashMap<String, Source>;

/// Where an artifact is.
struct Found {
    name: String,
    /// The hash that a manifest says it has.
    hash: Option<String>,
    path: ObjectPath,
}

impl Default for Packs {
    fn default() -> Self {
        Self::new(Options::new())
    }
}

impl fmt::Debug for Packs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Packs")
            .field("folder", &self.folder)
            .field("max_bytes", &self.max_bytes)
            .finish_non_exhaustive()
    }
}

impl Packs {
    /// With the options that artifacts are opened by and written with: the embedder of [`Options::embedder`] above all, without which they are not searched by meaning.
    pub fn new(options: Options) -> Self {
        Self {
            options,
            folder: None,
            max_bytes: 1 << 30,
            leave_out: false,
            left_out: left_out::List::default(),
            kept: Mutex::default(),
        }
    }

    /// Where fetched packs are kept, as files of their own that are removed again. Without it they are kept in memory.
    #[must_use]
    pub fn cache_folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = Some(folder.into());
        self
    }

    /// How many bytes of fetched packs are kept; those used longest ago are let go. A larger pack is an error. Queries hold the packs that they read, whatever is let go. Default: 1 GiB.
    #[must_use]
    pub fn cache_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// Whether queries of a folder go on without packs that are missing, exchanged or damaged when they are opened. Their records are not in any result then, nor counted for scores;
    /// [`left_out`](Self::left_out), and in SQL `SELECT * FROM cart_left_out()`, says which and why. Whatever else goes wrong stays an error: refused credentials, a network that is
    /// down, no manifest, damage that a query meets later in a pack that was opened. Default: no.
    #[must_use]
    pub fn leave_out_unreadable(mut self, leave_out: bool) -> Self {
        self.leave_out = leave_out;
        self
    }

    /// Packs that the last query that wanted them went on without.
    pub fn left_out(&self) -> Vec<LeftOut> {
        self.left_out.all()
    }

    pub(crate) fn options(&self) -> Options {
        self.options.clone()
    }

    fn kept(&self) -> MutexGuard<'_, Vec<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens all artifacts under a location: an artifact, a pack, or a folder of packs, which are those of its manifest if it has one.
    pub(crate) async fn open_all(&self, location: &str, runtime: &RuntimeEnv) -> Result<Vec<Source>> {
        let url = ListingTableUrl::parse(location)?;
        let store = runtime.object_store(url.object_store())?;
        let local = local_path(&url);
        let is_folder = url.is_collection() || local.as_deref().is_some_and(Path::is_dir);
        if is_folder && let Some(found) = find(store.as_ref(), &url).await? {
            let mut sources = Vec::with_capacity(found.len());
            for found in found {
                let path = local.as_deref().map(|_| PathBuf::from("/").join(found.path.as_ref()));
                let name = found.name.clone();
                match self.open(store.as_ref(), found, path).await {
                    Ok(source) => {
                        self.left_out.was_read(&name);
                        sources.push(source);
                    }
                    Err(e) if self.leave_out => self.left_out.take(&name, e)?,
                    Err(e) => return Err(e),
                }
            }
            return Ok(sources);
        }
        if is_folder && local.is_none() {
            return Err(plan_datafusion_err!(
                "{location}: no packs here; expected files that end in .cart, or {MANIFEST}"
            ));
        }
        let found = Found { name: url.as_str().to_owned(), hash: None, path: url.prefix().clone() };
        Ok(vec![self.open(store.as_ref(), found, local).await?])
    }

    async fn open(&self, store: &dyn ObjectStore, found: Found, local: Option<PathBuf>) -> Result<Source> {
        let name = found.name.clone();
        if let Some(hash) = &found.hash {
            check_hash(&name, hash, &tail(store, &found).await?)?;
        }
        let artifact = match local {
            Some(path) => {
                let options = self.options();
                Arc::new(
                    on_a_thread(move || options.open_read_only(path)).await?.map_err(|e| about(&name, e))?,
                )
            }
            None => self.fetch(store, &found).await?,
        };
        let name = found.name;
        Ok(Source { name, snapshot: artifact.snapshot(), artifact })
    }

    /// A pack of a store, kept from before or fetched.
    async fn fetch(&self, store: &dyn ObjectStore, found: &Found) -> Result<Arc<CompactArtifact>> {
        let meta = store.head(&found.path).await.map_err(|e| about(&found.name, e))?;
        let identity = format!("{} {} {:?} {:?}", found.name, meta.size, meta.e_tag, meta.last_modified);
        if let Some(artifact) = self.take_kept(&identity) {
            return Ok(artifact);
        }
        if meta.size > self.max_bytes {
            let max = self.max_bytes;
            return Err(plan_datafusion_err!(
                "{}: a pack of {} bytes; expected at most {max}, which is `cache_bytes`",
                found.name,
                meta.size
            ));
        }
        let fetched = self.fetch_into_place(store, &meta).await.map_err(|e| about(&found.name, e))?;
        let artifact = on_a_thread({
            let options = self.options();
            move || fetched.open(options)
        })
        .await?
        .map_err(|e| about(&found.name, e))?;
        let artifact = Arc::new(artifact);
        let mut kept = self.kept();
        kept.push(Kept { identity, bytes: meta.size, artifact: artifact.clone() });
        while kept.iter().map(|kept| kept.bytes).sum::<u64>() > self.max_bytes {
            kept.remove(0);
        }
        Ok(artifact)
    }

    fn take_kept(&self, identity: &str) -> Option<Arc<CompactArtifact>> {
        let mut kept = self.kept();
        let at = kept.iter().position(|kept| kept.identity == identity)?;
        let used = kept.remove(at);
        let artifact = used.artifact.clone();
        kept.push(used);
        Some(artifact)
    }

    async fn fetch_into_place(&self, store: &dyn ObjectStore, meta: &ObjectMeta) -> Result<Fetched> {
        let mut stream = store.get(&meta.location).await?.into_stream();
        let Some(folder) = &self.folder else {
            let mut bytes = Vec::with_capacity(usize::try_from(meta.size).unwrap_or_default());
            while let Some(piece) = stream.next().await {
                bytes.extend_from_slice(&piece?);
            }
            return Ok(Fetched::Memory(bytes));
        };
        let file = tempfile::Builder::new().suffix(".cart").tempfile_in(folder)?;
        let mut writer = file.reopen()?;
        while let Some(piece) = stream.try_next().await? {
            writer = on_a_thread(move || std::io::Write::write_all(&mut writer, &piece).map(|()| writer))
                .await??;
        }
        Ok(Fetched::File(file))
    }
}

/// What was fetched.
enum Fetched {
    Memory(Vec<u8>),
    File(tempfile::NamedTempFile),
}

impl Fetched {
    /// Opens it. A file is removed, and stays as long as it is mapped.
    fn open(self, options: Options) -> compact_artifact::Result<CompactArtifact> {
        match self {
            Self::Memory(bytes) => options.open_packed_bytes(bytes),
            Self::File(file) => options.open_packed_at(file.path(), 0),
        }
    }
}

/// The BLAKE3 hash that ends a pack.
const HASH_LEN: u64 = 32;

async fn tail(store: &dyn ObjectStore, found: &Found) -> Result<Vec<u8>> {
    let len = store.head(&found.path).await.map_err(|e| about(&found.name, e))?.size;
    let tail = store.get_range(&found.path, len.saturating_sub(HASH_LEN)..len).await;
    Ok(tail.map_err(|e| about(&found.name, e))?.to_vec())
}

fn check_hash(name: &str, expected: &str, tail: &[u8]) -> Result<()> {
    let found: String = tail.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    if found == expected {
        return Ok(());
    }
    Err(external(Exchanged(format!(
        "{name}: the manifest has the hash {expected}, the pack ends with {found}; it was exchanged or damaged"
    ))))
}

/// The packs of a folder; `None`: there are none.
async fn find(store: &dyn ObjectStore, url: &ListingTableUrl) -> Result<Option<Vec<Found>>> {
    let root = url.object_store();
    let found = |path: ObjectPath, hash| Found { name: format!("{}{path}", root.as_str()), hash, path };
    match Manifest::read(store, url.prefix()).await? {
        Some(manifest) => {
            let packs = manifest.packs.into_iter();
            Ok(Some(packs.map(|pack| found(under(url.prefix(), &pack.path), Some(pack.hash))).collect()))
        }
        None => {
            let listed = store.list_with_delimiter(Some(url.prefix())).await?;
            let mut paths: Vec<ObjectPath> = listed.objects.into_iter().map(|meta| meta.location).collect();
            paths.retain(|path| path.extension() == Some("cart"));
            paths.sort_unstable();
            Ok((!paths.is_empty()).then(|| paths.into_iter().map(|path| found(path, None)).collect()))
        }
    }
}

/// The file or folder that a location is, if that is in the local file system.
fn local_path(url: &ListingTableUrl) -> Option<PathBuf> {
    (url.scheme() == "file").then(|| url.get_url().to_file_path().ok()).flatten()
}
