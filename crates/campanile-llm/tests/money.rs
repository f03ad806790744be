//! One stack from the estimate to the provider, with calls that are cut, refused, hedged, tried again and given up at any
//! moment: what the budgets have spent is what the ledger has recorded, to the nano-dollar.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use campanile::{
    BoxError, Call, Context, Cost, Endpoint, Usage,
    balance::{BalanceLayer, LeastLoaded},
    context::Trail,
    discover::{PerEndpointLayer, Roster},
    hedge::{Delay, HedgeConfig, HedgeLayer},
    retry::{RetryConfig, RetryLayer},
    spend_limit::{
        Period, SpendBudget, SpendLimitConfig, SpendLimitHandle, SpendLimitLayer, Unreported,
    },
};
use campanile_llm::{
    Chat, Error,
    account::{AccountLayer, Ledger, LedgerConfig},
    chat::{Answer, ChatEvent, ChatRequest, ChatResponse, Meta, Part},
    commit::CommitLayer,
    error::Class,
    estimate::{EstimateConfig, EstimateLayer, Reserve},
    price::Prices,
    usage::Tally,
};
use futures_util::{StreamExt, stream};
use proptest::prelude::*;
use tower::{Service, ServiceBuilder, ServiceExt, service_fn, util::BoxCloneSyncService};

const PRICES: &str = r#"{"models": {
    "m": {"input": 0.123456789, "output": 1.000000007, "cached_input": 0.012345678},
    "b/m": {"input": 0.223456781, "output": 2.000000003, "per_request": 0.000000013}
}}"#;

/// What becomes of one attempt.
#[derive(Debug, Clone)]
struct Plan {
    /// Milliseconds to the head, and to each event.
    head: u64,
    between: u64,
    fails: Option<Class>,
    /// Events without content that come first, and what these report of the prompt.
    idle: u8,
    early: Option<u64>,
    /// Bytes of each event with content.
    pieces: Vec<u64>,
    /// Input, cached and output, reported in the end.
    report: Option<(u64, u64, u64)>,
    end: End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Whole,
    Cut,
    Stalled,
    Unproven,
}

/// What the caller does.
#[derive(Debug, Clone, Copy)]
enum Caller {
    Reads,
    /// Goes after so many milliseconds.
    Goes(u64),
    /// Goes after so many events.
    Enough(usize),
}

fn any_plan() -> impl Strategy<Value = Plan> {
    let fails = prop_oneof![
        5 => Just(None),
        1 => Just(Some(Class::Server)),
        1 => Just(Some(Class::Rate)),
        1 => Just(Some(Class::Overload)),
        1 => Just(Some(Class::Timeout)),
        1 => Just(Some(Class::Unreachable)),
        1 => Just(Some(Class::Request)),
    ];
    let end = prop_oneof![
        4 => Just(End::Whole),
        2 => Just(End::Cut),
        1 => Just(End::Stalled),
        1 => Just(End::Unproven),
    ];
    let pieces = prop::collection::vec(0..300_u64, 0..6);
    let report = prop::option::of((0..5_000_u64, 0..5_000_u64, 0..5_000_u64));
    let early = prop::option::of(0..900_u64);
    (
        0..60_u64,
        0..20_u64,
        fails,
        0..3_u8,
        early,
        pieces,
        report,
        end,
    )
        .prop_map(
            |(head, between, fails, idle, early, pieces, report, end)| Plan {
                head,
                between,
                fails,
                idle,
                early,
                pieces,
                report,
                end,
            },
        )
}

fn any_caller() -> impl Strategy<Value = Caller> {
    prop_oneof![
        3 => Just(Caller::Reads),
        2 => (0..120_u64).prop_map(Caller::Goes),
        1 => (0..5_usize).prop_map(Caller::Enough),
    ]
}

// ===== impl Plan =====

impl Plan {
    fn events(&self) -> Vec<Result<ChatEvent, Error>> {
        let mut tally = Tally::new(77, 4.0);
        let mut events = Vec::new();
        let event = |tally: &Tally, part| {
            Ok(ChatEvent::new(Bytes::from_static(b"data: {}\n\n"), 6..8, part).with_tally(tally))
        };
        for _ in 0..self.idle {
            if let Some(input) = self.early {
                tally.report(&Usage {
                    input_tokens: Some(input),
                    ..Usage::default()
                });
            }
            events.push(event(&tally, Part::Idle));
        }
        for &piece in &self.pieces {
            tally.said(piece);
            events.push(event(&tally, Part::Content));
        }
        if let (Some((input, cached, output)), End::Whole) = (self.report, self.end) {
            tally.report(&Usage {
                input_tokens: Some(input),
                cached_tokens: Some(cached),
                output_tokens: Some(output),
                ..Usage::default()
            });
            events.push(event(&tally, Part::Idle));
        }
        match self.end {
            End::Whole => events.push(event(&tally, Part::End)),
            End::Cut => events.push(Err(Error::new(Class::Interrupted, "cut"))),
            End::Stalled | End::Unproven => {}
        }
        events
    }

