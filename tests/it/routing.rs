//! Requests find the route that was written for them.

use headgate_tests::{Bff, Client, Site, client::call, get, post, route, upstream};

#[tokio::test]
async fn path_chooses_the_bff() {
    let (tv, web) = (Bff::saying("tv").await, Bff::saying("web").await);
    let edge = Site::new()
        .team(
            "tv",
            &[
                upstream("home", &[&tv.endpoint()], ""),
                route("home", "GET /tv/{*rest}", "home", ""),
            ],
        )
        .team(
            "web",
            &[
                upstream("home", &[&web.endpoint()], ""),
                route("home", "GET /web/{*rest}", "home", ""),
            ],
        )
        .start()
        .await;

    assert_eq!(edge.send(get("/tv/home")).await.text(), "tv");
    assert_eq!(edge.send(get("/web/home")).await.text(), "web");
}

#[tokio::test]
async fn closer_path_wins_in_whatever_file_it_stands() {
    let (exact, template, rest) =
        (Bff::saying("exact").await, Bff::saying("template").await, Bff::saying("rest").await);
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        let tables = [
            route("exact", "GET /tv/home/main", "exact", ""),
            route("template", "GET /tv/home/{profile}", "template", ""),
            route("rest", "GET /tv/{*rest}", "rest", ""),
        ];
        let site = Site::new().team(
            "tv",
            &[
                upstream("exact", &[&exact.endpoint()], ""),
                upstream("template", &[&template.endpoint()], ""),
                upstream("rest", &[&rest.endpoint()], ""),
            ],
        );
        let edge = site.team("tv", &order.map(|at| tables[at].clone())).start().await;

        assert_eq!(edge.send(get("/tv/home/main")).await.text(), "exact");
        assert_eq!(edge.send(get("/tv/home/other")).await.text(), "template");
        assert_eq!(edge.send(get("/tv/home/other/deep")).await.text(), "rest");
    }
}

#[tokio::test]
async fn host_and_method_choose_the_bff() {
    let (named, any, orders) =
        (Bff::saying("named").await, Bff::saying("any").await, Bff::saying("orders").await);
    let edge = Site::new()
        .team(
            "tv",
            &[
                upstream("named", &[&named.endpoint()], ""),
                upstream("any", &[&any.endpoint()], ""),
                upstream("orders", &[&orders.endpoint()], ""),
                route("named", "GET api.example/x", "named", ""),
                route("any", "GET /x", "any", ""),
                route("orders", "POST /x", "orders", ""),
            ],
        )
        .start()
        .await;

    let mut client = Client::h1(edge.plain()).await.host("api.example");
    assert_eq!(client.send(get("/x")).await.text(), "named");
    let mut client = Client::h2(edge.plain()).await.host("API.example:8443");
    assert_eq!(client.send(get("/x")).await.text(), "named");
    let mut client = Client::h1(edge.plain()).await.host("other.example");
    assert_eq!(client.send(get("/x")).await.text(), "any");
    assert_eq!(client.send(post("/x", "1")).await.text(), "orders");
    assert_eq!(client.send(call("DELETE", "/x")).await.status, 404);
}

#[tokio::test]
async fn target_reaches_the_bff_as_it_was_sent() {
    let bff = Bff::ok().await;
    let edge = Site::to(&bff).start().await;

    let target = "/tv/caf%C3%A9/a%20b;v=1?q=1&q=%2F&empty=&x=a+b";
    assert_eq!(edge.send(get(target)).await.status, 200);

    assert_eq!(bff.first().await.target, target);
}

#[tokio::test]
async fn no_route_is_the_edges_own_404() {
    let bff = Bff::ok().await;
    let edge = Site::new()
        .team(
            "tv",
            &[upstream("home", &[&bff.endpoint()], ""), route("home", "GET /tv/home", "home", "")],
        )
        .start()
        .await;

    let reply = edge.send(get("/tv/elsewhere")).await;

    assert_eq!(reply.status, 404);
    let problem = reply.problem();
    assert_eq!(problem["outcome"], "no_route");
    assert_eq!(problem["code"], "HG0001");
    assert_eq!(problem["retryable"], false);
    assert!(reply.header("proxy-status").contains("destination_not_found"));
    assert!(bff.requests().is_empty());
}

#[tokio::test]
async fn a_bffs_own_404_is_passed_on() {
    let bff = Bff::failing(404).await;
    let edge = Site::to(&bff).start().await;

    let reply = edge.send(get("/tv/x")).await;

    assert_eq!((reply.status, reply.text()), (404, "failed"));
    assert_eq!(reply.header("proxy-status"), "");
    reply.trace_id();
}

#[tokio::test]
async fn path_that_climbs_never_reaches_the_team_it_climbed_from() {
    let (tv, web) = (Bff::saying("tv").await, Bff::saying("web").await);
    let edge = Site::new()
        .team(
            "tv",
            &[
                upstream("home", &[&tv.endpoint()], ""),
                route("home", "GET /tv/{*rest}", "home", ""),
            ],
        )
        .team(
            "web",
            &[
                upstream("home", &[&web.endpoint()], ""),
                route("home", "GET /web/{*rest}", "home", ""),
            ],
        )
        .start()
        .await;

    for target in [
        "/tv/../web/x",
        "/tv/%2e%2e/web/x",
        "/tv/.%2E/web/x",
        "/tv/x/..%2f../web/x",
        "/tv//../web/x",
    ] {
        let mut raw = edge.raw().await;
        raw.send(format!("GET {target} HTTP/1.1\r\nhost: edge\r\n\r\n")).await;
        let answer = raw.answer().await;
        assert_ne!(answer.text(), "tv", "{target}");
    }
    assert!(tv.requests().is_empty());
}

#[tokio::test]
async fn bff_is_told_what_the_edge_decided() {
    let bff = Bff::ok().await;
    let edge = Site::with_route(&bff, "", "priority = \"best_effort\"\ntimeout = \"5s\"")
        .platform("[[device]]\nname = \"web\"\nwhen = [\"*\"]")
        .start()
        .await;

    edge.send(get("/tv/x").header("accept", "text/plain")).await;

    let seen = bff.first().await;
    assert_eq!(seen.header("headgate-device"), Some("web"));
    assert_eq!(seen.header("headgate-priority"), Some("best_effort"));
    assert_eq!(seen.header("headgate-attempt"), Some("1"));
    assert_eq!(seen.header("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(seen.header("x-forwarded-proto"), Some("http"));
    assert_eq!(seen.header("accept"), Some("text/plain"));
    assert_eq!(seen.header("host"), Some(edge.plain().to_string().as_str()));
}

#[tokio::test]
async fn client_lowers_its_priority_and_never_raises_it() {
    let bff = Bff::ok().await;
    let edge = Site::with_route(&bff, "", "priority = \"standard\"").start().await;

    for wish in ["bulk", "critical", "nonsense"] {
        edge.send(get("/tv/x").header("headgate-priority", wish)).await;
    }

    let seen = bff.saw(3).await;
    let told: Vec<_> = seen.iter().map(|seen| seen.header("headgate-priority").unwrap()).collect();
    assert_eq!(told, ["bulk", "standard", "standard"]);
}
