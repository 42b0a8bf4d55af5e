use super::markdown;

#[test]
fn the_page_shows_keys_with_type_default_and_meaning() {
    let page = markdown();
    for line in [
        "### [edge.tls]",
        "### [identity.NAME]",
        "### [[device]]",
        "### [[team.NAME.claims]]",
        "### [route.NAME.retry]",
        "| `max_body` | size | `\"1MiB\"` | Bytes of one request body. A route may set its own. |",
        "| `match` | match, such as `GET /tv/home/{profile} device=tv` | required |",
    ] {
        assert!(page.lines().any(|one| one.starts_with(line)), "{line}\n{page}");
    }
}
