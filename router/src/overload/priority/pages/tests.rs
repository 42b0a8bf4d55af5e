use super::*;

fn at(millis: u64) -> Moment {
    Duration::from_millis(millis).into()
}

#[test]
fn a_page_is_begun_by_its_first_call_and_for_five_seconds() {
    let pages = Pages::default();
    assert!(!pages.is_begun(7, at(100)));
    pages.admitted(7, at(100));
    assert!(pages.is_begun(7, at(100)) && pages.is_begun(7, at(5000)));
    assert!(!pages.is_begun(8, at(100)) && !pages.is_begun(7, at(5200)));
}

#[test]
fn a_page_has_no_more_calls_than_a_page_has() {
    let pages = Pages::default();
    let begun = (0..100).filter(|_| {
        let is_begun = pages.is_begun(7, at(100));
        pages.admitted(7, at(100));
        is_begun
    });
    assert_eq!(begun.count(), 31);
}

#[test]
fn a_million_pages_take_no_more_memory() {
    let pages = Pages::default();
    (0..1_000_000).for_each(|page| pages.admitted(page, at(100)));
    assert_eq!(pages.cells.len(), CELLS);
}
