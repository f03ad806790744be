//! A chat: what is asked, and what is answered, whole or event by event.

mod event;
mod limits;
mod made;
mod message;
mod request;
mod response;
#[cfg(test)]
mod tests;
mod whole;

pub use event::{ChatEvent, FinishReason, Part};
pub use message::{Function, FunctionCall, Message, Role, Tool, ToolCall};
pub use request::ChatRequest;
pub use response::{Answer, ChatResponse, Meta};
pub use whole::ChatCompletion;
