use std::time::Duration;

use super::*;

fn at(millis: u64) -> Moment {
    Duration::from_millis(millis).into()
}

fn fail_all(count: usize) -> Endpoints {
    let endpoints = Endpoints::new(count, Settings::default());
    for turn in 0..100 {
        for endpoint in 0..count {
            if let Ok(pass) = endpoints.admit(endpoint, at(turn), turn) {
                endpoints.record(endpoint, pass.as_ref(), at(turn), End::Failure);
            }
        }
    }
    endpoints
}

#[test]
fn no_more_than_half_are_shut_out_and_never_the_last() {
    for (count, shut) in [(1, 0), (2, 1), (3, 1), (5, 2), (10, 5)] {
        assert_eq!(fail_all(count).ejected(at(150)), shut, "of {count}");
    }
}

#[test]
fn a_shut_endpoint_is_left_out_of_the_choice() {
    let endpoints = fail_all(5);
    let out = (0..5)
        .filter(|endpoint| endpoints.is_out(*endpoint, &Balancer::new(5), at(150), 1))
        .count();
    assert_eq!(out, 2);
    let refused = (0..5).filter(|endpoint| endpoints.admit(*endpoint, at(150), 1).is_err());
    assert_eq!(refused.count(), 2);
}

#[test]
fn the_one_that_fails_more_than_the_others_is_shut_out() {
    let endpoints = Endpoints::new(5, Settings::default());
    for turn in 0..3000_u64 {
        let (endpoint, now) = (usize::try_from(turn % 5).unwrap(), at(turn));
        // The last fails a seventh of its calls: too few for its own breaker.
        let end = if endpoint == 4 && turn / 5 % 7 == 0 { End::Failure } else { End::Success };
        if let Ok(pass) = endpoints.admit(endpoint, now, turn) {
            endpoints.record(endpoint, pass.as_ref(), now, end);
        }
        if endpoints.ejected(now) > 0 {
            assert_eq!(endpoints.breaker(4).unwrap().state(now), State::Open);
            return;
        }
    }
    panic!("the outlier was not found");
}

#[test]
fn equals_are_left_alone() {
    let endpoints = Endpoints::new(5, Settings::default());
    for turn in 0..5000_u64 {
        let (endpoint, now) = (usize::try_from(turn % 5).unwrap(), at(turn));
        let end = if turn / 5 % 20 == 0 { End::Failure } else { End::Success };
        let pass = endpoints.admit(endpoint, now, turn).unwrap();
        endpoints.record(endpoint, pass.as_ref(), now, end);
    }
    assert_eq!(endpoints.ejected(at(5000)), 0);
}
