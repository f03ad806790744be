use std::{
    future::{Pending, Ready, pending, ready},
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use futures_util::FutureExt;
use tower_service::Service;

use super::*;
use crate::{BoxError, Rejection, outcome::FailureKind, rejection::RejectionKind};

/// Notes how the call ended.
#[derive(Clone, Default)]
struct Ends(Arc<Mutex<Vec<Outcome>>>);

impl Observe for Ends {
    fn end(&mut self, _now: Timestamp, outcome: Outcome) {
        self.0.lock().unwrap().push(outcome);
    }
}

macro_rules! service {
    ($name:ident, $future:ty) => {
        struct $name;

        impl Service<u32> for $name {
            type Response = u32;
            type Error = BoxError;
            type Future = $future;

            fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
                Poll::Ready(Ok(()))
            }

            fn call(&mut self, _request: u32) -> $future {
                unreachable!("its future is made by hand")
            }
        }
    };
}

service!(Instantly, Ready<Result<u32, BoxError>>);
service!(Never, Pending<Result<u32, BoxError>>);

fn guarded<S: Service<u32>>(future: S::Future, ends: &Ends) -> Guarded<S, Unary, Ends, u32> {
    Guarded::calling(future, Completion::new(ends.clone()), Unary::default())
}

#[test]
fn an_answer_ends_the_call_as_it_is_judged() {
    let ends = Ends::default();
    let answer = guarded::<Instantly>(ready(Ok(7)), &ends).now_or_never();
    assert_eq!(answer.unwrap().unwrap(), 7);
    let answer = guarded::<Instantly>(ready(Err("broken".into())), &ends).now_or_never();
    assert_eq!(answer.unwrap().unwrap_err().to_string(), "broken");
    assert_eq!(
        *ends.0.lock().unwrap(),
        [Outcome::Success, Outcome::Failure(FailureKind::Error)]
    );
}

#[test]
fn a_dropped_call_is_cancelled() {
    let ends = Ends::default();
    let mut call = Box::pin(guarded::<Never>(pending(), &ends));
    assert!(call.as_mut().now_or_never().is_none());
    assert!(ends.0.lock().unwrap().is_empty());
    drop(call);
    assert_eq!(*ends.0.lock().unwrap(), [Outcome::Cancelled]);
}

#[test]
fn a_refusal_is_the_services_error() {
    let refused: Guarded<Never, Unary, Ends, u32> = Guarded::refused(
        Rejection::new(RejectionKind::CircuitOpen, "test"),
        Unary::default(),
    );
    let error = refused.now_or_never().unwrap().unwrap_err();
    assert_eq!(
        Rejection::find(&*error).unwrap().kind(),
        RejectionKind::CircuitOpen
    );
}

/// What a classifier makes of a refusal may look like an upstream's; a layer can tell the two apart.
#[test]
fn an_observer_learns_who_refused_and_which_clock_it_wants() {
    type Seen = (Option<RejectionKind>, Timestamp);

    #[derive(Default)]
    struct Told(Arc<Mutex<Vec<Seen>>>, Option<RejectionKind>);

    impl Observe for Told {
        fn refused(&mut self, rejection: &Rejection) {
            self.1 = Some(rejection.kind());
        }

        fn clock(&self) -> Timestamp {
            Timestamp::from_nanos(7)
        }

        fn end(&mut self, now: Timestamp, _: Outcome) {
            self.0.lock().unwrap().push((self.1, now));
        }
    }

    let told = Told::default();
    let list = Arc::clone(&told.0);
    let refusal: BoxError = Rejection::new(RejectionKind::Shed, "test").into();
    let call: Guarded<Instantly, _, _, u32> =
        Guarded::calling(ready(Err(refusal)), Completion::new(told), Unary::default());
    assert!(call.now_or_never().unwrap().is_err());
    let at = Timestamp::from_nanos(7);
    assert_eq!(*list.lock().unwrap(), [(Some(RejectionKind::Shed), at)]);
}

#[test]
fn a_context_can_be_read_and_changed() {
    let protocol = Enveloped::new(Unary::default());
    let mut call = Call::new(1_u32);
    let context = |call: &mut Call<u32>| {
        Protocol::<Call<u32>, u32, BoxError>::context_mut(&protocol, call)
            .unwrap()
            .attempt
    };
    call.context.attempt = 3;
    assert_eq!(context(&mut call), 3);
    let mut plain = 1_u32;
    assert!(Protocol::<u32, u32, BoxError>::context_mut(&Unary::default(), &mut plain).is_none());
}

#[test]
fn an_answer_can_be_judged_without_ending_its_call() {
    let odd = |result: Result<&u32, &BoxError>| match result {
        Ok(n) if n % 2 == 1 => Outcome::Ignored,
        _ => Outcome::Success,
    };
    let protocol = Costed::new(Enveloped::new(Unary::new(odd)), |_: &Call<()>| Cost::ZERO);
    let judge = |n: u32| Protocol::<Call<()>, u32, BoxError>::classify(&protocol, Ok(&n));
    assert_eq!((judge(1), judge(2)), (Outcome::Ignored, Outcome::Success));
}

#[cfg(feature = "http")]
#[test]
fn a_status_is_told_where_there_is_one() {
    type Res = ::http::Response<String>;
    type Req = ::http::Request<String>;
    let mut response = Res::default();
    *response.status_mut() = ::http::StatusCode::IM_A_TEAPOT;
    let http = Costed::new(Http::default(), |_: &Req| Cost::ZERO);
    assert_eq!(
        Protocol::<Req, Res, BoxError>::status(&http, &response),
        Some(418)
    );
    let unary = Unary::default();
    assert_eq!(
        Protocol::<Req, Res, BoxError>::status(&unary, &response),
        None
    );
}
