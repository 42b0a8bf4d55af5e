use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::{Memory, load_from};

mod limits;
mod overlays;

const PLATFORM: &str = r#"
[team.tv]
claims = [{ prefix = "/tv/" }, { prefix = "/shared/" }]
delegate = [{ prefix = "/shared/", to = "web" }]
[team.web]
claims = [{ prefix = "/web/" }]
"#;

const TV: &str = "routes.d/tv/a.toml";
const WEB: &str = "routes.d/web/a.toml";

/// A team's file with routes by name and path.
fn team(name: &str, routes: &[(&str, &str)]) -> String {
    let head = format!("team = \"{name}\"\n[upstream.up]\nendpoints = [\"127.0.0.1:7001\"]\n");
    let route = |(route, path): &(&str, &str)| {
        format!("[route.{route}]\nmatch = \"GET {path}\"\nto = \"up\"\n")
    };
    [head].into_iter().chain(routes.iter().map(route)).collect::<Vec<_>>().concat()
}

/// The two teams, each with a route of its own.
fn both() -> Memory {
    Memory::default()
        .with("headgate.toml", PLATFORM)
        .with(TV, team("tv", &[("a", "/tv/a")]))
        .with(WEB, team("web", &[("a", "/web/a")]))
}

fn ask<'a>(files: &'a Memory, environment: &'a BTreeMap<String, String>) -> Ask<'a> {
    let path = Path::new("headgate.toml");
    Ask { files, path, environment, overlays: &[], kept: None, use_kept_platform: false, now: None }
}

fn load_over(files: &Memory, kept: Option<&Kept>) -> Result<Loaded, Faults> {
    load_layered(&Ask { kept, ..ask(files, &BTreeMap::new()) })
}

fn start_over(files: &Memory, kept: &Kept) -> Result<Loaded, Faults> {
    let environment = BTreeMap::new();
    load_layered(&Ask { kept: Some(kept), use_kept_platform: true, ..ask(files, &environment) })
}

fn routes(loaded: &Loaded) -> Vec<String> {
    let routes = loaded.settings.routes.iter();
    let mut routes: Vec<_> =
        routes.map(|route| format!("{} {}", route.team, route.pattern)).collect();
    routes.sort();
    routes
}

fn states(loaded: &Loaded) -> Vec<(&str, &str)> {
    loaded.parts.iter().map(|part| (part.team.as_str(), part.state.as_str())).collect()
}

/// What the second load of changed files comes to, after a good one.
fn reload(change: impl Fn(Memory) -> Memory) -> Loaded {
    let kept = load_over(&both(), None).unwrap().kept;
    load_over(&change(both()), Some(&kept)).unwrap()
}

#[test]
fn good_files_are_what_a_strict_load_makes_of_them() {
    let files = both();
    let strict = load_from(&files, Path::new("headgate.toml"), &BTreeMap::new()).unwrap();
    let layered = load_over(&files, None).unwrap();
    assert_eq!(format!("{:?}", layered.settings), format!("{:?}", strict.settings));
    assert_eq!(layered.digest, strict.digest);
    assert_eq!(layered.files, strict.files);
    assert_eq!(states(&layered), [("tv", "current"), ("web", "current")]);
    assert!(layered.faults().is_empty());
}

/// The teams' files and more of one, each with a route.
fn many(count: usize) -> Memory {
    (0..count).fold(both(), |files, number| {
        let (path, route) = (format!("routes.d/tv/n{number}.toml"), format!("n{number}"));
        let to = format!("/tv/n{number}");
        let text = format!("team = \"tv\"\n[route.{route}]\nmatch = \"GET {to}\"\nto = \"up\"\n");
        files.with(path, text)
    })
}

