//! What connections and requests cost, in bytes and allocations.

use allocation_counter::{AllocationInfo, measure};

use super::*;

/// What a future allocates.
fn measured<T>(
    runtime: &tokio::runtime::Runtime,
    future: impl Future<Output = T>,
) -> (AllocationInfo, T) {
    let mut result = None;
    let info = measure(|| result = Some(runtime.block_on(future)));
    (info, result.unwrap())
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
}

#[test]
fn ten_thousand_idle_connections_cost_little() {
    const CONNECTIONS: usize = 10_000;
    let runtime = runtime();
    let served = runtime.block_on(async { served(&gateway(AT_ONCE)) });
    let mut clients = Vec::with_capacity(CONNECTIONS);
    let (fresh, ()) = measured(&runtime, async {
        for _ in 0..CONNECTIONS {
            clients.push(Client::with_pipe(&served, 4096));
        }
        tokio::time::sleep(SECOND).await;
    });
    let (used, ()) = measured(&runtime, async {
        for client in &mut clients {
            assert_eq!(client.get("/healthz", "").await.status, 200);
            client.rest = Vec::new();
        }
        tokio::time::sleep(SECOND * 10).await;
    });
    let each = |info: &AllocationInfo| info.bytes_current / CONNECTIONS as i64;
    let (fresh, used) = (each(&fresh), each(&fresh) + each(&used));
    println!("bytes of an idle connection, with the pipe: {fresh} fresh, {used} after a call");
    assert!(fresh < 4 << 10 && used < 8 << 10, "{fresh} {used}");
    // Another one is answered as ever.
    let status = runtime.block_on(async {
        let mut other = Client::new(&served);
        other.ask("/v1/chat/completions", "", &chat()).await.status
    });
    assert_eq!(status, 200);
}

#[test]
fn a_request_allocates_little() {
    const REQUESTS: usize = 1_000;
    let runtime = runtime();
    let keys = format!("{AT_ONCE}keys: {{ one: {{ secret: sk-one }} }}\n");
    let served = runtime.block_on(async { served(&gateway(&keys)) });
    let mut client = runtime.block_on(async { Client::new(&served) });
    let headers =
        "authorization: Bearer sk-one\r\naccept: application/json\r\nuser-agent: test\r\n";
    for (what, request, most) in [
        ("refused", request("/v1/messages", "", "{"), 20),
        (
            "chat",
            request("/v1/chat/completions", headers, &chat().to_string()),
            120,
        ),
    ] {
        let mut ask = |times: usize| {
            let (client, request) = (&mut client, &request);
            let future = async move {
                let mut space = vec![0; 4096];
                for _ in 0..times {
                    client.pipe.write_all(request.as_bytes()).await.unwrap();
                    // It comes in one piece: it fits into the pipe, and is flushed once.
                    assert!(client.pipe.read(&mut space).await.unwrap() > 0);
                }
            };
            measured(&runtime, future).0
        };
        ask(10);
        let info = ask(REQUESTS);
        let each = info.count_total / REQUESTS as u64;
        println!(
            "{what}: {each} allocations, {} bytes a request",
            info.bytes_total / REQUESTS as u64
        );
        assert!(each <= most, "{what}: {each}");
    }
}