    async fn answer(self) -> Result<ChatResponse, Error> {
        let ms = Duration::from_millis;
        tokio::time::sleep(ms(self.head)).await;
        if let Some(class) = self.fails {
            return Err(Error::new(class, "as it is scripted"));
        }
        let (between, end) = (ms(self.between), self.end);
        let events = stream::iter(self.events()).then(move |event| async move {
            tokio::time::sleep(between).await;
            event
        });
        let rest = stream::poll_fn(move |_| match end {
            End::Stalled => std::task::Poll::Pending,
            _ => std::task::Poll::Ready(None),
        });
        Ok(ChatResponse::stream(Meta::default(), events.chain(rest)).boxed())
    }
}

type Stack = BoxCloneSyncService<Call<ChatRequest>, ChatResponse, Error>;

struct Site {
    stack: Stack,
    ledger: Ledger,
    budget: SpendLimitHandle,
    plans: Arc<Mutex<VecDeque<Plan>>>,
}

fn site(unreported: Unreported) -> Result<Site, BoxError> {
    let prices = Prices::from_json(PRICES)?;
    let ledger = Ledger::new(LedgerConfig::default())?;
    let config = SpendLimitConfig::new(SpendBudget::tokens(1 << 40, Period::Forever))
        .with_budget(SpendBudget::dollars(1e6, Period::Forever))
        .with_unreported(unreported);
    let budget = SpendLimitHandle::new(config)?;
    let plans = Arc::new(Mutex::new(VecDeque::<Plan>::new()));
    let roster = Roster::new();
    for member in ["a", "b", "c"] {
        roster.insert(member, ())?;
    }
    let hedges = HedgeConfig::default()
        .with_delay(Delay::fixed(Duration::from_millis(25)))
        .with_share(1.0);
    let account = AccountLayer::new(&ledger, &prices);
    let scripted = Arc::clone(&plans);
    let stack = ServiceBuilder::new()
        .map_response(ChatResponse::boxed)
        .layer(EstimateLayer::new(EstimateConfig::default())?.prices(&prices))
        .layer(SpendLimitLayer::shared(&budget).protocol(Chat))
        .layer(RetryLayer::new(RetryConfig::default().with_budget(None))?.protocol(Chat))
        .layer(HedgeLayer::new(hedges)?.protocol(Chat))
        .layer(BalanceLayer::new(LeastLoaded::default()).protocol(Chat))
        .layer(PerEndpointLayer::new(move |endpoint: &Endpoint, ()| {
            let plans = Arc::clone(&scripted);
            ServiceBuilder::new()
                .layer(account.clone().endpoint(endpoint))
                .layer(CommitLayer::default())
                .service(service_fn(move |_: Call<ChatRequest>| {
                    let plan = plans.lock().unwrap().pop_front();
                    plan.expect("enough are scripted").answer()
                }))
        }))
        .service(roster.changes());
    Ok(Site {
        stack: BoxCloneSyncService::new(stack),
        ledger,
        budget,
        plans,
    })
}

/// Makes a call, and tells what its trail was charged.
async fn run(stack: Stack, after: u64, caller: Caller) -> Cost {
    let trail = Trail::new();
    let call = Call {
        context: Context::new().with_tenant("acme").with_trail(trail.clone()),
        message: ChatRequest::new("m").user("hi").streamed().max_tokens(900),
    };
    tokio::time::sleep(Duration::from_millis(after)).await;
    let most = match caller {
        Caller::Enough(events) => events,
        _ => usize::MAX,
    };
    let read = async {
        let Ok(response) = stack.oneshot(call).await else {
            return;
        };
        let Answer::Stream(events) = response.answer else {
            panic!("it is streamed");
        };
        let mut events = events.take(most);
        while events.next().await.is_some() {}
    };
    let patience = match caller {
        Caller::Goes(after) => after,
        _ => 5_000,
    };
    let _ = tokio::time::timeout(Duration::from_millis(patience), read).await;
    trail.charged()
}

