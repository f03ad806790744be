//! What answers, and what it is told.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_value_answers() {
    let service = FallbackLayer::value("value").layer(failing().service());
    assert_eq!(service.oneshot(()).await.unwrap(), "value");
}

#[tokio::test(start_paused = true)]
async fn a_function_is_told_what_went_wrong() {
    let layer =
        FallbackLayer::function(async |failed: Failed<&'static str, BoxError>| {
            match failed.outcome {
                Outcome::Throttled { .. } => Ok("slowly"),
                _ => failed.result,
            }
        });
    let throttled = layer.layer(rejected(RejectionKind::RateLimited).service());
    assert_eq!(throttled.oneshot(()).await.unwrap(), "slowly");
    let failed = layer.layer(failing().service()).oneshot(()).await;
    assert_eq!(failed.unwrap_err().to_string(), "out of luck");
}

#[tokio::test(start_paused = true)]
async fn a_function_can_have_the_request() {
    let service = FallbackLayer::function_of(
        |request: &String| Some(request.len()),
        async |len: usize, failed: Failed<String, BoxError>| {
            Ok(format!("{len}: {}", failed.result.unwrap_err()))
        },
    )
    .layer(tower::service_fn(async |_: String| {
        Err::<String, BoxError>("failed".into())
    }));
    assert_eq!(
        service.oneshot("four".to_owned()).await.unwrap(),
        "4: failed"
    );
}

/// A request that counts its clones.
struct Counted(Arc<AtomicUsize>);

impl Clone for Counted {
    fn clone(&self) -> Self {
        self.0.fetch_add(1, SeqCst);
        Self(Arc::clone(&self.0))
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_is_cloned_only_where_it_may_be_needed() {
    let clones = Arc::new(AtomicUsize::new(0));
    let service =
        FallbackLayer::to(Script::answering("second").service()).layer(failing().service());
    assert!(service.oneshot(Counted(Arc::clone(&clones))).await.is_ok());
    assert_eq!(clones.load(SeqCst), 1);

    // Derived, and only for some.
    let spare = tower::service_fn(async |len: usize| {
        Ok::<_, BoxError>(if len == 3 { "three" } else { "other" })
    });
    let service = FallbackLayer::to(spare)
        .keeping(|request: &&'static str| (!request.is_empty()).then_some(request.len()))
        .layer(failing().service());
    assert_eq!(service.clone().oneshot("one").await.unwrap(), "three");
    assert!(service.oneshot("").await.is_err());

    let service = FallbackLayer::value("value").layer(failing().service());
    clones.store(0, SeqCst);
    assert!(service.oneshot(Counted(Arc::clone(&clones))).await.is_ok());
    assert_eq!(clones.load(SeqCst), 0, "a value needs no request");
}

#[tokio::test(start_paused = true)]
async fn errors_of_another_kind_are_made_into_ours() {
    #[derive(Debug, PartialEq)]
    enum Own {
        First,
        Other(std::num::ParseIntError),
    }
    impl From<std::num::ParseIntError> for Own {
        fn from(error: std::num::ParseIntError) -> Self {
            Self::Other(error)
        }
    }
    let parse = tower::service_fn(async |text: &'static str| text.parse::<u32>());
    let service = FallbackLayer::to(parse).layer(tower::service_fn(async |_: &'static str| {
        Err::<u32, Own>(Own::First)
    }));
    assert_eq!(service.clone().oneshot("7").await, Ok(7));
    assert!(matches!(service.oneshot("x").await, Err(Own::Other(_))));
}

#[cfg(feature = "http")]
mod http {
    use ::http::{Request, Response, StatusCode};
    use bytes::Bytes;
    use http_body_util::BodyExt;

    use super::*;
    use crate::testing::{ScriptBody, ScriptStream};

    fn responding(status: StatusCode, text: &'static str) -> Script<Response<ScriptBody>> {
        Script::new(Step::respond(status, ScriptBody::full(text)))
    }

    async fn text(response: Response<ScriptBody>) -> Bytes {
        response.into_body().collect().await.unwrap().to_bytes()
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_response_is_answered_from_elsewhere() {
        let spare = responding(StatusCode::OK, "second");
        for (status, falls_back) in [
            (StatusCode::OK, false),
            (StatusCode::NOT_FOUND, false),
            (StatusCode::INTERNAL_SERVER_ERROR, true),
            (StatusCode::SERVICE_UNAVAILABLE, true),
            (StatusCode::TOO_MANY_REQUESTS, true),
            (StatusCode::GATEWAY_TIMEOUT, true),
        ] {
            let service = FallbackLayer::to(spare.service())
                .http()
                .layer(responding(status, "first").service());
            let response = service.oneshot(Request::new(())).await.unwrap();
            let expected = if falls_back { "second" } else { "first" };
            assert_eq!(text(response).await, expected, "{status}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_response_stands_when_the_other_service_is_dead() {
        let spare = responding(StatusCode::OK, "second");
        spare.set_readiness(Readiness::error("dead"));
        let service = FallbackLayer::to(spare.service())
            .http()
            .layer(responding(StatusCode::SERVICE_UNAVAILABLE, "first").service());
        let response = service.clone().oneshot(Request::new(())).await.unwrap();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(text(response).await, "first");

        // It is gone once the other one is waited for.
        spare.set_readiness(Readiness::Pending);
        let mut call = tokio_test::task::spawn(service.oneshot(Request::new(())));
        assert!(call.poll().is_pending());
        spare.set_readiness(Readiness::error("dead"));
        assert_eq!(call.await.unwrap_err().to_string(), "dead");
    }

    /// A response holds what its body holds: here the one permit that the other service needs.
    #[tokio::test(start_paused = true)]
    async fn a_failed_response_is_dropped_before_the_other_service_is_waited_for() {
        use crate::{
            completion::{Completion, Observe},
            protocol::Http,
            time::Timestamp,
        };
        use std::sync::Mutex;

        struct Ended(Arc<Mutex<Vec<Outcome>>>, Script<Response<ScriptBody>>);
        impl Observe for Ended {
            fn end(&mut self, _: Timestamp, outcome: Outcome) {
                self.0.lock().unwrap().push(outcome);
                self.1.set_readiness(Readiness::Ready);
            }
        }

        let ends = Arc::new(Mutex::default());
        let spare = responding(StatusCode::OK, "second");
        spare.set_readiness(Readiness::Pending);
        let (told, frees) = (Arc::clone(&ends), spare.clone());
        let primary = tower::service_fn(move |_: Request<()>| {
            let observer = Ended(Arc::clone(&told), frees.clone());
            let mut response =
                Response::new(ScriptBody::new(ScriptStream::new().piece("first".into())));
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            let guarded = <Http as crate::protocol::Protocol<Request<()>, _, BoxError>>::complete(
                &Http::default(),
                Ok(response),
                Completion::new(observer),
                Timestamp::now(),
            );
            std::future::ready(guarded.map(|response| response.map(|body| body.boxed_unsync())))
        });
        let spare = ServiceExt::<Request<()>>::map_response(
            spare.service(),
            |response: Response<ScriptBody>| response.map(|body| body.boxed_unsync()),
        );
        let service = FallbackLayer::to(spare).http().layer(primary);
        let response = service.oneshot(Request::new(())).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(
            *ends.lock().unwrap(),
            [Outcome::Overloaded { retry_after: None }],
            "what the first response meant stands"
        );
    }
}
