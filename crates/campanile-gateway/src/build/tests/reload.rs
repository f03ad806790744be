//! Changes while it runs.

use campanile::Endpoint;

use super::*;

const POOL: &str = "pools: { main: { members: [one, two] } }";

fn endpoint(gateway: &Gateway, name: &str) -> Endpoint {
    member(gateway, "main", name).endpoint
}

fn reload(gateway: &Gateway, more: &str) -> Reloaded {
    gateway.reload(settings(more)).unwrap()
}

#[tokio::test(start_paused = true)]
async fn equal_settings_change_nothing() {
    let gateway = gateway(POOL);
    chat(&gateway, "main").await.unwrap();
    let before = answered(&gateway, "main");
    let stage = gateway.live().stages["main"].clone();
    let one = endpoint(&gateway, "one");
    assert!(reload(&gateway, POOL).is_nothing());
    assert!(endpoint(&gateway, "one").is(&one));
    assert!(gateway.live().stages["main"].is(&stage), "the same service");
    assert_eq!(answered(&gateway, "main"), before);
    assert_eq!(gateway.live().chats.snapshot().unknown, 0);
}

#[tokio::test(start_paused = true)]
async fn members_join_and_leave_and_the_others_go_on() {
    let gateway = gateway(POOL);
    for _ in 0..8 {
        chat(&gateway, "main").await.unwrap();
    }
    let (one, stage) = (
        endpoint(&gateway, "one"),
        gateway.live().stages["main"].clone(),
    );
    let told = reload(&gateway, "pools: { main: { members: [one, three] } }");
    assert_eq!(told.members.added, ["main/three"]);
    assert_eq!(told.members.removed, ["main/two"]);
    assert_eq!(told.pools.changed, ["main"]);
    assert!(
        told.members.changed.is_empty() && told.anew.is_empty(),
        "{told:?}"
    );
    assert!(endpoint(&gateway, "one").is(&one));
    assert!(
        gateway.live().stages["main"].is(&stage),
        "its stack goes on"
    );
    // It is given traffic by degrees.
    tokio::time::sleep(Duration::from_secs(120)).await;
    for _ in 0..60 {
        chat(&gateway, "main").await.unwrap();
    }
    assert!(answered(&gateway, "main")[1].1 > 0, "the new one is called");
}

#[tokio::test(start_paused = true)]
async fn what_an_operator_did_stands() {
    let gateway = gateway(POOL);
    let two = member(&gateway, "main", "two");
    two.disable();
    two.set_weight(3.0).unwrap();
    reload(
        &gateway,
        "pools: { main: { members: [one, two], strategy: round_robin } }",
    );
    let two = member(&gateway, "main", "two");
    assert!(two.is_disabled());
    assert_eq!(two.endpoint.weight().get(), 3.0);
    // Even where it is another endpoint.
    let mut config = settings(POOL);
    config.providers.get_mut("two").unwrap().base_url = Some("http://elsewhere".to_owned());
    let told = gateway.reload(config.clone()).unwrap();
    assert_eq!(told.members.changed, ["main/two"]);
    assert_eq!(told.anew.len(), 2, "the pool and the member: {told:?}");
    let new = member(&gateway, "main", "two");
    assert!(!new.endpoint.is(&two.endpoint));
    assert!(new.is_disabled());
    assert_eq!(new.endpoint.weight().get(), 3.0);
    // Until the settings say something else.
    config.pools.get_mut("main").unwrap().members[1].weight = 2.0;
    gateway.reload(config).unwrap();
    let two = member(&gateway, "main", "two");
    assert_eq!(two.endpoint.weight().get(), 2.0);
    assert!(two.endpoint.is(&new.endpoint) && two.is_disabled());
}

#[tokio::test(start_paused = true)]
async fn other_settings_of_a_pool_keep_members_and_breakers() {
    let gateway = gateway(POOL);
    for _ in 0..4 {
        chat(&gateway, "main").await.unwrap();
    }
    let one = member(&gateway, "main", "one");
    one.guards.breaker.force_open();
    let told = reload(
        &gateway,
        "pools: { main: { members: [one, two], strategy: peak_ewma, breaker: { failure_threshold: 7 } } }",
    );
    assert_eq!(told.anew.len(), 1, "{told:?}");
    let same = member(&gateway, "main", "one");
    assert!(same.endpoint.is(&one.endpoint));
    let state = same.snapshot().breaker.unwrap().state;
    assert_eq!(state, campanile::circuit_breaker::BreakerState::ForcedOpen);
    for _ in 0..4 {
        chat(&gateway, "main").await.unwrap();
    }
    let all: u64 = answered(&gateway, "main").iter().map(|(_, n)| n).sum();
    assert_eq!(all, 8);
}

