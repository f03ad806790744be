//! What a call costs between the router and the provider.

use std::hint::black_box;

use allocation_counter::{AllocationInfo, measure};
use futures_util::FutureExt;
use tower_service::Service;

use super::*;

/// What goes through a gateway with all guards on, or straight to its provider, answered at once.
fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().start_paused(true);
    builder.build().unwrap()
}

fn guarded() -> Gateway {
    gateway("pools: { main: { members: [one], concurrency: {} } }")
}

fn call(streamed: bool) -> Call<ChatRequest> {
    let request = ChatRequest::new("main").user("hello");
    Call::new(if streamed { request.streamed() } else { request })
}

/// Makes a call whose answer is there at once.
fn answer<S>(service: &mut S, call: Call<ChatRequest>) -> S::Response
where
    S: Service<Call<ChatRequest>, Error = Error>,
{
    service.call(call).now_or_never().unwrap().unwrap()
}

/// The router, a stage and a pool with all guards around a provider, less what the provider does by itself: the box of the
/// stage's future, and for a stream the box that closes its type.
#[test]
fn a_call_allocates_little() {
    runtime().block_on(async {
        let gateway = guarded();
        let mut alone = gateway.live().pools["main"].target("one");
        let mut router = gateway.live().chats.clone();
        chat(&gateway, "main").await.unwrap();
        for streamed in [false, true] {
            let mut least: Option<(AllocationInfo, AllocationInfo)> = None;
            for _ in 0..20 {
                let (through, direct) = (call(streamed), call(streamed));
                let through = measure(|| drop(answer(&mut router, through)));
                let direct = measure(|| drop(answer(&mut alone, direct)));
                if least.is_none_or(|(known, _)| through.count_total < known.count_total) {
                    least = Some((through, direct));
                }
            }
            let (through, direct) = least.unwrap();
            let count = through.count_total.saturating_sub(direct.count_total);
            println!(
                "streamed: {streamed}: {count} allocations beside the provider's {}, {} bytes beside {}",
                direct.count_total, through.bytes_total, direct.bytes_total,
            );
            assert!(count <= if streamed { 4 } else { 3 }, "{through:?} {direct:?}");
        }
    });
}

/// For a profiler: `CALLS=100000 valgrind --tool=callgrind TEST_BINARY --ignored many_calls`, and once more with `ALONE=1`.
#[test]
#[ignore = "for profilers"]
fn many_calls() {
    let number = std::env::var("CALLS").map_or(10_000, |calls| calls.parse().unwrap());
    let straight = std::env::var_os("ALONE").is_some();
    runtime().block_on(async {
        let gateway = guarded();
        chat(&gateway, "main").await.unwrap();
        let mut alone = gateway.live().pools["main"].target("one");
        let mut router = gateway.live().chats.clone();
        for _ in 0..number {
            if straight {
                drop(black_box(answer(&mut alone, call(false))));
            } else {
                drop(black_box(answer(&mut router, call(false))));
            }
        }
    });
}
