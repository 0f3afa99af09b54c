//! The only module that knows `object_store`: opens a place for copies, and reads and writes objects there.

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::fmt;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    BackoffConfig, ClientOptions, Error, ObjectStore, ObjectStoreExt, PutMode, PutOptions,
    RetryConfig, UpdateVersion,
};
use tokio::runtime::{Builder, Runtime};

use crate::location::{Location, check_endpoint};
use crate::{CopyError, StoreOptions};

/// Larger files are uploaded in parts of this size, one at a time; memory holds one. S3 asks for 5 MiB at least and takes
/// 10,000 parts at most, so a file has at most 80 GB.
pub(crate) const PART_BYTES: usize = 8 << 20;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// For a whole request: a part takes longer only on a line below 280 kB/s.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// Within a request; the caller tries again later.
const RETRIES_MAX: usize = 2;
const INDEX: &str = "index.json";
const OBJECTS: &str = "objects";
/// Holds other processes on this machine off, while the index of a folder is replaced.
const LOCK: &str = "lock";

/// A place for copies. Its functions block, and must not be called from within an asynchronous runtime.
pub struct CopyStore {
    url: String,
    prefix: Path,
    objects: Arc<dyn ObjectStore>,
    /// The folder, of a store that cannot replace files conditionally by itself.
    folder: Option<PathBuf>,
    runtime: Runtime,
}

/// An index as it was read or written.
pub(crate) struct Stored {
    pub(crate) text: Bytes,
    pub(crate) version: Version,
}

/// By what a store knows whether an object is as it was.
#[derive(Clone, Debug)]
pub(crate) struct Version(UpdateVersion);

/// What became of a conditional write.
pub(crate) enum Put {
    Done(Version),
    /// It is not as it was read.
    Conflict,
}

impl fmt::Debug for CopyStore {
    /// Without the client, which knows the credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CopyStore").field("url", &self.url).finish_non_exhaustive()
    }
}

impl CopyStore {
    /// Opens `s3://BUCKET/PREFIX` or `file:///FOLDER`. Nothing is sent yet.
    ///
    /// # Errors
    /// If the URL or the options cannot be used.
    pub fn open(url: &str, options: &StoreOptions) -> Result<CopyStore, CopyError> {
        let wrong = |problem: String| CopyError::Options { url: url.to_owned(), problem };
        match Location::parse(url)? {
            Location::Bucket { bucket, prefix } => {
                let objects = bucket_of(&bucket, options).map_err(wrong)?;
                let prefix = Path::parse(prefix).map_err(|error| wrong(error.to_string()))?;
                CopyStore::over(url, prefix, objects, None)
            }
            Location::Folder(folder) => {
                let prefix =
                    Path::from_absolute_path(&folder).map_err(|error| wrong(error.to_string()))?;
                let objects = Arc::new(LocalFileSystem::new().with_fsync(true));
                CopyStore::over(url, prefix, objects, Some(folder))
            }
        }
    }

    /// Whether a URL and options could be opened.
    ///
    /// # Errors
    /// Why they cannot be used.
    pub fn check(url: &str, options: &StoreOptions) -> Result<(), CopyError> {
        match Location::parse(url)? {
            Location::Bucket { bucket, .. } => {
                let wrong = |problem| CopyError::Options { url: url.to_owned(), problem };
                bucket_of(&bucket, options).map(drop).map_err(wrong)
            }
            Location::Folder(_) => Ok(()),
        }
    }

