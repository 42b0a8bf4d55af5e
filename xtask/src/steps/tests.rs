use anyhow::anyhow;

use super::Steps;

#[test]
fn later_steps_run_after_a_failure() {
    let mut steps = Steps::default();
    let mut ran = false;
    steps.run("first", || Err(anyhow!("broken")));
    steps.run("second", || {
        ran = true;
        Ok(())
    });
    assert!(ran);
    assert_eq!(steps.finish().unwrap_err().to_string(), "failed: first");
}
