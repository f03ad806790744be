//! A concurrency limit, a rate limit and the back-pressure rule around one service: the rule turns both down when the
//! service fails or slows, and up again when it is well.

use std::time::Duration;

use campanile::{
    BoxError, Rejection,
    back_pressure::{BackPressureConfig, BackPressureHandle, BackPressureLayer, Verdict},
    concurrency_limit::{ConcurrencyLimitConfig, ConcurrencyLimitHandle, ConcurrencyLimitLayer},
    rate_limit::{Limit, RateLimitConfig, RateLimitHandle, RateLimitLayer, Unit},
    testing::{Script, Step},
};
use tower::{ServiceBuilder, ServiceExt, util::BoxCloneSyncService};

const SEC: Duration = Duration::from_secs(1);

/// 20 calls at once, 40 a second.
struct Stack {
    script: Script<&'static str>,
    service: BoxCloneSyncService<(), &'static str, BoxError>,
    limit: ConcurrencyLimitHandle,
    rate: RateLimitHandle,
    rule: BackPressureHandle,
}

impl Stack {
    fn new() -> Result<Self, BoxError> {
        let script = Script::answering("well");
        let mut fixed = ConcurrencyLimitConfig::fixed(20).refusing();
        fixed.max_limit = 40;
        let limit = ConcurrencyLimitHandle::new(fixed)?;
        let requests = Limit::per_second(40.0).with_range(5.0, 80.0);
        let rate = RateLimitHandle::new(
            RateLimitConfig::requests(requests)
                .with_max_wait(Duration::ZERO)
                .build()?,
        )
        .unwrap();
        let rule = BackPressureHandle::new(BackPressureConfig::default().build()?).unwrap();
        rule.add_capacity(limit.limit_dial());
        rule.add_rate(rate.unit_dial(Unit::Requests));
        let service = ServiceBuilder::new()
            .layer(ConcurrencyLimitLayer::shared(&limit))
            .layer(RateLimitLayer::shared(&rate))
            .layer(BackPressureLayer::shared(&rule))
            .service(script.service());
        Ok(Self {
            script,
            service: BoxCloneSyncService::new(service),
            limit,
            rate,
            rule,
        })
    }

    /// Offers 20 calls a second for one window; how many were refused.
    async fn window(&self, step: Step<&'static str>) -> usize {
        self.script.set(step);
        let mut refused = 0;
        for _ in 0..10 {
            let calls = (0..20).map(|_| self.service.clone().oneshot(()));
            for answer in futures_util::future::join_all(calls).await {
                let rejected = |error: &BoxError| Rejection::find(&**error).is_some();
                refused += usize::from(answer.as_ref().is_err_and(rejected));
            }
            tokio::time::advance(SEC).await;
        }
        refused
    }

    fn settings(&self) -> (u32, f64) {
        let rate = self.rate.snapshot().units[0].rate;
        (self.limit.limit(), rate)
    }

    fn verdict(&self) -> Option<Verdict> {
        Some(self.rule.snapshot().latest?.verdict)
    }
}

fn well() -> Step<&'static str> {
    Step::answer("well")
}

#[tokio::test(start_paused = true)]
async fn both_limits_go_down_together_and_come_back() -> Result<(), BoxError> {
    let stack = Stack::new()?;
    stack.window(Step::error("broken")).await;
    stack.window(well()).await;
    assert_eq!(stack.verdict(), Some(Verdict::ShrinkForErrors));
    assert_eq!(stack.settings(), (15, 20.0));

    stack.window(well()).await;
    assert_eq!(stack.verdict(), Some(Verdict::Grow));
    assert_eq!(stack.settings(), (20, 25.0));
    for _ in 0..12 {
        stack.window(well()).await;
    }
    assert_eq!(stack.settings(), (40, 80.0), "no further than their caps");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn what_the_limits_refuse_does_not_turn_them_down() -> Result<(), BoxError> {
    let stack = Stack::new()?;
    // Two at a time, a second each.
    stack.limit.set_limit(2);
    let mut refused = 0;
    for _ in 0..3 {
        refused += stack.window(well().after(SEC)).await;
    }
    assert!(refused > 300, "{refused}: most calls find no room");
    assert_eq!(stack.verdict(), Some(Verdict::Grow));
    assert_eq!(
        stack.rule.snapshot().latest.map(|last| last.counts.errors),
        Some(0)
    );
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_outage_leads_to_both_floors_and_everything_is_given_back() -> Result<(), BoxError> {
    let stack = Stack::new()?;
    for _ in 0..30 {
        stack.window(Step::error("broken")).await;
    }
    assert_eq!(stack.settings(), (1, 5.0));
    assert_eq!(stack.limit.in_use(), 0);
    for _ in 0..40 {
        stack.window(well()).await;
    }
    assert_eq!(stack.settings(), (40, 80.0));
    Ok(())
}
