//! What goes around a provider: ours and liter-llm's, each over a provider of its own types that answers a chat at once.
//!
//! Both answer as a whole; ours also by a stream of one event, which is read to its end.

use campanile_benches::case::{BARE, Case, Message};

mod chat;
mod ours;
mod peer;

/// Every case: the bare ones, ours, the peer's.
#[must_use]
pub fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::new(BARE, "bare, a chat", Message::Chat, chat::call, || {
            chat::Take(chat::Chats { streamed: false })
        }),
        Case::new(
            BARE,
            "bare, a chat of liter-llm",
            Message::LiterLlm,
            peer::call,
            || peer::Chats,
        ),
    ];
    cases.extend(ours::cases());
    cases.extend(peer::cases());
    cases
}

/// What both call.
const MODEL: &str = "gpt-4o-mini";

/// What both answer with: tokens of the prompt and of the answer.
const TOKENS: (u64, u64) = (12, 9);

const RATE: &str = "rate limit, requests and tokens";
const BUDGET: &str = "budget";
const STACK: &str = "the whole stack";
