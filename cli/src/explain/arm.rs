//! Which arm a request draws on a split route, and why.

use headgate_config::Loaded;
use headgate_gateway::{
    Drawn,
    settings::{Arm, Route, Split, Sticky},
};
use headgate_router::split;

use crate::explain::Decision;

/// The arm that was drawn; the rest where none was.
fn arm_of(split: &Split, drawn: Drawn) -> &Arm {
    drawn.choice.arm.and_then(|arm| split.arms.get(arm)).unwrap_or(&split.rest)
}

/// The arm, with the bucket, the salt and the weights that decided.
pub(super) fn arm(route: &Route, drawn: Option<Drawn>, id: &str) -> Decision {
    let (Some(split), Some(drawn)) = (&route.split, drawn) else {
        return Decision::made("none", format!("route {id} sends everything to its `to`"));
    };
    let key = split.kind.as_str();
    let weights = weights(split);
    let reason = match (drawn.choice.bucket, split.sticky) {
        _ if drawn.is_chosen => format!("a tester's token in headgate-arm chose it on route {id}"),
        (Some(bucket), sticky) => format!(
            "`{key}` of route {id}: bucket {bucket} by {} and salt {}; {weights}",
            sticky.as_str(),
            split.salt
        ),
        (None, _) if split.arms.is_empty() => {
            format!("other routes move off this upstream by `{key}`; nobody leaves it here")
        }
        (None, Sticky::Trace) => {
            format!("`{key}` of route {id}: each request is drawn by its trace; {weights}")
        }
        (None, sticky) => {
            format!("`{key}` of route {id}: without a {} it stays; {weights}", sticky.as_str())
        }
    };
    Decision::made(arm_of(split, drawn).name.as_ref(), reason)
}

/// What each arm has of the buckets.
fn weights(split: &Split) -> String {
    let weights = split.arms.iter().map(|arm| arm.weight);
    let ranges = split::Split::new(split.salt.as_ref(), weights).ok();
    let arms = split.arms.iter().enumerate().map(|(at, arm)| {
        let range =
            ranges.as_ref().and_then(|ranges| ranges.range(at)).filter(|one| !one.is_empty());
        match range {
            Some(range) => {
                format!("{} has {} to {} ({})", arm.name, range.start, range.end - 1, arm.weight)
            }
            None => format!("{} has none", arm.name),
        }
    });
    format!("{}, {} the rest", arms.collect::<Vec<_>>().join(", "), split.rest.name)
}

/// The upstream that is asked, and on whose word.
pub(super) fn upstream(loaded: &Loaded, route: &Route, drawn: Option<Drawn>, id: &str) -> Decision {
    if let Some(publish) = &route.publish {
        let event = format!("{}/{}", publish.topic, publish.kind);
        let why = format!("`publish` of route {id}: each request becomes an event {event}");
        return Decision::not_made(why);
    }
    let arm = route.split.as_ref().zip(drawn).map(|(split, drawn)| arm_of(split, drawn));
    let (index, source) = match arm {
        Some(arm) => (Some(arm.upstream), format!("arm {} of route {id}", arm.name)),
        None => (route.upstream, format!("`to` of route {id}")),
    };
    let Some(upstream) = index.and_then(|index| loaded.settings.upstreams.get(index)) else {
        return Decision::not_made("the upstream is not there");
    };
    let endpoints: Vec<_> = upstream.endpoints.iter().map(ToString::to_string).collect();
    let endpoints = match &upstream.dns {
        Some(dns) => format!("by DNS of {}", dns.question),
        None => endpoints.join(", "),
    };
    let reason = format!("{source}; endpoints {endpoints}");
    Decision::made(upstream.name.as_ref(), reason)
}
