use campanile::Call;
use campanile_llm::{
    Error,
    chat::{ChatEvent, ChatRequest, ChatResponse},
};
use futures_util::Stream;
use tower_service::Service;

/// A service of chats, by all that layers want of one, in a word.
pub(crate) trait ServesChats:
    Service<
        Call<ChatRequest>,
        Response = ChatResponse<<Self as ServesChats>::Events>,
        Error = Error,
        Future: Send,
    > + Clone
    + Send
    + 'static
{
    /// What its streams are.
    type Events: Stream<Item = Result<ChatEvent, Error>> + Send + Unpin + 'static;
}

impl<S, T> ServesChats for S
where
    S: Service<Call<ChatRequest>, Response = ChatResponse<T>, Error = Error, Future: Send>
        + Clone
        + Send
        + 'static,
    T: Stream<Item = Result<ChatEvent, Error>> + Send + Unpin + 'static,
{
    type Events = T;
}
