use rcgen::{CertificateParams, Issuer, KeyPair};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;

use super::*;

/// Reads one request, sends one answer, and gives back what it read.
async fn answer_once<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, answer: &[u8]) -> String {
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).await.unwrap();
        request.extend(byte);
    }
    // The client may leave early, as it does when an answer is too long.
    drop(stream.write_all(answer).await);
    drop(stream.shutdown().await);
    String::from_utf8(request).unwrap()
}

async fn plain_server(answer: Vec<u8>) -> (Uri, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}/jwks?v=1", listener.local_addr().unwrap()).parse().unwrap();
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        answer_once(stream, &answer).await
    });
    (uri, server)
}

fn ok(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into()
}

async fn fetch(answer: Vec<u8>) -> Result<Bytes, FetchError> {
    let (uri, server) = plain_server(answer).await;
    let fetched = HttpFetch::default().fetch(uri).await;
    server.await.unwrap();
    fetched
}

#[tokio::test]
async fn a_document_is_fetched_by_http() {
    let (uri, server) = plain_server(ok("{}")).await;
    let host = uri.authority().unwrap().to_string();
    assert_eq!(HttpFetch::default().fetch(uri).await.unwrap(), "{}");
    let request = server.await.unwrap();
    assert!(request.starts_with("GET /jwks?v=1 HTTP/1.1\r\n"), "{request}");
    assert!(request.contains(&format!("host: {host}\r\n")), "{request}");
}

#[tokio::test]
async fn any_other_answer_is_an_error() {
    let redirect = b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\n\r\n".to_vec();
    let error = fetch(redirect).await.unwrap_err();
    assert_eq!(error.to_string(), "answered 302 Found");
    let error =
        fetch(b"HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n".to_vec()).await.unwrap_err();
    assert!(matches!(error, FetchError::Status(StatusCode::INTERNAL_SERVER_ERROR)));
    let error = fetch(b"no HTTP at all\r\n\r\n".to_vec()).await.unwrap_err();
    assert!(matches!(error, FetchError::Http(_)));
    let cut_off = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{".to_vec();
    assert!(matches!(fetch(cut_off).await.unwrap_err(), FetchError::Http(_)));
}

#[tokio::test]
async fn a_document_that_is_too_long_is_refused() {
    assert_eq!(fetch(ok(&" ".repeat(KEY_SET_BYTES_MAX))).await.unwrap().len(), KEY_SET_BYTES_MAX);
    let error = fetch(ok(&" ".repeat(KEY_SET_BYTES_MAX + 1))).await.unwrap_err();
    assert!(matches!(error, FetchError::TooLarge), "{error}");
}

#[tokio::test]
async fn an_address_without_a_server_is_an_error() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri: Uri = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
    drop(listener);
    let error = HttpFetch::default().fetch(uri).await.unwrap_err();
    assert!(matches!(error, FetchError::Connect(_)), "{error}");
    let error = HttpFetch::default().fetch("ftp://127.0.0.1/".parse().unwrap()).await.unwrap_err();
    assert!(matches!(error, FetchError::Address), "{error}");
    let error = HttpFetch::default().fetch("/path".parse().unwrap()).await.unwrap_err();
    assert!(matches!(error, FetchError::Address), "{error}");
}

struct Authority {
    roots: RootCertStore,
    server: Arc<ServerConfig>,
}

/// A certificate authority and a server for `localhost` that it vouches for.
fn authority() -> Authority {
    let ca_key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca_certificate = ca.self_signed(&ca_key).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let leaf = leaf.signed_by(&key, &Issuer::new(ca, ca_key)).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(ca_certificate)).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let private = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let server = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.into()], private)
        .unwrap();
    Authority { roots, server: Arc::new(server) }
}

async fn tls_server(config: Arc<ServerConfig>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        // A client that does not trust the certificate ends the handshake.
        if let Ok(stream) = TlsAcceptor::from(config).accept(stream).await {
            answer_once(stream, &ok("{}")).await;
        }
    });
    port
}

#[tokio::test]
async fn a_document_is_fetched_by_https_from_a_trusted_server_only() {
    let authority = authority();
    let trusting = HttpFetch::trusting(authority.roots).unwrap();
    let port = tls_server(Arc::clone(&authority.server)).await;
    let uri = format!("https://localhost:{port}/").parse().unwrap();
    assert_eq!(trusting.fetch(uri).await.unwrap(), "{}");

    let stranger = HttpFetch::trusting(self::authority().roots).unwrap();
    let port = tls_server(Arc::clone(&authority.server)).await;
    let uri = format!("https://localhost:{port}/").parse().unwrap();
    let error = stranger.fetch(uri).await.unwrap_err();
    assert!(matches!(error, FetchError::Tls(_)), "{error}");

    let port = tls_server(authority.server).await;
    let uri = format!("https://127.0.0.1:{port}/").parse().unwrap();
    let error = trusting.fetch(uri).await.unwrap_err();
    assert!(matches!(error, FetchError::Tls(_)), "a certificate for another name: {error}");
}