#[tokio::test(start_paused = true)]
async fn limits_are_moved_and_keep_what_was_taken() {
    let limited = |rate: u32| {
        format!(
            "stages: {{ few: {{ pool: main, limits: {{ requests_per_minute: {rate} }} }} }}\n{POOL}"
        )
    };
    let gateway = gateway(&limited(2));
    for _ in 0..2 {
        chat(&gateway, "few").await.unwrap();
    }
    assert!(chat(&gateway, "few").await.is_err());
    let told = reload(&gateway, &limited(4));
    assert_eq!(told.stages.changed, ["few"]);
    // Two were taken; there is room for two more, and not for four.
    let mut well = 0;
    for _ in 0..4 {
        well += u32::from(chat(&gateway, "few").await.is_ok());
    }
    assert!(well <= 2, "{well}");
}

#[tokio::test(start_paused = true)]
async fn budgets_keep_what_was_spent_when_their_limits_change() {
    let with = |limit: u32, period: &str| {
        format!(
            "stages: {{ poor: {{ pool: main, budgets: [{{ name: b, unit: tokens, limit: {limit}, period: {period} }}] }} }}\n{POOL}"
        )
    };
    let gateway = gateway(&with(100_000, "day"));
    chat(&gateway, "poor").await.unwrap();
    let spent = |gateway: &Gateway| gateway.live().stages["poor"].snapshot().budgets[0].clone();
    let before = spent(&gateway);
    assert!(before.spent > 0);
    reload(&gateway, &with(200_000, "day"));
    let after = spent(&gateway);
    assert_eq!((after.limit, after.spent), (200_000, before.spent));
}

#[tokio::test(start_paused = true)]
async fn a_broken_edit_changes_nothing() {
    let gateway = gateway(POOL);
    let live = gateway.live().clone();
    let mut broken =
        settings("pools: { main: { members: [one, two, three] }, other: { members: [one] } }");
    broken.stages.get_mut("other").unwrap().pool = Some("nobody's".to_owned());
    let error = gateway.reload(broken).unwrap_err().to_string();
    assert!(error.contains("nobody's"), "{error}");
    let mut broken = settings("pools: { main: { members: [three], patience: 1s } }");
    broken.pools.get_mut("main").unwrap().members[0].weight = -1.0;
    assert!(gateway.reload(broken).is_err());
    assert!(std::sync::Arc::ptr_eq(&gateway.live(), &live));
    let names: Vec<_> = gateway.live().pools["main"]
        .members()
        .iter()
        .map(|one| one.name().to_owned())
        .collect();
    assert_eq!(names, ["one", "two"]);
    let last = gateway.last_reload().unwrap();
    assert!(last.result.is_err());
    assert_eq!(gateway.reloads(), (0, 2));
    chat(&gateway, "main").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn no_call_is_dropped_by_changes() {
    let slow = |members: &str, strategy: &str| {
        let provider = |name: &str, first: &str| {
            format!(
                "  {name}: {{ simulated: {{ first_word: {first}, spread: 0.5, words: 20, words_per_second: 100, slots: 1000, seed: 7 }} }}\n"
            )
        };
        let providers =
            provider("one", "300ms") + &provider("two", "500ms") + &provider("three", "200ms");
        read(&format!(
            "providers:\n{providers}pools: {{ main: {{ members: [{members}], strategy: {strategy} }} }}"
        ))
    };
    let gateway = Gateway::new(slow("one, two", "ebw")).unwrap();
    let mut calls = tokio::task::JoinSet::new();
    let plans = [
        ("one, two, three", "ebw"),
        ("three", "ebw"),
        ("one, two", "round_robin"),
        ("two", "peak_ewma"),
        ("one, { provider: two, weight: 2 }", "ebw"),
    ];
    for round in 0..20 {
        for call in 0..10 {
            let gateway = gateway.clone();
            calls.spawn(async move {
                let mut request = ChatRequest::new("main").user("hello");
                if call % 2 == 0 {
                    request = request.streamed();
                }
                ask(&gateway, request).await
            });
        }
        tokio::time::sleep(Duration::from_millis(130)).await;
        let (members, strategy) = plans[round % plans.len()];
        gateway.reload(slow(members, strategy)).unwrap();
    }
    let mut well = 0;
    while let Some(call) = calls.join_next().await {
        call.unwrap().unwrap();
        well += 1;
    }
    assert_eq!(well, 200);
    let busy: u32 = gateway.live().pools["main"]
        .members()
        .iter()
        .map(|one| one.endpoint.in_flight())
        .sum();
    assert_eq!(busy, 0);
}

#[tokio::test(start_paused = true)]
async fn what_counts_from_the_next_start_is_told() {
    let gateway = gateway(POOL);
    let more = "listen: 127.0.0.1:9\nlog: { filter: error }\nserver: { max_connections: 7 }\nadmin: { listen: 127.0.0.1:10 }\n";
    let told = reload(&gateway, &format!("{more}{POOL}"));
    let about = |told: &Reloaded| -> Vec<String> {
        let settings = told.ignored.iter().map(|what| what.split(": ").next());
        settings.flatten().map(str::to_owned).collect()
    };
    assert_eq!(
        about(&told),
        ["listen", "admin.listen", "server.max_connections", "log"]
    );
    // Once.
    assert!(reload(&gateway, &format!("{more}{POOL}")).is_nothing());
}
