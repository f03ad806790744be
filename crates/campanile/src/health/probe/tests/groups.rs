use std::sync::Arc;

use tokio::time::{Instant, sleep};

use super::*;

fn says(report: Report) -> impl Probe<()> {
    move |_: Check<()>| {
        let report = report.clone();
        async move { report }
    }
}

fn after(time: Duration, healthy: bool) -> impl Probe<()> {
    move |_: Check<()>| async move {
        sleep(time).await;
        healthy
    }
}

fn hangs() -> impl Probe<()> {
    |_: Check<()>| pending::<bool>()
}

#[tokio::test(start_paused = true)]
async fn verdicts_of_members_make_one() {
    use Verdict::{Healthy, Unhealthy, Unknown};
    let report = |verdict| match verdict {
        Unhealthy => Report::unhealthy("sick"),
        Unknown => Report::unknown("dunno"),
        _ => Report::healthy(),
    };
    // The two members, all of them, any of them.
    let table = [
        (Healthy, Healthy, Healthy, Healthy),
        (Healthy, Unhealthy, Unhealthy, Healthy),
        (Healthy, Unknown, Healthy, Healthy),
        (Unhealthy, Unhealthy, Unhealthy, Unhealthy),
        (Unhealthy, Unknown, Unhealthy, Unhealthy),
        (Unknown, Unknown, Unknown, Unknown),
    ];
    for (one, other, all, any) in table {
        for (a, b) in [(one, other), (other, one)] {
            let probe = All::new()
                .with("a", says(report(a)))
                .with("b", says(report(b)));
            assert_eq!(
                probe.check(check(())).await.verdict,
                all,
                "all: {a:?} {b:?}"
            );
            let probe = Any::new()
                .with("a", says(report(a)))
                .with("b", says(report(b)));
            assert_eq!(
                probe.check(check(())).await.verdict,
                any,
                "any: {a:?} {b:?}"
            );
        }
    }
    for report in [
        All::new().check(check(())).await,
        Any::new().check(check(())).await,
    ] {
        assert_eq!(message(&report), (Unknown, "there is no probe"));
    }
}

#[tokio::test(start_paused = true)]
async fn messages_and_metrics_say_whose_they_are() {
    let probe = All::new()
        .with(
            "http",
            says(Report::unhealthy("status 503").with_metric("status", 503.0)),
        )
        .with("tcp", says(Report::healthy().with_metric("status", 1.0)))
        .with("queue", says(Report::healthy().with_message("short")))
        .with("quiet", says(Report::unhealthy("")))
        .with("dull", says(Report::unknown("")));
    let report = probe.check(check(())).await;
    assert_eq!(
        message(&report),
        (
            Verdict::Unhealthy,
            "http: status 503; queue: short; quiet: unhealthy; dull: cannot tell"
        )
    );
    assert_eq!(metric(&report, "http_status"), Some(503.0));
    assert_eq!(metric(&report, "tcp_status"), Some(1.0));
}

#[tokio::test(start_paused = true)]
async fn members_look_at_the_same_time() {
    let started = Instant::now();
    let probe = All::new()
        .with("a", after(3 * SEC, true))
        .with("b", after(3 * SEC, true))
        .with("c", after(2 * SEC, true));
    assert!(probe.check(check(())).await.is_healthy());
    assert_eq!(Instant::now() - started, 3 * SEC);
}

#[tokio::test(start_paused = true)]
async fn one_that_hangs_is_named() {
    let started = Instant::now();
    let probe = All::new()
        .with("http", says(Report::healthy()))
        .with("disk", hangs());
    let report = probe.check(check(())).await;
    assert_eq!(
        message(&report),
        (Verdict::Unhealthy, "disk: took longer than 9s")
    );
    // Before the 10 s that a health layer allows by default, or nobody would be told.
    assert_eq!(Instant::now() - started, 9 * SEC);

    let probe = All::new()
        .with_limit(2 * SEC)
        .with("slow", hangs())
        .within("own", SEC, hangs());
    let report = probe.check(check(())).await;
    assert_eq!(
        message(&report),
        (
            Verdict::Unhealthy,
            "slow: took longer than 2s; own: took longer than 1s"
        )
    );
    assert_eq!(Instant::now() - started, 11 * SEC);
}

#[tokio::test(start_paused = true)]
async fn one_that_panics_takes_no_other_with_it() {
    let early = |_: Check<()>| {
        assert!(SEC.is_zero(), "before its future");
        pending::<bool>()
    };
    let late = |_: Check<()>| async {
        sleep(SEC).await;
        assert!(SEC.is_zero(), "within its future");
    };
    let probe = All::new()
        .with("early", early)
        .with("late", late)
        .with("well", after(2 * SEC, true));
    let report = probe.check(check(())).await;
    assert_eq!(
        message(&report),
        (Verdict::Unhealthy, "early: panicked; late: panicked")
    );
    let any = Any::new()
        .with("early", early)
        .with("well", after(SEC, true));
    assert!(any.check(check(())).await.is_healthy());
}

#[tokio::test(start_paused = true)]
async fn the_first_healthy_one_is_enough_and_ends_the_others() {
    let alive = Arc::new(());
    let held = Arc::clone(&alive);
    let hangs = move |_: Check<()>| {
        let held = Arc::clone(&held);
        async move {
            pending::<()>().await;
            drop(held);
        }
    };
    let started = Instant::now();
    let probe = Any::new()
        .with("down", after(SEC, false))
        .with("hangs", hangs)
        .with("up", after(2 * SEC, true));
    let report = probe.check(check(())).await;
    assert_eq!(message(&report), (Verdict::Healthy, "down: unhealthy"));
    assert_eq!(Instant::now() - started, 2 * SEC);
    // This one and the probe's own.
    assert_eq!(Arc::strong_count(&alive), 2);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_check_drops_its_members() {
    let alive = Arc::new(());
    let probe = All::new()
        .with("a", hangs_with(&alive))
        .with("b", hangs_with(&alive));
    let mut checking = Box::pin(probe.check(check(())));
    assert!(is_pending(&mut checking).await);
    assert_eq!(Arc::strong_count(&alive), 5);
    drop(checking);
    assert_eq!(Arc::strong_count(&alive), 3);
}

fn hangs_with(alive: &Arc<()>) -> impl Probe<()> {
    let alive = Arc::clone(alive);
    move |_: Check<()>| {
        let alive = Arc::clone(&alive);
        async move {
            pending::<()>().await;
            drop(alive);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn groups_nest() {
    let probe = All::new().with("own", says(Report::healthy())).with(
        "reach",
        Any::new()
            .with(
                "v4",
                says(Report::unhealthy("refused").with_metric("code", 1.0)),
            )
            .with("v6", says(Report::unhealthy("no route"))),
    );
    let report = probe.clone().check(check(())).await;
    assert_eq!(
        message(&report),
        (Verdict::Unhealthy, "reach: v4: refused; v6: no route")
    );
    assert_eq!(metric(&report, "reach_v4_code"), Some(1.0));
    assert_eq!(
        format!("{probe:?}"),
        "All { members: [\"own\", \"reach\"], limit: 9s }"
    );
}
