//! A storage of objects that fails on demand.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result, UploadPart,
};

use crate::When;

/// A kind of call of a storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ObjectOperation {
    /// An object is written, whatever stood there.
    Put,
    /// An object is written if there is none.
    Create,
    /// A large object is begun, gets another part, or is completed.
    Upload,
    /// An object or a part of one is read.
    Get,
    /// Objects are listed.
    List,
    /// An object is deleted.
    Delete,
    /// An object is copied or renamed.
    Copy,
}

/// A call, before it acts and again after it.
#[derive(Debug, Clone, Copy)]
pub struct ObjectCall<'a> {
    /// What is done.
    pub operation: ObjectOperation,
    /// To which object; of a list, below which.
    pub path: &'a str,
    /// Its number among all calls, from 1.
    pub call: u64,
    /// Whether it has taken effect.
    pub when: When,
}

/// How a call goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// As if nothing were.
    Pass,
    /// It fails.
    Fail,
    /// Of a [`ObjectOperation::Create`] that took effect: it fails as if the object had been there before, as when a client repeats a
    /// request whose answer was lost. Of other calls it is a failure like any.
    AlreadyThere,
}

type Judge = dyn Fn(&ObjectCall) -> Verdict + Send + Sync;

/// Wraps a storage; a function decides on each call whether, when and how it fails.
pub struct FaultyObjects {
    inner: Arc<dyn ObjectStore>,
    judge: Arc<Judged>,
}

struct Judged {
    judge: Box<Judge>,
    calls: AtomicU64,
}

impl FaultyObjects {
    /// Wraps a storage, which others may go on using directly.
    #[must_use]
    pub fn new(inner: Arc<dyn ObjectStore>, judge: impl Fn(&ObjectCall) -> Verdict + Send + Sync + 'static) -> Self {
        Self { inner, judge: Arc::new(Judged { judge: Box::new(judge), calls: AtomicU64::new(0) }) }
    }

    /// How many calls have begun.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.judge.calls.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for FaultyObjects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultyObjects").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl fmt::Display for FaultyObjects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "faulty {}", self.inner)
    }
}

impl Judged {
    async fn run<R>(
        &self,
        operation: ObjectOperation,
        path: &str,
        act: impl Future<Output = Result<R>> + Send,
    ) -> Result<R> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        let ask = |when| {
            let call = ObjectCall { operation, path, call, when };
            match (self.judge)(&call) {
                Verdict::Pass => Ok(()),
                Verdict::AlreadyThere if operation == ObjectOperation::Create && when == When::AfterActing => {
                    Err(Error::AlreadyExists { path: path.to_owned(), source: said(&call) })
                }
                Verdict::Fail | Verdict::AlreadyThere => {
                    Err(Error::Generic { store: "FaultyObjects", source: said(&call) })
                }
            }
        };
        ask(When::BeforeActing)?;
        let done = act.await?;
        ask(When::AfterActing)?;
        Ok(done)
    }
}

fn said(call: &ObjectCall) -> Box<dyn std::error::Error + Send + Sync> {
    let ObjectCall { operation, path, call, when } = call;
    format!("injected fault: {operation:?} of {path:?}, call {call}, {when:?}").into()
}

fn text(prefix: Option<&Path>) -> String {
    prefix.map(Path::to_string).unwrap_or_default()
}

#[async_trait]
impl ObjectStore for FaultyObjects {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let operation = match options.mode {
            PutMode::Create => ObjectOperation::Create,
            PutMode::Overwrite | PutMode::Update(_) => ObjectOperation::Put,
        };
        let act = self.inner.put_opts(location, payload, options);
        self.judge.run(operation, location.as_ref(), act).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let act = self.inner.put_multipart_opts(location, options);
        let inner = self.judge.run(ObjectOperation::Upload, location.as_ref(), act).await?;
        Ok(Box::new(FaultyUpload { inner, path: location.to_string(), judge: Arc::clone(&self.judge) }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let act = self.inner.get_opts(location, options);
        self.judge.run(ObjectOperation::Get, location.as_ref(), act).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let act = self.inner.get_ranges(location, ranges);
        self.judge.run(ObjectOperation::Get, location.as_ref(), act).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let (inner, judge) = (Arc::clone(&self.inner), Arc::clone(&self.judge));
        let delete = move |location: Result<Path>| {
            let (inner, judge) = (Arc::clone(&inner), Arc::clone(&judge));
            async move {
                let location = location?;
                let one = stream::iter([Ok(location.clone())]).boxed();
                let act = inner.delete_stream(one).try_collect::<Vec<_>>();
                judge.run(ObjectOperation::Delete, location.as_ref(), act).await?;
                Ok(location)
            }
        };
        locations.then(delete).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let (judge, path, found) = (Arc::clone(&self.judge), text(prefix), self.inner.list(prefix));
        let begun = async move {
            judge.run(ObjectOperation::List, &path, std::future::ready(Ok(()))).await?;
            Ok::<_, Error>(found)
        };
        begun.into_stream().try_flatten().boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let act = self.inner.list_with_delimiter(prefix);
        self.judge.run(ObjectOperation::List, &text(prefix), act).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let act = self.inner.copy_opts(from, to, options);
        self.judge.run(ObjectOperation::Copy, to.as_ref(), act).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        let act = self.inner.rename_opts(from, to, options);
        self.judge.run(ObjectOperation::Copy, to.as_ref(), act).await
    }
}

struct FaultyUpload {
    inner: Box<dyn MultipartUpload>,
    path: String,
    judge: Arc<Judged>,
}

impl fmt::Debug for FaultyUpload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultyUpload").field("path", &self.path).finish_non_exhaustive()
    }
}

