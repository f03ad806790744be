//! What an operator sees and does while calls run.

use std::sync::Mutex;

use super::*;
use crate::collect::tests::Told;

#[tokio::test(start_paused = true)]
async fn a_limit_can_be_changed_while_calls_run() {
    let (script, service) = limited(tokens_a_day(100));
    let handle = service.handle();
    let call = |cost| service.clone().oneshot(tokens(cost));
    call(80).await.unwrap();
    handle.set_limit("tokens_per_day", 50).unwrap();
    assert_eq!(seen(&handle, 0), [80, 0, 0]);
    refused(call(1).await);
    handle.set_limit("tokens_per_day", 90).unwrap();
    call(10).await.unwrap();
    refused(call(1).await);
    assert_eq!(script.counts().calls, 2);
    let error = handle.set_limit("tokens_per_week", 1).unwrap_err();
    assert_eq!(
        error.to_string(),
        "spend_limit.budgets.name is \"tokens_per_week\": no budget has this name"
    );
    assert!(handle.set_limit("tokens_per_day", u64::MAX).is_err());
}

#[tokio::test(start_paused = true)]
async fn a_reset_forgets_what_was_spent_and_not_what_is_under_way() {
    let (script, service) = limited(tokens_a_day(100));
    service.clone().oneshot(tokens(50)).await.unwrap();
    script.set(Step::answer("late").after(SEC));
    let call = tokio::spawn(service.clone().oneshot(tokens(40)));
    tokio::task::yield_now().await;
    let handle = service.handle();
    assert_eq!(seen(&handle, 0), [50, 40, 10]);
    handle.reset();
    assert_eq!(seen(&handle, 0), [0, 40, 60]);
    call.await.unwrap().unwrap();
    assert_eq!(seen(&handle, 0), [40, 0, 60]);
}

#[tokio::test(start_paused = true)]
async fn what_was_used_elsewhere_is_charged() {
    let budget = SpendBudget::nano_dollars(1_000, Period::Day);
    let (_, service) = limited(tokens_a_day(100).with_budget(budget));
    let handle = service.handle();
    handle.charge(&super::settling::used(70, 400));
    assert_eq!(
        (seen(&handle, 0), seen(&handle, 1)),
        ([70, 0, 30], [400, 0, 600])
    );
    handle.charge(&Usage {
        output_tokens: Some(50),
        ..Usage::default()
    });
    assert_eq!(
        (seen(&handle, 0), seen(&handle, 1)),
        ([120, 0, 0], [400, 0, 600])
    );
    refused(service.oneshot(tokens(1)).await);
}

/// A restart does not forget a month's spending.
#[tokio::test(start_paused = true)]
async fn what_was_spent_outlives_the_process() {
    let config = SpendLimitConfig::new(SpendBudget::dollars(1.0, Period::Month))
        .with_budget(SpendBudget::tokens(100, Period::Minute))
        .with_budget(SpendBudget::tokens(500, Period::Forever))
        .with_budget(SpendBudget::tokens(200, Period::Day).with_window(Window::FirstUse));
    let (_, service) = limited(config.clone());
    let call = cost(Cost {
        nano_dollars: 600_000_000,
        ..Cost::tokens(60)
    });
    service.clone().oneshot(call.clone()).await.unwrap();
    let text = serde_json::to_string(&service.handle().export()).unwrap();

    let state: SpendState = serde_json::from_str(&text).unwrap();
    let later = |text| SpendLimitHandle::begin(config.clone(), moment(text)).unwrap();
    let next = later("2026-03-10T20:00:00Z");
    assert_eq!(next.import(&state), 3, "the minute is over");
    let left = |handle: &SpendLimitHandle| [0, 1, 2, 3].map(|budget| seen(handle, budget)[2]);
    assert_eq!(left(&next), [400_000_000, 100, 440, 140]);
    let until = |handle: &SpendLimitHandle| handle.snapshot()[3].until;
    assert_eq!(
        until(&next),
        Some(moment("2026-03-11T12:00:00Z")),
        "as it was"
    );
    let script = Script::answering("hello");
    let service = SpendLimitLayer::shared(&next)
        .calls()
        .layer(script.service());
    let rejection = refused(service.oneshot(call).await);
    let to_april = moment("2026-04-01T00:00:00Z").duration_since(moment("2026-03-10T20:00:00Z"));
    assert_eq!(rejection.retry_after(), to_april.ok());

    let april = later("2026-04-01T00:00:00Z");
    assert_eq!(april.import(&state), 1);
    assert_eq!(left(&april), [1_000_000_000, 100, 440, 200]);
    // What was exported again, and added to.
    let again = later("2026-03-31T00:00:00Z");
    again.charge(&super::settling::used(40, 100_000_000));
    assert_eq!(again.import(&next.export()), 2);
    assert_eq!(left(&again), [300_000_000, 60, 400, 160]);
    // Another budget of that name is another budget.
    let other =
        SpendLimitConfig::new(SpendBudget::tokens(9, Period::Hour).with_name("money_per_month"));
    assert_eq!(SpendLimitHandle::new(other).unwrap().import(&state), 0);
}

