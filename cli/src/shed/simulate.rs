//! `headgate shed simulate`: who would be refused of the last requests, with other limits.

mod run;

use std::{
    collections::{BTreeMap, HashMap},
    process::ExitCode,
    time::Duration,
};

use headgate_admin::LimitsStatus;
use headgate_config::Loaded;
use headgate_gateway::{
    Fact,
    settings::{Callers, Per, Route, Settings},
};
use headgate_router::overload::{mode::Mode, rate::Limiter, throttle::Throttle};
use headgate_telemetry::Kept;
use headgate_types::{Class, Outcome, Priority, UnixTime};
use serde::Serialize;

use self::run::{Arrival, Layers, gate, run};
use crate::{
    admin::Admin,
    args,
    exit::{FINDINGS, Invalid},
    limits,
    output::{Output, columns},
    plan::pages,
};

/// Requests that are simulated at most, the last ones.
const REQUESTS_MAX: u64 = 2_000_000;
/// Draws are the same in every run, so that two configurations are compared on equal terms.
const SEED: u64 = 1;

/// Requests of one route, class and device class.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
struct Stream {
    team: String,
    route: String,
    class: &'static str,
    device: String,
}

/// What becomes of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
struct Counts {
    arrived: u64,
    /// Refused for load as it was.
    refused_then: u64,
    /// Refused by the new limits and cuts.
    refused_new: u64,
}

/// One row of the answer.
#[derive(Debug, Serialize)]
struct Row {
    #[serde(flatten)]
    stream: Stream,
    #[serde(flatten)]
    counts: Counts,
}

/// What comes of a simulation.
#[derive(Debug, Serialize)]
struct Answer {
    /// Requests that were simulated.
    requests: u64,
    /// Requests of routes that the new configuration has not.
    left_out: u64,
    /// What of the new configuration was not simulated, and why.
    not_simulated: Vec<&'static str>,
    rows: Vec<Row>,
}

/// How long an upstream took, and whether it answered well.
type Served = (Duration, bool);

/// One kept request, as far as it matters here.
struct Seen {
    at: Duration,
    stream: usize,
    gates: [Option<usize>; 2],
    route: Option<usize>,
    is_known: bool,
    class: Class,
    served: Option<Served>,
    weight: u64,
    is_cut: bool,
}

/// Sends the facts of recent requests through the limits of another configuration; ends with 1
/// when these would refuse more of any class.
///
/// # Errors
///
/// Faults of the configuration, and as [`shed`](super::shed).
pub(super) fn simulate(
    args: &args::ShedSimulate,
    output: &mut Output<'_>,
) -> anyhow::Result<ExitCode> {
    let loaded = headgate_config::load(&args.with)?;
    let admin = Admin::at(&args.admin)?;
    let limits: LimitsStatus = admin.get(limits::PATH)?.json(&admin)?;
    let mut facts = Vec::new();
    pages::each(admin, args.last, &mut |page| facts.extend(page.facts))?;
    let answer = answer(&loaded, &limits, &facts)?;
    if output.json {
        output.json(&answer)?;
    } else {
        output.out.write_all(text(&answer).as_bytes())?;
    }
    let is_worse = Class::ALL.iter().any(|class| {
        let of_class = answer.rows.iter().filter(|row| row.stream.class == class.as_str());
        let (then, new) = of_class.fold((0, 0), |(then, new), row| {
            (then + row.counts.refused_then, new + row.counts.refused_new)
        });
        new > then
    });
    Ok(if is_worse { ExitCode::from(FINDINGS) } else { ExitCode::SUCCESS })
}

fn answer(loaded: &Loaded, limits: &LimitsStatus, facts: &[Fact]) -> Result<Answer, Invalid> {
    let mut simulation = Simulation::new(loaded, limits);
    for fact in facts {
        simulation.see(fact);
    }
    simulation.answer()
}

/// The requests, and what they meet.
struct Simulation<'a> {
    loaded: &'a Loaded,
    routes: HashMap<String, (usize, &'a Route)>,
    /// What routes grant in the running edge.
    granted: HashMap<String, Class>,
    streams: Vec<(Stream, Counts)>,
    known: HashMap<Stream, usize>,
    seen: Vec<Seen>,
    began: Option<UnixTime>,
    left_out: u64,
    random: fastrand::Rng,
}

impl<'a> Simulation<'a> {
    fn new(loaded: &'a Loaded, limits: &LimitsStatus) -> Self {
        let routes = loaded.settings.routes.iter().enumerate();
        let routes = routes.map(|(at, one)| (format!("{}/{}", one.team, one.name), (at, one)));
        let granted = limits.routes.iter().filter_map(|one| {
            Some((format!("{}/{}", one.team, one.name), one.priority.parse().ok()?))
        });
        Self {
            loaded,
            routes: routes.collect(),
            granted: granted.collect(),
            streams: Vec::new(),
            known: HashMap::new(),
            seen: Vec::new(),
            began: None,
            left_out: 0,
            random: fastrand::Rng::with_seed(SEED),
        }
    }

