use super::*;

fn ruling(ruled: Ruled, reason: LayerReason) -> Ruling {
    Ruling { class: Class::Bulk, layer: Layer::Concurrency, ruled, reason }
}

#[test]
fn rulings_are_counted_by_class_layer_and_reason() {
    let metrics = Metrics::new();
    let rulings = metrics.rulings("tv", "home");
    for _ in 0..3 {
        rulings.ruled(ruling(Ruled::Admitted, LayerReason::None));
        rulings.ruled(ruling(Ruled::Refused, LayerReason::QueueFull));
    }
    // Another handle of the same route, as after a reload.
    metrics.rulings("tv", "home").ruled(ruling(Ruled::Refused, LayerReason::QueueFull));
    rulings.ruled(ruling(Ruled::WouldRefuse, LayerReason::LimitReached));
    let page = metrics.exporter().render();
    let series = |ruled: &str, reason: &str, count: u32| {
        format!(
            "headgate_gateway_ruled_requests_total{{team=\"tv\",route=\"home\",class=\"bulk\",\
             layer=\"concurrency\",ruled=\"{ruled}\",reason=\"{reason}\"}} {count}\n"
        )
    };
    for series in [
        series("admitted", "none", 3),
        series("refused", "queue_full", 4),
        series("would_refuse", "limit_reached", 1),
    ] {
        assert!(page.contains(&series), "{series} is not in\n{page}");
    }
    assert_eq!(page.matches("headgate_gateway_ruled_requests_total{").count(), 3);
}

#[test]
fn limits_and_breakers_are_shown_as_they_stand() {
    let metrics = Metrics::new();
    let levels =
        GateLevels { limit: 20, in_flight: [1, 2, 3, 4], queued: 5, no_load: 0.25, threshold: 512 };
    metrics.gate(GateScope::Upstream, "tv", "home").observe(&levels);
    metrics.breakers("tv", "home").observe([3, 1, 0, 0]);
    metrics.retry_budget("tv", "home").observe(7.5);
    let page = metrics.exporter().render();
    for series in [
        "limit_requests{team=\"tv\",scope=\"upstream\",name=\"home\"} 20\n",
        "permitted_requests{team=\"tv\",scope=\"upstream\",name=\"home\",class=\"bulk\"} 4\n",
        "queued_requests{team=\"tv\",scope=\"upstream\",name=\"home\"} 5\n",
        "no_load_rtt_seconds{team=\"tv\",scope=\"upstream\",name=\"home\"} 0.25\n",
        "shed_from_ranks{team=\"tv\",scope=\"upstream\",name=\"home\"} 512\n",
        "breaker_endpoints{team=\"tv\",upstream=\"home\",state=\"open\"} 1\n",
        "retry_budget_attempts{team=\"tv\",route=\"home\"} 7.5\n",
    ] {
        assert!(page.contains(series), "{series} is not in\n{page}");
    }
}
