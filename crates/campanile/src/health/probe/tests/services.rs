use std::sync::Arc;

use tower::service_fn;

use super::*;
use crate::{
    Rejection,
    rejection::RejectionKind,
    testing::{Permits, Readiness, ReadinessProbe, Script, Step},
};

fn refused(kind: RejectionKind) -> BoxError {
    Rejection::new(kind, "rate_limit").into()
}

#[tokio::test(start_paused = true)]
async fn a_service_answers_for_the_endpoint() {
    let service = service_fn(|check: Check<u32>| async move {
        match check.target {
            0 => Ok(true),
            1 => Ok(false),
            2 => Err(BoxError::from("broken")),
            3 => Err(refused(RejectionKind::RateLimited)),
            _ => Err(refused(RejectionKind::TimedOut)),
        }
    });
    let probe = ServiceProbe::new(service);
    let mut found = Vec::new();
    for target in 0..5 {
        found.push(probe.check(check(target)).await);
    }
    let found: Vec<_> = found.iter().map(message).collect();
    assert_eq!(
        found,
        [
            (Verdict::Healthy, ""),
            (Verdict::Unhealthy, ""),
            (Verdict::Unhealthy, "broken"),
            // It never came to the endpoint.
            (Verdict::Unknown, "rate_limit: the rate limit is used up"),
            (Verdict::Unhealthy, "rate_limit: the call took too long"),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn only_the_instance_that_was_readied_is_called_and_a_dropped_check_keeps_nothing() {
    let permits = Permits::new(1);
    let script: Script<_> = Script::new(Step::answer(true).after(SEC));
    // Panics when a clone is called that was not readied.
    let probe = ServiceProbe::new(ReadinessProbe::new(script.service()).permits(permits.clone()));
    assert!(probe.check(check(())).await.is_healthy());
    assert_eq!((permits.free(), script.counts().calls), (1, 1));

    // In flight it holds the permit, and another waits for it.
    let mut first = Box::pin(probe.check(check(())));
    let mut second = Box::pin(probe.check(check(())));
    assert!(is_pending(&mut first).await);
    assert!(is_pending(&mut second).await);
    assert_eq!((permits.free(), script.counts().calls), (0, 2));
    drop(first);
    assert!(second.await.is_healthy());
    assert_eq!((permits.free(), script.counts().calls), (1, 3));
}

#[tokio::test(start_paused = true)]
async fn a_dead_prober_says_nothing_of_the_endpoint() {
    let script = Script::answering(true);
    script.set_readiness(Readiness::error("worker gone"));
    let report = ServiceProbe::new(script.service()).check(check(())).await;
    assert_eq!(message(&report), (Verdict::Unknown, "worker gone"));
}

#[tokio::test(start_paused = true)]
async fn slow_is_unhealthy_and_says_how_slow() {
    let probe = ResponseTime::new(
        |check: Check<u64>| async move {
            tokio::time::sleep(SEC * u32::try_from(check.target).unwrap()).await;
            Report::healthy()
                .with_message("fine")
                .with_metric("depth", 3.0)
        },
        2 * SEC,
    );
    let report = probe.check(check(2)).await;
    assert_eq!(message(&report), (Verdict::Healthy, "fine"), "at the bound");
    assert_eq!(metric(&report, "response_time_seconds"), Some(2.0));

    let report = probe.check(check(3)).await;
    assert_eq!(
        message(&report),
        (Verdict::Unhealthy, "took 3.0s, longer than 2s")
    );
    assert_eq!(metric(&report, "response_time_seconds"), Some(3.0));
    assert_eq!(metric(&report, "depth"), Some(3.0));
}

#[tokio::test(start_paused = true)]
async fn response_time_leaves_other_verdicts_as_they_are() {
    for report in [Report::unhealthy("down"), Report::unknown("who knows")] {
        let said = report.clone();
        let probe = ResponseTime::new(
            move |_: Check<()>| {
                let report = report.clone();
                async move {
                    tokio::time::sleep(2 * SEC).await;
                    report
                }
            },
            SEC,
        );
        assert_eq!(message(&probe.check(check(())).await), message(&said));
    }
}

#[tokio::test]
async fn a_paid_probe_is_paid_wherever_it_stands() {
    fn paid(probe: &impl Probe<()>) -> bool {
        probe.is_paid()
    }
    let free = |_: Check<()>| async { true };
    assert!(!paid(&free) && paid(&Paid::new(free)));
    assert!(!paid(&BoxProbe::new(free)) && paid(&BoxProbe::new(Paid::new(free))));
    assert!(!paid(&ResponseTime::new(free, SEC)) && paid(&ResponseTime::new(Paid::new(free), SEC)));
    assert!(!paid(&All::new().with("a", free).with("b", free)));
    assert!(paid(&All::new().with("a", free).with("b", Paid::new(free))));
    assert!(!paid(&Any::new().with("a", free)));
    assert!(paid(&Any::new().with("a", Paid::new(free)).with("b", free)));
    assert!(Paid::new(free).check(check(())).await.is_healthy());
}

#[tokio::test]
async fn checks_can_be_spawned_over_boxed_errors() {
    let service = service_fn(|_: Check<Arc<str>>| async { Err::<bool, _>(BoxError::from("no")) });
    let probe = All::new().with("service", ServiceProbe::new(service));
    let spawned = tokio::spawn(probe.check(check("target".into())));
    assert_eq!(spawned.await.unwrap().message, "service: no");
}
