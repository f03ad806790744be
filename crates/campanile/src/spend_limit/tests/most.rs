//! Calls of which the most is known that they can take.

use super::*;

fn call(likely: u64, most: u64) -> Call<()> {
    let context = Context::new()
        .with_cost(Cost::tokens(likely))
        .with_most(Cost::tokens(most));
    Call {
        context,
        message: (),
    }
}

#[tokio::test(start_paused = true)]
async fn a_budget_that_refuses_reserves_the_most_and_one_that_warns_the_likely() {
    let soft = SpendBudget::tokens(100, Period::Hour).with_enforce(Enforce::Warn);
    let (script, service) = limited(tokens_a_day(100).with_budget(soft));
    script.set(Step::answer("late").after(SEC));
    let handle = service.handle();
    let first = tokio::spawn(service.clone().oneshot(call(10, 60)));
    tokio::task::yield_now().await;
    assert_eq!(
        [seen(&handle, 0), seen(&handle, 1)],
        [[0, 60, 40], [0, 10, 90]]
    );
    let rejection = refused(service.clone().oneshot(call(10, 60)).await);
    assert_eq!(
        rejection.retry_after(),
        Some(SEC),
        "it may fit once the other is over"
    );
    let shortage = rejection.shortage().unwrap();
    assert_eq!(
        (shortage.needs, shortage.left, shortage.limit, shortage.lack),
        (60, 40, 100, Lack::Reserved)
    );
    first.await.unwrap().unwrap();
    // Nobody has reported what it took.
    assert_eq!(seen(&handle, 0), [10, 0, 90]);
    service.clone().oneshot(call(10, 90)).await.unwrap();
    let rejection = refused(service.clone().oneshot(call(10, 81)).await);
    assert_eq!(rejection.retry_after(), Some(12 * HOUR - 2 * SEC));
    assert_eq!(
        rejection.to_string(),
        "spend_limit: tokens_per_day is used up: the call may take 81, and 80 of 100 is left; try again in 12h 0m"
    );
}

#[tokio::test(start_paused = true)]
async fn a_call_that_never_fits_is_told_so() {
    let budget = SpendBudget::nano_dollars(2_500_000_000, Period::Day);
    let (_, service) = limited(SpendLimitConfig::new(budget));
    let rejection = refused(service.clone().oneshot(money(3_000_000_001)).await);
    assert_eq!(rejection.retry_after(), None);
    assert_eq!(
        rejection.to_string(),
        "spend_limit: money_per_day is too small for the call: it may take $3.000000001, and the limit is $2.50"
    );
}
