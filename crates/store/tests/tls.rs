//! With `sslmode=verify-full` nothing is said to Postgres before it has shown a certificate that holds.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use aether_store::{Error, Login, Options, Store};
use aether_testkit as testkit;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

const PASSWORD: &str = "only-for-this-test";

/// An authority of its own, and a certificate by it for 127.0.0.1 with its key.
fn make_certificates(folder: &Path) {
    make_certificate(folder, "authority", &[]);
    let by_authority = ["-CA", "authority.crt", "-CAkey", "authority.key"];
    let of_a_server = ["-addext", "basicConstraints=critical,CA:FALSE", "-addext", "subjectAltName=IP:127.0.0.1"];
    make_certificate(folder, "server", &[by_authority, of_a_server].concat());
}

fn make_certificate(folder: &Path, name: &str, arguments: &[&str]) {
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1"])
        .args(["-subj", &format!("/CN={name}"), "-keyout", &format!("{name}.key"), "-out", &format!("{name}.crt")])
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

/// Speaks TLS, and nothing else, for a server whose build can't: where it listens.
async fn tls_before(server: &testkit::Postgres, certificate: &Path) -> String {
    let chain = vec![CertificateDer::from_pem_file(certificate.join("server.crt")).unwrap()];
    let key = PrivateKeyDer::from_pem_file(certificate.join("server.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(chain, key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let front = listener.local_addr().unwrap().to_string();
    let behind = place(server);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (acceptor, behind) = (acceptor.clone(), behind.clone());
            tokio::spawn(async move {
                let mut asked = [0; 8];
                stream.read_exact(&mut asked).await.unwrap();
                assert_eq!(asked, [0, 0, 0, 8, 4, 210, 22, 47], "the request for TLS comes first");
                stream.write_all(b"S").await.unwrap();
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut server = TcpStream::connect(behind).await.unwrap();
                let _ = copy_bidirectional(&mut stream, &mut server).await;
            });
        }
    });
    server.url.replace(&place(server), &front)
}

fn place(server: &testkit::Postgres) -> String {
    url::Url::parse(&server.url).unwrap().socket_addrs(|| None).unwrap()[0].to_string()
}

async fn ready(url: &str, authority: &Path) -> Result<(), Error> {
    let login = Login::Brain.url(url, PASSWORD).unwrap();
    let url = format!("{login}?sslmode=verify-full&sslrootcert={}/authority.crt", authority.display());
    Store::connect(&Options::new(url)).unwrap().ready().await
}

#[tokio::test]
async fn only_a_server_with_the_right_certificate_is_spoken_to() {
    let server = testkit::postgres().await;
    Store::migrate(&server.url, |_| PASSWORD.to_owned()).await.unwrap();
    let (own, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    make_certificates(own.path());
    make_certificates(other.path());
    let front = tls_before(&server, own.path()).await;
    ready(&front, own.path()).await.unwrap();
    for (url, authority, why) in [
        (server.url.clone(), own.path(), "it speaks no TLS"),
        (front.clone(), other.path(), "its certificate is of another authority"),
        (front.replace("127.0.0.1", "localhost"), own.path(), "its certificate is for another name"),
    ] {
        let refused = ready(&url, authority).await;
        assert!(matches!(refused, Err(Error::Unavailable(_))), "{why}: {refused:?}");
    }
}
