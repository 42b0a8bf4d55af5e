//! gRPC, with tonic at both ends and the edge between them.

use std::{net::SocketAddr, sync::Arc};

use headgate_tests::{
    Bff, Edge, Site, bff,
    bff::Handled,
    identity::{ACCOUNTS, Key, jwks},
    tls::Authority,
    within,
};
use http::Request as HttpRequest;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::sync::mpsc;
use tonic::{
    Code, Request, Response, Status, Streaming,
    client::Grpc,
    codegen::tokio_stream::{self, Stream, StreamExt, wrappers::ReceiverStream},
    metadata::MetadataValue,
    transport::{Channel, Endpoint, Uri},
};
use tonic_prost::ProstCodec;
use tower::service_fn;

#[derive(Clone, PartialEq, prost::Message)]
struct Word {
    #[prost(string, tag = "1")]
    text: String,
}

fn word(text: &str) -> Word {
    Word { text: text.to_owned() }
}

type Codec = ProstCodec<Word, Word>;
type Words = std::pin::Pin<Box<dyn Stream<Item = Result<Word, Status>> + Send>>;

async fn say(request: Request<Word>) -> Result<Response<Word>, Status> {
    let passport = request.metadata().contains_key("headgate-passport");
    let mut response = Response::new(word(&format!("hello {}", request.get_ref().text)));
    response
        .metadata_mut()
        .insert("x-passport", if passport { "yes" } else { "no" }.parse().unwrap());
    Ok(response)
}

async fn fail(request: Request<Word>) -> Result<Response<Word>, Status> {
    let mut status = Status::failed_precondition(format!("no {}", request.get_ref().text));
    status.metadata_mut().insert("x-why", MetadataValue::from_static("because"));
    Err(status)
}

async fn repeat(request: Request<Word>) -> Result<Response<Words>, Status> {
    let words: Vec<_> =
        (0..100).map(|at| Ok(word(&format!("{} {at}", request.get_ref().text)))).collect();
    Ok(Response::new(Box::pin(tokio_stream::iter(words))))
}

async fn break_off(_: Request<Word>) -> Result<Response<Words>, Status> {
    let words = [Ok(word("one")), Err(Status::data_loss("after one"))];
    Ok(Response::new(Box::pin(tokio_stream::iter(words))))
}

async fn count(request: Request<Streaming<Word>>) -> Result<Response<Word>, Status> {
    let mut words = request.into_inner();
    let mut count = 0;
    while let Some(next) = words.next().await {
        next?;
        count += 1;
    }
    Ok(Response::new(word(&count.to_string())))
}

async fn chat(request: Request<Streaming<Word>>) -> Result<Response<Words>, Status> {
    let answers =
        request.into_inner().map(|said| said.map(|said| word(&format!("re: {}", said.text))));
    Ok(Response::new(Box::pin(answers)))
}

async fn serve(request: HttpRequest<Incoming>) -> Handled {
    let mut grpc = tonic::server::Grpc::new(Codec::default());
    let path = request.uri().path().to_owned();
    let response = match path.as_str() {
        "/echo.Echo/Say" => grpc.unary(service_fn(say), request).await,
        "/echo.Echo/Fail" => grpc.unary(service_fn(fail), request).await,
        "/echo.Echo/Repeat" => grpc.server_streaming(service_fn(repeat), request).await,
        "/echo.Echo/BreakOff" => grpc.server_streaming(service_fn(break_off), request).await,
        "/echo.Echo/Count" => grpc.client_streaming(service_fn(count), request).await,
        "/echo.Echo/Chat" => grpc.streaming(service_fn(chat), request).await,
        _ => Status::unimplemented(path).into_http(),
    };
    response.map(|body| body.map_err(Into::into).boxed_unsync())
}

fn site(bff: &Bff, route_lines: &str) -> Site {
    Site::with_route(bff, "protocol = \"h2c\"", route_lines)
}

