use std::sync::Arc;

use campanile::{
    Endpoint,
    balance::{AvoidTried, BalanceLayer, Ebw, LeastLoaded},
    circuit_breaker::{CircuitBreakerHandle, CircuitBreakerLayer},
    discover::{PerEndpointLayer, Roster},
    retry::RetryLayer,
    timeout::TimeoutLayer,
};
use campanile_llm::{
    Chat, ContentData,
    chat::ChatResponse,
    commit::CommitLayer,
    embed::Embeddings,
    provider::{HttpClient, Provider},
};
use tower::ServiceBuilder;

use super::{BuildError, Chats, Embeds, Guards, Member};
use crate::{config::Config, gateway::Kept};

/// A pool, with what operators see and change of it.
pub(crate) struct Pool {
    pub(crate) name: Arc<str>,
    members: Vec<Member>,
    pub(crate) chats: Chats,
    pub(crate) embeds: Embeds,
}

/// What a member's stacks are built around.
#[derive(Clone)]
pub(crate) struct Target {
    provider: Provider<HttpClient>,
    guards: Guards,
}

// ===== impl Pool =====

impl Pool {
    /// Its members, in the order of their names.
    pub(crate) fn members(&self) -> Vec<Member> {
        self.members.clone()
    }

    pub(crate) fn new(
        name: &str,
        config: &Config,
        http: &HttpClient,
        _kept: &Kept,
    ) -> Result<Self, BuildError> {
        let pool = &config.pools[name];
        let roster: Roster<Target> = Roster::new();
        let mut members = Vec::new();
        for member in &pool.members {
            let section = &config.providers[&member.provider];
            let guards = Guards {
                breaker: pool
                    .breaker
                    .clone()
                    .map(CircuitBreakerHandle::new)
                    .transpose()?,
                ..Guards::default()
            };
            let target = Target {
                provider: Provider::new(http.clone(), &section.resolve(&member.provider)?)?,
                guards: guards.clone(),
            };
            let endpoint = roster
                .insert(
                    Endpoint::builder(member.provider.as_str()).weight(member.weight),
                    target,
                )
                .expect("checked");
            members.push(Member {
                endpoint,
                provider: member.provider.as_str().into(),
                models: section.models.keys().cloned().collect(),
                tier: member.tier,
                guards,
                roster: roster.clone(),
            });
        }
        let clocks = TimeoutLayer::new(pool.timeouts.clone())?;
        let retries = RetryLayer::new(pool.retry.clone().unwrap_or_default())?;
        let chat_clocks = clocks.clone().protocol(Chat).counting(ContentData);
        let chats = ServiceBuilder::new()
            .map_response(ChatResponse::boxed)
            .layer(retries.clone().protocol(Chat))
            .layer(
                BalanceLayer::new(AvoidTried::new(Ebw::default()))
                    .protocol(Chat)
                    .patience(pool.patience),
            )
            .layer(PerEndpointLayer::new(
                move |endpoint: &Endpoint, target: Target| {
                    let breaker = target.guards.breaker.expect("for now");
                    ServiceBuilder::new()
                        .layer(
                            CircuitBreakerLayer::shared(&breaker)
                                .protocol(Chat)
                                .gate(endpoint),
                        )
                        .layer(CommitLayer::default())
                        .layer(chat_clocks.clone())
                        .service(target.provider)
                },
            ))
            .service(roster.changes());
        let clocks = clocks.protocol(Embeddings);
        let embeds = ServiceBuilder::new()
            .layer(retries.protocol(Embeddings))
            .layer(
                BalanceLayer::new(AvoidTried::new(LeastLoaded::two_choices()))
                    .protocol(Embeddings)
                    .patience(pool.patience),
            )
            .layer(PerEndpointLayer::new(
                move |endpoint: &Endpoint, target: Target| {
                    let breaker = target.guards.breaker.expect("for now");
                    ServiceBuilder::new()
                        .layer(
                            CircuitBreakerLayer::shared(&breaker)
                                .protocol(Embeddings)
                                .gate(endpoint),
                        )
                        .layer(clocks.clone())
                        .service(target.provider)
                },
            ))
            .service(roster.changes());
        Ok(Self {
            name: name.into(),
            members,
            chats: Chats::new(chats),
            embeds: Embeds::new(embeds),
        })
    }
}

// ===== impl Target =====

impl PartialEq for Target {
    fn eq(&self, other: &Self) -> bool {
        self.provider == other.provider
    }
}
