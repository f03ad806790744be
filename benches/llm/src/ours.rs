use campanile::{
    Call,
    concurrency_limit::{ConcurrencyLimitConfig, ConcurrencyLimitLayer},
    rate_limit::{Limit, RateLimitConfig, RateLimitLayer, Silent, Single, Together},
    retry::{RetryConfig, RetryLayer},
    spend_limit::{Period, SpendBudget, SpendLimitConfig, SpendLimitLayer},
};
use campanile_llm::{
    Chat, Error,
    account::{AccountLayer, Ledger, LedgerConfig},
    chat::{ChatEvent, ChatRequest, ChatResponse},
    estimate::{EstimateConfig, EstimateLayer},
    price::Prices,
};
use futures_util::Stream;
use tower::{Layer, Service, ServiceBuilder};

use super::{
    BUDGET, MODEL, RATE, STACK,
    chat::{Chats, Drain, Take, call},
};
use campanile_benches::case::{Case, Message, OURS};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new(RATE, OURS, Message::Chat, call, || {
            Take(rate().layer(WHOLE))
        }),
        Case::new(BUDGET, OURS, Message::Chat, call, || {
            Take(spend().layer(WHOLE))
        }),
        Case::new("estimate", OURS, Message::Chat, call, || {
            Take(estimate().layer(WHOLE))
        }),
        Case::new("account", OURS, Message::Chat, call, || {
            Take(account().layer(WHOLE))
        }),
        Case::new(STACK, OURS, Message::Chat, call, || Take(stack(WHOLE))),
        Case::new(
            STACK,
            "campanile, a stream of one event",
            Message::Chat,
            call,
            || Drain(stack(STREAMED)),
        ),
    ]
}

const WHOLE: Chats = Chats { streamed: false };
const STREAMED: Chats = Chats { streamed: true };

fn stack(
    chats: Chats,
) -> impl Service<
    Call<ChatRequest>,
    Response = ChatResponse<impl Stream<Item = Result<ChatEvent, Error>> + Send>,
    Error = Error,
    Future: Send,
> + Clone
+ Send {
    let retry = RetryLayer::new(RetryConfig::default()).expect("the settings are valid");
    let config = ConcurrencyLimitConfig::fixed(100_000);
    let limit = ConcurrencyLimitLayer::new(config).expect("the limit is valid");
    ServiceBuilder::new()
        .layer(estimate())
        .layer(spend())
        .layer(retry.protocol(Chat))
        .layer(rate())
        .layer(limit.protocol(Chat))
        .layer(account())
        .service(chats)
}

fn estimate() -> EstimateLayer {
    let layer = EstimateLayer::new(EstimateConfig::default()).expect("the settings are valid");
    layer.prices(&prices())
}

fn account() -> AccountLayer {
    let ledger = Ledger::new(LedgerConfig::default()).expect("the ledger is valid");
    AccountLayer::new(&ledger, &prices()).provider("somebody")
}

/// More than anyone can ask for.
fn rate() -> RateLimitLayer<Chat, Single, Together, Silent> {
    let plenty = Limit::per_second(1e9).with_burst(1 << 40);
    let config = RateLimitConfig::requests(plenty).with_tokens(plenty);
    let layer = RateLimitLayer::new(config).expect("the limits are valid");
    layer.protocol(Chat)
}

/// Likewise: tokens by the minute, and money by the month.
fn spend() -> SpendLimitLayer<Chat> {
    let config = SpendLimitConfig::new(SpendBudget::tokens(1 << 54, Period::Minute))
        .with_budget(SpendBudget::dollars(1e6, Period::Month));
    let layer = SpendLimitLayer::new(config).expect("the budgets are valid");
    layer.protocol(Chat)
}

fn prices() -> Prices {
    let list = format!(r#"{{"models": {{"{MODEL}": {{"input": 0.15, "output": 0.6}}}}}}"#);
    Prices::from_json(&list).expect("the list is valid")
}
