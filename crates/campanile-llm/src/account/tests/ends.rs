use super::*;

#[tokio::test]
async fn every_event_tells_what_the_call_costs_so_far() {
    let ledger = ledger();
    let layer = AccountLayer::new(&ledger, &prices());
    let service = layer.layer(provider(Script::default(), meta("near", "m")));
    let Answer::Stream(events) = service.oneshot(call()).await.unwrap().answer else {
        panic!("it is streamed");
    };
    let told: Vec<_> = events
        .map(|event| event.unwrap().usage().nano_dollars.unwrap())
        .collect()
        .await;
    // A prompt of 80 at 3,000, ten tokens at 6,000 each time; then 100 and 50, as reported.
    let estimated = (1..=5).map(|pieces| 240_000 + pieces * 60_000);
    assert_eq!(
        told,
        estimated.chain([600_000, 600_000]).collect::<Vec<_>>()
    );
    let total = ledger.total();
    assert_eq!(total.reported.nano_dollars, 600_000);
    assert_eq!(total.estimated, Taken::default());
}

#[tokio::test]
async fn a_whole_answer_tells_what_it_cost() {
    let ledger = ledger();
    let layer = AccountLayer::new(&ledger, &prices());
    let mut call = call();
    call.message = call.message.field("stream", &false);
    let told = run(&layer, &Script::default(), call, 0).await;
    assert_eq!(told.nano_dollars, Some(600_000));
    assert_eq!(ledger.total().reported.nano_dollars, 600_000);
}

#[tokio::test]
async fn each_way_to_end_is_recorded_once_with_what_was_seen() {
    let script = |end| Script {
        end,
        ..Script::default()
    };
    let unreported = Script {
        usage: None,
        ..Script::default()
    };
    // Input, output and whether it is reported; success, failure, interrupted, cancelled.
    for (script, most, taken, outcomes) in [
        (script(End::Whole), 99, (100, 50, true), [1, 0, 0, 0]),
        (unreported, 99, (80, 50, false), [1, 0, 0, 0]),
        (script(End::Cut), 99, (80, 50, false), [0, 1, 1, 0]),
        (script(End::Stalled), 99, (80, 50, false), [0, 0, 0, 1]),
        (script(End::Panic), 99, (80, 50, false), [0, 1, 0, 0]),
        (script(End::Whole), 2, (80, 20, false), [0, 0, 0, 1]),
        (script(End::Whole), 6, (100, 50, true), [0, 0, 0, 1]),
        (script(End::Whole), 0, (0, 0, false), [0, 0, 0, 1]),
    ] {
        let ledger = ledger();
        let layer = AccountLayer::new(&ledger, &prices()).without_unanswered();
        let told = run(&layer, &script, call(), most).await;
        let total = ledger.total();
        let ended = &total.outcomes;
        let name = format!("{script:?}, {most} events");
        assert_eq!(total.calls, 1, "{name}");
        assert_eq!(
            [
                ended.success,
                ended.failure,
                total.interrupted,
                ended.cancelled
            ],
            outcomes,
            "{name}"
        );
        let (input, output, reported) = taken;
        let (told_of, other) = match reported {
            true => (total.reported, total.estimated),
            false => (total.estimated, total.reported),
        };
        assert_eq!((told_of.calls, other), (1, Taken::default()), "{name}");
        assert_eq!(
            (told_of.input_tokens, told_of.output_tokens),
            (input, output),
            "{name}"
        );
        assert_eq!(
            told_of.nano_dollars,
            told.nano_dollars.unwrap_or(0),
            "{name}"
        );
    }
}

// liter-llm settles at headers, and so do guards that end there: a stream counts when it ends.
#[tokio::test]
async fn a_stream_under_way_is_not_recorded_yet() {
    let ledger = ledger();
    let layer = AccountLayer::new(&ledger, &prices());
    let service = layer.layer(provider(Script::default(), Meta::default()));
    let response = service.oneshot(call()).await.unwrap();
    assert_eq!(ledger.total().calls, 0);
    drop(response);
    assert_eq!(ledger.total().outcomes.cancelled, 1);
}