    fn see(&mut self, fact: &Fact) {
        // Without a route nothing was limited, and nothing would be.
        let (Some(id), Ok(time)) = (&fact.route, fact.time.parse::<UnixTime>()) else { return };
        let Some((at, route)) = self.routes.get(id).copied() else {
            self.left_out += fact.weight;
            return;
        };
        let class = self.class(fact, id, route);
        let device = fact.device.clone().unwrap_or_default();
        let (team, name) = (route.team.to_string(), route.name.to_string());
        let stream = Stream { team, route: name, class: class.as_str(), device };
        let index = *self.known.entry(stream.clone()).or_insert_with(|| {
            self.streams.push((stream, Counts::default()));
            self.streams.len() - 1
        });
        let is_shed = |outcome: &Outcome| Kept::of(*outcome) == Kept::Shed;
        let outcome = Outcome::ALL.into_iter().find(|known| known.as_str() == fact.outcome);
        if let Some((_, counts)) = self.streams.get_mut(index) {
            counts.arrived += fact.weight;
            counts.refused_then +=
                if outcome.as_ref().is_some_and(is_shed) { fact.weight } else { 0 };
        }
        let began = *self.began.get_or_insert(time);
        let is_cut = self.is_cut(class, route);
        self.seen.push(Seen {
            at: time.since(began),
            stream: index,
            gates: self.gates(at, route),
            route: (!route.overload.is_exempt).then_some(at),
            is_known: fact.caller == "verified",
            class,
            served: fact
                .service_us
                .map(|micros| (Duration::from_micros(micros), outcome == Some(Outcome::Ok))),
            weight: fact.weight.max(1),
            is_cut,
        });
    }

    /// The class with what the new configuration grants; a client that wished for less still does.
    fn class(&self, fact: &Fact, id: &str, route: &Route) -> Class {
        let was = fact.priority.as_deref().and_then(|word| word.parse::<Class>().ok());
        match (was, self.granted.get(id)) {
            (Some(was), Some(granted)) if was == *granted => route.priority,
            (Some(was), _) => Priority::from(route.priority).lowered_to(was).class(),
            (None, _) => route.priority,
        }
    }

    /// The limits of a route, by position: those of upstreams come first, then those of routes.
    fn gates(&self, at: usize, route: &Route) -> [Option<usize>; 2] {
        if route.overload.is_exempt {
            return [None, None];
        }
        let own = route.overload.concurrency.map(|_| self.loaded.settings.upstreams.len() + at);
        [own, route.upstream]
    }

    fn is_cut(&mut self, class: Class, route: &Route) -> bool {
        let overload = &self.loaded.settings.edge.overload;
        let acts = matches!(overload.mode, Mode::Enforce(_)) && !route.overload.is_exempt;
        let share = overload.cut.get(class.index()).map_or(0.0, |share| share.as_f64());
        acts && self.random.f64() < share
    }

    fn answer(mut self) -> Result<Answer, Invalid> {
        let typical = self.typical();
        if typical.is_empty() && !self.seen.is_empty() {
            let message = "none of the requests was served, so it is not known how long one takes";
            return Err(Invalid::message(message.to_owned()));
        }
        let settings = &self.loaded.settings;
        let upstreams = settings.upstreams.iter().map(|one| one.overload.concurrency);
        let routes = settings.routes.iter().map(|one| one.overload.concurrency.unwrap_or_default());
        let gates: Vec<_> = upstreams.chain(routes).map(|one| gate(&one)).collect();
        let rates: Vec<_> = settings.routes.iter().map(rates).collect();
        let throttles: Vec<_> = settings.routes.iter().map(throttle).collect();
        let arrivals = self.arrivals(&typical);
        let layers = Layers { rates: &rates, throttles: &throttles, gates: &gates };
        let refused = run(&arrivals, layers, self.streams.len(), SEED);
        let mut rows: BTreeMap<Stream, Counts> = BTreeMap::new();
        for ((stream, counts), refused) in self.streams.into_iter().zip(refused) {
            let counts = Counts { refused_new: counts.refused_new + refused, ..counts };
            rows.insert(stream, counts);
        }
        Ok(Answer {
            requests: rows.values().map(|counts| counts.arrived).sum(),
            left_out: self.left_out,
            not_simulated: not_simulated(settings),
            rows: rows.into_iter().map(|(stream, counts)| Row { stream, counts }).collect(),
        })
    }

