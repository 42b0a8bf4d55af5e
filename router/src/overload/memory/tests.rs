use super::*;

#[test]
fn idle_time_shrinks_while_memory_runs_out() {
    let shares = [
        (None, 1.0),
        (Some(0.0), 1.0),
        (Some(0.85), 1.0),
        (Some(0.90), 0.55),
        (Some(0.95), 0.1),
        (Some(7.0), 0.1),
        (Some(f64::NAN), 1.0),
    ];
    for (in_use, wanted) in shares {
        let share = idle_share(in_use);
        assert!((share - wanted).abs() < 1e-9, "{in_use:?}: {share}");
    }
}
