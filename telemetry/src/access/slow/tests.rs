use super::*;

#[test]
fn so_many_a_second_are_told_and_the_rest_is_counted() {
    let mut window = Window::default();
    let seconds = [7, 7, 7, 7, 8, 7, 8, 9];
    let told: Vec<_> = seconds.into_iter().map(|second| window.count(second, 2)).collect();
    assert_eq!(told, [Some(0), Some(0), None, None, Some(2), Some(0), None, Some(1)]);
}
