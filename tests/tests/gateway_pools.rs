//! A steady load of 200 streams on three providers, one of which is killed, slowed tenfold, or refuses: no caller sees a failure
//! before its first word, and as much is said as the healthy ones can say.
//!
//! The measure is a second load, of a few callers, directly on a healthy provider, at the same time: so what else the machine
//! does is in both.

mod gateway;

use std::{sync::atomic::Ordering, time::Duration};

use campanile_llm::dialect::Api;
use campanile_tests::faults::{Answer, Hint, Upstream};
use gateway::{
    Site,
    load::{Load, WORD, words},
};

/// Streams at once.
const STREAMS: usize = 200;

/// Callers of the measure.
const MEASURE: usize = 10;

/// For how long it is measured: several times as long as a stream that was under way at the struck one goes on.
const MEASURED: Duration = Duration::from_secs(30);

/// How much of what the healthy ones can say is said.
const GOODPUT: f64 = 0.9;

/// What happens to one of three.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Blow {
    Killed,
    Slowed,
    Refusing,
}

async fn strikes(blow: Blow) {
    let mut upstreams = Vec::new();
    let mut file = String::from("providers:\n");
    for name in ["one", "two", "three"] {
        let upstream = Upstream::start().await.unwrap();
        upstream.always(words(WORD));
        file += &format!(
            "  {name}: {{preset: compatible, base_url: \"{}/v1\"}}\n",
            upstream.url()
        );
        upstreams.push(upstream);
    }
    let site = Site::start(&file).await;
    let direct = Load::start(&upstreams[0].url(), MEASURE);
    let load = Load::start(&site.url, STREAMS);
    // Until all of them have learned of all.
    while load.tally.of(|tally| &tally.whole) < STREAMS * 2 {
        tokio::time::sleep(WORD).await;
    }
    let struck = upstreams.pop().unwrap();
    let struck = match blow {
        Blow::Killed => {
            drop(struck);
            None
        }
        Blow::Slowed => {
            struck.always(words(WORD * 10));
            Some(struck)
        }
        Blow::Refusing => {
            struck.always(Answer::rate_limited(Api::OpenAi, Hint::Seconds(1)));
            Some(struck)
        }
    };
    let words = |load: &Load| load.tally.words.load(Ordering::Relaxed);
    let before = (words(&direct), words(&load));
    // So many words for each caller of the measure.
    let period = MEASURED.as_secs_f64() / WORD.as_secs_f64();
    while ((words(&direct) - before.0) as f64) < period * MEASURE as f64 {
        tokio::time::sleep(WORD).await;
    }
    let measured = (words(&direct) - before.0) as f64 / MEASURE as f64;
    let got = (words(&load) - before.1) as f64 / STREAMS as f64;
    let (direct, tally) = (direct.end().await, load.end().await);
    println!(
        "{blow:?}: {got:.0} words a caller, and {measured:.0} of a healthy provider alone; {tally:?}"
    );
    if let Some(struck) = &struck {
        println!(
            "{blow:?}: the struck one has had {} calls",
            struck.counts().requests
        );
    }
    assert_eq!(
        direct.of(|tally| &tally.failed),
        0,
        "the measure itself is well"
    );
    assert_eq!(
        tally.of(|tally| &tally.failed),
        0,
        "{blow:?}: nobody sees a failure before the first word"
    );
    assert_eq!(
        tally.of(|tally| &tally.wrong),
        0,
        "{blow:?}: no false end, and no word twice"
    );
    let broken = tally.of(|tally| &tally.broken);
    match blow {
        // Those that it was saying something to.
        Blow::Killed => assert!(broken <= STREAMS / 2, "{broken} broke off"),
        _ => assert_eq!(broken, 0, "{blow:?}"),
    }
    assert!(
        got >= GOODPUT * measured,
        "{blow:?}: {got:.1} words of {measured:.1}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_three_is_killed() {
    strikes(Blow::Killed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_three_is_slowed_tenfold() {
    strikes(Blow::Slowed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_three_refuses() {
    strikes(Blow::Refusing).await;
}