#[async_trait]
impl MultipartUpload for FaultyUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let (judge, path, act) = (Arc::clone(&self.judge), self.path.clone(), self.inner.put_part(data));
        async move { judge.run(ObjectOperation::Upload, &path, act).await }.boxed()
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let act = self.inner.complete();
        self.judge.run(ObjectOperation::Upload, &self.path, act).await
    }

    async fn abort(&mut self) -> Result<()> {
        self.inner.abort().await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use object_store::ObjectStoreExt;
    use object_store::memory::InMemory;

    use super::*;

    fn create() -> PutOptions {
        PutOptions { mode: PutMode::Create, ..PutOptions::default() }
    }

    #[tokio::test]
    async fn each_call_is_judged_before_and_after_it() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&seen);
        let store = FaultyObjects::new(Arc::new(InMemory::new()), move |call| {
            noted.lock().unwrap().push((call.operation, call.path.to_owned(), call.call, call.when));
            Verdict::Pass
        });
        let path = Path::from("a/b");
        store.put(&path, "data".into()).await.unwrap();
        assert_eq!(store.list(None).try_collect::<Vec<_>>().await.unwrap().len(), 1);
        store.delete(&path).await.unwrap();
        let mut upload = store.put_multipart(&path).await.unwrap();
        upload.put_part("part".into()).await.unwrap();
        upload.complete().await.unwrap();
        assert_eq!(store.get_range(&path, 1..3).await.unwrap(), "ar");
        assert_eq!(store.calls(), 7);
        use ObjectOperation::{Delete, Get, List, Put, Upload};
        let expected: Vec<_> = (1..)
            .zip([
                (Put, "a/b"),
                (List, ""),
                (Delete, "a/b"),
                (Upload, "a/b"),
                (Upload, "a/b"),
                (Upload, "a/b"),
                (Get, "a/b"),
            ])
            .flat_map(|(call, (operation, path))| {
                [When::BeforeActing, When::AfterActing].map(|when| (operation, path.to_owned(), call, when))
            })
            .collect();
        assert_eq!(*seen.lock().unwrap(), expected);
    }

    #[tokio::test]
    async fn a_call_fails_before_or_after_it_took_effect() {
        let fail = |at: u64, when: When, verdict: Verdict| {
            move |call: &ObjectCall| if (call.call, call.when) == (at, when) { verdict } else { Verdict::Pass }
        };
        let inner = Arc::new(InMemory::new());
        let path = Path::from("a");
        let before = FaultyObjects::new(inner.clone(), fail(1, When::BeforeActing, Verdict::Fail));
        let error = before.put_opts(&path, "1".into(), create()).await.unwrap_err();
        assert!(error.to_string().contains("injected fault: Create of \"a\", call 1, BeforeActing"), "{error}");
        assert!(matches!(inner.head(&path).await, Err(Error::NotFound { .. })));
        let after = FaultyObjects::new(inner.clone(), fail(1, When::AfterActing, Verdict::AlreadyThere));
        let error = after.put_opts(&path, "2".into(), create()).await.unwrap_err();
        assert!(matches!(error, Error::AlreadyExists { .. }), "{error}");
        assert_eq!(inner.get(&path).await.unwrap().bytes().await.unwrap(), "2");
        let there = after.put_opts(&path, "3".into(), create()).await.unwrap_err();
        assert!(matches!(there, Error::AlreadyExists { .. }), "{there}");
        let lists = FaultyObjects::new(inner, fail(1, When::BeforeActing, Verdict::Fail));
        assert!(lists.list(None).try_collect::<Vec<_>>().await.is_err());
    }
}
