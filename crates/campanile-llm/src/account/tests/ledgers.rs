use campanile::collect::{Collect, Metric, Sink, Value};

use super::*;

fn of_tenant(name: &str) -> Call<ChatRequest> {
    let mut call = call();
    call.context.tenant = Some(name.into());
    call
}

#[tokio::test]
async fn calls_are_grouped_by_who_answered_which_model_and_for_whom() {
    let ledger = ledger();
    let prices = prices();
    let near = AccountLayer::new(&ledger, &prices);
    let endpoint = Endpoint::builder("far-1")
        .label("provider", "far")
        .build()
        .unwrap();
    let far = AccountLayer::new(&ledger, &prices).endpoint(&endpoint);
    run(&near, &Script::default(), of_tenant("a"), 99).await;
    run(&far, &Script::default(), of_tenant("a"), 99).await;
    run(&far, &Script::default(), of_tenant("b"), 99).await;
    let mut nobodys = call();
    nobodys.context.tenant = None;
    run(&far, &Script::default(), nobodys, 99).await;

    let report = ledger.report();
    assert_eq!(report.total.calls, 4);
    assert_eq!(report.by_provider["near"].reported.nano_dollars, 600_000);
    assert_eq!(
        report.by_provider["far"].reported.nano_dollars, 600_000,
        "three at 200,000"
    );
    assert_eq!(report.by_model["m"].calls, 4);
    assert_eq!(report.by_tenant["a"].reported.nano_dollars, 800_000);
    assert_eq!(report.by_tenant["b"].reported.nano_dollars, 200_000);
    assert_eq!(report.by_tenant.len(), 2);
    assert_eq!(report.accounts.len(), 4);
}

#[tokio::test]
async fn an_endpoint_without_a_label_is_its_own_provider() {
    let ledger = ledger();
    let layer = AccountLayer::new(&ledger, &prices()).endpoint(&Endpoint::new("near"));
    run(&layer, &Script::default(), call(), 99).await;
    assert_eq!(
        ledger.report().by_provider["near"].reported.nano_dollars,
        600_000
    );
}

async fn answered_by(model: &str, script: &Script) -> Counts {
    let ledger = ledger();
    let layer = AccountLayer::new(&ledger, &prices());
    let service = layer.layer(provider(script.clone(), meta("far", model)));
    let mut call = call();
    call.message = ChatRequest::new("asked").user("hi");
    service.oneshot(call).await.unwrap();
    ledger.total()
}

#[tokio::test]
async fn the_model_that_answered_has_the_price_or_else_the_one_that_was_asked() {
    let script = Script::default();
    let counts = answered_by("m-2026-01-31", &script).await;
    assert_eq!(counts.reported.nano_dollars, 200_000);
    let counts = answered_by("internal-name", &script).await;
    assert_eq!(counts.reported.nano_dollars, 75_000);
}

#[tokio::test]
async fn what_a_provider_says_that_a_call_costs_stands() {
    let said = Usage {
        nano_dollars: Some(7),
        ..usage(100, 50)
    };
    let script = Script {
        usage: Some(said),
        ..Script::default()
    };
    assert_eq!(answered_by("m", &script).await.reported.nano_dollars, 7);
    let ledger = ledger();
    let layer = AccountLayer::new(&ledger, &prices());
    let told = run(&layer, &script, call(), 99).await;
    assert_eq!(told.nano_dollars, Some(7));
    assert_eq!(ledger.total().reported.nano_dollars, 7);
}

#[tokio::test]
async fn a_model_without_a_price_has_tokens_and_no_money() {
    let ledger = ledger();
    let layer = AccountLayer::new(&ledger, &Prices::default());
    let told = run(&layer, &Script::default(), call(), 99).await;
    assert_eq!(told.nano_dollars, None);
    let total = ledger.total();
    assert_eq!((total.unpriced, total.reported.output_tokens), (1, 50));
    assert_eq!(total.taken().nano_dollars, 0);
}

#[tokio::test]
async fn cached_tokens_have_their_price_in_the_ledger_too() {
    let cached = Usage {
        cached_tokens: Some(90),
        reasoning_tokens: Some(20),
        ..usage(100, 50)
    };
    let script = Script {
        usage: Some(cached),
        ..Script::default()
    };
    let taken = answered_by("m", &script).await.reported;
    assert_eq!(taken.nano_dollars, 10 * 1_000 + 90 * 100 + 50 * 2_000);
    assert_eq!((taken.cached_tokens, taken.reasoning_tokens), (90, 20));
}

