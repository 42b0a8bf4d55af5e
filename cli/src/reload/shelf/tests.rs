use std::{path::Path, slice::from_ref, time::Duration};

use headgate_config::{Ask, Memory, load_layered};
use headgate_store::Settings;

use super::*;

const DAY: Duration = Duration::from_hours(24);

fn open(folder: &Path) -> Store {
    Store::open(folder, &Settings::default()).unwrap()
}

/// What is in force of these teams, each with a file of about so many bytes.
fn kept(teams: &[(&str, usize)]) -> Kept {
    let claims = |(team, _): &(&str, usize)| {
        format!("[team.{team}]\nclaims = [{{ host = \"*\", prefix = \"/{team}\" }}]\n")
    };
    let platform = teams.iter().map(claims).collect::<Vec<_>>().concat();
    let mut files = Memory::default().with("headgate.toml", platform);
    for (team, bytes) in teams {
        let comment = "x".repeat(*bytes);
        let text = format!(
            "team = \"{team}\"\n# {comment}\n[upstream.up]\nendpoints = [\"127.0.0.1:7001\"]\n\
             [route.a]\nmatch = \"GET /{team}\"\nto = \"up\"\n"
        );
        files = files.with(format!("routes.d/{team}/a.toml"), text);
    }
    let environment = BTreeMap::new();
    let loaded = load_layered(&Ask {
        files: &files,
        path: Path::new("headgate.toml"),
        environment: &environment,
        overlays: &[],
        kept: None,
        use_kept_platform: false,
        now: None,
    });
    loaded.unwrap().kept
}

fn chunks(store: &Store) -> Vec<String> {
    let mut found = Vec::new();
    scan(store, CHUNKS, |key, _| found.push(String::from_utf8(key.to_vec()).unwrap())).unwrap();
    found
}

#[test]
fn what_was_kept_is_found_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    // Larger than one chunk, and one that fits.
    let kept = kept(&[("tv", CHUNK_BYTES + 1_000), ("web", 10)]);
    Shelf::new(Some(open(folder.path()))).keep(&kept).unwrap();

    let found = Shelf::new(Some(open(folder.path()))).find().unwrap();

    assert_eq!(found, Some(kept));
}

#[test]
fn only_parts_that_changed_are_written_again_and_old_ones_go() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let mut shelf = Shelf::new(Some(store.clone()));
    shelf.keep(&kept(&[("tv", 10), ("web", 10)])).unwrap();
    let before = chunks(&store);

    shelf.keep(&kept(&[("tv", 10), ("web", 20)])).unwrap();

    let after = chunks(&store);
    assert_eq!(after.len(), before.len());
    let same: Vec<_> = after.iter().filter(|key| before.contains(key)).collect();
    assert!(same.iter().any(|key| key.starts_with("team/tv@")), "{same:?}");
    assert!(!same.iter().any(|key| key.starts_with("team/web@")), "{same:?}");
    let sequence = store.stats().acknowledged;
    shelf.keep(&kept(&[("tv", 10), ("web", 20)])).unwrap();
    assert_eq!(store.stats().acknowledged, sequence, "nothing changed, and nothing is written");
}

#[test]
fn chunks_of_a_crash_in_the_middle_are_removed_at_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let kept = kept(&[("tv", 10)]);
    Shelf::new(Some(store.clone())).keep(&kept).unwrap();
    let before = chunks(&store);
    let orphan = Key::new(CHUNKS, "team/tv@other#0");
    let batch = Batch::new().put(orphan, Content::default(), Condition::Always);
    store.submit(batch).unwrap().wait().unwrap();

    let mut shelf = Shelf::new(Some(store.clone()));
    let found = shelf.find().unwrap();

    assert_eq!(found, Some(kept));
    assert_ne!(chunks(&store), before, "another process may be about to need it");
    shelf.tidy().unwrap();
    assert_eq!(chunks(&store), before);
}

