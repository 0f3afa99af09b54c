//! A Redis server of the test's own, on a free loopback port.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use redis::{Client, Connection};
use tempfile::TempDir;

use crate::end_to_end::binary::poll;

/// A server that runs. It ends with the test.
pub(crate) struct Server {
    folder: TempDir,
    port: u16,
    child: Child,
    options: Vec<String>,
}

/// Whether `redis-server` is here; if not, says that `test` is skipped, unless services are said to be needed.
pub(crate) fn is_here(test: &str) -> bool {
    let found = Command::new("redis-server").arg("--version").stdout(Stdio::null()).status();
    let is_here = found.is_ok_and(|status| status.success());
    if !is_here {
        let needed = std::env::var_os("TICKWEAVE_NEEDS_SERVICES").is_some();
        assert!(!needed, "redis-server is not installed, and TICKWEAVE_NEEDS_SERVICES is set");
        // Past what the test harness captures.
        let text = format!("SKIPPED: {test}, as redis-server is not installed\n");
        std::io::stderr().write_all(text.as_bytes()).unwrap();
    }
    is_here
}

impl Server {
    /// That keeps every write.
    pub(crate) fn durable() -> Server {
        Server::new(&["--appendonly", "yes", "--appendfsync", "always"])
    }

    /// That forgets everything when it is killed.
    pub(super) fn forgetful() -> Server {
        Server::new(&[])
    }

    /// That speaks TLS alone, with the certificate in a folder, and wants a password.
    pub(super) fn secured(certificates: &Path, password: &str) -> Server {
        let [cert, key, ca] = ["leaf.pem", "leaf.key", "ca.pem"]
            .map(|name| certificates.join(name).to_str().unwrap().to_owned());
        let options = [
            ["--tls-cert-file", &cert],
            ["--tls-key-file", &key],
            ["--tls-ca-cert-file", &ca],
            ["--tls-auth-clients", "no"],
            ["--requirepass", password],
        ];
        let server = Server::start(&options.concat(), "--tls-port");
        let listens = || TcpStream::connect(("127.0.0.1", server.port)).ok();
        poll(listens, || format!("redis-server on port {}", server.port));
        server
    }

    fn new(options: &[&str]) -> Server {
        let server = Server::start(options, "--port");
        server.connect();
        server
    }

    fn start(options: &[&str], listens: &str) -> Server {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let number = port.to_string();
        let mut options = [&["--bind", "127.0.0.1", "--save", ""], options].concat();
        // A plain port is there unless it is said that it is not.
        options.extend([["--port", "0"], [listens, &number]].concat());
        let options: Vec<String> = options.into_iter().map(str::to_owned).collect();
        let child = start(folder.path(), &options);
        Server { folder, port, child, options }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// A connection, as soon as it serves.
    pub(crate) fn connect(&self) -> Connection {
        let client = Client::open(self.url()).unwrap();
        let greeted = || {
            let mut connection = client.get_connection().ok()?;
            redis::cmd("PING").exec(&mut connection).ok().map(|()| connection)
        };
        poll(greeted, || format!("redis-server on port {}", self.port))
    }

    /// Kills it without notice, and starts it again in the same place.
    pub(super) fn kill_and_restart(&mut self) {
        self.child.kill().unwrap(); // SIGKILL
        self.child.wait().unwrap();
        self.child = start(self.folder.path(), &self.options);
        self.connect();
    }

    /// Sends it a signal by its name, such as `STOP`.
    pub(super) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill(); // fails only if it has ended
        let _ = self.child.wait();
    }
}

fn start(folder: &Path, options: &[String]) -> Child {
    let mut command = Command::new("redis-server");
    command.args(options).arg("--dir").arg(folder);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}