#[test]
fn files_that_are_read_at_once_come_to_what_they_come_to_one_by_one() {
    let files = many(100);
    let at_once = load_over(&files, None).unwrap();
    let mut kept = load_over(&both(), None).unwrap().kept;
    for count in (10..100).step_by(10) {
        kept = load_over(&many(count), Some(&kept)).unwrap().kept;
    }
    let step_by_step = load_over(&files, Some(&kept)).unwrap();
    assert_eq!(at_once.digest, step_by_step.digest);
    assert_eq!(at_once.settings.routes.len(), 102);
    let broken = files.with("routes.d/tv/n50.toml", "team = ");
    let faults = load_over(&broken, None).unwrap().faults();
    let named: Vec<_> = faults.iter().map(|fault| fault.at.file.as_str()).collect();
    assert_eq!(named, ["routes.d/tv/n50.toml"]);
}

/// Every way in which a team's file can be wrong by itself or for its team.
const BAD: [&str; 8] = [
    "",
    "team = \"tv",
    "[route.a]\nmatch = \"GET /tv/b\"\nto = \"up\"\n",
    "team = \"tv\"\n[route.a]\nmatch = \"GET /tv/b\"\nto = \"nowhere\"\n",
    "team = \"tv\"\nunknown = 1\n",
    "team = \"web\"\n[upstream.up]\nendpoints = [\"a:1\"]\n",
    "team = \"tv\"\n[upstream.up]\nendpoints = [\"a:1\"]\n[route.a]\nmatch = \"GET /web/b\"\nto = \"up\"\n",
    "team = \"tv\"\n[upstream.up]\nendpoints = [\"a:1\"]\n[route.a]\nmatch = \"GET /tv/{\"\nto = \"up\"\n",
];

#[test]
fn a_team_whose_file_is_at_fault_runs_its_last_good_one() {
    for bad in BAD {
        let loaded = reload(|files| files.with(TV, bad));
        assert_eq!(states(&loaded), [("tv", "last_good"), ("web", "current")], "{bad}");
        assert_eq!(routes(&loaded), ["tv GET /tv/a", "web GET /web/a"], "{bad}");
        let part = &loaded.parts[0];
        assert!(part.faults.iter().any(|fault| fault.at.file == TV), "{bad}: {}", part.faults);
        assert!(loaded.parts[1].faults.is_empty(), "{bad}: {}", loaded.parts[1].faults);
    }
}

#[test]
fn a_team_that_never_had_a_good_file_has_no_routes() {
    for bad in BAD {
        let loaded = load_over(&both().with(TV, bad), None).unwrap();
        assert_eq!(states(&loaded), [("tv", "absent"), ("web", "current")], "{bad}");
        assert_eq!(routes(&loaded), ["web GET /web/a"], "{bad}");
        assert!(!loaded.kept.parts().any(|part| part.name() == "team/tv"));
    }
}

#[test]
fn other_teams_change_while_one_is_at_fault() {
    let loaded = reload(|files| files.with(TV, "").with(WEB, team("web", &[("b", "/web/b")])));
    assert_eq!(routes(&loaded), ["tv GET /tv/a", "web GET /web/b"]);
}

#[test]
fn a_second_file_at_fault_holds_the_whole_team_back() {
    let second = "routes.d/tv/b.toml";
    let loaded = reload(|files| {
        files.with(TV, team("tv", &[("new", "/tv/new")])).with(second, "team = \"tv\"\nx = 1\n")
    });
    assert_eq!(routes(&loaded), ["tv GET /tv/a", "web GET /web/a"]);
    assert_eq!(loaded.files, ["headgate.toml", TV, WEB].map(Path::new));
}

#[test]
fn a_file_that_is_put_right_is_in_force_again() {
    let first = load_over(&both(), None).unwrap();
    let broken = load_over(&both().with(TV, ""), Some(&first.kept)).unwrap();
    assert_eq!(broken.kept, first.kept);
    let right = both().with(TV, team("tv", &[("b", "/tv/b")]));
    let loaded = load_over(&right, Some(&broken.kept)).unwrap();
    assert_eq!(routes(&loaded), ["tv GET /tv/b", "web GET /web/a"]);
    assert!(loaded.faults().is_empty());
}

