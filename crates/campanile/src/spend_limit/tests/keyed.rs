//! Budgets by key, and how many there are.

use super::*;

type Name = fn(&Call<&'static str>) -> &'static str;
type ByName = Limited<Scripted<&'static str>, Enveloped, Keyed<&'static str>, By<Name>>;

fn by_name(config: SpendLimitConfig) -> ByName {
    let script = Script::answering("hello");
    let handle = SpendLimitHandle::<Keyed<&'static str>>::begin(
        config.clone(),
        moment("2026-03-10T12:00:00Z"),
    )
    .unwrap();
    SpendLimitLayer::new(config)
        .unwrap()
        .calls()
        .keyed((|call| call.message) as Name)
        .share(&handle)
        .layer(script.service())
}

fn named(name: &'static str, tokens: u64) -> Call<&'static str> {
    Call {
        context: Context::new().with_cost(Cost::tokens(tokens)),
        message: name,
    }
}

#[tokio::test(start_paused = true)]
async fn keys_have_budgets_of_their_own() {
    let service = by_name(tokens_a_day(20));
    let call = |name| service.clone().oneshot(named(name, 10));
    for _ in 0..2 {
        call("a").await.unwrap();
        call("b").await.unwrap();
    }
    assert_eq!(refused(call("a").await).retry_after(), Some(12 * HOUR));
    refused(call("b").await);
    call("c").await.unwrap();
    let handle = service.handle();
    assert_eq!((handle.outline().keys, handle.outline().refused), (3, 2));
    assert_eq!(handle.snapshot_of(&"c")[0].left, 10);
    assert_eq!(handle.snapshot_of(&"unheard of")[0].left, 20);
    let mut all: Vec<_> = handle
        .snapshots()
        .into_iter()
        .map(|(key, seen)| (key, seen[0].spent))
        .collect();
    all.sort_unstable();
    assert_eq!(all, [("a", 20), ("b", 20), ("c", 10)]);
}

#[tokio::test(start_paused = true)]
async fn tenants_are_told_apart_by_the_context() {
    let script = Script::answering("hello");
    let service = SpendLimitLayer::new(tokens_a_day(10))
        .unwrap()
        .calls()
        .by_tenant()
        .layer(script.service());
    let call = |tenant: Option<&str>| {
        let mut call = tokens(10);
        call.context.tenant = tenant.map(Into::into);
        service.clone().oneshot(call)
    };
    call(Some("a")).await.unwrap();
    call(Some("b")).await.unwrap();
    call(None).await.unwrap();
    refused(call(Some("a")).await);
    refused(call(None).await);
}

#[tokio::test(start_paused = true)]
async fn a_key_is_forgotten_when_all_its_periods_are_over() {
    let config = tokens_a_day(10)
        .with_budget(SpendBudget::tokens(1_000, Period::Minute))
        .with_max_keys(1)
        .with_beyond(Beyond::Refuse);
    let service = by_name(config);
    let call = |name| service.clone().oneshot(named(name, 10));
    call("a").await.unwrap();
    assert_eq!(
        refused(call("b").await).retry_after(),
        None,
        "no room for it"
    );
    tokio::time::advance(HOUR).await;
    refused(call("a").await);
    tokio::time::advance(11 * HOUR).await;
    // Keys are looked at in their own shard only, so the others find out when they come there.
    call("a").await.unwrap();
    assert_eq!(service.handle().outline().keys, 1);
}

#[tokio::test(start_paused = true)]
async fn one_that_is_forgotten_while_its_call_is_under_way_is_charged_what_was_beyond() {
    let (script, _) = super::settling::streamed(tokens_a_day(1));
    let handle = SpendLimitHandle::<Keyed<u32>>::begin(
        tokens_a_day(100).with_max_keys(64),
        moment("2026-03-10T12:00:00Z"),
    )
    .unwrap();
    let protocol = Enveloped::new(Streaming::new(
        super::settling::Judge,
        super::settling::Reports,
    ));
    let service = SpendLimitLayer::new(tokens_a_day(1))
        .unwrap()
        .protocol(protocol)
        .keyed(|call: &Call<()>| call.context.attempt)
        .share(&handle)
        .layer(script.service());
    let keyed = |key| {
        let mut call = tokens(40);
        call.context.attempt = key;
        call
    };
    for took in [30, 90] {
        script.push(Step::answer(super::settling::reporting(took, 0)));
        let answer = service.clone().oneshot(keyed(0)).await.unwrap();
        tokio::time::advance(24 * HOUR).await;
        // Others come until it is forgotten.
        for other in 1..2_000 {
            script.push(Step::answer(super::settling::reporting(1, 0)));
            if let Ok(answer) = service.clone().oneshot(keyed(other)).await {
                futures_util::StreamExt::collect::<Vec<_>>(answer).await;
            }
        }
        let known = handle.snapshots().iter().any(|(key, _)| *key == 0);
        assert!(!known, "it was forgotten");
        futures_util::StreamExt::collect::<Vec<_>>(answer).await;
        tokio::time::advance(24 * HOUR).await;
    }
    // Whatever has become of it, nobody's budget was given what was not theirs.
    for (key, seen) in handle.snapshots() {
        assert!(
            seen[0].spent <= 100 && seen[0].reserved == 0,
            "{key}: {seen:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_can_have_a_limit_of_its_own_and_is_kept_for_it() {
    let service = by_name(tokens_a_day(20).with_max_keys(2));
    let handle = service.handle();
    let call = |name, tokens| service.clone().oneshot(named(name, tokens));
    handle
        .set_limit_of(&"rich", "tokens_per_day", Some(100))
        .unwrap();
    handle
        .set_limit_of(&"poor", "tokens_per_day", Some(0))
        .unwrap();
    call("rich", 100).await.unwrap();
    refused(call("poor", 1).await);
    let error = handle
        .set_limit_of(&"other", "tokens_per_day", Some(1))
        .unwrap_err();
    assert!(
        error.to_string().starts_with("spend_limit.max_keys is 2"),
        "{error}"
    );
    tokio::time::advance(48 * HOUR).await;
    call("other", 20).await.unwrap();
    assert_eq!(handle.outline().keys, 2, "the other shares what is beyond");
    call("rich", 100).await.unwrap();
    handle.set_limit("tokens_per_day", 5).unwrap();
    handle
        .set_limit_of(&"poor", "tokens_per_day", None)
        .unwrap();
    call("poor", 5).await.unwrap();
    refused(call("poor", 1).await);
    assert_eq!(handle.snapshot_of(&"rich")[0].limit, 100);
}