// liter-llm keeps an unbounded map keyed by client text.
#[tokio::test]
async fn tenants_that_clients_invent_fill_no_memory_and_lose_no_call() {
    let config = LedgerConfig::default().with_most_accounts(10);
    let ledger = Ledger::new(config).unwrap();
    let layer = AccountLayer::new(&ledger, &prices());
    for n in 0..200 {
        run(&layer, &Script::default(), of_tenant(&format!("t{n}")), 99).await;
    }
    run(
        &layer,
        &Script::default(),
        of_tenant(&"t".repeat(1_000)),
        99,
    )
    .await;
    run(&layer, &Script::default(), of_tenant("t3"), 99).await;
    let report = ledger.report();
    assert_eq!(report.by_tenant.len(), 11);
    assert_eq!(
        report.by_tenant["t3"].calls, 2,
        "whoever has an account keeps it"
    );
    assert_eq!(report.by_tenant["(other)"].calls, 191);
    assert_eq!(report.total.calls, 202);
    assert_eq!(report.total.taken().nano_dollars, 202 * 600_000);
}

#[tokio::test]
async fn models_that_clients_invent_fill_no_memory_either() {
    let config = LedgerConfig::default().with_most_accounts(1);
    let ledger = Ledger::new(config).unwrap();
    let layer = AccountLayer::new(&ledger, &prices());
    let fails = layer.layer(service_fn(|_: Call<ChatRequest>| {
        ready(Err::<ChatResponse, _>(Error::new(
            Class::ModelNotFound,
            "no",
        )))
    }));
    for n in 0..1_000 {
        let mut call = of_tenant(&format!("t{n}"));
        call.message = ChatRequest::new(&format!("m{n}"));
        fails.clone().oneshot(call).await.unwrap_err();
    }
    let report = ledger.report();
    assert_eq!(report.total.calls, 1_000);
    // One, the spare ones, and one for the rest.
    assert!(
        report.accounts.len() <= 1 + 256 + 1,
        "{}",
        report.accounts.len()
    );
}

#[tokio::test(start_paused = true)]
async fn a_report_that_is_taken_has_each_call_once() {
    let ledger = ledger();
    let layer = AccountLayer::new(&ledger, &prices());
    run(&layer, &Script::default(), call(), 99).await;
    tokio::time::advance(std::time::Duration::from_secs(90)).await;
    let first = ledger.take();
    assert_eq!((first.total.calls, first.elapsed.as_secs()), (1, 90));
    assert_eq!(ledger.report().total, Counts::default());
    run(&layer, &Script::default(), call(), 99).await;
    tokio::time::advance(std::time::Duration::from_secs(5)).await;
    let second = ledger.take();
    assert_eq!((second.total.calls, second.elapsed.as_secs()), (1, 5));
    assert!(format!("{ledger:?}").starts_with("Ledger { accounts: 0,"));
}

#[tokio::test(start_paused = true)]
async fn a_report_is_data_and_a_table() {
    let ledger = ledger();
    let layer = AccountLayer::new(&ledger, &prices());
    run(&layer, &Script::default(), of_tenant("acme"), 99).await;
    let cut = Script {
        end: End::Cut,
        ..Script::default()
    };
    run(&layer, &cut, of_tenant("ac\u{1b}[31m"), 99).await;
    let report = ledger.report();
    let json = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<Report>(&json).unwrap(), report);
    let table = report.to_string();
    let expected = "
                calls  ok  cut  given up  input  cached  output   dollars
provider near       2   1    1         0   ~180       0    ~100  ~0.00114
model m             2   1    1         0   ~180       0    ~100  ~0.00114
tenant ac?[31m      1   0    1         0    ~80       0     ~50  ~0.00054
tenant acme         1   1    0         0    100       0      50    0.0006
total               2   1    1         0   ~180       0    ~100  ~0.00114
";
    assert_eq!(table, expected.trim_start_matches('\n'), "\n{table}");
}

#[tokio::test]
async fn a_ledger_is_collected() {
    #[derive(Default)]
    struct Samples(Vec<String>);
    impl Sink for Samples {
        fn sample(
            &mut self,
            metric: &'static Metric,
            label: Option<(&'static str, &'static str)>,
            value: Value,
        ) {
            let label = label.map_or("", |(_, value)| value);
            self.0.push(format!("{} {label} {value:?}", metric.name));
        }
    }
    let ledger = ledger();
    let layer = AccountLayer::new(&ledger, &prices());
    run(&layer, &Script::default(), call(), 99).await;
    let mut samples = Samples::default();
    ledger.collect(&mut samples);
    for expected in [
        "ledger_calls  Counter(1.0)",
        "ledger_tokens input Counter(100.0)",
        "ledger_dollars reported Counter(0.0006)",
        "ledger_dollars estimated Counter(0.0)",
        "ledger_unpriced_calls  Counter(0.0)",
    ] {
        assert!(
            samples.0.iter().any(|sample| sample == expected),
            "{samples:?}",
            samples = samples.0
        );
    }
}

#[test]
fn a_ledger_of_no_accounts_is_refused() {
    let config = LedgerConfig::default().with_most_accounts(0);
    let error = Ledger::new(config).unwrap_err().to_string();
    assert_eq!(error, "account.most_accounts is 0: it must be at least 1");
}
