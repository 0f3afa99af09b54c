//! HTTPS over real sockets: protocols, certificates of clients, new certificates, and WebSockets.

use std::fs;
use std::net::{SocketAddr, TcpStream as StdTcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use market::BarState;
use node_api::TlsFiles;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;
use tungstenite::Message;

use super::Server;
use super::sockets::Running;
use crate::{Certificates, Limits};

/// Far longer than anything here takes.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A certificate authority in a folder, and what it has signed.
struct Authority {
    folder: TempDir,
    issuer: Issuer<'static, KeyPair>,
    root: String,
}

impl Authority {
    fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let root = params.self_signed(&key).unwrap().pem();
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("ca.pem"), &root).unwrap();
        Authority { folder, issuer: Issuer::new(params, key), root }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A new certificate and its key.
    fn sign(&self) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    /// Files of a server with a new certificate.
    fn files(&self, client_ca: bool) -> TlsFiles {
        let (certificate, key) = self.sign();
        fs::write(self.path("cert.pem"), certificate).unwrap();
        fs::write(self.path("key.pem"), key).unwrap();
        TlsFiles {
            certificate: self.path("cert.pem"),
            key: self.path("key.pem"),
            client_ca: client_ca.then(|| self.path("ca.pem")),
        }
    }

    /// A client that trusts it and speaks these protocols.
    fn client(&self, protocols: &[&str], own: Option<(String, String)>) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.root.as_bytes()).unwrap()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        let builder = builder.with_root_certificates(roots);
        let mut config = match own {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        };
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        Arc::new(config)
    }
}

async fn running(files: TlsFiles) -> Running {
    let mut server = Server::new();
    server.bar("a:B", "1m", "2024-08-09T12:00:00Z", 1, BarState::Open);
    server.context.tls = Some(Certificates::load(files).unwrap());
    Running::new(&server, Limits::default()).await
}

fn localhost() -> ServerName<'static> {
    ServerName::try_from("localhost").unwrap()
}

/// The protocol that was agreed on, and all that comes back after `sent`; an error if the handshake fails.
async fn exchange(
    address: SocketAddr,
    client: Arc<ClientConfig>,
    sent: &[u8],
    enough: impl Fn(&[u8]) -> bool,
) -> std::io::Result<(Option<Vec<u8>>, Vec<u8>)> {
    let tcp = TcpStream::connect(address).await?;
    let mut stream = TlsConnector::from(client).connect(localhost(), tcp).await?;
    stream.write_all(sent).await?;
    let (mut got, mut part) = (Vec::new(), [0; 4096]);
    while !enough(&got) {
        let read = timeout(TIMEOUT, stream.read(&mut part)).await.expect("nothing comes")?;
        if read == 0 {
            break;
        }
        got.extend_from_slice(&part[..read]);
    }
    let protocol = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
    Ok((protocol, got))
}

const GET: &[u8] = b"GET /v1/candles/a:B HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";

#[tokio::test]
async fn both_protocols_are_spoken_over_tls() {
    let authority = Authority::new();
    let running = running(authority.files(false)).await;
    for (offered, agreed) in
        [(&["http/1.1"][..], Some("http/1.1")), (&["h2", "http/1.1"], Some("h2")), (&[], None)]
    {
        let client = authority.client(offered, None);
        // Over HTTP/2 its preface and an empty SETTINGS frame; the server sends its own.
        let sent = match agreed {
            Some("h2") => &b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"[..],
            _ => GET,
        };
        let is_h2 = agreed == Some("h2");
        let enough = |got: &[u8]| is_h2 && got.len() >= 9;
        let (protocol, got) = exchange(running.addr, client, sent, enough).await.unwrap();
        assert_eq!(protocol.as_deref(), agreed.map(str::as_bytes));
        match is_h2 {
            true => assert_eq!(got[3], 4, "a frame of settings"),
            false => {
                let text = String::from_utf8_lossy(&got);
                assert!(text.starts_with("HTTP/1.1 200") && text.contains("a:B"), "{text}");
            }
        }
    }
    // Whoever speaks no TLS gets no answer.
    let mut plain = TcpStream::connect(running.addr).await.unwrap();
    plain.write_all(GET).await.unwrap();
    let mut answer = Vec::new();
    let _ = timeout(TIMEOUT, plain.read_to_end(&mut answer)).await.unwrap();
    assert!(!String::from_utf8_lossy(&answer).contains("HTTP"), "{answer:?}");
}

