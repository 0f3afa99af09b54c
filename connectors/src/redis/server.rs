//! Which server, and how to reach it. No password is ever shown.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use redis::{Client, Connection, ConnectionAddr, ConnectionInfo, ErrorKind, IntoConnectionInfo};
use redis::{RedisError, ServerErrorKind, TlsCertificates};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::secret::{SecretPlace, secret_in_url};
use crate::source::SourceError;
use crate::typed_config::typed;

/// A connection is made, greeted and authenticated within this time.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// A server that has not answered for this long is lost.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);

/// The keys of a configuration that say which server is meant.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerConfig {
    /// `redis://HOST:PORT/DATABASE`, or `rediss://…` for TLS. It holds neither user nor password: a configuration is shown
    /// and recorded.
    url: String,
    /// The name of the user. Default: that of the server.
    user: Option<String>,
    /// The name of the environment variable that holds the password. Default: none.
    password_env: Option<String>,
    /// The file that holds the password, which is read anew for each connection. Default: none.
    password_file: Option<PathBuf>,
    /// The file of certificates (PEM) that a TLS server is held to. Default: those of the system.
    ca_file: Option<PathBuf>,
}

/// The keys of [`ServerConfig`].
const KEYS: [&str; 5] = ["url", "user", "password_env", "password_file", "ca_file"];

impl ServerConfig {
    /// A server at `url` that asks for no password.
    pub(super) fn open(url: String) -> ServerConfig {
        ServerConfig { url, user: None, password_env: None, password_file: None, ca_file: None }
    }

    /// Takes its own keys out of what is written; gives the rest.
    pub fn split(
        mut written: Map<String, Value>,
    ) -> Result<(ServerConfig, Map<String, Value>), String> {
        let own = KEYS.into_iter().filter_map(|key| written.remove_entry(key)).collect();
        let config = typed(Value::Object(own))?;
        Ok((config, written))
    }
}

impl fmt::Debug for ServerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerConfig")
    }
}

/// A server that connections can be made to.
pub struct Server {
    info: ConnectionInfo,
    password: Option<SecretPlace>,
    ca_file: Option<PathBuf>,
    /// Scheme, host, port and database.
    shown: String,
}

impl Server {
    /// Checks what is written; relative paths start at `folder`. Connects to nothing, and asks for no
    /// password: recordings are replayed where neither exists.
    pub fn check(config: ServerConfig, folder: &Path) -> Result<Server, String> {
        let ServerConfig { url, user, password_env, password_file, ca_file } = config;
        if let Some(what) = secret_in_url(&url) {
            return Err(format!(
                "`url` holds {what}, which may be a secret, and a configuration is shown and recorded; write \
                 redis://HOST:PORT/DATABASE, the name as `user`, and where the password is as `password_env` or \
                 `password_file`"
            ));
        }
        let info = url.as_str().into_connection_info().map_err(|error| {
            format!(
                "`url` cannot be read ({}); write redis://HOST:PORT/DATABASE, or rediss://… for TLS",
                describe(&error)
            )
        })?;
        let info = match user {
            Some(user) => {
                let settings = info.redis_settings().clone().set_username(user);
                info.set_redis_settings(settings)
            }
            None => info,
        };
        let database = info.redis_settings().db();
        let shown = match info.addr() {
            ConnectionAddr::Tcp(host, port) => format!("redis://{host}:{port}/{database}"),
            ConnectionAddr::TcpTls { host, port, .. } => {
                format!("rediss://{host}:{port}/{database}")
            }
            _ => return Err("`url` must begin with redis:// or rediss://".to_owned()),
        };
        if ca_file.is_some() && !shown.starts_with("rediss://") {
            return Err("`ca_file` is for TLS, and `url` does not begin with rediss://".to_owned());
        }
        let password = match (password_env, password_file) {
            (None, None) => None,
            (Some(name), None) => Some(SecretPlace::Env(name)),
            (None, Some(path)) => Some(SecretPlace::File(folder.join(path))),
            (Some(_), Some(_)) => {
                return Err(
                    "`password_env` and `password_file` are both given; write one".to_owned()
                );
            }
        };
        Ok(Server { info, password, ca_file: ca_file.map(|path| folder.join(path)), shown })
    }