#[tokio::test]
async fn a_stream_that_ends_without_a_proof_is_no_success() {
    let ledger = ledger();
    let layer = AccountLayer::new(&ledger, &prices());
    let service = layer.layer(service_fn(|_: Call<ChatRequest>| {
        let events = Script::default().stream().take(3);
        ready(Ok::<_, Error>(ChatResponse::stream(
            Meta::default(),
            events,
        )))
    }));
    let Answer::Stream(events) = service.oneshot(call()).await.unwrap().answer else {
        panic!("it is streamed");
    };
    assert_eq!(events.count().await, 3);
    let total = ledger.total();
    assert_eq!((total.outcomes.failure, total.interrupted), (1, 1));
    assert_eq!(total.estimated.output_tokens, 30);
}

#[tokio::test]
async fn what_ends_before_its_head_is_recorded_with_nothing_taken() {
    let ledger = ledger();
    let layer = AccountLayer::new(&ledger, &prices()).without_unanswered();
    let fail = |class| {
        layer.layer(service_fn(move |_: Call<ChatRequest>| {
            ready(Err::<ChatResponse, _>(Error::new(class, "no")))
        }))
    };
    for class in [Class::Rate, Class::Overload, Class::Server, Class::Request] {
        let error = fail(class).oneshot(call()).await.unwrap_err();
        assert_eq!(error.class(), class);
    }
    let hung = layer.layer(service_fn(|_: Call<ChatRequest>| {
        std::future::pending::<Result<ChatResponse, Error>>()
    }));
    assert!(hung.oneshot(call()).now_or_never().is_none());
    let panics = layer.layer(service_fn(|_: Call<ChatRequest>| async {
        panic!("as it is scripted");
        #[allow(unreachable_code)]
        Err::<ChatResponse, _>(Error::new(Class::Server, ""))
    }));
    let caught = AssertUnwindSafe(panics.oneshot(call()))
        .catch_unwind()
        .await;
    assert!(caught.is_err());
    let mut panics_in_call = layer.layer(service_fn(
        |_: Call<ChatRequest>| -> std::future::Ready<Result<ChatResponse, Error>> {
            panic!("as it is scripted")
        },
    ));
    let caught = std::panic::catch_unwind(AssertUnwindSafe(|| drop(panics_in_call.call(call()))));
    assert!(caught.is_err());

    let total = ledger.total();
    let ended = total.outcomes;
    assert_eq!(total.calls, 7);
    assert_eq!(
        (ended.throttled, ended.overloaded, ended.ignored),
        (1, 1, 1)
    );
    assert_eq!((ended.failure, ended.cancelled), (3, 1));
    assert_eq!(total.taken(), Taken::default());
    assert_eq!(total.unpriced, 0);
    let accounts = ledger.report().accounts;
    assert_eq!(accounts[0].provider, "(unknown)");
}

#[tokio::test]
async fn a_prompt_that_was_sent_for_nothing_counts_as_it_is_estimated() {
    let ledger = ledger();
    let calibrated = Calibrated::default();
    let layer = AccountLayer::new(&ledger, &prices())
        .provider("near")
        .unanswered(&calibrated);
    let hung = layer.layer(service_fn(|_: Call<ChatRequest>| {
        std::future::pending::<Result<ChatResponse, Error>>()
    }));
    let trail = Trail::new();
    let mut call = call();
    call.context.trail = Some(trail.clone());
    let tokens = calibrated.prompt_tokens(&call.message);
    assert!(hung.oneshot(call).now_or_never().is_none());
    let taken = ledger.total().estimated;
    assert_eq!(
        (taken.input_tokens, taken.nano_dollars),
        (tokens, tokens * 3_000)
    );
    let charged = Cost {
        requests: 0,
        tokens,
        nano_dollars: tokens * 3_000,
    };
    assert_eq!(trail.charged(), charged);
}

