//! A BFF may listen on a Unix socket.

use headgate_tests::{Bff, Folder, Site, get, post};

#[tokio::test]
async fn bff_on_a_unix_socket_is_reached() {
    let folder = Folder::default();
    let bff = Bff::unix(&folder.path().join("bff.sock"), |connection| connection.serve(200, "ok"));
    let edge = Site::to(&bff).edge("threads = 1").start().await;

    assert_eq!(edge.send(get("/tv/x")).await.text(), "ok");
    let reply = edge.send(post("/tv/x", "body")).await;

    assert_eq!(reply.status, 200);
    let seen = bff.saw(2).await;
    assert_eq!(seen[1].body, b"body");
    assert_eq!(bff.connections(), 1, "the connection is kept");
    let line = edge.access_line(reply.trace_id()).await;
    assert_eq!(line["attempts"][0]["endpoint"], bff.endpoint());
}
