//! Conversations at eight servers that remember what they have read, in virtual time: how much of the prompts they find
//! remembered, and how long calls take, by strategy.
//!
//! 80 clients hold one conversation after the other, of six turns: of one of forty instructions (24 KiB), and what was said so
//! far (2 KiB a turn). They think for three seconds on the average. A server works on four calls at a time; a token of a
//! prompt takes it 0.12 ms to read, one of an answer 10 ms to write. It remembers 600 KiB, a fifth of what is being talked
//! about.

use super::*;

const CLIENTS: u64 = 80;
const TURNS: u32 = 6;
const SECONDS: u64 = 100;

/// What came of a run.
#[derive(Debug)]
struct Figures {
    /// Of the prompts' tokens, the share that was remembered.
    remembered: f64,
    /// Seconds.
    p50: f64,
    p99: f64,
    calls: usize,
}

/// Numbers of one client.
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = mix(self.0);
        self.0
    }

    /// From 0 to 1.
    fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn exponential(&mut self, mean: f64) -> Duration {
        Duration::from_secs_f64(-mean * (1.0 - self.share()).ln())
    }
}

fn words(seed: u64, bytes: usize) -> String {
    let mut rng = Rng(seed);
    let mut text = String::with_capacity(bytes + 17);
    while text.len() < bytes {
        text.push_str(&format!("{:016x} ", rng.next()));
    }
    text
}

async fn client<St: Pick<Call<ChatRequest>>>(
    pool: Pool<St>,
    number: u64,
    until: Instant,
) -> Vec<(Instant, f64)> {
    let mut rng = Rng(mix(number ^ 0xC0FFEE));
    let mut took = Vec::new();
    loop {
        let system = words(rng.next() % 40, 24 * 1024);
        let mut chat = ChatRequest::new("m").system(&system);
        for _ in 0..TURNS {
            tokio::time::sleep(rng.exponential(3.0)).await;
            if Instant::now() >= until {
                return took;
            }
            let length = rng.exponential(100.0).as_secs().clamp(5, 1_000);
            chat = chat.user(&words(rng.next(), 1_024)).max_tokens(length);
            let start = Instant::now();
            ask(&pool, &chat).await;
            took.push((start, (Instant::now() - start).as_secs_f64()));
            chat = chat.assistant(&words(rng.next(), 1_024));
        }
    }
}

async fn run<St: Pick<Call<ChatRequest>>>(strategy: St) -> Figures {
    let read = Arc::new(Read::default());
    let (pool, _roster) = pool(strategy, &servers(8, &read)).await;
    let begin = Instant::now();
    let until = begin + Duration::from_secs(SECONDS);
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| tokio::spawn(client(pool.clone(), number, until)))
        .collect();
    let mut took = Vec::new();
    for client in clients {
        took.extend(client.await.unwrap());
    }
    // The first quarter is for learning.
    let warm = begin + Duration::from_secs(SECONDS / 4);
    let mut took: Vec<f64> = took
        .into_iter()
        .filter_map(|(start, took)| (start > warm).then_some(took))
        .collect();
    took.sort_by(f64::total_cmp);
    let at = |quantile: f64| took[((took.len() - 1) as f64 * quantile) as usize];
    Figures {
        remembered: read.remembered.load(SeqCst) as f64 / read.tokens.load(SeqCst) as f64,
        p50: at(0.5),
        p99: at(0.99),
        calls: took.len(),
    }
}

#[tokio::test(start_paused = true)]
async fn more_is_remembered_than_by_load_and_the_tail_is_no_longer() {
    let by_load = run(LeastLoaded::full_scan()).await;
    let by_chat = run(Affinity::by(ByChat)).await;
    let by_prefix = run(prefix_aware()).await;
    let all = format!("load {by_load:?}\nchat {by_chat:?}\nprefix {by_prefix:?}");
    assert!(by_prefix.calls > 1_000, "{all}");
    assert!(by_prefix.remembered > by_load.remembered + 0.2, "{all}");
    assert!(by_prefix.p50 < 0.9 * by_load.p50, "{all}");
    assert!(by_prefix.p99 < 1.1 * by_load.p99, "{all}");
    assert!(by_prefix.p99 < 1.1 * by_chat.p99, "{all}");
}
