//! Fetches key sets by HTTP.

use std::{fmt, io, pin::Pin, sync::Arc};

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::OnceCell,
    task::JoinSet,
};
use tokio_rustls::TlsConnector;

use crate::tls::machine_roots;

/// Bytes of a key set. A key takes less than 2 KiB, with its certificates less than 10.
pub(super) const KEY_SET_BYTES_MAX: usize = 1024 * 1024;

/// A fetch that is under way.
pub type Fetch<'a> = Pin<Box<dyn Future<Output = Result<Bytes, FetchError>> + Send + 'a>>;

/// Asks the servers of identity sources. Whoever calls bounds the time.
pub trait FetchKeys: fmt::Debug + Send + Sync {
    /// Fetches the document at an `http` or `https` address.
    fn fetch(&self, uri: Uri) -> Fetch<'_>;

    /// Sends a request to its `http` or `https` address, and reads the answer's body.
    fn ask(&self, question: Request<Bytes>) -> Fetch<'_>;
}

/// A key set that can't be fetched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// An address that is neither `http` nor `https`, or without host.
    #[error("not an http or https address")]
    Address,
    /// No connection.
    #[error("can't connect: {0}")]
    Connect(#[source] io::Error),
    /// No TLS on the connection: most often a certificate that is not trusted.
    #[error("no TLS connection: {0}")]
    Tls(#[source] io::Error),
    /// The certificates that this machine trusts can't be read.
    #[error("no trusted certificates: {0}")]
    Roots(#[source] io::Error),
    /// The exchange broke off.
    #[error("exchange failed: {0}")]
    Http(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// An answer other than 200. Redirects are not followed: they would let the issuer's server
    /// choose whose keys are trusted.
    #[error("answered {0}")]
    Status(StatusCode),
    /// A document that is too long.
    #[error("longer than {KEY_SET_BYTES_MAX} bytes")]
    TooLarge,
}

/// Fetches by HTTP/1.1, each time on a connection of its own.
///
/// Trusts the certificates that the machine trusts, because companies sign their own issuers'.
#[derive(Debug, Default)]
pub struct HttpFetch {
    tls: OnceCell<Arc<ClientConfig>>,
}

impl HttpFetch {
    #[cfg(test)]
    fn trusting(roots: RootCertStore) -> Result<Self, FetchError> {
        Ok(Self { tls: OnceCell::new_with(Some(client_config(roots)?)) })
    }

    async fn send(&self, request: Request<Bytes>) -> Result<Bytes, FetchError> {
        let uri = request.uri().clone();
        let host = uri.host().ok_or(FetchError::Address)?;
        // An IPv6 address has brackets in a URI, and none elsewhere.
        let name = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let connect = |port| TcpStream::connect((name.clone(), uri.port_u16().unwrap_or(port)));
        match uri.scheme_str() {
            Some("http") => {
                let stream = connect(80).await.map_err(FetchError::Connect)?;
                exchange(stream, request).await
            }
            Some("https") => {
                let config = self.tls.get_or_try_init(platform_config).await?;
                let stream = connect(443).await.map_err(FetchError::Connect)?;
                let name = ServerName::try_from(name).map_err(|_| FetchError::Address)?;
                let connector = TlsConnector::from(Arc::clone(config));
                let stream = connector.connect(name, stream).await.map_err(FetchError::Tls)?;
                exchange(stream, request).await
            }
            _ => Err(FetchError::Address),
        }
    }
}

impl FetchKeys for HttpFetch {
    fn fetch(&self, uri: Uri) -> Fetch<'_> {
        Box::pin(async {
            let accept = "application/jwk-set+json, application/json";
            let request = Request::get(uri).header(header::ACCEPT, accept).body(Bytes::new());
            self.send(request.map_err(http_error)?).await
        })
    }

    fn ask(&self, question: Request<Bytes>) -> Fetch<'_> {
        Box::pin(self.send(question))
    }
}

async fn exchange<S>(stream: S, request: Request<Bytes>) -> Result<Bytes, FetchError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(http_error)?;
    // The set drops the connection with this future.
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let (mut parts, body) = request.into_parts();
    let authority = parts.uri.authority().ok_or(FetchError::Address)?.as_str();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    parts.headers.insert(header::HOST, HeaderValue::try_from(host).map_err(http_error)?);
    let agent = HeaderValue::from_static(concat!("headgate/", env!("CARGO_PKG_VERSION")));
    parts.headers.insert(header::USER_AGENT, agent);
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    parts.uri = path.parse().map_err(http_error)?;
    let request = Request::from_parts(parts, Full::new(body));
    let response = sender.send_request(request).await.map_err(http_error)?;
    if response.status() != StatusCode::OK {
        return Err(FetchError::Status(response.status()));
    }
    let body = Limited::new(response.into_body(), KEY_SET_BYTES_MAX).collect().await;
    let body = body.map_err(|error| match error.downcast::<LengthLimitError>() {
        Ok(_) => FetchError::TooLarge,
        Err(error) => FetchError::Http(error),
    })?;
    Ok(body.to_bytes())
}

/// Reads the certificates that the machine trusts, once and away from the threads that serve.
async fn platform_config() -> Result<Arc<ClientConfig>, FetchError> {
    let loaded = tokio::task::spawn_blocking(machine_roots).await;
    client_config(loaded.map_err(io::Error::other).flatten().map_err(FetchError::Roots)?)
}

fn client_config(roots: impl Into<Arc<RootCertStore>>) -> Result<Arc<ClientConfig>, FetchError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| FetchError::Tls(io::Error::other(error)))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

fn http_error(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> FetchError {
    FetchError::Http(error.into())
}

#[cfg(test)]
mod tests;
