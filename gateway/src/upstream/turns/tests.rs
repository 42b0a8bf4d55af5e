use super::*;

struct Fixture {
    turns: Arc<Turns<&'static str>>,
}

type Asked = Result<Turn<&'static str>, oneshot::Receiver<Turn<&'static str>>>;

impl Fixture {
    fn new(places: usize) -> Self {
        let turns = Arc::<Turns<_>>::default();
        turns.places.store(places, Ordering::Relaxed);
        Self { turns }
    }

    fn ask(&self) -> Asked {
        self.turns.places.fetch_add(1, Ordering::Relaxed);
        self.turns.ask()
    }

    fn under_way(&self) -> usize {
        self.turns.state.lock().under_way
    }
}

fn may_open(asked: &mut Asked) -> bool {
    match asked {
        Ok(turn) => matches!(turn, Turn::Open(_)),
        Err(told) => told.try_recv().is_ok_and(|turn| {
            let is_open = matches!(turn, Turn::Open(_));
            *asked = Ok(turn);
            is_open
        }),
    }
}

#[test]
fn burst_opens_a_few_and_the_rest_wait() {
    let fixture = Fixture::new(0);
    let mut asked: Vec<_> = (0..500).map(|_| fixture.ask()).collect();
    assert_eq!(asked.iter_mut().filter_map(|one| may_open(one).then_some(())).count(), 16);
}

#[test]
fn more_are_opened_at_once_where_more_are_there() {
    let fixture = Fixture::new(40);
    let mut asked: Vec<_> = (0..500).map(|_| fixture.ask()).collect();
    assert_eq!(asked.iter_mut().filter_map(|one| may_open(one).then_some(())).count(), 40);
}

#[test]
fn their_number_doubles_with_each_round() {
    let fixture = Fixture::new(0);
    let mut asked: Vec<_> = (0..500).map(|_| fixture.ask()).collect();
    let mut rounds = Vec::new();
    while !asked.is_empty() {
        let mut opened: Vec<_> = asked.extract_if(.., may_open).collect();
        rounds.push(opened.len());
        opened.clear();
    }
    assert_eq!(rounds[..4], [16, 16, 32, 64]);
    assert_eq!((rounds.iter().sum::<usize>(), fixture.under_way()), (500, 0));
}

#[test]
fn what_is_given_back_goes_to_the_first_who_waits() {
    let fixture = Fixture::new(0);
    let mut asked: Vec<_> = (0..18).map(|_| fixture.ask()).collect();
    assert_eq!(fixture.turns.offer("kept"), None);
    let told = asked.remove(16).unwrap_err().try_recv();
    assert!(matches!(told, Ok(Turn::Take("kept"))));
    assert!(!may_open(asked.last_mut().unwrap()), "the second waits on");
}

#[test]
fn nobody_who_has_left_is_given_anything() {
    let fixture = Fixture::new(0);
    let mut asked: Vec<_> = (0..19).map(|_| fixture.ask()).collect();
    drop((asked.remove(16), asked.remove(16)));
    assert_eq!(fixture.turns.offer("kept"), None);
    assert_eq!(fixture.turns.offer("again"), Some("again"), "only one was left");
    drop(asked);
    assert_eq!(fixture.under_way(), 0);
}

#[test]
fn right_that_nobody_takes_any_more_goes_on() {
    let fixture = Fixture::new(0);
    let mut asked: Vec<_> = (0..18).map(|_| fixture.ask()).collect();
    let last = asked.pop();
    let waits = asked.pop();
    // Told, but never looked at.
    drop(asked.remove(0));
    drop(waits);
    assert!(may_open(&mut last.unwrap()));
}