async fn plain(edge: &Edge) -> Grpc<Channel> {
    let channel = Endpoint::from_shared(format!("http://{}", edge.plain())).unwrap();
    Grpc::new(within("the channel", channel.connect()).await.unwrap())
}

async fn tls(address: SocketAddr, authority: Authority) -> Grpc<Channel> {
    let authority = Arc::new(authority);
    let connector = service_fn(move |_: Uri| {
        let authority = Arc::clone(&authority);
        async move {
            let stream = authority.connect(address, "localhost", &["h2"]).await;
            Ok::<_, std::io::Error>(TokioIo::new(stream))
        }
    });
    let endpoint =
        Endpoint::from_static("http://localhost").origin(Uri::from_static("https://localhost"));
    Grpc::new(within("the channel", endpoint.connect_with_connector(connector)).await.unwrap())
}

fn path(name: &str) -> http::uri::PathAndQuery {
    format!("/echo.Echo/{name}").parse().unwrap()
}

async fn unary(
    grpc: &mut Grpc<Channel>,
    name: &str,
    request: Request<Word>,
) -> Result<Response<Word>, Status> {
    grpc.ready().await.unwrap();
    within("the call", grpc.unary(request, path(name), Codec::default())).await
}

async fn conversation(mut grpc: Grpc<Channel>) {
    let reply = unary(&mut grpc, "Say", Request::new(word("tv"))).await.unwrap();
    assert_eq!(reply.get_ref().text, "hello tv");
    assert!(reply.metadata().contains_key("headgate-trace-id"));

    let status = unary(&mut grpc, "Fail", Request::new(word("tea"))).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::FailedPrecondition, "no tea"));
    assert_eq!(status.metadata().get("x-why").unwrap(), "because");

    grpc.ready().await.unwrap();
    let request = Request::new(word("n"));
    let called = grpc.server_streaming(request, path("Repeat"), Codec::default());
    let mut words: Streaming<Word> = within("the call", called).await.unwrap().into_inner();
    let mut count = 0;
    while let Some(next) = within("a word", words.message()).await.unwrap() {
        assert_eq!(next.text, format!("n {count}"));
        count += 1;
    }
    assert_eq!(count, 100);

    grpc.ready().await.unwrap();
    let said = tokio_stream::iter((0..50).map(|at| word(&at.to_string())));
    let called = grpc.client_streaming(Request::new(said), path("Count"), Codec::default());
    let reply: Response<Word> = within("the call", called).await.unwrap();
    assert_eq!(reply.get_ref().text, "50");
}

#[tokio::test]
async fn calls_pass_on_the_plain_listener() {
    let bff = Bff::http(serve).await;
    let edge = site(&bff, "").start().await;

    conversation(plain(&edge).await).await;
}

#[tokio::test]
async fn calls_pass_on_the_tls_listener() {
    let (bff, authority) = (Bff::http(serve).await, Authority::default());
    let edge = site(&bff, "").tls(&authority, &["localhost"]).start().await;

    conversation(tls(edge.tls(), authority).await).await;
}

#[tokio::test]
async fn words_of_a_chat_arrive_one_by_one() {
    let bff = Bff::http(serve).await;
    // The route's timeout is for the time to the first answer: a chat may last.
    let edge = site(&bff, "timeout = \"500ms\"").start().await;
    let mut grpc = plain(&edge).await;
    grpc.ready().await.unwrap();
    let (tell, told) = mpsc::channel(1);

    let called =
        grpc.streaming(Request::new(ReceiverStream::new(told)), path("Chat"), Codec::default());
    let mut answers: Streaming<Word> = within("the call", called).await.unwrap().into_inner();
    for at in 0..5 {
        tell.send(word(&at.to_string())).await.unwrap();
        let answer = within("an answer", answers.message()).await.unwrap().unwrap();
        assert_eq!(answer.text, format!("re: {at}"));
    }
    let silence =
        tokio::time::timeout(std::time::Duration::from_millis(800), answers.message()).await;
    assert!(silence.is_err(), "cut off: {silence:?}");
    tell.send(word("still here")).await.unwrap();
    assert_eq!(
        within("an answer", answers.message()).await.unwrap().unwrap().text,
        "re: still here"
    );
    drop(tell);
    assert!(within("the end", answers.message()).await.unwrap().is_none());
}