    pub(crate) fn over(
        url: &str,
        prefix: Path,
        objects: Arc<dyn ObjectStore>,
        folder: Option<PathBuf>,
    ) -> Result<CopyStore, CopyError> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| CopyError::Options {
            url: url.to_owned(),
            problem: format!("no runtime can be started: {error}"),
        })?;
        Ok(CopyStore { url: url.to_owned(), prefix, objects, folder, runtime })
    }

    /// Where it is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The index; none if there is none.
    pub(crate) fn read_index(&self) -> Result<Option<Stored>, CopyError> {
        let at = self.at(INDEX);
        let read = self.runtime.block_on(async {
            let got = self.objects.get(&at).await?;
            let (e_tag, version) = (got.meta.e_tag.clone(), got.meta.version.clone());
            Ok((got.bytes().await?, UpdateVersion { e_tag, version }))
        });
        match read {
            Ok((text, version)) => Ok(Some(Stored { text, version: Version(version) })),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failed("read", INDEX)(error)),
        }
    }

    /// Replaces the index if it is as it was; makes it if there was none.
    pub(crate) fn write_index(&self, text: Bytes, was: Option<&Version>) -> Result<Put, CopyError> {
        let Some(folder) = &self.folder else {
            let mode = match was {
                Some(Version(was)) if was.e_tag.is_none() => {
                    return Err(CopyError::NoConditionalPut { url: self.url.clone() });
                }
                Some(Version(was)) => PutMode::Update(was.clone()),
                None => PutMode::Create,
            };
            return self.put_index(text, mode);
        };
        let io = |what: &'static str, path: &FilePath| {
            let path = path.to_owned();
            move |source| CopyError::Io { what, path, source }
        };
        fs::create_dir_all(folder).map_err(io("create", folder))?;
        let lock = folder.join(LOCK);
        let mut held = File::options();
        let held = held.write(true).create(true).truncate(false).open(&lock);
        let held = held.map_err(io("open", &lock))?;
        held.lock().map_err(io("lock", &lock))?;
        let is = self.read_index()?.map(|stored| stored.version.0.e_tag);
        match is == was.map(|was| was.0.e_tag.clone()) {
            true => self.put_index(text, PutMode::Overwrite),
            false => Ok(Put::Conflict),
        } // `held` is closed here, which releases it
    }

    fn put_index(&self, text: Bytes, mode: PutMode) -> Result<Put, CopyError> {
        let is_there = mode != PutMode::Create;
        let (at, options) = (self.at(INDEX), PutOptions { mode, ..PutOptions::default() });
        match self.runtime.block_on(self.objects.put_opts(&at, text.into(), options)) {
            Ok(put) => Ok(Put::Done(Version(put.into()))),
            Err(Error::Precondition { .. } | Error::AlreadyExists { .. }) => Ok(Put::Conflict),
            // An index to be replaced that is gone is not as it was, either. Without one it is the bucket that is not there.
            Err(Error::NotFound { .. }) if is_there => Ok(Put::Conflict),
            Err(Error::NotImplemented { .. } | Error::NotSupported { .. }) => {
                Err(CopyError::NoConditionalPut { url: self.url.clone() })
            }
            Err(error) if is_not_implemented(&error) => {
                Err(CopyError::NoConditionalPut { url: self.url.clone() })
            }
            Err(error) => Err(self.failed("write", INDEX)(error)),
        }
    }

    /// The objects that there are, and how long each is.
    pub(crate) fn objects(&self) -> Result<BTreeMap<String, u64>, CopyError> {
        let within = self.at(OBJECTS);
        let listed = self.objects.list(Some(&within)).map_ok(|meta| {
            let parts = meta.location.prefix_match(&self.prefix);
            let object = parts.map(|parts| {
                parts.map(|part| part.as_ref().to_owned()).collect::<Vec<_>>().join("/")
            });
            Some((object?, meta.size))
        });
        let listed: Result<Vec<_>, _> = self.runtime.block_on(listed.try_collect());
        let listed = listed.map_err(self.failed("list", OBJECTS))?;
        Ok(listed.into_iter().flatten().collect())
    }

    /// Uploads the first `bytes` of a file, which have this checksum. `on_part` is called after each part, and says whether
    /// to go on.
    pub(crate) fn upload(
        &self,
        (object, name): (&str, &str),
        (file, bytes, checksum): (&mut File, u64, u32),
        on_part: &mut dyn FnMut(u64) -> bool,
    ) -> Result<(), CopyError> {
        let at = self.at(object);
        let io = |source| CopyError::Io { what: "read", path: name.into(), source };
        file.seek(SeekFrom::Start(0)).map_err(io)?;
        let mut left = bytes;
        let mut hasher = crc32fast::Hasher::new();
        let mut next =
            |hasher: &mut crc32fast::Hasher, left: &mut u64| -> Result<Vec<u8>, CopyError> {
                let mut part = vec![0; (*left).min(PART_BYTES as u64) as usize];
                file.read_exact(&mut part).map_err(io)?;
                hasher.update(&part);
                *left -= part.len() as u64;
                if *left == 0 && hasher.clone().finalize() != checksum {
                    return Err(CopyError::Changed { name: name.to_owned() });
                }
                Ok(part)
            };
        if bytes <= PART_BYTES as u64 {
            let part = next(&mut hasher, &mut left)?;
            let put = self.runtime.block_on(self.objects.put(&at, part.into()));
            put.map_err(self.failed("write", object))?;
            return if on_part(bytes) { Ok(()) } else { Err(CopyError::Stopped) };
        }
        self.runtime.block_on(async {
            let begun = self.objects.put_multipart(&at).await;
            let mut upload = begun.map_err(self.failed("begin", object))?;
            let mut sent = Ok(());
            while left > 0 && sent.is_ok() {
                sent = match next(&mut hasher, &mut left) {
                    Ok(part) => {
                        let bytes = part.len() as u64;
                        let put = upload.put_part(part.into()).await;
                        match put.map_err(self.failed("write a part of", object)) {
                            Ok(()) if on_part(bytes) => Ok(()),
                            Ok(()) => Err(CopyError::Stopped),
                            Err(error) => Err(error),
                        }
                    }
                    Err(error) => Err(error),
                };
            }
            if sent.is_err() {
                let _ = upload.abort().await; // what is left of it is no object
                return sent;
            }
            upload.complete().await.map(drop).map_err(self.failed("complete", object))
        })
    }

    /// Reads an object into a file, whose length and checksum this returns; none if there is no such object.
    pub(crate) fn download(
        &self,
        object: &str,
        (to, path): (&mut File, &FilePath),
    ) -> Result<Option<(u64, u32)>, CopyError> {
        let at = self.at(object);
        self.runtime.block_on(async {
            let got = match self.objects.get(&at).await {
                Ok(got) => got,
                Err(Error::NotFound { .. }) => return Ok(None),
                Err(error) => return Err(self.failed("read", object)(error)),
            };
            let (mut bytes, mut hasher) = (0, crc32fast::Hasher::new());
            let mut parts = got.into_stream();
            while let Some(part) = parts.next().await {
                let part = part.map_err(self.failed("read", object))?;
                hasher.update(&part);
                bytes += part.len() as u64;
                let written = to.write_all(&part);
                written.map_err(|source| CopyError::Io {
                    what: "write",
                    path: path.to_owned(),
                    source,
                })?;
            }
            Ok(Some((bytes, hasher.finalize())))
        })
    }

    /// Removes an object.
    pub(crate) fn remove(&self, object: &str) -> Result<(), CopyError> {
        match self.runtime.block_on(self.objects.delete(&self.at(object))) {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.failed("remove", object)(error)),
        }
    }

    fn at(&self, name: &str) -> Path {
        let parts = self.prefix.parts().map(|part| part.as_ref().to_owned());
        Path::from_iter(parts.chain(name.split('/').map(ToOwned::to_owned)))
    }

    fn failed(&self, what: &'static str, object: &str) -> impl Fn(Error) -> CopyError {
        let (object, url) = (object.to_owned(), self.url.clone());
        move |error| CopyError::Store {
            what,
            object: object.clone(),
            url: url.clone(),
            source: Box::new(error),
        }
    }
}

