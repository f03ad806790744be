use std::{
    cell::Cell,
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, stream};
use http::{HeaderMap, HeaderValue};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Empty, Full, StreamBody};

use super::*;

type Step = Result<Frame<Bytes>, &'static str>;

/// A body that gives what it was told to.
#[derive(Debug, Default)]
struct Script {
    steps: VecDeque<Step>,
    /// Whether it knows that it is over after its last step, as one with a content length does.
    knows_its_end: Rc<Cell<bool>>,
}

impl Body for Script {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Step>> {
        Poll::Ready(self.steps.pop_front())
    }

    fn is_end_stream(&self) -> bool {
        self.knows_its_end.get() && self.steps.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.steps.len() as u64)
    }
}

impl<E> Meter<Bytes, E> for Tokens {
    fn read(&mut self, data: &Bytes) -> Reading {
        Self::read(std::str::from_utf8(data).unwrap().parse().unwrap())
    }
}

fn data(text: &'static str) -> Step {
    Ok(Frame::data(Bytes::from_static(text.as_bytes())))
}

fn script(steps: impl IntoIterator<Item = Step>, knows_its_end: bool) -> Script {
    Script {
        steps: steps.into_iter().collect(),
        knows_its_end: Rc::new(Cell::new(knows_its_end)),
    }
}

fn guard<B: Body>(log: &Log, body: B, head: Outcome) -> GuardedBody<B, Log> {
    GuardedBody::new(body, log.completion(), Chunks, head, NOW)
}

fn frame<B: Body + Unpin>(body: &mut B) -> Option<Result<Frame<B::Data>, B::Error>> {
    body.frame().now_or_never().expect("a frame is there")
}

#[test]
fn frames_trailers_and_hints_pass() {
    let mut trailers = HeaderMap::new();
    trailers.insert("checksum", HeaderValue::from_static("7"));
    let log = Log::default();
    let inner = script(
        [data("ab"), data("c"), Ok(Frame::trailers(trailers))],
        false,
    );
    let mut body = guard(&log, inner, Outcome::Success);
    assert_eq!(body.size_hint().exact(), Some(3));
    assert!(!body.is_end_stream());
    assert_eq!(
        frame(&mut body).unwrap().unwrap().into_data().unwrap(),
        "ab"
    );
    assert_eq!(frame(&mut body).unwrap().unwrap().into_data().unwrap(), "c");
    assert_eq!(body.size_hint().exact(), Some(1));
    let last = frame(&mut body).unwrap().unwrap().into_trailers().unwrap();
    assert_eq!(last["checksum"], "7");
    assert!(log.ends().is_empty());
    assert!(frame(&mut body).is_none());
    assert_eq!(
        log.told(),
        [Told::Data(1), Told::Data(1), Told::End(Outcome::Success)]
    );
    drop(body);
    assert_eq!(log.ends().len(), 1);
}

#[test]
fn an_empty_body_ends_at_once() {
    let log = Log::default();
    let body = guard(&log, Empty::<Bytes>::new(), Outcome::Success);
    assert_eq!(log.told(), [Told::End(Outcome::Success)]);
    assert!(body.is_end_stream());
    drop(body);
    assert_eq!(log.ends().len(), 1);
}

#[test]
fn a_body_of_known_length_is_over_with_its_last_byte() {
    let log = Log::default();
    let mut body = guard(&log, Full::new(Bytes::from_static(b"ab")), Outcome::Success);
    assert!(log.ends().is_empty());
    assert!(frame(&mut body).is_some());
    assert!(body.is_end_stream());
    // Nobody polls it again, as servers do.
    assert_eq!(log.ends(), [Outcome::Success]);
    drop(body);
    assert_eq!(log.ends().len(), 1);
}

#[test]
fn a_body_whose_end_comes_to_be_known_between_polls_is_over_too() {
    // As over HTTP/2, where the flag that ends a stream may come in a frame of its own.
    let log = Log::default();
    let inner = script([data("a")], false);
    let knows_its_end = Rc::clone(&inner.knows_its_end);
    let mut body = guard(&log, inner, Outcome::Success);
    assert!(frame(&mut body).is_some());
    knows_its_end.set(true);
    assert!(
        body.is_end_stream(),
        "the server sees the end and polls no more"
    );
    drop(body);
    assert_eq!(log.ends(), [Outcome::Success]);
}

