//! A batch job: a thousand prompts through a pool of servers, with a progress bar, retries, and a budget that it never
//! exceeds. Answers go to standard output, one JSON object a line; what they took to standard error. No key is needed.
//!
//! ```text
//! cargo run -p campanile-examples --bin prompts -- --url http://127.0.0.1:8081 > answers.jsonl
//! cargo run -p campanile-examples --bin prompts -- --url http://127.0.0.1:8081 --budget 20000   # tokens: it stops there
//! ```
//!
//! `--url` may be given several times. `--prompts FILE` reads prompts from a file, one a line. The exit code is 1 if a prompt
//! failed for another reason than the budget.

use std::{collections::VecDeque, io::Write, process::ExitCode, time::Duration};

use anyhow::Context as _;
use campanile::{
    Call, Context, Endpoint,
    balance::{AvoidTried, BalanceLayer, Ebw},
    circuit_breaker::{CircuitBreakerConfig, CircuitBreakerLayer},
    concurrency_limit::{ConcurrencyLimitConfig, ConcurrencyLimitLayer},
    discover::{PerEndpointLayer, Roster},
    rejection::RejectionKind,
    retry::{RetryAfter, RetryConfig, RetryLayer},
    spend_limit::{Period, SpendBudget, SpendLimitConfig, SpendLimitLayer},
    timeout::{TimeoutConfig, TimeoutLayer},
};
use campanile_llm::{
    Chat, Error,
    account::{AccountLayer, Ledger, LedgerConfig},
    chat::{Answer, ChatRequest, ChatResponse},
    commit::CommitLayer,
    estimate::{EstimateConfig, EstimateLayer, Reserve},
    price::Prices,
    provider::{Provider, ProviderConfig, http_client},
};
use futures_util::{StreamExt, stream::FuturesUnordered};
use indicatif::{ProgressBar, ProgressStyle};
use tower::{Service, ServiceBuilder, ServiceExt};

mod options;

use options::Options;

/// How long a prompt waits for a server that takes it.
const PATIENCE: Duration = Duration::from_secs(3600);

/// How many tokens an answer may have.
const ANSWER: u64 = 12;

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let options = Options::read()?;
    let ledger = Ledger::new(LedgerConfig::default())?;
    let chat = stack(&options, &ledger)?;

    let bar = ProgressBar::new(options.prompts.len() as u64).with_style(
        ProgressStyle::with_template("{bar:40} {pos}/{len} prompts, {per_sec}, {eta} to go")?,
    );
    let ask = |prompt: &str| {
        let message = ChatRequest::new(&options.model)
            .user(prompt)
            .max_tokens(ANSWER);
        let context = Context::new().with_tenant("prompts");
        chat.clone().oneshot(Call { context, message })
    };
    let mut waiting: VecDeque<&String> = options.prompts.iter().collect();
    let mut under_way = FuturesUnordered::new();
    let mut at_once = options.at_once;
    let mut failed = 0_u64;
    let mut out = std::io::stdout().lock();
    loop {
        while under_way.len() < at_once
            && let Some(prompt) = waiting.pop_front()
        {
            let answer = ask(prompt);
            under_way.push(async move { (prompt, answer.await) });
        }
        let Some((prompt, result)) = under_way.next().await else {
            break;
        };
        match result {
            Ok(Answer::Whole(answer)) => {
                let line = serde_json::json!({ "prompt": prompt, "answer": answer.text() });
                writeln!(out, "{line}")?;
            }
            Ok(Answer::Stream(_)) => anyhow::bail!("{prompt:?} was answered with a stream"),
            Err(error) if is_unpaid(&error) => {
                // What is under way has reserved the most that it can take, and gives the rest back when it is over.
                waiting.push_front(prompt);
                at_once = under_way.len();
                continue;
            }
            Err(error) => {
                failed += 1;
                bar.suspend(|| eprintln!("{prompt:?}: {error}"));
            }
        }
        bar.inc(1);
        at_once = at_once.max(under_way.len() + 1).min(options.at_once);
    }
    let unpaid = waiting.len();
    bar.abandon();

    let report = ledger.report();
    eprintln!("{report}");
    let taken = report.total.reported.input_tokens + report.total.reported.output_tokens;
    anyhow::ensure!(
        taken <= options.budget,
        "{taken} tokens are more than the budget"
    );
    eprintln!(
        "{taken} of {} tokens, {failed} failed, {unpaid} beyond the budget",
        options.budget
    );
    Ok(if failed > 0 {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// From the outside in: an estimate of what a call takes, the budget that it is reserved in, retries, the pool; and for each
/// server a breaker, a limit that finds out how much it takes at once, the account, the check that there is an answer, clocks.
fn stack(
    options: &Options,
    ledger: &Ledger,
) -> anyhow::Result<
    impl Service<Call<ChatRequest>, Response = Answer, Error = Error, Future: Send> + Clone,
> {
    let roster = Roster::new();
    let http = http_client();
    for url in &options.urls {
        let provider = Provider::new(http.clone(), &ProviderConfig::llama_cpp(url))?;
        roster
            .insert(url.as_str(), provider)
            .with_context(|| url.clone())?;
    }
    let budget = SpendLimitConfig::new(SpendBudget::tokens(options.budget, Period::Forever));
    let estimate = EstimateConfig::default()
        .with_reserve(Reserve::Most)
        .with_overhead(64);
    let retries = RetryConfig::default().with_retry_after(RetryAfter::Elsewhere);
    let clocks = TimeoutLayer::new(TimeoutConfig::new().with_total(Duration::from_secs(120)))?;
    let breaker = CircuitBreakerLayer::new(CircuitBreakerConfig::default())?.protocol(Chat);
    let limit = ConcurrencyLimitLayer::new(ConcurrencyLimitConfig::default())?.protocol(Chat);
    let account = AccountLayer::new(ledger, &Prices::default());
    Ok(ServiceBuilder::new()
        .map_response(|response: ChatResponse<_>| response.boxed().answer)
        .layer(EstimateLayer::new(estimate)?)
        .layer(SpendLimitLayer::new(budget)?.protocol(Chat))
        .layer(RetryLayer::new(retries)?.protocol(Chat))
        .layer(
            // Nobody is in a hurry: a prompt waits until a server takes it.
            BalanceLayer::new(AvoidTried::new(Ebw::default()))
                .patience(PATIENCE)
                .protocol(Chat),
        )
        .layer(PerEndpointLayer::new(
            move |endpoint: &Endpoint, provider| {
                ServiceBuilder::new()
                    .layer(breaker.clone().gate(endpoint))
                    .layer(limit.clone().gate(endpoint))
                    .layer(account.clone().endpoint(endpoint))
                    .layer(CommitLayer::default())
                    .layer(clocks.clone().protocol(Chat))
                    .service(provider)
            },
        ))
        .service(roster.changes()))
}

fn is_unpaid(error: &Error) -> bool {
    let kind = error.rejection().map(campanile::Rejection::kind);
    kind == Some(RejectionKind::BudgetExhausted)
}