/// A bucket. Credentials are those of the environment.
fn bucket_of(bucket: &str, options: &StoreOptions) -> Result<Arc<dyn ObjectStore>, String> {
    // TLS asks for a provider of the process. The clients of other servers install the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let retry = RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(100),
            ..BackoffConfig::default()
        },
        max_retries: RETRIES_MAX,
        retry_timeout: REQUEST_TIMEOUT,
    };
    let mut builder = AmazonS3Builder::from_env().with_bucket_name(bucket).with_retry(retry);
    if let Some(region) = &options.region {
        builder = builder.with_region(region);
    }
    let of_environment = [AmazonS3ConfigKey::S3Endpoint, AmazonS3ConfigKey::Endpoint];
    let of_environment = of_environment.iter().find_map(|key| builder.get_config_value(key));
    let mut client = ClientOptions::new();
    if let Some(endpoint) = options.endpoint.clone().or(of_environment) {
        let environment_allows =
            std::env::var("AWS_ALLOW_HTTP").is_ok_and(|allow| allow.eq_ignore_ascii_case("true"));
        check_endpoint(&endpoint, options.allow_http || environment_allows)?;
        client = client.with_allow_http(endpoint.starts_with("http://"));
        builder = builder.with_config(AmazonS3ConfigKey::S3Endpoint, endpoint.as_str());
        builder = builder.with_endpoint(endpoint);
    }
    let client = client.with_connect_timeout(CONNECT_TIMEOUT).with_timeout(REQUEST_TIMEOUT);
    let built = builder.with_client_options(client).build();
    built.map(|store| Arc::new(store) as Arc<dyn ObjectStore>).map_err(|error| error.to_string())
}

/// Whether a server of S3 answered that it does not know what it was asked for.
fn is_not_implemented(error: &(dyn StdError + 'static)) -> bool {
    let mut causes = std::iter::successors(Some(error), |error| (*error).source());
    causes.any(|cause| cause.to_string().contains("<Code>NotImplemented</Code>"))
}
