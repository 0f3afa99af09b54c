//! HTTPS of the binary, with a certificate of the test's own.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::{Value, json};
use tungstenite::Message;
use tungstenite::client::IntoClientRequest;

use super::{JOB, create};
use crate::end_to_end::binary::{Going, tickweave};

/// Connects to a server that has the certificate in `folder`.
fn connect(folder: &Path, address: SocketAddr) -> StreamOwned<ClientConnection, TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(folder.join("cert.pem")).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let session = ClientConnection::new(Arc::new(config), name).unwrap();
    StreamOwned::new(session, TcpStream::connect(address).unwrap())
}

fn exchange(folder: &Path, address: SocketAddr, request: &str) -> String {
    let mut stream = connect(folder, address);
    let request = format!("{request}Host: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer
}

#[test]
fn views_are_read_and_followed_over_tls() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let key = create(folder, &["--scopes", "read"]);
    let signed = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    fs::write(folder.join("cert.pem"), signed.cert.pem()).unwrap();
    let private = signed.signing_key.serialize_pem();
    fs::write(folder.join("key.pem"), &private).unwrap();
    let more = "\
[http.tls]
certificate = \"cert.pem\"
key = \"key.pem\"
[[source]]
name = \"venue\"
kind = \"simulated\"
instrument = \"sim:{symbol}\"
symbols = 20
ticks_per_second = 2000
";
    fs::write(folder.join("job.toml"), format!("{JOB}{more}")).unwrap();
    let checked = tickweave(folder, &["check", "job.toml"]);
    assert_eq!(checked.code, Some(0), "{checked:?}");
    let mut going = Going::start(folder, &["run", "job.toml"]);
    going.wait_for("serving https://");
    let err = going.stderr_text();
    let (_, rest) = err.split_once("serving https://").unwrap();
    let address: SocketAddr = rest.split('/').next().unwrap().parse().unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], address.port()));

    let refused = exchange(folder, address, "GET /v1/views HTTP/1.1\r\n");
    assert!(refused.starts_with("HTTP/1.1 401"), "{refused}");
    let bearer = format!("GET /v1/views HTTP/1.1\r\nAuthorization: Bearer {key}\r\n");
    let views = exchange(folder, address, &bearer);
    assert!(views.starts_with("HTTP/1.1 200") && views.contains("candles"), "{views}");
    let mut request =
        format!("wss://localhost:{}/ws", address.port()).into_client_request().unwrap();
    request.headers_mut().insert("authorization", format!("Bearer {key}").parse().unwrap());
    let (mut socket, _) = tungstenite::client(request, connect(folder, address)).unwrap();
    socket
        .send(Message::text(json!({ "op": "subscribe", "id": 1, "view": "trades" }).to_string()))
        .unwrap();
    let (mut updates, mut rows) = (0, 0);
    while updates < 200 {
        let Message::Text(text) = socket.read().unwrap() else { continue };
        let message: Value = serde_json::from_str(&text).unwrap();
        if message["type"] == "update" {
            updates += 1;
            rows += message["upserts"].as_array().map_or(0, Vec::len);
        }
    }
    assert!(rows > 200, "{rows}");

    going.signal("INT");
    let ran = going.end();
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let secret = private.lines().nth(1).unwrap();
    assert!(!ran.err.contains(secret) && !checked.out.contains(secret));
    fs::write(folder.join("key.pem"), "no key").unwrap();
    tickweave(folder, &["check", "job.toml"]).failed(2, &["key.pem has no private key"]);
    tickweave(folder, &["run", "job.toml"]).failed(2, &["key.pem has no private key"]);
}
