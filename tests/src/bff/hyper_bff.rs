//! Upstreams that speak HTTP as it should be spoken, HTTP/2 among it.

use std::{convert::Infallible, future::Future, sync::Arc};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;

use super::Bff;
use crate::client::{Body, BoxError};

/// What a handler answers.
pub type Handled = Response<Body>;

/// An answer with a body of known length.
pub fn respond(status: u16, body: impl Into<Bytes>) -> Handled {
    let body = Full::new(body.into()).map_err(Into::<BoxError>::into).boxed_unsync();
    Response::builder().status(status).body(body).unwrap()
}

impl Bff {
    /// Serves HTTP/1.1 and HTTP/2 with prior knowledge by a handler. Requests are not recorded.
    pub async fn http<F, Fut>(handler: F) -> Self
    where
        F: Fn(Request<Incoming>) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Handled> + Send + 'static,
    {
        Self::raw(move |connection| serve(connection.into_stream(), handler.clone())).await
    }

    /// As [`Bff::http`], by TLS. A client with which there is none is left alone.
    pub async fn https<F, Fut>(tls: ServerConfig, handler: F) -> Self
    where
        F: Fn(Request<Incoming>) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Handled> + Send + 'static,
    {
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        Self::raw(move |connection| {
            let (acceptor, handler) = (acceptor.clone(), handler.clone());
            async move {
                if let Ok(stream) = acceptor.accept(connection.into_stream()).await {
                    serve(stream, handler).await;
                }
            }
        })
        .await
    }
}

async fn serve<S, F, Fut>(stream: S, handler: F)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    F: Fn(Request<Incoming>) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Handled> + Send + 'static,
{
    let answer = service_fn(move |request| {
        let answered = handler(request);
        async move { Ok::<_, Infallible>(answered.await) }
    });
    let builder = auto::Builder::new(TokioExecutor::new());
    // How a connection ends is for the edge's side of it to tell.
    drop(builder.serve_connection_with_upgrades(TokioIo::new(stream), answer).await);
}
