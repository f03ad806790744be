//! What calls take, in tokens and money: told with every event, charged to the call as it goes on, and recorded by provider,
//! model and tenant, once for each attempt, whatever becomes of it.
//!
//! The layer goes around a provider, inside of whatever may send a call twice, and once: two of them on the way of an attempt
//! would record and charge it twice.
//!
//! | an attempt that | counts as | with |
//! |---|---|---|
//! | is answered as a whole, or streams to its proven end | a success | what the provider reported, or the estimate if it did not |
//! | breaks off, stalls or makes no sense | a failure, and as interrupted | what was seen of it: estimated, unless it was reported |
//! | is given up after its head | cancelled | the same |
//! | is given up before its head | cancelled | its prompt, [estimated](AccountLayer::unanswered) |
//! | takes too long to its head | a failure | the same |
//! | fails otherwise, is throttled or refused, before its head | that | nothing |
//! | does so after its head | that | what was seen of it |
//! | panics | a failure | what was seen of it |
//!
//! Whoever gives a call up before its head has sent the prompt, and most providers read it and ask for it, although nobody
//! reports it: attempts that lost to a hedge are such. Where a whole answer was asked for and not a stream, that may have been
//! written as well, so such a call counts as what it was [estimated](crate::estimate) to take, if it was.
//! [Without it](AccountLayer::without_unanswered) such calls are recorded with nothing taken.
//!
//! It may be on either side of a [`CommitLayer`](crate::commit::CommitLayer), which holds answers back: of one that fails while
//! it is held, the [error tells](crate::Error::begun) what was seen. Only one that is given up meanwhile has no head for who is
//! outside, and counts as estimated.
//!
//! Calls for [embeddings](crate::embed) are accounted for in the same way.
//!
//! **Money.** Worked out anew from the totals of the call at each event whose usage changed, by the [price](crate::price) of the
//! model that answered at that provider, or else that of the model that was asked for: rounded once, so the sum over a ledger
//! is the sum over the calls' own figures, to the nano-dollar. What a provider itself says that a call costs stands. Without a
//! price the money stays unknown, and the call is counted among those.
//!
//! **The trail.** A call with a [`Trail`](campanile::context::Trail) is charged what its attempts take as they go on, given up
//! or not, so that who settles a budget knows of all of them. A report that is lower than the estimate before it gives the
//! difference back.
//!
//! **State.** A [`Ledger`]: accounts in sixteen parts behind a lock each. A call takes one of them once, when it is over, for the
//! time of a few additions. Accounts are bounded in number, as tenants may be what clients write. Events cost arithmetic, and
//! two atomic additions if the call has a trail.
//!
//! **Readiness.** That of the service within.
//!
//! **Cancellation.** A future or a stream that is dropped records its attempt as cancelled, with what it has taken so far.
//!
//! **Streaming.** An attempt is over with the last event, the error, or the drop of its stream.
//!
//! **Sharing.** A ledger is a handle, shared by the layers of all providers. It is [collected](campanile::collect::Collect) as
//! `ledger_calls`, `ledger_tokens`, `ledger_dollars` and `ledger_unpriced_calls`, without the names of models and tenants.
//!
//! **Errors.** Those of the service within.
//!
//! # Example
//!
//! ```
//! use campanile::{Call, Context, Usage};
//! use campanile_llm::{
//!     Error,
//!     account::{AccountLayer, Ledger, LedgerConfig},
//!     chat::{Answer, ChatEvent, ChatRequest, ChatResponse, Meta, Part},
//!     price::Prices,
//! };
//! use futures_util::{StreamExt, stream};
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let ledger = Ledger::new(LedgerConfig::default())?;
//! let prices = Prices::from_json(r#"{"models": {"small": {"input": 0.1, "output": 0.4}}}"#)?;
//! let service = ServiceBuilder::new()
//!     .layer(AccountLayer::new(&ledger, &prices).provider("somebody"))
//!     .service(service_fn(async |_: Call<ChatRequest>| {
//!         let usage = Usage { input_tokens: Some(30), output_tokens: Some(20), ..Usage::default() };
//!         let end = ChatEvent::new("data: [DONE]\n\n".into(), 0..0, Part::End).with_usage(usage, true);
//!         Ok::<_, Error>(ChatResponse::stream(Meta::default(), stream::iter([Ok(end)])))
//!     }));
//! let call = Call {
//!     context: Context::new().with_tenant("acme"),
//!     message: ChatRequest::new("small").user("hi").streamed(),
//! };
//! let Answer::Stream(mut events) = service.oneshot(call).await?.answer else { unreachable!() };
//! let end = events.next().await.unwrap()?;
//! assert_eq!(end.usage().nano_dollars, Some(30 * 100 + 20 * 400));
//! let report = ledger.report();
//! assert_eq!(report.by_tenant["acme"].reported.nano_dollars, 11_000);
//! # Ok(())
//! # }
//! ```

mod attempt;
mod collect;
mod counts;
mod future;
mod layer;
mod ledger;
mod report;
mod service;
mod stream;
#[cfg(test)]
mod tests;

pub use counts::{Counts, Taken};
pub use future::AccountFuture;
pub use layer::AccountLayer;
pub use ledger::{Ledger, LedgerConfig};
pub use report::{AccountReport, Report};
pub use service::Account;
pub use stream::AccountStream;
