use super::*;

#[test]
fn processor_time_is_read_behind_any_name() {
    let stat = "42 (a) b (c) S 1 1 1 0 -1 4194560 100 0 0 0 250 75 0 0 20 0 1 0 100 1 1";
    let ticks = rustix::param::clock_ticks_per_second() as f64;
    let cpu = Cpu::parse(stat).unwrap();
    assert_eq!(cpu, Cpu { user: 250.0 / ticks, system: 75.0 / ticks });
}

#[test]
fn peer_names_its_address() {
    let address = ready_address("ready 127.0.0.1:4000\n").unwrap();
    assert_eq!(address, "127.0.0.1:4000".parse().unwrap());
}

#[test]
fn edge_counts_when_it_says_ready() {
    let addresses = "edge http://127.0.0.1:4001\nadmin http://127.0.0.1:4002\n";
    assert_eq!(ready_address(addresses), None);
    let ready = ready_address(&format!("{addresses}headgate ready\n")).unwrap();
    assert_eq!(ready, "127.0.0.1:4001".parse().unwrap());
}

#[test]
fn half_a_line_is_no_address() {
    assert_eq!(ready_address("ready 127.0.0.1:40"), None);
}