#[test]
fn routes_of_a_deleted_file_go() {
    let kept = load_over(&both(), None).unwrap().kept;
    let files = Memory::default()
        .with("headgate.toml", PLATFORM)
        .with(WEB, team("web", &[("a", "/web/a")]));
    let loaded = load_over(&files, Some(&kept)).unwrap();
    assert_eq!(routes(&loaded), ["web GET /web/a"]);
    assert_eq!(states(&loaded), [("web", "current")]);
    assert!(!loaded.kept.parts().any(|part| part.name() == "team/tv"));
}

#[test]
fn a_routes_folder_that_is_gone_takes_nothing_away() {
    let kept = load_over(&both(), None).unwrap().kept;
    let files = Memory::default().with("headgate.toml", PLATFORM);
    let loaded = load_over(&files, Some(&kept)).unwrap();
    assert_eq!(routes(&loaded), ["tv GET /tv/a", "web GET /web/a"]);
    assert_eq!(states(&loaded), [("tv", "last_good"), ("web", "last_good")]);
    assert_eq!(
        loaded.faults().to_string(),
        "routes.d/tv:1:1: HG1001: can't be read: it does not exist\n\
         routes.d/web:1:1: HG1001: can't be read: it does not exist"
    );
}

#[test]
fn a_tie_is_the_fault_of_whoever_changed() {
    let of_tv = || team("tv", &[("a", "/tv/a"), ("s", "/shared/x")]);
    let of_web = || team("web", &[("a", "/web/a"), ("s", "/shared/x")]);
    let kept = load_over(&both().with(WEB, of_web()), None).unwrap().kept;
    let files = both().with(TV, of_tv()).with(WEB, of_web());
    let loaded = load_over(&files, Some(&kept)).unwrap();
    assert_eq!(states(&loaded), [("tv", "last_good"), ("web", "current")]);
    let kept = load_over(&both().with(TV, of_tv()), None).unwrap().kept;
    let loaded = load_over(&files, Some(&kept)).unwrap();
    assert_eq!(states(&loaded), [("tv", "current"), ("web", "last_good")]);
    // Where both changed, or nothing is known of before, the later name gives way.
    let loaded = load_over(&files, None).unwrap();
    assert_eq!(states(&loaded), [("tv", "current"), ("web", "absent")]);
    assert!(loaded.parts[1].faults.to_string().contains("tie"), "{}", loaded.parts[1].faults);
}

#[test]
fn a_chain_of_teams_that_give_way_ends() {
    // Each team's last good route is what the next one's new route wants.
    let count = 3 * ROUNDS_MAX;
    let name = |index: usize| format!("t{index:02}");
    let file = |index: usize, path: usize| {
        let path = format!("/p{path:02}");
        team(&name(index), &[("a", path.as_str())])
    };
    let platform: Vec<_> = (0..count)
        .map(|index| {
            let (own, next) = (name(index), name((index + 1) % count));
            let prefix = format!("prefix = \"/p{index:02}\"");
            format!(
                "[team.{own}]\nclaims = [{{ {prefix} }}]\n\
                 delegate = [{{ {prefix}, to = \"{next}\" }}]\n"
            )
        })
        .collect();
    let at = |index: usize| format!("routes.d/{}/a.toml", name(index));
    let start = Memory::default().with("headgate.toml", platform.concat());
    let before =
        (0..count).fold(start.clone(), |all, index| all.with(at(index), file(index, index)));
    let kept = load_over(&before, None).unwrap().kept;
    let after = (0..count).fold(start, |all, index| {
        let path = if index == 0 { count - 1 } else { index - 1 };
        all.with(at(index), if index == count - 1 { String::new() } else { file(index, path) })
    });
    let loaded = load_over(&after, Some(&kept)).unwrap();
    assert_eq!(loaded.settings.routes.len(), count);
    assert!(loaded.parts.iter().all(|part| part.state == PartState::LastGood));
    assert!(loaded.parts.iter().all(|part| !part.faults.is_empty()));
}