#[tokio::test]
async fn clients_may_have_to_show_a_certificate() {
    let authority = Authority::new();
    let running = running(authority.files(true)).await;
    let never = |_: &[u8]| false;
    let own = authority.client(&[], Some(authority.sign()));
    let (_, got) = exchange(running.addr, own, GET, never).await.unwrap();
    assert!(got.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&got));
    let foreign = Authority::new().sign();
    for client in [None, Some(foreign)] {
        let client = authority.client(&[], client);
        let refused = exchange(running.addr, client, GET, never).await;
        assert!(refused.is_err() || refused.unwrap().1.is_empty(), "it is answered");
    }
}

#[tokio::test]
async fn a_new_certificate_counts_without_a_restart() {
    let authority = Authority::new();
    let running = running(authority.files(false)).await;
    let client = authority.client(&[], None);
    let shown = || async {
        let tcp = TcpStream::connect(running.addr).await.unwrap();
        let connector = TlsConnector::from(Arc::clone(&client));
        let stream = connector.connect(localhost(), tcp).await.unwrap();
        stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
    };
    let first = shown().await;
    // A certificate without its key changes nothing.
    fs::write(authority.path("cert.pem"), authority.sign().0).unwrap();
    sleep(Duration::from_secs(6)).await;
    assert_eq!(shown().await, first);
    authority.files(false);
    let began = Instant::now();
    while shown().await == first {
        assert!(began.elapsed() < TIMEOUT, "it is not read");
        sleep(Duration::from_millis(200)).await;
    }
}

#[test]
fn what_is_wrong_with_files_is_said() {
    let authority = Authority::new();
    let good = authority.files(true);
    let (other, _) = authority.sign();
    fs::write(authority.path("other.pem"), other).unwrap();
    let (other, none) = (authority.path("other.pem"), authority.path("none.pem"));
    let (certificate, key) = (good.certificate.clone(), good.key.clone());
    for (files, says) in [
        (TlsFiles { certificate: none.clone(), ..good.clone() }, "none.pem has no certificate"),
        (TlsFiles { certificate: key, ..good.clone() }, "key.pem has no certificate"),
        (TlsFiles { key: certificate, ..good.clone() }, "cert.pem has no private key"),
        (TlsFiles { certificate: other, ..good.clone() }, "cannot be used"),
        (TlsFiles { client_ca: Some(none), ..good }, "none.pem has no certificate"),
    ] {
        let error = Certificates::load(files).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}

#[tokio::test]
async fn a_socket_over_tls_is_answered() {
    let authority = Authority::new();
    let running = running(authority.files(false)).await;
    let (address, client) = (running.addr, authority.client(&["http/1.1"], None));
    let asked = tokio::task::spawn_blocking(move || {
        let session = ClientConnection::new(client, localhost()).unwrap();
        let stream = StreamOwned::new(session, StdTcpStream::connect(address).unwrap());
        let (mut socket, _) = tungstenite::client("wss://localhost/ws", stream).unwrap();
        let welcome = socket.read().unwrap().into_text().unwrap();
        assert!(welcome.contains("\"type\":\"welcome\""), "{welcome}");
        for id in 0..100 {
            socket.send(Message::text(json!({ "op": "ping", "id": id }).to_string())).unwrap();
        }
        for id in 0..100 {
            let answer = match socket.read().unwrap() {
                Message::Text(text) => serde_json::from_str::<Value>(&text).unwrap(),
                other => panic!("{other:?}"),
            };
            assert_eq!((&answer["type"], &answer["id"]), (&json!("pong"), &json!(id)));
        }
        socket.close(None).unwrap();
        while socket.read().is_ok() {}
    });
    timeout(TIMEOUT, asked).await.unwrap().unwrap();
    assert_eq!(running.stopped().await.cut, 0);
}
