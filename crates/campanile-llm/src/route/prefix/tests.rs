use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use campanile::{
    Call, Endpoint, Usage,
    balance::{Affinity, Balance, BalanceLayer, FastFail, LeastLoaded, Pick},
    discover::{PerEndpointLayer, Roster},
};
use futures_util::{StreamExt, future::BoxFuture, stream};
use tokio::{sync::Semaphore, time::Instant};
use tower::{Service, ServiceBuilder, ServiceExt};

use super::{chunks::Chunks, *};
use crate::{
    Chat,
    chat::{Answer, ChatEvent, ChatRequest, ChatResponse, Meta, Part},
    error::{Class, Error},
    route::{ByChat, conversation::mix},
    stream::ChatStream,
};

mod simulation;

const MS: Duration = Duration::from_millis(1);

/// A server that remembers what it has read: so many calls at a time, the others wait.
#[derive(Clone)]
struct Server {
    key: String,
    slots: Arc<Semaphore>,
    cache: Arc<Mutex<Cache>>,
    read: Arc<Read>,
    fails: bool,
}

/// What was read, and in which order: the same once more is newer.
#[derive(Default)]
struct Cache {
    known: HashMap<u64, u64>,
    order: VecDeque<(u64, u64)>,
    stamp: u64,
}

/// Tokens of prompts, and those of them that were remembered.
#[derive(Debug, Default)]
struct Read {
    tokens: AtomicU64,
    remembered: AtomicU64,
}

/// How many chunks a server remembers, and what it takes to read a token and to write one.
const REMEMBERED: usize = 600;
const PREFILL: Duration = Duration::from_micros(120);
const DECODE: Duration = Duration::from_millis(10);

impl Server {
    fn new(key: &str, read: &Arc<Read>) -> Self {
        Self {
            key: key.to_owned(),
            slots: Arc::new(Semaphore::new(4)),
            cache: Arc::default(),
            read: Arc::clone(read),
            fails: false,
        }
    }

    /// How many tokens of a prompt are still to be read; all of it is remembered from now on.
    fn read(&self, request: &ChatRequest) -> u64 {
        let chunks = Chunks::of(request, 1024, 64);
        let mut cache = self.cache.lock().unwrap();
        let known = chunks
            .hashes()
            .iter()
            .take_while(|hash| cache.known.contains_key(hash));
        let known = known.count() as u64 * 256;
        chunks.hashes().iter().for_each(|hash| cache.add(*hash));
        let all = chunks.bytes / 4;
        self.read.tokens.fetch_add(all, SeqCst);
        self.read.remembered.fetch_add(known.min(all), SeqCst);
        all.saturating_sub(known)
    }
}

impl Cache {
    fn add(&mut self, hash: u64) {
        self.stamp += 1;
        self.known.insert(hash, self.stamp);
        self.order.push_back((hash, self.stamp));
        while self.known.len() > REMEMBERED
            && let Some((hash, stamp)) = self.order.pop_front()
        {
            if self.known.get(&hash) == Some(&stamp) {
                self.known.remove(&hash);
            }
        }
    }
}

impl Service<Call<ChatRequest>> for Server {
    type Response = ChatResponse;
    type Error = Error;
    type Future = BoxFuture<'static, Result<ChatResponse, Error>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Error>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Call<ChatRequest>) -> Self::Future {
        let server = self.clone();
        Box::pin(async move {
            if server.fails {
                return Err(Error::new(Class::Server, "failed"));
            }
            let _slot = server.slots.acquire().await.unwrap();
            let tokens = server.read(&call.message);
            let answer = call.message.most_tokens().unwrap_or(100);
            tokio::time::sleep(PREFILL * tokens as u32 + DECODE * answer as u32).await;
            let usage = Usage {
                output_tokens: Some(answer),
                ..Usage::default()
            };
            let end = ChatEvent::new("data: [DONE]\n\n".into(), 0..0, Part::End)
                .with_units(answer as u32)
                .with_usage(usage, true);
            let meta = Meta {
                provider: Some(server.key.as_str().into()),
                ..Meta::default()
            };
            Ok(ChatResponse::stream(
                meta,
                ChatStream::new(stream::iter([Ok(end)])),
            ))
        })
    }
}

type Pool<St> = Balance<Server, FastFail<St>, Chat>;

fn servers(count: usize, read: &Arc<Read>) -> Vec<Server> {
    (0..count)
        .map(|nth| Server::new(&format!("gpu-{nth}"), read))
        .collect()
}

async fn pool<St: Pick<Call<ChatRequest>>>(
    strategy: St,
    servers: &[Server],
) -> (Pool<St>, Roster<()>) {
    let roster = Roster::new();
    for server in servers {
        roster.insert(server.key.as_str(), ()).unwrap();
    }
    let servers = servers.to_vec();
    let pool = ServiceBuilder::new()
        .layer(BalanceLayer::new(strategy).protocol(Chat).seed(3))
        .layer(PerEndpointLayer::new(move |endpoint: &Endpoint, ()| {
            let found = servers.iter().find(|server| server.key == endpoint.key());
            found.unwrap().clone()
        }))
        .service(roster.changes());
    tokio::time::sleep(MS).await;
    (pool, roster)
}

fn prefix_aware() -> PrefixAware {
    PrefixAware::new(PrefixConfig::default()).unwrap()
}

