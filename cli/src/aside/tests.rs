use super::*;

#[tokio::test]
async fn jobs_run_on_a_nicer_thread_and_so_do_their_threads() {
    let aside = Aside::start("aside").unwrap();
    let nice = || rustix::process::nice(0).unwrap();
    let own = nice();
    let both = move || (nice(), thread::spawn(nice).join().unwrap());
    let (of_job, of_thread) = aside.run(both).await.unwrap();
    assert!(of_job > own || own == 19, "{of_job} from {own}");
    assert_eq!(of_thread, of_job);
    assert_eq!(nice(), own);
}

#[tokio::test]
async fn job_that_panics_ends_alone() {
    let aside = Aside::start("aside").unwrap();
    assert_eq!(aside.run(|| -> u32 { panic!("on purpose") }).await, None);
    assert_eq!(aside.run(|| 7).await, Some(7));
}
