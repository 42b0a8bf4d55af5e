use super::*;

const A: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
const B: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 2));

#[test]
fn each_limit_refuses_on_its_own() {
    let connections = Connections::new(3, 2);
    let _first = connections.enter(A).unwrap();
    let _second = connections.enter(A).unwrap();
    assert_eq!(connections.enter(A).unwrap_err(), Refusal::PerClient);
    let _third = connections.enter(B).unwrap();
    assert_eq!(connections.enter(B).unwrap_err(), Refusal::InAll);
    assert_eq!(connections.open(), 3);
}

#[test]
fn a_place_is_given_back_and_its_address_forgotten() {
    let connections = Connections::new(1, 1);
    for _ in 0..3 {
        let place = connections.enter(A).unwrap();
        assert_eq!(connections.open(), 1);
        drop(place);
        assert_eq!(connections.open(), 0);
    }
    assert!(connections.by_client.lock().is_empty());
}

#[test]
fn an_address_is_one_client_in_both_its_spellings() {
    let connections = Connections::new(9, 1);
    let _place = connections.enter(A).unwrap();
    let mapped: IpAddr = "::ffff:127.0.0.1".parse().unwrap();
    assert_eq!(connections.enter(mapped).unwrap_err(), Refusal::PerClient);
}
