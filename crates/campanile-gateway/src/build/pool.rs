use campanile::{
    Endpoint,
    balance::{AvoidTried, BalanceLayer, Ebw},
    circuit_breaker::CircuitBreakerLayer,
    discover::{PerEndpointLayer, Roster},
    retry::RetryLayer,
    timeout::TimeoutLayer,
};
use campanile_llm::{
    Chat, ContentData,
    chat::ChatResponse,
    commit::CommitLayer,
    provider::{HttpClient, Provider},
};
use tower::ServiceBuilder;

use super::{BuildError, Chats};
use crate::{config::Config, gateway::Kept};

/// A pool, with what operators see and change of it.
pub(crate) struct Pool {
    pub(crate) roster: Roster<Provider<HttpClient>>,
    pub(crate) chats: Chats,
}

// ===== impl Pool =====

impl Pool {
    pub(crate) fn new(
        name: &str,
        config: &Config,
        http: &HttpClient,
        _kept: &Kept,
    ) -> Result<Self, BuildError> {
        let pool = &config.pools[name];
        let roster = Roster::new();
        for member in &pool.members {
            let section = &config.providers[&member.provider];
            let provider = Provider::new(http.clone(), &section.resolve(&member.provider)?)?;
            let _ = roster.insert(
                Endpoint::builder(member.provider.as_str()).weight(member.weight),
                provider,
            );
        }
        let breaker =
            CircuitBreakerLayer::new(pool.breaker.clone().unwrap_or_default())?.protocol(Chat);
        let clocks = TimeoutLayer::new(pool.timeouts.clone())?
            .protocol(Chat)
            .counting(ContentData);
        let retries = pool.retry.clone().unwrap_or_default();
        let chats = ServiceBuilder::new()
            .map_response(ChatResponse::boxed)
            .layer(RetryLayer::new(retries)?.protocol(Chat))
            .layer(
                BalanceLayer::new(AvoidTried::new(Ebw::default()))
                    .protocol(Chat)
                    .patience(pool.patience),
            )
            .layer(PerEndpointLayer::new(
                move |endpoint: &Endpoint, provider| {
                    ServiceBuilder::new()
                        .layer(breaker.clone().gate(endpoint))
                        .layer(CommitLayer::default())
                        .layer(clocks.clone())
                        .service(provider)
                },
            ))
            .service(roster.changes());
        Ok(Self {
            chats: Chats::new(chats),
            roster,
        })
    }
}