#[test]
fn a_platform_file_at_fault_refuses_the_change() {
    let kept = load_over(&both(), None).unwrap().kept;
    for bad in [
        "",
        "[edge]\nmax_bdy = 1\n",
        "[team.tv\n",
        "[team.tv]\nclaims = [{ prefix = \"/_headgate/\" }]\n",
    ] {
        let files = both().with("headgate.toml", bad);
        let faults = load_over(&files, Some(&kept)).unwrap_err();
        assert!(!faults.is_empty(), "{bad}");
        let loaded = start_over(&files, &kept).unwrap();
        assert_eq!(loaded.platform, PartState::LastGood, "{bad}");
        assert_eq!(loaded.platform_faults, faults, "{bad}");
        assert_eq!(routes(&loaded), ["tv GET /tv/a", "web GET /web/a"], "{bad}");
        assert_eq!(loaded.kept, kept);
    }
    assert!(load_over(&Memory::default(), Some(&kept)).is_err());
}

#[test]
fn a_platform_change_that_takes_a_running_route_away_is_the_platforms_fault() {
    let kept = load_over(&both(), None).unwrap().kept;
    let narrower = PLATFORM.replace("/tv/", "/television/");
    let files = both().with("headgate.toml", narrower.as_str());
    let faults = load_over(&files, Some(&kept)).unwrap_err();
    assert!(faults.to_string().contains("has not claimed"), "{faults}");
    // Together with the team's own change it is fine.
    let files = files.with(TV, team("tv", &[("a", "/television/a")]));
    let loaded = load_over(&files, Some(&kept)).unwrap();
    assert_eq!(routes(&loaded), ["tv GET /television/a", "web GET /web/a"]);
}

#[test]
fn a_start_with_a_broken_platform_file_takes_in_what_teams_have_changed() {
    let kept = load_over(&both(), None).unwrap().kept;
    let files = both().with("headgate.toml", "x").with(TV, team("tv", &[("b", "/tv/b")]));
    let loaded = start_over(&files, &kept).unwrap();
    assert_eq!(routes(&loaded), ["tv GET /tv/b", "web GET /web/a"]);
    assert_eq!(loaded.settings.edge.listen, load_over(&both(), None).unwrap().settings.edge.listen);
}

#[test]
fn key_files_are_kept_beside_the_platforms_own() {
    let platform = format!("{PLATFORM}[identity.keys]\napi_keys_file = \"keys.toml\"\n");
    let keys = format!("[[api_keys]]\nsha256 = \"{}\"\nsubject = \"a\"\n", "0".repeat(64));
    let files = both().with("headgate.toml", platform.as_str()).with("keys.toml", keys);
    let first = load_over(&files, None).unwrap();
    let broken = files.with("keys.toml", "api_keys = 1");
    load_over(&broken, Some(&first.kept)).unwrap_err();
    let loaded = start_over(&broken, &first.kept).unwrap();
    assert_eq!(format!("{:?}", loaded.settings.identity), format!("{:?}", first.settings.identity));
    assert_eq!(loaded.digest, first.digest);
}

#[test]
fn what_is_kept_can_be_written_whole_and_in_parts() {
    let loaded = load_over(&both(), None).unwrap();
    let text = serde_json::to_string(&loaded.kept).unwrap();
    let read: Kept = serde_json::from_str(&text).unwrap();
    assert_eq!(read, loaded.kept);
    let parts = loaded.kept.parts().map(|part| serde_json::to_string(part).unwrap());
    let read: Kept =
        parts.map(|part| serde_json::from_str::<crate::KeptPart>(&part).unwrap()).collect();
    assert_eq!(read, loaded.kept);
    let names: Vec<_> = read.parts().map(crate::KeptPart::name).collect();
    assert_eq!(names, ["further", "platform", "team/tv", "team/web"]);
    let again = load_over(&both().with(TV, ""), Some(&read)).unwrap();
    assert_eq!(again.digest, loaded.digest);
}