#[tokio::test(start_paused = true)]
async fn what_keys_have_spent_outlives_the_process() {
    let begin = || {
        SpendLimitHandle::<Keyed<Option<Arc<str>>>>::begin(
            tokens_a_day(100),
            moment("2026-03-10T12:00:00Z"),
        )
        .unwrap()
    };
    let handle = begin();
    let key = |name: &str| Some(Arc::from(name));
    handle.charge_key(&key("a"), &super::settling::used(30, 0));
    handle.charge_key(&None, &super::settling::used(5, 0));
    let state = handle.export();
    let text = serde_json::to_string(&state).unwrap();
    let state: SpendState<Option<Arc<str>>> = serde_json::from_str(&text).unwrap();
    assert_eq!(state, handle.export());
    let next = begin();
    assert_eq!(next.import(&state), 2);
    assert_eq!(next.snapshot_of(&key("a"))[0].spent, 30);
    assert_eq!(next.snapshot_of(&None)[0].spent, 5);
}

#[tokio::test(start_paused = true)]
async fn each_part_of_a_budget_is_told_once_in_each_period() {
    let budget = SpendBudget::tokens(100, Period::Day).with_warn_at([1.0, 0.5, 0.8]);
    let (_, service) = limited(SpendLimitConfig::new(budget.with_enforce(Enforce::Warn)));
    let told = Arc::new(Mutex::new(Vec::new()));
    let handle = service.handle();
    let sink = Arc::clone(&told);
    handle.on_crossing(move |crossing| sink.lock().unwrap().push((crossing.at, crossing.spent)));
    let told = || std::mem::take(&mut *told.lock().unwrap());
    let call = |cost| service.clone().oneshot(tokens(cost));
    call(49).await.unwrap();
    assert!(told().is_empty());
    call(1).await.unwrap();
    assert_eq!(told(), [(0.5, 50)]);
    call(60).await.unwrap();
    assert_eq!(told(), [(0.8, 110), (1.0, 110)]);
    call(60).await.unwrap();
    assert!(
        told().is_empty(),
        "a soft budget refuses nothing, and says it once"
    );
    assert_eq!(seen(&handle, 0), [170, 0, 0]);
    tokio::time::advance(24 * HOUR).await;
    call(80).await.unwrap();
    assert_eq!(told(), [(0.5, 80), (0.8, 80)]);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_larger_than_the_limit_never_goes_or_goes_alone() {
    let (_, service) = limited(tokens_a_day(100));
    let rejection = refused(service.clone().oneshot(tokens(101)).await);
    assert_eq!(rejection.retry_after(), None);
    let (_, service) = limited(tokens_a_day(100).with_oversize(Oversize::Alone));
    service.clone().oneshot(tokens(101)).await.unwrap();
    assert_eq!(
        refused(service.clone().oneshot(tokens(101)).await).retry_after(),
        Some(12 * HOUR)
    );
    let (_, service) = limited(tokens_a_day(0).with_oversize(Oversize::Alone));
    assert_eq!(
        refused(service.clone().oneshot(tokens(1)).await).retry_after(),
        None
    );
}

#[tokio::test(start_paused = true)]
async fn it_tells_its_measurements() {
    let (script, service) =
        limited(tokens_a_day(100).with_budget(SpendBudget::dollars(0.5, Period::Month)));
    let call = cost(Cost {
        nano_dollars: 250_000_000,
        ..Cost::tokens(60)
    });
    service.clone().oneshot(call.clone()).await.unwrap();
    refused(service.clone().oneshot(call).await);
    script.set(Step::stall());
    let mut under_way = service.clone();
    let under_way = ServiceExt::<Call<()>>::ready(&mut under_way)
        .await
        .unwrap()
        .call(tokens(30));
    let told = Told::by(&service.handle());
    assert_eq!(told.get("spend_limit_refused"), 1.0);
    for (budget, figures) in [
        ("tokens_per_day", [100.0, 60.0, 30.0, 10.0]),
        ("money_per_month", [0.5, 0.25, 0.01, 0.24]),
    ] {
        for (metric, figure) in ["limit", "spent", "reserved", "left"].iter().zip(figures) {
            let found = told.get(&format!("spend_limit_{metric}{{budget={budget}}}"));
            assert!((found - figure).abs() < 1e-9, "{budget} {metric}: {found}");
        }
    }
    drop(under_way);
    let keyed = SpendLimitHandle::<Keyed<u8>>::keyed(tokens_a_day(5)).unwrap();
    keyed.charge_key(&1, &super::settling::used(3, 0));
    assert_eq!(Told::by(&keyed).get("spend_limit_keys"), 1.0);
}

#[test]
fn nothing_that_it_shows_is_a_secret() {
    let handle = SpendLimitHandle::<Keyed<String>>::keyed(tokens_a_day(10)).unwrap();
    let key = "sk-123".to_owned();
    handle.charge_key(&key, &super::settling::used(10, 0));
    let layer = SpendLimitLayer::new(tokens_a_day(10))
        .unwrap()
        .keyed(|(): &()| String::new())
        .share(&handle);
    let service = layer.layer(Script::answering("hello").service());
    let shown = Arc::new(Mutex::new(String::new()));
    let sink = Arc::clone(&shown);
    handle.on_crossing(move |crossing| *sink.lock().unwrap() = format!("{crossing:?}"));
    handle.reset_key(&key);
    handle.charge_key(&key, &super::settling::used(10, 0));
    let crossing = shown.lock().unwrap().clone();
    assert!(crossing.contains("tokens_per_day"), "{crossing}");
    let shown = format!("{handle:?} {layer:?} {service:?} {crossing}");
    assert!(!shown.contains("sk-123"), "{shown}");
}

/// Nor what those have spent that were not told apart.
#[tokio::test(start_paused = true)]
async fn what_keys_beyond_the_most_have_spent_outlives_the_process() {
    let begin = || {
        let config = tokens_a_day(100).with_max_keys(1);
        SpendLimitHandle::<Keyed<u32>>::begin(config, moment("2026-03-10T12:00:00Z")).unwrap()
    };
    let handle = begin();
    for key in 0..10 {
        handle.charge_key(&key, &super::settling::used(10, 0));
    }
    let text = serde_json::to_string(&handle.export()).unwrap();
    let state: SpendState<u32> = serde_json::from_str(&text).unwrap();
    assert_eq!((state.keys.len(), state.beyond[0].spent), (1, 90));
    let next = begin();
    assert_eq!(next.import(&state), 2);
    assert_eq!(next.export(), state);
    // What was written before there was such a part is read as well.
    let state: SpendState<u32> = serde_json::from_str(r#"{"keys": []}"#).unwrap();
    assert_eq!(begin().import(&state), 0);
}

#[tokio::test]
async fn a_call_allocates_nothing() {
    let (_, mut service) = limited(tokens_a_day(1 << 50));
    let inner = tower::service_fn(|_: Call<()>| std::future::ready(Ok::<_, BoxError>(())));
    let mut service = {
        let handle = service.handle();
        let _ = &mut service;
        SpendLimitLayer::shared(&handle).calls().layer(inner)
    };
    let mut run = || {
        for _ in 0..100 {
            let call = service.call(tokens(10));
            futures_util::FutureExt::now_or_never(call)
                .unwrap()
                .unwrap();
        }
    };
    run();
    let counted = allocation_counter::measure(run);
    assert_eq!(counted.count_total, 0);
}
