use super::*;

/// Pieces of these seconds, each with one entry that says whose it is and its number.
fn side(name: &str, seconds: &[u64], is_more: bool) -> Side {
    let piece = |(at, second): (usize, &u64)| Piece {
        time: UnixTime::from_secs(*second),
        next: at as u64 + 1,
        entries: vec![HistoryEntry { what: format!("{name}{second}"), ..HistoryEntry::default() }],
    };
    Side { pieces: seconds.iter().enumerate().map(piece).collect(), is_more }
}

fn whats(entries: &[HistoryEntry]) -> Vec<&str> {
    entries.iter().map(|entry| entry.what.as_str()).collect()
}

#[test]
fn both_are_told_in_the_order_of_time() {
    let sides = (side("a", &[1, 3, 3], false), side("b", &[2, 3, 9], false));
    let (entries, next) = joined(sides, HistoryPlace::default());
    assert_eq!(whats(&entries), ["a1", "b2", "a3", "a3", "b3", "b9"]);
    assert_eq!(next, None);
}

#[test]
fn page_ends_where_one_has_more_behind() {
    let sides = (side("a", &[1, 3], true), side("b", &[2, 3, 9], false));
    let (entries, next) = joined(sides, HistoryPlace::default());
    assert_eq!(whats(&entries), ["a1", "b2", "a3"]);
    assert_eq!(next, Some(HistoryPlace { own: 2, shared: Some(1) }));
}

#[test]
fn one_that_has_nothing_is_in_nobodys_way() {
    let sides = (Side::default(), side("b", &[2], true));
    let (entries, next) = joined(sides, HistoryPlace { own: 7, shared: None });
    assert_eq!(whats(&entries), ["b2"]);
    assert_eq!(next, Some(HistoryPlace { own: 7, shared: Some(1) }));
    assert_eq!(joined(<_>::default(), HistoryPlace::default()), (vec![], None));
}

/// Page by page, with so many pieces read at once, everything is told once and in order.
#[test]
fn pages_tell_everything_once_and_in_order() {
    for seed in 0..500 {
        let mut random = fastrand::Rng::with_seed(seed);
        let rows = random.usize(1..5);
        let mut seconds = || {
            let mut all: Vec<_> = (0..random.usize(0..12)).map(|_| random.u64(0..20)).collect();
            all.sort_unstable();
            all
        };
        let (own, shared) = (seconds(), seconds());
        let read = |name: &str, all: &[u64], from: u64| {
            let all = side(name, all, false).pieces.into_iter();
            let pieces: Vec<_> = all.skip(usize::try_from(from).unwrap()).take(rows).collect();
            Side { is_more: pieces.len() == rows, pieces }
        };
        let (mut place, mut told) = (HistoryPlace::default(), Vec::new());
        for _ in 0..=own.len() + shared.len() {
            let sides = (read("a", &own, place.own), read("b", &shared, place.shared.unwrap_or(0)));
            let (entries, next) = joined(sides, place);
            told.extend(entries.into_iter().map(|entry| entry.what));
            let Some(next) = next else { break };
            place = next;
        }
        let second = |what: &String| what.get(1..).unwrap().parse::<u64>().unwrap();
        assert!(told.is_sorted_by_key(second), "{seed}: {told:?}");
        let mut expected: Vec<_> = own.iter().map(|at| format!("a{at}")).collect();
        expected.extend(shared.iter().map(|at| format!("b{at}")));
        told.sort();
        expected.sort();
        assert_eq!(told, expected, "{seed}");
    }
}
