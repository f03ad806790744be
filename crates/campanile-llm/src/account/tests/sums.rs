use proptest::prelude::*;

use super::*;

fn any_script() -> impl Strategy<Value = Script> {
    let end = prop_oneof![
        3 => Just(End::Whole),
        1 => Just(End::Cut),
        1 => Just(End::Stalled),
    ];
    let taken = (0..50_000_u64, 0..50_000_u64, 0..60_000_u64, 0..9_000_u64);
    let reported = taken.prop_map(|(input, output, cached, written)| Usage {
        cached_tokens: Some(cached),
        cache_write_tokens: Some(written),
        ..usage(input, output)
    });
    let pieces = prop::collection::vec(0..300_u64, 0..8);
    (pieces, prop::option::of(reported), end, 0..9_000_u64).prop_map(
        |(pieces, usage, end, prompt)| Script {
            pieces,
            usage,
            end,
            prompt,
        },
    )
}

/// Odd prices, so that something is rounded in every call.
fn odd_prices() -> Prices {
    Prices::from_json(
        r#"{"models": {"m": {
            "input": 0.123456789, "output": 1.000000007, "cached_input": 0.012345678, "cache_write": 0.154320987,
            "tiers": [{"above": 20000, "input": 0.246913579, "output": 1.500000009}]
        }}}"#,
    )
    .unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_ledger_is_the_sum_of_its_calls(
        calls in prop::collection::vec((any_script(), 0..12_usize, 0..5_u8, any::<bool>()), 1..40),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let ledger = Ledger::new(LedgerConfig::default().with_most_accounts(3)).unwrap();
        let layer = AccountLayer::new(&ledger, &odd_prices()).without_unanswered();
        let (mut money, mut tokens, mut charged) = (0, 0, Cost::ZERO);
        for (script, most, tenant, streamed) in &calls {
            let trail = Trail::new();
            let call = Call {
                context: Context::new().with_tenant(format!("t{tenant}")).with_trail(trail.clone()),
                message: ChatRequest::new("m").field("stream", streamed),
            };
            let told = runtime.block_on(run(&layer, script, call, *most));
            money += told.nano_dollars.unwrap_or(0);
            tokens += told.total_tokens().unwrap_or(0);
            charged += trail.charged();
        }
        let report = ledger.report();
        let total = report.total.taken();
        prop_assert_eq!(report.total.calls, calls.len() as u64);
        prop_assert_eq!(total.nano_dollars, money);
        prop_assert_eq!(total.input_tokens + total.output_tokens, tokens);
        prop_assert_eq!((charged.tokens, charged.nano_dollars), (tokens, money));
        // And every grouping has the same sum.
        for group in [&report.by_provider, &report.by_model, &report.by_tenant] {
            let sum = group.values().map(|counts| counts.taken().nano_dollars).sum::<u64>();
            prop_assert_eq!(sum, money);
            prop_assert_eq!(group.values().map(|counts| counts.calls).sum::<u64>(), calls.len() as u64);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_concurrent_calls_add_up_however_they_end() {
    let ledger = Ledger::new(LedgerConfig::default().with_most_accounts(20)).unwrap();
    let layer = AccountLayer::new(&ledger, &odd_prices()).without_unanswered();
    let tasks: Vec<_> = (0..1_000_u64)
        .map(|n| {
            let layer = layer.clone();
            tokio::spawn(async move {
                // Spread over every way to end, and over 40 tenants: more than there are accounts.
                let end = [End::Whole, End::Whole, End::Cut, End::Stalled][(n % 4) as usize];
                let script = Script {
                    pieces: vec![n % 97; 6],
                    usage: (n % 5 > 0).then(|| usage(n * 31, n * 7)),
                    end,
                    prompt: n % 53,
                };
                let trail = Trail::new();
                let call = Call {
                    context: Context::new()
                        .with_tenant(format!("t{}", n % 40))
                        .with_trail(trail.clone()),
                    message: ChatRequest::new("m").streamed(),
                };
                tokio::task::yield_now().await;
                let told = run(&layer, &script, call, (n % 11) as usize).await;
                (told, trail.charged())
            })
        })
        .collect();
    let (mut money, mut tokens) = (0, 0);
    for task in tasks {
        let (told, charged) = task.await.unwrap();
        assert_eq!(charged.nano_dollars, told.nano_dollars.unwrap_or(0));
        money += charged.nano_dollars;
        tokens += charged.tokens;
    }
    let total = ledger.total();
    let taken = total.taken();
    assert_eq!(total.calls, 1_000);
    assert_eq!(taken.nano_dollars, money);
    assert_eq!(taken.input_tokens + taken.output_tokens, tokens);
    let ended = total.outcomes;
    assert_eq!(ended.success + ended.failure + ended.cancelled, 1_000);
    assert!(
        ended.success > 100 && total.interrupted > 50 && ended.cancelled > 100,
        "{ended:?}"
    );
}
