use super::*;

/// How many of so many entries of one size become each row.
fn rows(entries: usize, size: usize) -> Vec<usize> {
    let ends: Vec<_> = (1..=entries).map(|entry| entry * size).collect();
    let (mut at, mut left, mut rows) = (0, ends.as_slice(), Vec::new());
    while !left.is_empty() {
        let (row, rest) = left.split_at(taken(at, left));
        rows.push(row.len());
        (at, left) = (row[row.len() - 1], rest);
    }
    rows
}

#[test]
fn rows_fill_pages() {
    assert_eq!(rows(1, 1_036), [1]);
    assert_eq!(rows(3, 1_036), [3]);
    assert_eq!(rows(8, 1_036), [7, 1], "7 fill two pages, and 8 would take four");
    assert_eq!(rows(32, 1_036), [15, 15, 2]);
    assert_eq!(rows(100, 30), [100], "less than a page is one row");
}

#[test]
fn an_entry_above_a_page_is_a_row_of_its_own() {
    assert_eq!(rows(3, 20_000), [1, 1, 1]);
}
