//! What budgets of others are known to get wrong.

use super::*;

/// A hard budget of $0.01 that spent $9: calls were looked up before, and counted after.
#[tokio::test(start_paused = true)]
async fn a_hard_budget_of_one_cent_spends_no_more_than_one_cent() {
    let config = SpendLimitConfig::new(SpendBudget::dollars(0.01, Period::Month));
    let (script, service) = limited(config);
    script.set(Step::answer("hello").after(SEC));
    let calls = (0..900).map(|_| service.clone().oneshot(money(10_000_000)));
    let answers = futures_util::future::join_all(calls).await;
    assert_eq!(answers.into_iter().filter(Result::is_ok).count(), 1);
    assert_eq!(script.counts().calls, 1);
    assert_eq!(seen(&service.handle(), 0), [10_000_000, 0, 0]);
}

/// The same for calls of which nobody knows what they will cost.
#[tokio::test(start_paused = true)]
async fn calls_of_unknown_cost_do_not_overspend_either() {
    let config = SpendLimitConfig::new(SpendBudget::dollars(0.05, Period::Month));
    let (script, service) = limited(config);
    script.set(Step::answer("hello").after(SEC));
    let calls = (0..900).map(|_| service.clone().oneshot(Call::new(())));
    futures_util::future::join_all(calls).await;
    assert_eq!(script.counts().calls, 5);
    // Where the whole limit is less than what is assumed, one may go when nothing else is taken.
    let (_, service) = limited(SpendLimitConfig::new(SpendBudget::dollars(
        0.001,
        Period::Month,
    )));
    service.clone().oneshot(Call::new(())).await.unwrap();
    refused(service.clone().oneshot(Call::new(())).await);
}

/// Costs were rounded to micro-dollars, so those under half of one were nothing.
#[tokio::test(start_paused = true)]
async fn costs_under_half_a_micro_dollar_add_up() {
    let config = SpendLimitConfig::new(SpendBudget::nano_dollars(100_000, Period::Day));
    let (script, service) = limited(config);
    let mut answered = 0;
    for _ in 0..1_000 {
        answered += u32::from(service.clone().oneshot(money(400)).await.is_ok());
    }
    assert_eq!((answered, script.counts().calls), (250, 250));
    assert_eq!(seen(&service.handle(), 0), [100_000, 0, 0]);
}

/// A map keyed by what clients sent grew without bound.
#[tokio::test(start_paused = true)]
async fn made_up_keys_do_not_fill_the_memory() {
    let script = Script::answering("hello");
    let config = tokens_a_day(10).with_max_keys(1_000);
    let handle = SpendLimitHandle::<Keyed<u64>>::begin(config, UNIX_EPOCH).unwrap();
    let service = SpendLimitLayer::new(tokens_a_day(1))
        .unwrap()
        .keyed(|key: &u64| *key)
        .share(&handle)
        .cost(|_: &u64| Cost::tokens(1))
        .layer(script.service());
    let mut answered = 0_u64;
    for key in 0..20_000 {
        answered += u64::from(service.clone().oneshot(key).await.is_ok());
    }
    assert_eq!(handle.outline().keys, 1_000);
    // Those beyond have one budget of ten together.
    assert_eq!(answered, 1_010);
    assert_eq!(handle.outline().refused, 18_990);
    let bytes = handle.spending().accounts.bytes();
    assert!(bytes < 200 * 1_024, "{bytes} bytes");
}

/// A limit of 1,000 tokens a minute that admitted 200,000 at 200 concurrent calls.
#[tokio::test(start_paused = true)]
async fn a_thousand_tokens_a_minute_admit_a_thousand_at_200_concurrent_calls() {
    let budget = SpendBudget::tokens(1_000, Period::Minute);
    let (script, service) = limited(SpendLimitConfig::new(budget));
    script.set(Step::answer("hello").after(SEC));
    for round in 1..=3 {
        let calls = (0..200).map(|_| service.clone().oneshot(tokens(100)));
        let answers = futures_util::future::join_all(calls).await;
        assert_eq!(answers.into_iter().filter(Result::is_ok).count(), 10);
        assert_eq!(script.counts().calls, 10 * round);
        tokio::time::advance(60 * SEC).await;
    }
}
