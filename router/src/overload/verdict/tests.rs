use super::*;

#[test]
fn a_refusal_says_layer_reason_and_figures() {
    let refusal = Refusal::new(Layer::Concurrency, Reason::LimitReached, 20.0, 20.0);
    let text = "concurrency;reason=limit_reached;observed=20.000;limit=20.000";
    assert_eq!(refusal.to_string(), text);
}

#[test]
fn only_a_refused_one_has_a_refusal() {
    let refusal = Refusal::new(Layer::Rate, Reason::RateExceeded, 2.0, 1.0);
    assert!(Verdict::<u8>::Refused(refusal).refusal().is_some());
    assert_eq!(Verdict::Admitted(7).admitted(), Some(7));
}