#[tokio::test]
async fn the_trail_knows_what_all_attempts_took() {
    let ledger = ledger();
    let layer = AccountLayer::new(&ledger, &prices());
    let trail = Trail::new();
    let attempt = || {
        let mut call = call();
        call.context.trail = Some(trail.clone());
        call
    };
    let cut = Script {
        end: End::Cut,
        ..Script::default()
    };
    run(&layer, &cut, attempt(), 99).await;
    assert_eq!(trail.charged().tokens, 130);
    // Given up, as the loser of a hedge.
    run(&layer, &Script::default(), attempt(), 1).await;
    assert_eq!(trail.charged().tokens, 130 + 90);
    // Reported lower than it was estimated: the difference is given back.
    let low = Script {
        usage: Some(usage(40, 5)),
        ..Script::default()
    };
    run(&layer, &low, attempt(), 99).await;
    let total = ledger.total().taken();
    let tokens = total.input_tokens + total.output_tokens;
    assert_eq!(tokens, 130 + 90 + 45);
    assert_eq!(
        trail.charged(),
        Cost {
            requests: 0,
            tokens,
            nano_dollars: total.nano_dollars
        }
    );
}

#[tokio::test]
async fn a_trail_is_charged_while_the_answer_goes_on() {
    let ledger = ledger();
    let layer = AccountLayer::new(&ledger, &prices());
    let trail = Trail::new();
    let mut call = call();
    call.context.trail = Some(trail.clone());
    let service = layer.layer(provider(Script::default(), meta("near", "m")));
    let Answer::Stream(mut events) = service.oneshot(call).await.unwrap().answer else {
        panic!("it is streamed");
    };
    let mut charged = Vec::new();
    while events.next().await.is_some() {
        charged.push(trail.charged().tokens);
    }
    assert_eq!(charged, [90, 100, 110, 120, 130, 150, 150]);
}

#[tokio::test]
async fn embeddings_are_accounted_for_too() {
    let ledger = ledger();
    let layer = AccountLayer::new(&ledger, &prices()).provider("near");
    let service = layer.layer(service_fn(|call: Call<EmbeddingRequest>| {
        ready(match call.message.input_bytes() {
            0..10 => Err(Error::new(Class::Request, "short")),
            _ => Ok(EmbeddingResponse::new("m", &[vec![1.0]], usage(70, 0))),
        })
    }));
    let trail = Trail::new();
    let ask = |text: &str| Call {
        context: Context::new().with_trail(trail.clone()),
        message: EmbeddingRequest::new("m", [text]),
    };
    let response = service.clone().oneshot(ask("a longer text")).await.unwrap();
    assert_eq!(response.usage().nano_dollars, Some(210_000));
    service.oneshot(ask("")).await.unwrap_err();
    let total = ledger.total();
    assert_eq!((total.outcomes.success, total.outcomes.ignored), (1, 1));
    assert_eq!(total.reported.nano_dollars, 210_000);
    assert_eq!(
        trail.charged(),
        Cost {
            requests: 0,
            tokens: 70,
            nano_dollars: 210_000
        }
    );
}

#[tokio::test]
async fn a_call_and_its_events_allocate_nothing_of_their_own() {
    let answer = |_: Call<ChatRequest>| {
        let response = Script::default().streamed(meta("near", "m"));
        ready(Ok::<_, Error>(response))
    };
    let ledger = ledger();
    let mut bare = service_fn(answer);
    let mut layered = AccountLayer::new(&ledger, &prices()).layer(service_fn(answer));
    let trailed = || {
        let mut call = call();
        call.context.trail = Some(Trail::new());
        call
    };
    // The first call of an account makes room for it.
    let response = layered.call(trailed()).await.unwrap();
    drop(response);
    fn read<S>(response: Option<Result<ChatResponse<S>, Error>>) -> usize
    where
        S: futures_core::Stream<Item = Result<crate::chat::ChatEvent, Error>>,
    {
        let Some(Ok(ChatResponse {
            answer: Answer::Stream(events),
            ..
        })) = response
        else {
            panic!("it is streamed");
        };
        let mut events = std::pin::pin!(events);
        let mut count = 0;
        while let Some(Some(Ok(_))) = events.next().now_or_never() {
            count += 1;
        }
        count
    }
    let (first, second) = (trailed(), trailed());
    let without = allocation_counter::measure(|| {
        assert_eq!(read(bare.call(first).now_or_never()), 7);
    });
    let with = allocation_counter::measure(|| {
        assert_eq!(read(layered.call(second).now_or_never()), 7);
    });
    assert_eq!(with.count_total, without.count_total);
    assert_eq!(ledger.total().outcomes.success, 1);
}