fn check(
    unreported: Unreported,
    plans: Vec<Plan>,
    calls: &[(u64, Caller)],
) -> Result<(), TestCaseError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let site = site(unreported).unwrap();
        // Whatever is left over of the plans is answered in full.
        let last = plans.last().cloned();
        site.plans.lock().unwrap().extend(plans);
        site.plans
            .lock()
            .unwrap()
            .extend(std::iter::repeat_n(last, 200).flatten().map(|plan| Plan {
                fails: None,
                end: End::Whole,
                ..plan
            }));
        let tasks: Vec<_> = calls
            .iter()
            .map(|&(after, caller)| tokio::spawn(run(site.stack.clone(), after, caller)))
            .collect();
        let mut charged = Cost::ZERO;
        for task in tasks {
            charged += task.await.unwrap();
        }
        drop(site.stack);
        tokio::task::yield_now().await;
        let taken = site.ledger.total().taken();
        let tokens = taken.input_tokens + taken.output_tokens;
        prop_assert_eq!(
            (charged.tokens, charged.nano_dollars),
            (tokens, taken.nano_dollars),
            "the trails and the ledger"
        );
        let seen = site.budget.snapshot();
        prop_assert_eq!((seen[0].reserved, seen[1].reserved), (0, 0));
        let spent = (seen[0].spent, seen[1].spent);
        match unreported {
            Unreported::Nothing => prop_assert_eq!(spent, (tokens, taken.nano_dollars)),
            _ => prop_assert!(spent.0 >= tokens && spent.1 >= taken.nano_dollars),
        }
        Ok(())
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn budgets_ledger_and_trails_agree_whatever_becomes_of_the_calls(
        plans in prop::collection::vec(any_plan(), 1..40),
        calls in prop::collection::vec((0..200_u64, any_caller()), 1..12),
    ) {
        check(Unreported::Nothing, plans.clone(), &calls)?;
        check(Unreported::Reserved, plans, &calls)?;
    }
}

/// A thousand calls at once on four threads, each reserving the most that it can take: the budgets are never exceeded,
/// by what is reserved or by what is spent, and hold what the ledger has in the end.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_calls_that_reserve_the_most_never_overspend() -> Result<(), BoxError> {
    const TOKENS: u64 = 200_000;
    const MONEY: u64 = 60_000_000_000;
    let prices = Prices::from_json(r#"{"models": {"m": {"input": 100, "output": 700}}}"#)?;
    let ledger = Ledger::new(LedgerConfig::default())?;
    let config = SpendLimitConfig::new(SpendBudget::tokens(TOKENS, Period::Forever))
        .with_budget(SpendBudget::nano_dollars(MONEY, Period::Forever));
    let budget = SpendLimitHandle::new(config)?;
    let estimates = EstimateConfig::default()
        .with_reserve(Reserve::Most)
        .with_overhead(50);
    let watched = budget.clone();
    let provider = service_fn(move |call: Call<ChatRequest>| {
        let watched = watched.clone();
        async move {
            for (seen, limit) in watched.snapshot().iter().zip([TOKENS, MONEY]) {
                assert!(seen.spent + seen.reserved <= limit, "{seen:?}");
            }
            tokio::task::yield_now().await;
            let most = call.message.most_tokens().unwrap();
            // All that it may, or less, or nothing.
            let output = most / (1 + most % 3);
            if most.is_multiple_of(5) {
                return Err(Error::new(Class::Server, "no"));
            }
            let usage = Usage {
                input_tokens: Some(40),
                output_tokens: Some(output),
                ..Usage::default()
            };
            let event = ChatEvent::new(Bytes::from_static(b"data: {}\n\n"), 6..8, Part::Content);
            let end = ChatEvent::new(Bytes::from_static(b"data: [DONE]\n\n"), 0..0, Part::End);
            let events = [event, end].map(|event| Ok(event.with_usage(usage, true)));
            Ok(ChatResponse::stream(Meta::default(), stream::iter(events)).boxed())
        }
    });
    let stack = ServiceBuilder::new()
        .layer(EstimateLayer::new(estimates)?.prices(&prices))
        .layer(SpendLimitLayer::shared(&budget).protocol(Chat))
        .layer(AccountLayer::new(&ledger, &prices))
        .layer(CommitLayer::default())
        .service(provider);
    let tasks: Vec<_> = (0..1_000_u64)
        .map(|n| {
            let mut stack = stack.clone();
            tokio::spawn(async move {
                let (mut went, mut refused) = (0_u64, 0_u64);
                for turn in 0..4 {
                    let most = 50 + (n * 7 + turn * 13) % 200;
                    let request = ChatRequest::new("m").user("hi").streamed().max_tokens(most);
                    let ready = stack.ready().await.unwrap();
                    match ready.call(Call::new(request)).await {
                        Ok(response) => {
                            let Answer::Stream(events) = response.answer else {
                                panic!("it is streamed");
                            };
                            events.count().await;
                            went += 1;
                        }
                        Err(error) => refused += u64::from(error.class() == Class::Refused),
                    }
                }
                (went, refused)
            })
        })
        .collect();
    let (mut went, mut refused) = (0, 0);
    for task in tasks {
        let (one, other) = task.await?;
        went += one;
        refused += other;
    }
    assert!(
        went > 100 && refused > 100,
        "{went} went, {refused} were refused"
    );
    let taken = ledger.total().taken();
    let seen = budget.snapshot();
    assert_eq!((seen[0].reserved, seen[1].reserved), (0, 0));
    assert_eq!(seen[0].spent, taken.input_tokens + taken.output_tokens);
    assert_eq!(seen[1].spent, taken.nano_dollars);
    assert!(seen[0].spent <= TOKENS && seen[1].spent <= MONEY);
    Ok(())
}