#[tokio::test]
async fn status_behind_a_stream_arrives() {
    let bff = Bff::http(serve).await;
    let edge = site(&bff, "").start().await;
    let mut grpc = plain(&edge).await;
    grpc.ready().await.unwrap();

    let request = Request::new(word("x"));
    let called = grpc.server_streaming(request, path("BreakOff"), Codec::default());
    let mut words: Streaming<Word> = within("the call", called).await.unwrap().into_inner();

    assert_eq!(words.message().await.unwrap().unwrap().text, "one");
    let status = words.message().await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::DataLoss, "after one"));
}

#[tokio::test]
async fn token_in_the_metadata_becomes_a_passport() {
    let (bff, key) = (Bff::http(serve).await, Key::p256("1"));
    let edge = site(&bff, "auth = \"accounts\"")
        .file("jwks.json", jwks(&[&key]))
        .platform(ACCOUNTS)
        .start()
        .await;
    let mut grpc = plain(&edge).await;

    let mut request = Request::new(word("tv"));
    let value = format!("Bearer {}", key.token()).parse().unwrap();
    request.metadata_mut().insert("authorization", value);
    let reply = unary(&mut grpc, "Say", request).await.unwrap();
    assert_eq!(reply.metadata().get("x-passport").unwrap(), "yes");

    let status = unary(&mut grpc, "Say", Request::new(word("tv"))).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated, "{status:?}");
}

#[tokio::test]
async fn dead_upstream_is_unavailable() {
    let gone = bff::refusing();
    let edge = Site::to_endpoints(&[&gone], "protocol = \"h2c\"", "").start().await;

    let status = unary(&mut plain(&edge).await, "Say", Request::new(word("tv"))).await.unwrap_err();

    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
}

#[tokio::test]
async fn deadline_of_the_call_is_the_edges_and_the_servers() {
    let bff = Bff::http(|request: HttpRequest<Incoming>| async move {
        if request.uri().path() == "/echo.Echo/Hang" {
            return std::future::pending().await;
        }
        let of = |name: &str| request.headers().get(name).cloned().unwrap();
        let (told, left) = (of("grpc-timeout"), of("headgate-deadline-ms"));
        let mut response = serve(request).await;
        response.headers_mut().insert("x-told", told);
        response.headers_mut().insert("x-left", left);
        response
    })
    .await;
    let edge = site(&bff, "timeout = \"3s\"").start().await;
    let mut grpc = plain(&edge).await;

    for (wish, least, most) in [("1S", 500, 1_000), ("60S", 2_000, 3_000)] {
        let mut request = Request::new(word("tv"));
        request.metadata_mut().insert("grpc-timeout", wish.parse().unwrap());
        let reply = unary(&mut grpc, "Say", request).await.unwrap();
        let number = |name: &str, unit: &str| -> u64 {
            let value = reply.metadata().get(name).unwrap().to_str().unwrap();
            value.strip_suffix(unit).unwrap().parse().unwrap()
        };
        let left = number("x-left", "");
        assert!((least..=most).contains(&left), "{wish}: {left}");
        // The server may take the client's time, of which the edge has used some.
        let told = number("x-told", "m");
        let given = if wish == "1S" { 1_000 } else { 60_000 };
        assert!((given / 2..given).contains(&told), "{wish}: {told}");
    }

    // tonic's client would end the call itself.
    let call = headgate_tests::post("/echo.Echo/Hang", "")
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("grpc-timeout", "300m");
    let reply = edge.h2().await.send(call).await;
    assert_eq!((reply.status, reply.header("grpc-status")), (200, "4"), "{reply:?}");
    let line = edge.access_line_of("/echo.Echo/Hang").await;
    assert_eq!(line["outcome"], "deadline_exceeded", "{line:#}");
}