    /// How served requests were, by upstream: for those that were not.
    fn typical(&self) -> HashMap<Option<usize>, Vec<Served>> {
        let mut typical: HashMap<_, Vec<_>> = HashMap::new();
        for seen in &self.seen {
            if let Some(served) = seen.served {
                let [_, upstream] = seen.gates;
                typical.entry(upstream).or_default().push(served);
                typical.entry(None).or_default().push(served);
            }
        }
        typical
    }

    /// One arrival for each request that a fact stands for, the last [`REQUESTS_MAX`].
    fn arrivals(&mut self, typical: &HashMap<Option<usize>, Vec<Served>>) -> Vec<Arrival> {
        let all: u64 = self.seen.iter().map(|seen| seen.weight).sum();
        let span = self.seen.last().map_or(Duration::ZERO, |seen| seen.at);
        // Requests that were passed over came about as evenly as all did.
        let gap = span.div_f64(all.max(1) as f64);
        let mut surplus = all.saturating_sub(REQUESTS_MAX);
        let mut arrivals = Vec::new();
        for seen in &self.seen {
            for copy in 0..seen.weight {
                let Some((_, counts)) = self.streams.get_mut(seen.stream) else { continue };
                if surplus > 0 {
                    surplus -= 1;
                    counts.arrived = counts.arrived.saturating_sub(1);
                    continue;
                }
                if seen.is_cut {
                    counts.refused_new += 1;
                    continue;
                }
                let [_, upstream] = seen.gates;
                let like = typical.get(&upstream).or_else(|| typical.get(&None));
                let place = self.random.usize(..like.map_or(1, |like| like.len().max(1)));
                let drawn = like.and_then(|like| like.get(place)).copied();
                let (service, is_good) = seen.served.or(drawn).unwrap_or_default();
                let at = seen.at + gap * u32::try_from(copy).unwrap_or(u32::MAX);
                let Seen { stream, gates, route, is_known, class, .. } = *seen;
                arrivals.push(Arrival {
                    at,
                    class,
                    gates,
                    route,
                    is_known,
                    service,
                    is_good,
                    stream,
                });
            }
        }
        arrivals.sort_by_key(|arrival| arrival.at);
        arrivals
    }
}

/// What acts in that configuration and cannot be told from facts.
fn not_simulated(settings: &Settings) -> Vec<&'static str> {
    let acts = |mode: Mode| matches!(mode, Mode::Enforce(_));
    let is_keyed = |route: &Route| {
        route.overload.rates.iter().any(|rate| acts(rate.mode) && rate.per != Per::Route)
    };
    let all = [
        (
            acts(settings.edge.overload.mode),
            "the edge's own overload: it follows from the machine's load, not from arrivals",
        ),
        (
            settings.upstreams.iter().any(|upstream| acts(upstream.overload.breaker.mode)),
            "breakers and retries: it is not kept which endpoint was asked",
        ),
        (
            settings.routes.iter().any(is_keyed),
            "rates of devices and users: it is not kept who asked",
        ),
    ];
    all.into_iter().filter(|(applies, _)| *applies).map(|(_, what)| what).collect()
}

fn throttle(route: &Route) -> Throttle {
    let throttle = Throttle::default();
    throttle.switch().set(route.overload.throttle);
    throttle
}

/// The rates that count a route's requests as a whole. Those of devices and users need to know who
/// asked, which is not kept.
fn rates(route: &Route) -> Vec<(Callers, Limiter)> {
    let whole = route.overload.rates.iter().filter(|rate| rate.per == Per::Route);
    whole
        .filter_map(|rate| {
            let limiter = Limiter::with_keys(rate.rate, 1)?;
            limiter.switch().set(rate.mode);
            Some((rate.callers, limiter))
        })
        .collect()
}

fn text(answer: &Answer) -> String {
    if answer.rows.is_empty() {
        return "no request of that time is kept (data.facts, events.exchanges)\n".to_owned();
    }
    let head = ["ROUTE", "CLASS", "DEVICE", "ARRIVED", "REFUSED THEN", "WOULD REFUSE"];
    let lines = answer.rows.iter().map(|Row { stream, counts }| {
        let share = |count: u64| {
            format!("{count} ({:.1} %)", 100.0 * count as f64 / counts.arrived.max(1) as f64)
        };
        vec![
            format!("{}/{}", stream.team, stream.route),
            stream.class.to_owned(),
            stream.device.clone(),
            counts.arrived.to_string(),
            share(counts.refused_then),
            share(counts.refused_new),
        ]
    });
    let lines: Vec<_> = [head.map(str::to_owned).to_vec()].into_iter().chain(lines).collect();
    let mut text = columns(&lines);
    if answer.left_out > 0 {
        text.push_str("requests of routes that the configuration has not: ");
        text.push_str(&answer.left_out.to_string());
        text.push('\n');
    }
    for what in &answer.not_simulated {
        text.push_str("not simulated: ");
        text.push_str(what);
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests;
