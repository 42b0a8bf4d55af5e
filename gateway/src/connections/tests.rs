use super::*;

const A: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
const B: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 2));

#[test]
fn each_limit_refuses_on_its_own() {
    let connections = Connections::new(3, 2);
    let _first = connections.enter(Some(A)).unwrap();
    let _second = connections.enter(Some(A)).unwrap();
    assert_eq!(connections.enter(Some(A)).unwrap_err(), Refusal::PerClient);
    let _third = connections.enter(Some(B)).unwrap();
    assert_eq!(connections.enter(Some(B)).unwrap_err(), Refusal::InAll);
    assert_eq!(connections.open(), 3);
}

#[test]
fn a_place_is_given_back_and_its_address_forgotten() {
    let connections = Connections::new(1, 1);
    for _ in 0..3 {
        let place = connections.enter(Some(A)).unwrap();
        assert_eq!(connections.open(), 1);
        drop(place);
        assert_eq!(connections.open(), 0);
    }
    assert!(connections.by_client.lock().is_empty());
}

#[test]
fn an_address_is_one_client_in_both_its_spellings() {
    let connections = Connections::new(9, 1);
    let _place = connections.enter(Some(A)).unwrap();
    let mapped: IpAddr = "::ffff:127.0.0.1".parse().unwrap();
    assert_eq!(connections.enter(Some(mapped)).unwrap_err(), Refusal::PerClient);
}

#[test]
fn clients_of_a_proxy_share_no_limit_but_the_one_of_all() {
    let connections = Connections::new(3, 1);
    let places: Vec<_> = (0..3).map(|_| connections.enter(None).unwrap()).collect();
    assert_eq!(connections.enter(None).unwrap_err(), Refusal::InAll);
    drop(places);
    assert_eq!(connections.open(), 0);
}
