use std::fmt;
use std::sync::Arc;

use artifact_datafusion::{Packs, register};
use async_trait::async_trait;
use datafusion::prelude::SessionContext;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use url::Url;

use crate::support::{fails, options, packs, printed, sql};

/// A store that lists what it had at some time.
#[derive(Debug)]
struct Stale {
    store: Arc<InMemory>,
    listed: Vec<ObjectMeta>,
}

impl fmt::Display for Stale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stale")
    }
}

#[async_trait]
impl ObjectStore for Stale {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.store.put_opts(path, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.store.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        self.store.get_opts(path, options).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.store.delete_stream(paths)
    }

    fn list(&self, _: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        futures::stream::iter(self.listed.clone().into_iter().map(Ok)).boxed()
    }

    async fn list_with_delimiter(&self, _: Option<&Path>) -> Result<ListResult> {
        Ok(ListResult { objects: self.listed.clone(), common_prefixes: Vec::new() })
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.store.copy_opts(from, to, options).await
    }
}

fn session(store: &Arc<InMemory>, listed: Vec<ObjectMeta>) -> SessionContext {
    let context = SessionContext::new();
    let store = Stale { store: store.clone(), listed };
    context.register_object_store(&Url::parse("memory://").unwrap(), Arc::new(store));
    register(&context, Packs::new(options())).unwrap();
    context
}

#[tokio::test]
async fn packs_of_a_manifest_are_found_whatever_a_listing_says() {
    let store = Arc::new(InMemory::new());
    let copy = |text: &str| format!("COPY (SELECT '{text}' AS text) TO 'memory:///n/' STORED AS CART");
    sql(&session(&store, Vec::new()), &copy("the first")).await;
    let listed: Vec<ObjectMeta> = store.list(None).try_collect().await.unwrap();
    let context = session(&store, listed);
    sql(&context, &copy("the second")).await;
    let search = "SELECT text FROM cart_search('memory:///n/', 'first second', 5, '{\"by\": \"words\"}')";
    let found = printed(&sql(&context, search).await);
    assert!(found.contains("the second") && !found.contains("the first"), "{found}");
}

#[tokio::test]
async fn a_pack_that_is_listed_and_gone_is_named() {
    let temp = tempfile::tempdir().unwrap();
    packs(temp.path(), 2);
    let store = Arc::new(InMemory::new());
    for name in ["000.cart", "001.cart"] {
        let bytes = std::fs::read(temp.path().join(name)).unwrap();
        store.put(&Path::from(format!("n/{name}")), bytes.into()).await.unwrap();
    }
    let listed: Vec<ObjectMeta> = store.list(None).try_collect().await.unwrap();
    store.delete(&Path::from("n/001.cart")).await.unwrap();
    let error = fails(&session(&store, listed), "SELECT * FROM cart_search('memory:///n/', 'cat')").await;
    assert!(error.contains("001.cart"), "{error}");
}
