//! What a call costs between the router and the provider.

use std::hint::black_box;

use allocation_counter::{AllocationInfo, measure};
use campanile_llm::chat::{ChatEvent, ChatResponse};
use futures_util::Stream;
use tokio::runtime::{Builder, Runtime};
use tower_service::Service;

use super::*;

/// How often a call may allocate, whole and streamed.
const MOST: [u64; 2] = [3, 12];

fn runtime() -> Runtime {
    let mut builder = Builder::new_current_thread();
    builder.enable_all().start_paused(true);
    builder.build().unwrap()
}

fn guarded() -> Gateway {
    gateway("pools: { main: { members: [one], concurrency: {} } }")
}

fn call(streamed: bool) -> Call<ChatRequest> {
    let request = ChatRequest::new("main").user("hello");
    Call::new(if streamed {
        request.streamed()
    } else {
        request
    })
}

/// Makes a call, and reads its answer to the end.
fn answer<S, T>(runtime: &Runtime, service: &mut S, call: Call<ChatRequest>)
where
    S: Service<Call<ChatRequest>, Response = ChatResponse<T>, Error = Error>,
    T: Stream<Item = Result<ChatEvent, Error>> + Unpin,
{
    runtime.block_on(async {
        match service.call(call).await.unwrap().answer {
            Answer::Whole(whole) => drop(black_box(whole)),
            Answer::Stream(mut events) => {
                while let Some(event) = events.next().await {
                    drop(black_box(event.unwrap()));
                }
            }
        }
    });
}

/// The router, a stage and a pool with all guards around a provider, less what the provider does by itself: the box of the
/// stage's future, and for a stream the box that closes its type.
#[test]
fn a_call_allocates_little() {
    let runtime = runtime();
    let _entered = runtime.enter();
    let gateway = guarded();
    runtime.block_on(chat(&gateway, "main")).unwrap();
    let mut alone = gateway.live().pools["main"].target("one");
    let mut router = gateway.live().chats.clone();
    for streamed in [false, true] {
        let mut least: Option<(AllocationInfo, AllocationInfo)> = None;
        for _ in 0..20 {
            let (through, direct) = (call(streamed), call(streamed));
            let through = measure(|| answer(&runtime, &mut router, through));
            let direct = measure(|| answer(&runtime, &mut alone, direct));
            if least
                .as_ref()
                .is_none_or(|(known, _)| through.count_total < known.count_total)
            {
                least = Some((through, direct));
            }
        }
        let (through, direct) = least.unwrap();
        let count = through.count_total.saturating_sub(direct.count_total);
        println!(
            "streamed: {streamed}: {count} allocations beside the provider's {}, {} bytes beside {}",
            direct.count_total, through.bytes_total, direct.bytes_total,
        );
        assert!(
            count <= MOST[usize::from(streamed)],
            "{through:?} {direct:?}"
        );
    }
}

/// For a profiler: `CALLS=100000 valgrind --tool=callgrind TEST_BINARY --ignored many_calls`, and once more with `ALONE=1`.
#[test]
#[ignore = "for profilers"]
fn many_calls() {
    let number = std::env::var("CALLS").map_or(10_000, |calls| calls.parse().unwrap());
    let straight = std::env::var_os("ALONE").is_some();
    let runtime = runtime();
    let _entered = runtime.enter();
    let gateway = guarded();
    runtime.block_on(chat(&gateway, "main")).unwrap();
    let mut alone = gateway.live().pools["main"].target("one");
    let mut router = gateway.live().chats.clone();
    for _ in 0..number {
        if straight {
            answer(&runtime, &mut alone, call(false));
        } else {
            answer(&runtime, &mut router, call(false));
        }
    }
}