#[test]
fn a_part_has_another_digest_once_its_files_differ() {
    let digests = |loaded: Loaded| -> BTreeMap<String, String> {
        let parts = loaded.kept.parts();
        parts.map(|part| (part.name().to_owned(), part.digest().to_owned())).collect()
    };
    let before = digests(load_over(&both(), None).unwrap());
    let after = digests(reload(|files| files.with(TV, team("tv", &[("b", "/tv/b")]))));
    let differing: Vec<_> = before
        .iter()
        .filter(|(name, digest)| after[*name] != **digest)
        .map(|(name, _)| name)
        .collect();
    assert_eq!(differing, ["team/tv"]);
}

#[test]
fn places_in_last_good_files_say_so() {
    let loaded = reload(|files| files.with(TV, ""));
    let at = loaded.origins.iter().map(|origin| origin.at.file.as_str());
    assert_eq!(
        at.collect::<BTreeSet<_>>(),
        BTreeSet::from(["routes.d/tv/a.toml (last good)", WEB])
    );
}

#[test]
fn the_digest_is_that_of_what_is_in_force() {
    let good = load_over(&both(), None).unwrap();
    assert_eq!(reload(|files| files.with(TV, "")).digest, good.digest);
    let without = load_over(&both().with(TV, ""), None).unwrap();
    let only_web = Memory::default()
        .with("headgate.toml", PLATFORM)
        .with(WEB, team("web", &[("a", "/web/a")]));
    assert_eq!(without.digest, load_over(&only_web, None).unwrap().digest);
}

/// The files of a team that a property chooses: good, or wrong in one way or another.
fn any_file(name: &'static str) -> impl Strategy<Value = String> {
    let good = prop::collection::btree_map("[a-c]", "[a-c]", 0..3).prop_map(move |routes| {
        let routes: Vec<_> = routes
            .iter()
            .map(|(route, path)| (route.as_str(), format!("/shared/{path}")))
            .collect();
        let routes: Vec<_> = routes.iter().map(|(route, path)| (*route, path.as_str())).collect();
        team(name, &routes)
    });
    prop_oneof![4 => good, 1 => Just(String::new()), 1 => Just(format!("team = \"{name}\"\nx = 1\n"))]
}

proptest! {
    /// What is in force is good by itself, and the order in which files are listed has no effect.
    #[test]
    fn what_is_in_force_is_good_and_the_order_of_files_never_matters(
        before in (any_file("tv"), any_file("web")),
        after in (any_file("tv"), any_file("web"), any_file("tv")),
    ) {
        let second = "routes.d/tv/b.toml";
        let start = Memory::default().with("headgate.toml", PLATFORM);
        let kept = load_over(&start.clone().with(TV, before.0).with(WEB, before.1), None).unwrap().kept;
        let files = start.with(TV, after.0).with(WEB, after.1).with(second, after.2);
        let loaded = load_over(&files, Some(&kept)).unwrap();
        let reversed = Reversed(files);
        let environment = BTreeMap::new();
        let again = load_layered(&Ask {
            files: &reversed,
            path: Path::new("headgate.toml"),
            environment: &environment,
            overlays: &[],
            kept: Some(&kept),
            use_kept_platform: false,
            now: None,
        }).unwrap();
        prop_assert_eq!(&again.digest, &loaded.digest);
        prop_assert_eq!(again.parts, loaded.parts);
        // What is kept of it loads without a fault, to the same.
        let texts: Vec<serde_json::Value> = loaded
            .kept
            .parts()
            .map(|part| serde_json::to_value(part).unwrap())
            .collect();
        let mut kept_files = Memory::default();
        for part in &texts {
            for (path, text) in part["files"].as_object().unwrap() {
                kept_files = kept_files.with(path.as_str(), text.as_str().unwrap());
            }
        }
        let strict = load_from(&kept_files, Path::new("headgate.toml"), &BTreeMap::new()).unwrap();
        prop_assert_eq!(strict.digest, loaded.digest);
    }
}

/// The same files, listed the other way round.
struct Reversed(Memory);

impl Files for Reversed {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.0.read(path)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<Entry>> {
        let mut found = self.0.list(folder)?;
        found.reverse();
        Ok(found)
    }

    fn resolve(&self, path: &Path) -> io::Result<PathBuf> {
        self.0.resolve(path)
    }
}
