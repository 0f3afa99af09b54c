//! TLS: certificates, which are read again when their files change.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use node_api::{Throttle, TlsFiles};
use rustls::crypto::ring;
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;

/// How often the files are looked at.
const EVERY: Duration = Duration::from_secs(5);

/// The certificates of a server. Clones share them.
#[derive(Clone, Debug)]
pub struct Certificates {
    files: Arc<TlsFiles>,
    version: Version,
    config: watch::Sender<Arc<ServerConfig>>,
}

/// When files were changed last, and how long they are; none of a file that cannot be looked at.
type Version = Vec<Option<(SystemTime, u64)>>;

/// Why a server cannot speak TLS. The contents of files are never shown.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file is no PEM, or lacks what it is for.
    #[error("{} has no {what} in PEM", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What was looked for.
        what: &'static str,
        /// The cause.
        source: PemError,
    },
    /// The certificate and the key do not fit, or cannot be used.
    #[error("the certificate in {} and the key in {} cannot be used", certificate.display(), key.display())]
    Certificate {
        /// The certificate.
        certificate: PathBuf,
        /// The key.
        key: PathBuf,
        /// The cause.
        source: rustls::Error,
    },
    /// No client can be verified.
    #[error("clients cannot be verified by {}", path.display())]
    Clients {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: VerifierBuilderError,
    },
}

impl Certificates {
    /// Those in these files.
    pub fn load(files: TlsFiles) -> Result<Certificates, TlsError> {
        let version = version(&files);
        let config = watch::Sender::new(Arc::new(server_config(&files)?));
        Ok(Certificates { files: Arc::new(files), version, config })
    }

    /// Answers the next handshake.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.config.borrow()))
    }

    /// Reads the files again when they change. Connections keep the certificate that they began with. Files that cannot
    /// be used, as while one is new and the other is not yet, are a warning and change nothing.
    pub(super) async fn follow_files(self) {
        let (mut known, mut failures) = (self.version.clone(), Throttle::default());
        loop {
            sleep(EVERY).await;
            let (files, before) = (Arc::clone(&self.files), known.clone());
            let read = tokio::task::spawn_blocking(move || {
                let now = version(&files);
                (now != before).then(|| (now, server_config(&files)))
            });
            match read.await {
                Ok(None) | Err(_) => {}
                Ok(Some((version, Ok(config)))) => {
                    known = version;
                    self.config.send_replace(Arc::new(config));
                    failures.over(Instant::now());
                    let certificate = self.files.certificate.display();
                    tracing::info!("the certificate was read again from {certificate}");
                }
                Ok(Some((_, Err(error)))) => {
                    if let Some(told) = failures.happened(Instant::now()) {
                        let source = std::error::Error::source(&error).map(ToString::to_string);
                        let source = source.unwrap_or_default();
                        tracing::warn!(%error, source, "the certificate stays as it was{told}");
                    }
                }
            }
        }
    }
}

fn version(files: &TlsFiles) -> Version {
    let paths = [Some(&files.certificate), Some(&files.key), files.client_ca.as_ref()];
    let look = |path: &PathBuf| {
        let about = path.metadata().ok()?;
        Some((about.modified().ok()?, about.len()))
    };
    paths.into_iter().flatten().map(look).collect()
}

/// TLS 1.2 and 1.3, HTTP/2 before HTTP/1.1.
fn server_config(files: &TlsFiles) -> Result<ServerConfig, TlsError> {
    let TlsFiles { certificate, key, client_ca } = files;
    let provider = Arc::new(ring::default_provider());
    let unusable = |source| TlsError::Certificate {
        certificate: certificate.clone(),
        key: key.clone(),
        source,
    };
    let chain = certificates(certificate)?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|source| TlsError::Pem {
        path: key.clone(),
        what: "private key",
        source,
    })?;
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_safe_default_protocol_versions().map_err(unusable)?;
    let builder = match client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for root in certificates(path)? {
                roots.add(root).map_err(unusable)?;
            }
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            let verifier =
                verifier.map_err(|source| TlsError::Clients { path: path.clone(), source })?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder.with_single_cert(chain, private).map_err(unusable)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// All certificates of a file, at least one.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let wrong = |source| TlsError::Pem { path: path.to_owned(), what: "certificate", source };
    let all = CertificateDer::pem_file_iter(path).map_err(wrong)?;
    let all: Vec<_> = all.collect::<Result<_, _>>().map_err(wrong)?;
    match all.is_empty() {
        true => Err(wrong(PemError::NoItemsFound)),
        false => Ok(all),
    }
}
