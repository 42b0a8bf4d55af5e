//! Refuses who asks more often than the route lets it.

use headgate_router::overload::{mode::Ruled, verdict::Layer};

use crate::{
    edge::Route, error::Error, identity::Verified, overload::Ruling, record::Record,
    step::admit::low_half,
};

/// Counts the request by each rate of its route, until one refuses it.
///
/// # Errors
///
/// [`Error::LimitedRate`].
pub(crate) fn limit(
    route: &Route,
    caller: Option<&Verified>,
    record: &mut Record,
) -> Result<(), Error> {
    let settings = &route.settings.overload;
    if route.rates.is_empty() || settings.is_exempt {
        return Ok(());
    }
    let (now, level) = (record.clock().now(), record.priority().rank());
    let mut admitted = None;
    for (rate, wanted) in route.rates.iter().zip(&settings.rates) {
        let rule = rate.rule((caller, record.client().user), (wanted.mode, now));
        let ruling = Ruling::of(rule, Layer::Rate, wanted.mode, level);
        match rule {
            Ruled::Admitted => admitted = Some(ruling),
            Ruled::WouldRefuse(_) => record.rule(ruling),
            Ruled::Refused(refusal) => {
                record.rule(ruling);
                return Err(Error::refused(&refusal, low_half(record.trace_id())));
            }
        }
    }
    if let Some(ruling) = admitted {
        record.rule(ruling);
    }
    Ok(())
}