    /// Makes a connection whose client name at the server is `name`.
    pub fn connect(&self, name: &str) -> Result<Connection, RedisFailure> {
        let client = self.client().map_err(RedisFailure::Permanent)?;
        let connect = || {
            let mut connection = client.get_connection_with_timeout(CONNECT_TIMEOUT)?;
            connection.set_read_timeout(Some(ANSWER_TIMEOUT))?;
            connection.set_write_timeout(Some(ANSWER_TIMEOUT))?;
            // For people who look at the list of clients; not every user may set it.
            let named = redis::cmd("CLIENT").arg("SETNAME").arg(name).exec(&mut connection);
            named.or_else(may_not)?;
            // A server that is still loading its data answers nothing else.
            redis::cmd("PING").exec(&mut connection).or_else(may_not)?;
            Ok(connection)
        };
        connect().map_err(|error| RedisFailure::of(&error))
    }

    fn client(&self) -> Result<Client, String> {
        let read = |path: &Path| {
            std::fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))
        };
        let password = self.password.as_ref().map(SecretPlace::read).transpose()?;
        let mut info = self.info.clone();
        if let Some(password) = password {
            let settings = info.redis_settings().clone().set_password(password.reveal());
            info = info.set_redis_settings(settings);
        }
        // The process may have chosen a provider already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = match &self.ca_file {
            None => Client::open(info),
            Some(path) => {
                let root_cert = Some(read(path)?);
                Client::build_with_tls(info, TlsCertificates { client_tls: None, root_cert })
            }
        };
        client.map_err(|error| describe(&error))
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Server({})", self.shown)
    }
}

/// Whether a system call was interrupted, as by a stop of the process: the connection is as good as before.
pub(super) fn is_interrupted(error: &RedisError) -> bool {
    let cause = std::error::Error::source(error);
    let cause =
        cause.and_then(|cause| cause.downcast_ref::<Arc<dyn std::error::Error + Send + Sync>>());
    let cause = cause.and_then(|cause| cause.downcast_ref::<io::Error>());
    cause.is_some_and(|cause| cause.kind() == io::ErrorKind::Interrupted)
}

/// Why a server did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedisFailure {
    /// The same may go well later: it is not there, does not answer, or is not ready.
    Transient(String),
    /// Asking again does not help: what was asked is wrong.
    Permanent(String),
}

impl RedisFailure {
    /// What an error means. A password that was refused may have been changed since, and is passing.
    pub fn of(error: &RedisError) -> RedisFailure {
        let is_wrong = matches!(
            error.kind(),
            ErrorKind::InvalidClientConfig
                | ErrorKind::UnexpectedReturnType
                | ErrorKind::Server(
                    ServerErrorKind::ResponseError
                        | ServerErrorKind::Moved
                        | ServerErrorKind::Ask
                        | ServerErrorKind::CrossSlot
                )
        );
        let detail = describe(error);
        // A key may be of another kind for a moment, and a server full.
        let may_pass = ["max number of clients", "WRONGTYPE"];
        match is_wrong && !may_pass.iter().any(|part| detail.contains(part)) {
            true => RedisFailure::Permanent(detail),
            false => RedisFailure::Transient(detail),
        }
    }

    /// In words.
    pub fn into_message(self) -> String {
        match self {
            RedisFailure::Transient(words) | RedisFailure::Permanent(words) => words,
        }
    }
}

/// What the server calls a reader: without blanks.
pub(super) fn client_name(source: &str, partition: u32) -> String {
    let name: String = source.chars().map(|c| if c.is_ascii_graphic() { c } else { '_' }).collect();
    format!("tickweave:{name}:{partition}")
}

/// The error of a source for a failure of one partition.
pub(super) fn server_error(
    source: &str,
    server: &Server,
    partition: &str,
    failure: RedisFailure,
) -> SourceError {
    let retryable = matches!(failure, RedisFailure::Transient(_));
    let problem = format!("\"{partition}\" of {server}: {}", failure.into_message());
    SourceError::Server { name: source.to_owned(), problem, retryable }
}

/// A user who may not ask is answered, and that will do.
fn may_not(error: RedisError) -> Result<(), RedisError> {
    match error.kind() {
        ErrorKind::Server(ServerErrorKind::NoPerm | ServerErrorKind::ResponseError) => Ok(()),
        _ => Err(error),
    }
}

/// An error in words; a timeout with its duration.
fn describe(error: &RedisError) -> String {
    match error.is_timeout() {
        true => format!("no answer within {} s", ANSWER_TIMEOUT.as_secs()),
        false => error.to_string(),
    }
}
