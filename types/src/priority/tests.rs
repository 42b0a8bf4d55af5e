use super::*;

#[test]
fn every_class_reads_back_from_its_word() {
    for class in Class::ALL {
        assert_eq!(class.as_str().parse(), Ok(class));
    }
    assert_eq!("Critical".parse::<Class>(), Err(ParsePriorityError));
}

#[test]
fn a_client_lowers_but_never_raises() {
    let standard = Priority::from(Class::Standard);
    assert_eq!(standard.lowered_to(Class::Bulk).class(), Class::Bulk);
    assert_eq!(standard.lowered_to(Class::Critical), standard);
}

#[test]
fn rank_orders_like_the_priority_itself() {
    let ladder = [
        Priority::new(Class::Critical, 0),
        Priority::new(Class::Critical, 200),
        Priority::new(Class::Standard, 0),
        Priority::new(Class::Bulk, 127),
    ];
    assert!(ladder.is_sorted());
    assert_eq!(ladder.map(Priority::rank), [0, 127, 128, 511]);
}