fn is_service<S: Service<Call<ChatRequest>> + Clone + Send + Sync>(_: &S) {}

#[tokio::test]
async fn it_is_cloned_sent_shared_and_spawned() {
    let layer = AccountLayer::new(&ledger(), &prices());
    let service = layer.layer(service_fn(|_: Call<ChatRequest>| async {
        let whole = Script::default().whole();
        Ok::<_, Error>(ChatResponse::<ChatStream>::whole(Meta::default(), whole))
    }));
    is_service(&service);
    let task = tokio::spawn(async move {
        service.oneshot(call()).await?;
        Ok::<_, BoxError>(())
    });
    task.await.unwrap().unwrap();
}

/// How an attempt goes of which nobody ever hears what it took.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Silent {
    Hangs,
    TimesOut,
    /// Before the first event of its stream.
    IsLeft,
    IsCut,
    Fails,
    IsThrottled,
}

#[tokio::test]
async fn what_was_worked_on_and_never_told_counts_as_budgets_have_it() {
    for (silent, counts) in [
        (Silent::Hangs, true),
        (Silent::TimesOut, true),
        (Silent::IsLeft, true),
        (Silent::IsCut, true),
        (Silent::Fails, false),
        (Silent::IsThrottled, false),
    ] {
        for (cost, streamed) in [
            (None, true),
            (Some(700), true),
            (None, false),
            (Some(700), false),
        ] {
            let ledger = ledger();
            let layer = AccountLayer::new(&ledger, &prices()).provider("near");
            let service = layer.layer(service_fn(move |_: Call<ChatRequest>| async move {
                let error = |class| Err(Error::new(class, "as it is scripted"));
                let script = Script {
                    pieces: vec![],
                    usage: None,
                    end: if silent == Silent::IsCut {
                        End::Cut
                    } else {
                        End::Stalled
                    },
                    ..Script::default()
                };
                match silent {
                    Silent::Hangs => std::future::pending().await,
                    Silent::TimesOut => error(Class::Timeout),
                    Silent::Fails => error(Class::Server),
                    Silent::IsThrottled => error(Class::Rate),
                    Silent::IsLeft | Silent::IsCut => Ok(script.streamed(Meta::default()).boxed()),
                }
            }));
            let trail = Trail::new();
            let mut call = call();
            call.message = call.message.field("stream", &streamed);
            call.context.cost = cost.map(Cost::tokens);
            call.context.trail = Some(trail.clone());
            let prompt = Calibrated::default().prompt_tokens(&call.message);
            let read = async {
                if let Ok(ChatResponse {
                    answer: Answer::Stream(events),
                    ..
                }) = service.oneshot(call).await
                {
                    events.count().await;
                }
            };
            let _ = read.now_or_never();
            let output = cost.filter(|_| !streamed).map_or(0, |cost| cost - prompt);
            let [input, output] = [prompt, output].map(|tokens| if counts { tokens } else { 0 });
            let of = format!("{silent:?}, {cost:?}, {streamed}");
            let total = ledger.total();
            assert_eq!((total.calls, total.reported), (1, Taken::default()), "{of}");
            let taken = total.estimated;
            assert_eq!(
                (taken.input_tokens, taken.output_tokens),
                (input, output),
                "{of}"
            );
            assert_eq!(taken.nano_dollars, input * 3_000 + output * 6_000, "{of}");
            let charged = trail.charged();
            assert_eq!(charged.tokens, input + output, "{of}");
            assert_eq!(charged.nano_dollars, taken.nano_dollars, "{of}");
        }
    }
}