#[test]
fn a_body_that_errs_was_interrupted() {
    let log = Log::default();
    let mut body = guard(
        &log,
        script([data("a"), Err("reset")], false),
        Outcome::Success,
    );
    assert!(frame(&mut body).unwrap().is_ok());
    assert_eq!(frame(&mut body).unwrap().unwrap_err(), "reset");
    assert_eq!(log.ends(), [INTERRUPTED]);
    assert!(frame(&mut body).is_none(), "it may be polled on");
    drop(body);
    assert_eq!(log.ends().len(), 1);
}

#[test]
fn a_meter_judges_the_error_that_a_body_ends_in() {
    for (error, outcome) in JUDGED {
        let log = Log::default();
        let inner = script([data("a"), Err(error)], false);
        let mut body = GuardedBody::new(inner, log.completion(), Judge, Outcome::Success, NOW);
        while frame(&mut body).is_some() {}
        assert_eq!(log.ends(), [outcome], "{error}");
    }
}

#[test]
fn what_the_head_said_stays() {
    let throttled = Outcome::Throttled { retry_after: None };
    for head in [SERVER, throttled, Outcome::Ignored] {
        let log = Log::default();
        let mut body = guard(&log, script([data("a"), Err("reset")], false), head);
        while frame(&mut body).is_some() {}
        assert_eq!(log.ends(), [head], "read, with an error");

        let log = Log::default();
        drop(guard(&log, script([data("a")], false), head));
        assert_eq!(log.ends(), [head], "thrown away unread, as a retry does");
    }
}

#[test]
fn a_body_that_is_dropped_was_cancelled() {
    let log = Log::default();
    let mut body = guard(&log, script([data("a"), data("b")], true), Outcome::Success);
    assert!(frame(&mut body).is_some());
    assert!(!body.is_end_stream());
    drop(body);
    assert_eq!(log.told(), [Told::Data(1), Told::End(Outcome::Cancelled)]);
}

#[test]
fn a_meter_counts_reports_and_corrects() {
    let log = Log::default();
    let inner = script([data("3"), data("0"), data("500"), data("4")], true);
    let mut body = GuardedBody::new(inner, log.completion(), Tokens, Outcome::Success, NOW);
    while !body.is_end_stream() {
        assert!(frame(&mut body).is_some());
    }
    assert_eq!(
        log.told(),
        [
            Told::Data(3),
            Told::Data(0),
            Told::Usage(Some(42)),
            Told::Data(500),
            Told::Data(4),
            Told::End(SERVER)
        ]
    );
}

#[test]
fn a_body_that_panics_ends_the_call_even_if_the_panic_is_caught() {
    struct Panics;

    impl Body for Panics {
        type Data = Bytes;
        type Error = &'static str;

        fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Step>> {
            panic!("expected")
        }
    }

    let log = Log::default();
    let mut body = guard(&log, Panics, Outcome::Success);
    assert!(quietly(|| frame(&mut body).is_none()).is_err());
    assert_eq!(log.ends(), [PANIC]);
    drop(body);
    assert_eq!(log.ends().len(), 1);
}

#[test]
fn a_guarded_body_is_as_sync_as_what_it_guards() {
    struct Quiet;

    impl Observe for Quiet {
        fn end(&mut self, _: Timestamp, _: Outcome) {}
    }

    fn assert_sync<T: Send + Sync>(_: &T) {}
    let body = GuardedBody::new(
        Full::new(Bytes::new()),
        Completion::new(Quiet),
        Chunks,
        Outcome::Success,
        NOW,
    );
    assert_sync(&body);
    assert_eq!(
        format!("{body:?}"),
        r#"GuardedBody { inner: Full { data: None }, outcome: Success, ended: true }"#
    );
}

#[test]
fn what_a_body_holds_is_given_back_before_its_call_ends() {
    let log = Log::default();
    let holds = GivenBack(log.clone());
    let steps = stream::pending::<Step>().map(move |step| (&holds, step).1);
    drop(guard(&log, StreamBody::new(steps), Outcome::Success));
    assert_eq!(log.told(), [Told::Head, Told::End(Outcome::Cancelled)]);
}
