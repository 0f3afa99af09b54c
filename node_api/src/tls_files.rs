//! The files of TLS.

use std::path::PathBuf;

/// The files, in PEM, by which a server speaks TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The server's certificate, and those that lead from it to one that clients trust.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Certificates of which one must have signed that of each client; none: clients need none.
    pub client_ca: Option<PathBuf>,
}
