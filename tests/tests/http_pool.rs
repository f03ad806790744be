//! A pool of real HTTP upstreams, behind a real server, through real clients.

use std::{net::SocketAddr, time::Duration};

use axum::body::{Body, Bytes};
use campanile::{
    Endpoint, balance::LeastLoaded, discover::Roster, endpoint::Reason, time::Timestamp,
};
use campanile_examples::http::{Answer, Caller, Upstream, client, front, pool, serve};
use http::{Request, Response, StatusCode, header::RETRY_AFTER};
use http_body_util::BodyExt;
use tokio::task::JoinHandle;

/// So many pieces that an answer never ends by itself within a test.
const ENDLESS: u32 = 1_000_000;

/// How long anything may take.
const BOUND: Duration = Duration::from_secs(30);

struct Site {
    roster: Roster<SocketAddr>,
    upstreams: Vec<Upstream>,
    endpoints: Vec<Endpoint>,
    address: SocketAddr,
    server: JoinHandle<()>,
}

impl Site {
    /// A front with one upstream for each name, whose answers have `pieces` pieces.
    async fn start(names: &[&'static str], pieces: u32) -> Self {
        let roster = Roster::new();
        let (mut upstreams, mut endpoints) = (Vec::new(), Vec::new());
        for name in names {
            let upstream = Upstream::start(name, pieces, Duration::from_millis(2))
                .await
                .unwrap();
            endpoints.push(roster.insert(*name, upstream.address()).unwrap());
            upstreams.push(upstream);
        }
        let app = front(pool(&roster, LeastLoaded::default()));
        let (address, server) = serve(app, 0).await.unwrap();
        Self {
            roster,
            upstreams,
            endpoints,
            address,
            server,
        }
    }

    async fn get(
        &self,
    ) -> Response<impl http_body::Body<Data = Bytes, Error: std::error::Error> + use<>> {
        let request = Request::get(format!("http://{}/", self.address))
            .body(Body::empty())
            .unwrap();
        bounded(client().request(request)).await.unwrap()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn bounded<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(BOUND, future)
        .await
        .expect("took too long")
}

/// Waits for a condition that other tasks bring about.
async fn until(mut condition: impl FnMut() -> bool) {
    bounded(async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_body_streams_through_and_its_call_lasts_as_long() {
    let site = Site::start(&["one"], ENDLESS).await;
    let endpoint = &site.endpoints[0];
    let response = site.get().await;
    assert_eq!(response.status(), StatusCode::OK);
    let mut body = response.into_body();

    // Pieces arrive although the answer has no end, and the call counts for as long.
    for _ in 0..5 {
        let frame = bounded(body.frame()).await.unwrap().unwrap();
        assert!(frame.into_data().unwrap().starts_with(b"one "));
        assert_eq!(endpoint.in_flight(), 1);
    }

    // The client hangs up: the front drops the body, and the call was cancelled.
    drop(body);
    until(|| endpoint.in_flight() == 0).await;
    let outcomes = endpoint.outcomes();
    assert_eq!(
        (outcomes.cancelled, outcomes.success, outcomes.failure),
        (1, 0, 0)
    );
}

#[tokio::test]
async fn a_whole_answer_is_a_success_and_shares_are_even() {
    let site = Site::start(&["one", "two"], 8).await;
    let caller = Caller::new(site.address);
    for _ in 0..40 {
        assert!(matches!(
            bounded(caller.get()).await.unwrap(),
            Answer::Whole { .. }
        ));
    }
    until(|| {
        site.endpoints
            .iter()
            .all(|endpoint| endpoint.in_flight() == 0)
    })
    .await;
    let successes: Vec<_> = site
        .endpoints
        .iter()
        .map(|endpoint| endpoint.outcomes().success)
        .collect();
    assert_eq!(successes.iter().sum::<u64>(), 40);
    assert!(successes.iter().all(|count| *count > 0), "{successes:?}");
}

#[tokio::test]
async fn an_upstream_killed_in_mid_body_is_an_error_and_never_a_clean_end() {
    let mut site = Site::start(&["one"], ENDLESS).await;
    let mut bodies = Vec::new();
    for _ in 0..8 {
        let mut body = site.get().await.into_body();
        bounded(body.frame()).await.unwrap().unwrap();
        bodies.push(body);
    }
    site.upstreams[0].kill().await;
    for mut body in bodies {
        let end = bounded(async {
            loop {
                match body.frame().await {
                    Some(Ok(_)) => {}
                    end => break end,
                }
            }
        })
        .await;
        assert!(matches!(end, Some(Err(_))), "a cut body ended cleanly");
    }
    let endpoint = &site.endpoints[0];
    until(|| endpoint.in_flight() == 0).await;
    assert_eq!(endpoint.outcomes().failure, 8);
}

#[tokio::test]
async fn an_upstream_that_is_back_gets_traffic_again() {
    let mut site = Site::start(&["one", "two"], 2).await;
    let caller = Caller::new(site.address);
    site.upstreams[1].kill().await;

    // The other one goes on to answer, whatever calls find out that this one is gone.
    let mut answered = 0;
    for _ in 0..40 {
        match bounded(caller.get()).await.unwrap() {
            Answer::Whole { upstream } => {
                assert_eq!(upstream, "one");
                answered += 1;
            }
            answer => assert_eq!(
                answer,
                Answer::Failed {
                    status: Some(StatusCode::BAD_GATEWAY)
                }
            ),
        }
    }
    assert!(answered > 0);
    assert!(site.endpoints[1].outcomes().failure > 0);

    site.upstreams[1].restart().await.unwrap();
    let back = Answer::Whole {
        upstream: "two".to_owned(),
    };
    bounded(async { while caller.get().await.unwrap() != back {} }).await;
}

#[tokio::test]
async fn a_pool_whose_members_are_all_closed_answers_503_with_the_earliest_reopening() {
    let mut site = Site::start(&["one", "two"], 2).await;
    for upstream in &mut site.upstreams {
        upstream.kill().await;
    }
    // As a health probe would find.
    let now = Timestamp::now();
    for (endpoint, seconds) in site.endpoints.iter().zip([60, 20]) {
        endpoint
            .gate()
            .close_until(Reason::Health, now.after(Duration::from_secs(seconds)));
    }

    let response = site.get().await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    let after: u64 = response.headers()[RETRY_AFTER]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((10..=20).contains(&after), "{after}");
    let body = bounded(response.into_body().collect())
        .await
        .unwrap()
        .to_bytes();
    assert!(String::from_utf8_lossy(&body).contains("every member of the pool is closed"));

    // Nothing was sent anywhere.
    assert!(
        site.endpoints
            .iter()
            .all(|endpoint| endpoint.outcomes() == Default::default())
    );

    // And once one is back and open, it answers.
    site.upstreams[0].restart().await.unwrap();
    site.endpoints[0].gate().open(Reason::Health);
    let answer = bounded(Caller::new(site.address).get()).await.unwrap();
    assert_eq!(
        answer,
        Answer::Whole {
            upstream: "one".to_owned()
        }
    );
}

#[tokio::test]
async fn a_pool_without_members_answers_503() {
    let site = Site::start(&[], 1).await;
    let response = site.get().await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn a_drain_waits_for_the_last_byte() {
    let site = Site::start(&["one"], 50).await;
    let mut body = site.get().await.into_body();
    bounded(body.frame()).await.unwrap().unwrap();

    let drain = tokio::spawn(site.roster.drain("one", BOUND).unwrap());
    let whole = bounded(body.collect()).await.unwrap().to_bytes();
    assert!(whole.ends_with(b"one 50/50\n"));
    assert_eq!(bounded(drain).await.unwrap(), 0);
    assert!(site.roster.is_empty());
    assert_eq!(site.endpoints[0].outcomes().success, 1);
}
