use super::*;

#[test]
fn index_is_the_position_in_all() {
    for (position, outcome) in Outcome::ALL.into_iter().enumerate() {
        assert_eq!(outcome.index(), position);
    }
}
