use super::check;
use crate::tidy::source;

fn findings(path: &str, text: &str) -> Vec<String> {
    check(&[source(path, text)]).iter().map(ToString::to_string).collect()
}

#[test]
fn declarations_with_a_banned_word_are_found() {
    for line in [
        "fn parse_helper() {}",
        "    pub(crate) async fn helpers() {}",
        "pub struct RouteManager {",
        "enum Misc { A }",
        "pub trait Backend: Send {}",
        "mod util;",
        "type LambdaResult = ();",
        "pub const unsafe extern \"C\" fn str_utils() {}",
    ] {
        assert_eq!(findings("router/src/table.rs", line).len(), 1, "{line}");
    }
}

#[test]
fn a_finding_says_what_to_write() {
    let what = "router/src/table.rs:2: the name `BackendPool` says `backend`; \
                allowed: upstream, endpoint or BFF";
    assert_eq!(findings("router/src/table.rs", "\nstruct BackendPool {\n"), [what]);
}

#[test]
fn other_uses_of_the_words_pass() {
    for line in [
        "use hyper_util::rt::TokioIo;",
        "    let helper = hyper_util::client();",
        "/// The backend of a team.",
        "fn utilization() -> f64 {",
        "struct Dispatcher;",
        "// fn helper() {}",
    ] {
        assert_eq!(findings("router/src/table.rs", line), [""; 0], "{line}");
    }
}

#[test]
fn paths_with_a_banned_word_are_found() {
    assert_eq!(findings("router/src/utils.rs", "").len(), 1);
    assert_eq!(findings("tests/helpers/origin.rs", "").len(), 1);
    assert_eq!(findings("load-tests/peers/bare-hyper-util/main.rs", ""), [""; 0]);
    assert_eq!(findings("router/src/utilization.rs", ""), [""; 0]);
}
