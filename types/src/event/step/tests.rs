use super::*;

#[test]
fn followers_are_numbered_below_what_they_follow() {
    let second = Step::root().follow(2).unwrap();
    assert_eq!(second.follow(1).unwrap().as_str(), "0.2.1");
}

#[test]
fn a_series_ends_at_its_depth() {
    let mut step = Step::root();
    for _ in 0..DEPTH_MAX {
        step = step.follow(1).unwrap();
    }
    assert_eq!(step.depth(), DEPTH_MAX);
    assert_eq!(step.follow(1), Err(TooDeep));
    assert_eq!(step.to_string().parse(), Ok(step.clone()));
    assert_eq!(format!("{step}.1").parse::<Step>(), Err(ParseStepError));
}

#[test]
fn only_paths_are_read() {
    assert_eq!("0.12.3".parse::<Step>().unwrap().as_str(), "0.12.3");
    for path in ["", "1", "0.", "0.0", "0.01", "0.+1", "0..1", "0.1 ", "0.4294967296", "x"] {
        assert_eq!(path.parse::<Step>(), Err(ParseStepError), "{path:?}");
    }
}
