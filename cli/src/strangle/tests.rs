use super::*;

fn route(name: &str, (old, new): (u64, u64), stage: Stage) -> StrangleStatus {
    StrangleStatus {
        team: "tv".to_owned(),
        route: name.to_owned(),
        pattern: format!("GET /tv/{name}"),
        old: "legacy".to_owned(),
        new: Some("home".to_owned()),
        weight: "25%".to_owned(),
        old_requests: old,
        new_requests: new,
        since: "2026-11-18T11:06:40.000Z".to_owned(),
        old_seen: None,
        ends: None,
        is_overdue: false,
        stage,
    }
}

#[test]
fn service_that_everybody_has_left_can_be_deleted() {
    let all = [route("a", (0, 5), Stage::NothingLeft), route("b", (1, 5), Stage::NothingLeft)];
    let told = text(&all);
    assert!(told.contains("tv/legacy: nothing left, delete [upstream.legacy]"), "{told}");
}

#[test]
fn share_that_is_left_is_told_for_each_route_and_service() {
    let all = [route("a", (0, 5), Stage::NothingLeft), route("b", (3, 1), Stage::Moving)];
    let told = text(&all);
    let line = "tv/legacy: 1 of 2 routes not off it, 33.3% of 9 since 2026-11-18T11:06:40.000Z\n";
    assert!(told.ends_with(line), "{told}");
    assert!(told.contains("75.0% of 4"), "{told}");
}

#[test]
fn overdue_route_is_marked() {
    let ends = Some("2026-01-01T00:00:00.000Z".to_owned());
    let late = StrangleStatus { ends, is_overdue: true, ..route("a", (0, 0), Stage::Moving) };
    let told = text(&[late]);
    assert!(told.contains("2026-01-01T00:00:00.000Z (overdue)"), "{told}");
    assert!(told.contains("no requests"), "{told}");
}