/// Who answers, when it has.
async fn call<St: Pick<Call<ChatRequest>>>(
    pool: Pool<St>,
    chat: ChatRequest,
) -> Result<String, Error> {
    let response = pool.oneshot(Call::new(chat)).await?;
    let Answer::Stream(events) = response.answer else {
        panic!("it is streamed");
    };
    events.for_each(async |event| drop(event.unwrap())).await;
    Ok(response.meta.provider.unwrap().to_string())
}

async fn ask<St: Pick<Call<ChatRequest>>>(pool: &Pool<St>, chat: &ChatRequest) -> String {
    call(pool.clone(), chat.clone()).await.unwrap()
}

fn chat(nth: u64) -> ChatRequest {
    ChatRequest::new("m").user(&format!("{nth:06} ").repeat(2_000))
}

#[tokio::test(start_paused = true)]
async fn a_chat_that_goes_on_stays_where_it_was_read() {
    let (pool, _roster) = pool(prefix_aware(), &servers(10, &Arc::default())).await;
    for nth in 0..10 {
        let mut going_on = chat(nth);
        let home = ask(&pool, &going_on).await;
        for _ in 0..5 {
            going_on = going_on.assistant("yes").user("and then?");
            assert_eq!(ask(&pool, &going_on).await, home);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_member_that_leaves_is_not_waited_for() {
    let (pool, roster) = pool(prefix_aware(), &servers(3, &Arc::default())).await;
    let home = ask(&pool, &chat(1)).await;
    assert_eq!(ask(&pool, &chat(1)).await, home);
    roster.remove(&home).unwrap();
    tokio::time::sleep(MS).await;
    let other = ask(&pool, &chat(1)).await;
    assert_ne!(other, home);
    assert_eq!(ask(&pool, &chat(1)).await, other);
}

#[tokio::test(start_paused = true)]
async fn a_member_that_fails_keeps_nobody() {
    let mut servers = servers(3, &Arc::default());
    servers[0].fails = true;
    let (pool, _roster) = pool(prefix_aware(), &servers).await;
    let mut failed = 0;
    for _ in 0..300 {
        let answered = call(pool.clone(), chat(1)).await;
        failed += u32::from(answered.is_err());
        tokio::time::sleep(10 * MS).await;
    }
    assert!(failed < 30, "{failed} of 300");
}

/// A prompt that everybody sends is read by several members, and no member is run over.
#[tokio::test(start_paused = true)]
async fn a_member_is_never_run_over_for_what_it_holds() {
    let (pool, _roster) = pool(prefix_aware(), &servers(10, &Arc::default())).await;
    ask(&pool, &chat(1)).await;
    let mut under_way = Vec::new();
    for _ in 0..200 {
        under_way.push(tokio::spawn(call(pool.clone(), chat(1))));
        tokio::task::yield_now().await;
        let snapshot = pool.snapshot();
        let loads = snapshot
            .members
            .iter()
            .map(|member| member.endpoint.in_flight);
        let (least, most) = (loads.clone().min().unwrap(), loads.max().unwrap());
        assert!(most <= 4 * (least + 1) + 4, "{most} beside {least}");
    }
    for ended in under_way {
        ended.await.unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn routers_that_do_not_know_each_other_agree() {
    for members in [8, 100] {
        let config = PrefixConfig::default().with_peers(1);
        let strategy = || PrefixAware::new(config).unwrap();
        let servers = servers(members, &Arc::default());
        let (one, _roster) = pool(strategy(), &servers).await;
        let (other, _other_roster) = pool(strategy(), &servers).await;
        let mut agreed = 0;
        let mut homes = std::collections::BTreeSet::new();
        for nth in 0..20 {
            let home = ask(&one, &chat(nth)).await;
            agreed += u32::from(ask(&other, &chat(nth)).await == home);
            homes.insert(home);
        }
        // By chance it would be one of as many as there are members.
        assert!(agreed >= 14, "{agreed} of 20 among {members}");
        assert!(homes.len() >= 5, "{homes:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_short_prompt_goes_by_load_alone() {
    let (pool, _roster) = pool(prefix_aware(), &servers(4, &Arc::default())).await;
    let mut under_way = Vec::new();
    for _ in 0..40 {
        let short = ChatRequest::new("m").user("hi");
        under_way.push(tokio::spawn(call(pool.clone(), short)));
        tokio::task::yield_now().await;
    }
    let snapshot = pool.snapshot();
    assert!(
        snapshot
            .members
            .iter()
            .all(|member| member.endpoint.in_flight == 10)
    );
    for ended in under_way {
        ended.await.unwrap().unwrap();
    }
}

#[test]
fn a_mistake_in_the_settings_is_named() {
    let config = PrefixConfig::default;
    for (config, says) in [
        (
            config().with_entries(0),
            "prefix.entries is 0: it must be from 1 to 2^30",
        ),
        (
            config().with_prefill(f64::NAN),
            "prefix.prefill is NaN: it must be finite and not below 0",
        ),
        (
            config().with_overload(0.5),
            "prefix.overload is 0.5: it must be finite and at least 1",
        ),
        (
            config().with_forget(Duration::ZERO),
            "prefix.forget is 0ns: it must be above 0",
        ),
        (
            PrefixConfig {
                chunks: 65,
                ..config()
            },
            "prefix.chunks is 65: it must be from 1 to 64",
        ),
        (
            PrefixConfig {
                confidence: 2.0,
                ..config()
            },
            "prefix.confidence is 2.0: it must be from 0 to 1",
        ),
    ] {
        assert_eq!(PrefixAware::new(config).unwrap_err().to_string(), says);
    }
}
