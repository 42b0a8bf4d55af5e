//! The law against a model of what it steers: one core that proxies and refuses.

use std::collections::VecDeque;

use super::*;
use crate::overload::num;

/// Processor time of a proxied request, in two parts: to the upstream, and back.
const SERVED: f64 = 250e-6;
/// What a refusal costs, over that.
const REFUSAL: f64 = 0.17;
/// Requests in flight beyond which each costs more, as connections to the upstream are opened.
const CROWD: u32 = 40;
/// The upstream's time.
const UPSTREAM: f64 = 2e-3;
/// How long clients wait.
const PATIENCE: f64 = 0.5;
/// Reports of what was measured, and looks how late a timer is.
const REPORT: f64 = 0.1;
const LOOK: f64 = 0.01;

enum Work {
    Arrival { at: f64, priority: Priority },
    Answer { at: f64 },
    Timer { due: f64 },
}

/// A core that does one thing after the other.
struct Core<'a> {
    instance: &'a Instance,
    random: fastrand::Rng,
    /// The rate of arrivals at a time, and the classes that they draw from.
    load: &'a dyn Fn(f64) -> f64,
    classes: &'a [Class],
    waiting: VecDeque<Work>,
    /// Answers that come from the upstream, in order.
    coming: VecDeque<(f64, f64)>,
    now: f64,
    next: f64,
    look_at: f64,
    report_at: f64,
    busy: f64,
    least_lag: f64,
    signals: Signals,
    in_flight: u32,
    /// What a request costs beyond [`CROWD`], over what it costs else.
    crowded: f64,
    took: f64,
}

/// What a second had.
#[derive(Clone, Copy, Debug, Default)]
struct Second {
    good: u32,
    refused: u32,
}

impl<'a> Core<'a> {
    fn new(instance: &'a Instance, load: &'a dyn Fn(f64) -> f64, classes: &'a [Class]) -> Self {
        Self {
            instance,
            random: fastrand::Rng::with_seed(7),
            load,
            classes,
            waiting: VecDeque::new(),
            coming: VecDeque::new(),
            now: 0.0,
            next: 0.0,
            look_at: LOOK,
            report_at: REPORT,
            busy: 0.0,
            least_lag: f64::INFINITY,
            signals: Signals::default(),
            in_flight: 0,
            crowded: 1.0,
            took: 0.0,
        }
    }

    /// What has become ready since.
    fn gather(&mut self) {
        while self.next <= self.now {
            let class = self.classes[self.random.usize(..self.classes.len())];
            let priority = Priority::new(class, self.random.u8(..128));
            self.waiting.push_back(Work::Arrival { at: self.next, priority });
            self.next -= self.random.f64().max(1e-12).ln() / (self.load)(self.next);
        }
        while self.coming.front().is_some_and(|(back, _)| *back <= self.now) {
            let (_, at) = self.coming.pop_front().unwrap();
            self.waiting.push_back(Work::Answer { at });
        }
        if self.look_at <= self.now {
            self.waiting.push_back(Work::Timer { due: self.look_at });
            self.look_at = f64::INFINITY;
        }
    }

    fn spend(&mut self, seconds: f64) {
        self.now += seconds;
        self.busy += seconds;
    }

    fn run(&mut self, seconds: usize) -> Vec<Second> {
        let mut told = vec![Second::default(); seconds];
        while self.now < seconds as f64 {
            self.gather();
            if self.report_at <= self.now {
                self.report();
            }
            let second = num::index(self.now);
            match self.waiting.pop_front() {
                None => {
                    let back = self.coming.front().map_or(f64::INFINITY, |(back, _)| *back);
                    let soonest = back.min(self.next).min(self.look_at).min(self.report_at);
                    self.now = soonest;
                }
                Some(Work::Arrival { at, priority }) => {
                    self.signals.arrived += 1;
                    if self.instance.check(priority, self.random.u64(..)).is_some() {
                        self.spend(SERVED * REFUSAL);
                        told[second].refused += 1;
                    } else {
                        let times = if self.in_flight > CROWD { self.crowded } else { 1.0 };
                        self.spend(times * SERVED / 2.0);
                        self.in_flight += 1;
                        self.coming.push_back((self.now + UPSTREAM, at));
                    }
                }
                Some(Work::Answer { at }) => {
                    self.spend(SERVED / 2.0);
                    self.in_flight -= 1;
                    self.signals.completed += 1;
                    self.took += self.now - at;
                    told[second].good += u32::from(self.now - at <= PATIENCE);
                }
                Some(Work::Timer { due }) => {
                    self.least_lag = self.least_lag.min(self.now - due);
                    self.look_at = self.now + LOOK;
                }
            }
        }
        told
    }

    fn report(&mut self) {
        let cpu = (self.busy / REPORT).min(1.0);
        let completed = f64::from(self.signals.completed.max(1));
        let signals = Signals {
            scheduler_lag: Duration::from_secs_f64(self.least_lag.min(10.0)),
            cpu,
            in_flight: self.in_flight,
            rtt: Duration::from_secs_f64(self.took / completed),
            ..self.signals
        };
        self.instance.report(&signals, Duration::from_secs_f64(self.now).into());
        (self.busy, self.least_lag, self.took) = (0.0, f64::INFINITY, 0.0);
        self.signals = Signals::default();
        self.report_at = self.now + REPORT;
    }
}

/// Half of what the core can do, but for ten seconds so many times that; gives all twenty seconds.
fn asked(times: f64, classes: &[Class], crowded: f64) -> Vec<Second> {
    let load = |at: f64| if (3.0..13.0).contains(&at) { times } else { 0.5 } / SERVED;
    let instance = Instance::default();
    let mut core = Core::new(&instance, &load, classes);
    core.crowded = crowded;
    core.run(20)
}

/// Mean of what was good in these seconds, over the most that refusals leave of the core.
fn goodput(told: &[Second], times: f64) -> f64 {
    let best = ((1.0 - times * REFUSAL) / (1.0 - REFUSAL)).min(times) / SERVED;
    let good: u32 = told.iter().map(|second| second.good).sum();
    f64::from(good) / (told.len() as f64 * best)
}

#[test]
fn busy_core_does_what_it_can() {
    for classes in [&Class::ALL[..], &[Class::Bulk]] {
        for times in [0.5, 0.8, 1.0, 1.2, 2.0, 3.0] {
            let told = asked(times, classes, 1.0);
            let (soon, settled) = (goodput(&told[3..5], times), goodput(&told[5..13], times));
            let refused: u32 = told.iter().map(|second| second.refused).sum();
            assert!(settled >= 0.9, "{settled} of the best at {times}x");
            assert!(soon >= 0.7, "{soon} of the best at first at {times}x");
            assert!(refused == 0 || times >= 1.0, "{refused} refused at {times}x");
        }
    }
}

/// What is let in too soon costs twice: it crowds out itself.
#[test]
fn crowd_does_not_swing_it() {
    for times in [1.0, 1.2, 2.0, 3.0] {
        let settled = goodput(&asked(times, &Class::ALL, 2.5)[5..13], times);
        assert!(settled >= 0.55, "{settled} of the best at {times}x");
    }
}

#[test]
fn core_is_calm_again_within_three_seconds() {
    for times in [1.2, 2.0, 3.0, 5.0] {
        let told = asked(times, &Class::ALL, 1.0);
        assert_eq!(told[17..].iter().map(|second| second.refused).sum::<u32>(), 0, "{times}x");
        let soon = goodput(&told[if times > 3.0 { 17..19 } else { 15..17 }], 0.5);
        assert!(soon >= 0.95, "{soon} after {times}x");
    }
}
