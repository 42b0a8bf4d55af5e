//! The drawings of the concept pages.

use headgate_types::Class;

use crate::{
    figures::{Run, State, slice},
    plot::{Curve, svg},
    rivals::Rule,
    scenarios::CAPACITY,
    traffic::Stream,
    upstream::Change,
    world::{Setup, run},
};

/// File names with their drawings.
pub fn all() -> Vec<(&'static str, String)> {
    vec![
        ("classes.svg", classes()),
        ("goodput.svg", goodput()),
        ("slow-limit.svg", slow("limit of permits", "permits", limit)),
        ("slow-goodput.svg", slow("answered in time", "1/s", |run, at| run.goodput(at, at + 1.0))),
        ("drift.svg", drift()),
    ]
}

fn curve(name: &str, (from, to): (f64, f64), value: impl Fn(f64) -> f64) -> Curve {
    let seconds = crate::count(to - from);
    let points = (0..seconds).map(|second| {
        let at = from + f64::from(second);
        (at, value(at))
    });
    Curve { name: name.to_owned(), points: points.collect() }
}

fn limit(run: &Run, at: f64) -> f64 {
    let states: &[State] = slice(&run.states, at, at + 1.0);
    states.iter().map(|state| f64::from(state.limit)).sum::<f64>() / states.len().max(1) as f64
}

/// Success per class while an upstream has a fifth of its slots left.
fn classes() -> String {
    let mut setup = Setup::usual(1, 100.0, Some(Rule::ours()));
    setup.streams = Stream::mix(&[(0.0, 0.9 * CAPACITY)]);
    setup.changes = vec![(20.0, 0, Change::Slots(4)), (70.0, 0, Change::Slots(20))];
    let run = run(setup);
    let curves: Vec<_> = Class::ALL
        .iter()
        .enumerate()
        .map(|(line, class)| {
            let share = |at| 100.0 * run.success(&[line], at, at + 1.0);
            curve(class.as_str(), (10.0, 90.0), share)
        })
        .collect();
    svg("Success per class while 16 of 20 slots are gone (20 s to 70 s)", "%", &curves)
}

/// Goodput over offered load, protected and not.
fn goodput() -> String {
    let at_load = |rule: Option<Rule>, tenths: u32| {
        let mut setup = Setup::usual(1, 30.0, rule);
        setup.streams = Stream::mix(&[(0.0, f64::from(tenths) / 10.0 * CAPACITY)]);
        run(setup).goodput(5.0, 28.0) / CAPACITY * 100.0
    };
    let loads = [2, 5, 8, 10, 12, 15, 20, 30, 50, 70, 100];
    let line = |name: &str, rule: Option<Rule>| Curve {
        name: name.to_owned(),
        points: loads
            .iter()
            .map(|tenths| (f64::from(*tenths) / 10.0, at_load(rule, *tenths)))
            .collect(),
    };
    let curves = [line("headgate", Some(Rule::ours())), line("unprotected", None)];
    svg("Answered in time over offered load (both in capacities)", "%", &curves)
        .replace(" s</text>", "x</text>")
}

/// Calls five times as long with unchanged slots, under every rule.
fn slow(title: &str, unit: &str, value: impl Fn(&Run, f64) -> f64) -> String {
    let curves: Vec<_> = [Rule::ours()]
        .iter()
        .chain(&Rule::FIELD)
        .map(|rule| {
            let mut setup = Setup::usual(1, 100.0, Some(*rule));
            setup.streams = Stream::mix(&[(0.0, 0.9 * CAPACITY)]);
            setup.changes = vec![(20.0, 0, Change::Slower(5.0)), (70.0, 0, Change::Slower(1.0))];
            let run = run(setup);
            curve(rule.name(), (10.0, 90.0), |at| value(&run, at))
        })
        .collect();
    let title = format!("Calls take 5 times as long (20 s to 70 s): {title}");
    svg(&title, unit, &curves)
}

/// The limit under a fifth too much load for half an hour.
fn drift() -> String {
    let curves: Vec<_> = [Rule::ours(), Rule::Gradient2, Rule::Vegas, Rule::Aimd, Rule::Failsafe]
        .iter()
        .map(|rule| {
            let mut setup = Setup::usual(1, 1800.0, Some(*rule));
            setup.streams = Stream::mix(&[(0.0, 1.2 * CAPACITY)]);
            let run = run(setup);
            let mut curve = curve(rule.name(), (0.0, 1790.0), |at| limit(&run, at));
            curve.points.retain(|(at, _)| crate::index(*at).is_multiple_of(10));
            curve
        })
        .collect();
    svg("Limit at 1.2 times the capacity for 30 min (20 is right)", "permits", &curves)
}