#[test]
fn text_that_was_changed_on_the_disk_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    Shelf::new(Some(store.clone())).keep(&kept(&[("tv", 10)])).unwrap();
    let key = chunks(&store).into_iter().find(|key| key.starts_with("team/tv@")).unwrap();
    let batch = Batch::new().delete(Key::new(CHUNKS, key), Condition::Always);
    store.submit(batch).unwrap().wait().unwrap();

    assert!(matches!(Shelf::new(Some(store)).find(), Err(ShelfError::Format(_))));
}

fn overlay(id: u64, expires: Duration) -> Overlay {
    Overlay {
        id,
        key: "edge.timeout".to_owned(),
        value: "2s".into(),
        actor: "ada".to_owned(),
        reason: "slow BFF".to_owned(),
        since: UnixTime::from_duration(DAY),
        expires: UnixTime::from_duration(expires),
    }
}

fn control(overlays: &[Overlay]) -> Control {
    Control::new(Control::default().head(), overlays.iter().cloned())
}

#[test]
fn what_operators_changed_is_found_as_it_was_kept_last() {
    let folder = tempfile::tempdir().unwrap();
    let shelf = Shelf::new(Some(open(folder.path())));
    let (one, two) = (overlay(1, DAY * 3), overlay(2, DAY * 3));
    assert_eq!(shelf.control(UnixTime::default()).unwrap(), Folded::default());
    let control =
        |all: &[Overlay], next| Folded { control: control(all), next, ..Folded::default() };
    shelf.keep_control(&control(&[one, two.clone()], 2)).unwrap();
    let last = Folded { home: "embedded/hg.control".to_owned(), ..control(from_ref(&two), 5) };
    shelf.keep_control(&last).unwrap();
    drop(shelf);

    let found = Shelf::new(Some(open(folder.path()))).control(UnixTime::default()).unwrap();

    assert_eq!(found, last);
    let now = UnixTime::from_duration(DAY);
    assert_eq!(found.clone().at(last.home.clone(), now), last);
    let elsewhere = found.at("kafka/hg.control".to_owned(), now);
    assert_eq!((elsewhere.next, elsewhere.control.version()), (0, 0));
    assert_eq!(elsewhere.unfolded, [two], "it is taken over into another log");
}

#[test]
fn overlays_of_before_there_were_changes_stay_until_they_are_one() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let shelf = Shelf::new(Some(store.clone()));
    let (long, short) = (overlay(1, DAY * 3), overlay(2, DAY + Duration::from_secs(1)));
    for overlay in [&long, &short] {
        let value = serde_json::to_vec(overlay).unwrap().into();
        let content = Content { value, ..Content::default() };
        let key = Key::new(OVERLAYS, overlay_key(overlay.id));
        store.submit(Batch::new().put(key, content, Condition::Always)).unwrap().wait().unwrap();
    }
    let now = UnixTime::from_duration(DAY * 2);

    let found = shelf.control(now).unwrap();

    assert_eq!((found.next, found.control.version()), (0, 0));
    assert_eq!(found.unfolded, from_ref(&long));
    assert_eq!(found.in_force(now), from_ref(&long));
    let others = Folded { control: control(&[overlay(7, DAY * 3)]), ..found.clone() };
    assert_eq!(others.in_force(now), [overlay(7, DAY * 3)], "a change of the key counts");
    shelf.keep_control(&others).unwrap();
    assert_eq!(shelf.control(now).unwrap(), found, "and nothing is lost before");
    let adopted = Folded { control: control(&[long]), next: 1, ..Folded::default() };
    shelf.keep_control(&adopted).unwrap();
    assert_eq!(shelf.control(now).unwrap(), adopted);
}

#[test]
fn without_a_store_nothing_is_kept() {
    let mut shelf = Shelf::new(None);
    shelf.keep(&kept(&[("tv", 10)])).unwrap();
    shelf
        .keep_control(&Folded { control: control(&[overlay(1, DAY)]), ..Folded::default() })
        .unwrap();
    assert!(!shelf.lasts());
    assert_eq!(shelf.find().unwrap(), None);
}
