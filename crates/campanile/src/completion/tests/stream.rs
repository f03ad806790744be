use std::{
    pin::Pin,
    task::{Context, Poll},
};

use futures_util::{FutureExt, Stream, StreamExt, stream};

use super::*;

type Item = Result<u64, &'static str>;

impl<E> Meter<u64, E> for Tokens {
    fn read(&mut self, data: &u64) -> Reading {
        Self::read(*data)
    }
}

fn guard<M: Meter<u64, &'static str>>(
    log: &Log,
    items: Vec<Item>,
    meter: M,
    head: Outcome,
) -> GuardedStream<stream::Iter<std::vec::IntoIter<Item>>, Log, M> {
    GuardedStream::new(stream::iter(items), log.completion(), meter, head)
}

#[test]
fn items_pass_and_the_call_ends_with_the_stream() {
    let log = Log::default();
    let guarded = guard(&log, vec![Ok(5), Ok(6)], Chunks, Outcome::Success);
    assert_eq!(guarded.size_hint(), (2, Some(2)));
    let items: Vec<_> = guarded.collect().now_or_never().unwrap();
    assert_eq!(items, [Ok(5), Ok(6)]);
    assert_eq!(
        log.told(),
        [Told::Data(1), Told::Data(1), Told::End(Outcome::Success)]
    );
}

#[test]
fn a_stream_that_goes_on_is_not_over() {
    let log = Log::default();
    let mut guarded = guard(&log, vec![Ok(5)], Chunks, Outcome::Success);
    assert_eq!(guarded.next().now_or_never(), Some(Some(Ok(5))));
    assert!(log.ends().is_empty());
    assert_eq!(guarded.next().now_or_never(), Some(None));
    assert_eq!(log.ends(), [Outcome::Success]);
    drop(guarded);
    assert_eq!(log.ends().len(), 1, "it ends once");
}

#[test]
fn a_stream_ends_its_call_with_the_item_that_says_so() {
    let log = Log::default();
    let mut guarded = guard(&log, vec![Ok(5), Ok(200), Ok(6)], Tokens, Outcome::Success);
    assert_eq!(guarded.next().now_or_never(), Some(Some(Ok(5))));
    assert!(log.ends().is_empty());
    assert_eq!(guarded.next().now_or_never(), Some(Some(Ok(200))));
    assert_eq!(log.ends(), [Outcome::Success], "nobody need ask for more");
    assert_eq!(guarded.next().now_or_never(), Some(Some(Ok(6))));
    drop(guarded);
    assert_eq!(log.ends(), [Outcome::Success]);
}

#[test]
fn a_stream_that_errs_was_interrupted_whether_read_to_its_end_or_not() {
    for read_on in [true, false] {
        let log = Log::default();
        let mut guarded = guard(&log, vec![Ok(5), Err("cut")], Chunks, Outcome::Success);
        assert_eq!(guarded.next().now_or_never(), Some(Some(Ok(5))));
        assert_eq!(guarded.next().now_or_never(), Some(Some(Err("cut"))));
        if read_on {
            assert_eq!(guarded.next().now_or_never(), Some(None));
        }
        drop(guarded);
        assert_eq!(log.ends(), [INTERRUPTED], "read on: {read_on}");
    }
}

#[test]
fn a_meter_judges_the_error_that_a_stream_ends_in() {
    for (error, outcome) in JUDGED {
        for read_on in [true, false] {
            let log = Log::default();
            let mut guarded = guard(&log, vec![Ok(5), Err(error)], Judge, Outcome::Success);
            assert_eq!(guarded.by_ref().take(2).count().now_or_never(), Some(2));
            if read_on {
                assert_eq!(guarded.next().now_or_never(), Some(None));
            }
            drop(guarded);
            assert_eq!(log.ends(), [outcome], "{error}, read on: {read_on}");
        }
    }
    let log = Log::default();
    let guarded = guard(&log, vec![Err("throttled")], Judge, SERVER);
    assert_eq!(guarded.count().now_or_never(), Some(1));
    assert_eq!(log.ends(), [SERVER], "what the head said stays");
}

#[test]
fn what_the_head_said_stays() {
    for items in [vec![], vec![Ok(1)], vec![Err("cut")]] {
        let log = Log::default();
        let guarded = guard(&log, items, Chunks, SERVER);
        let _: Vec<_> = guarded.collect().now_or_never().unwrap();
        assert_eq!(log.ends(), [SERVER]);
    }
    let log = Log::default();
    drop(guard(&log, vec![Ok(1)], Chunks, SERVER));
    assert_eq!(log.ends(), [SERVER], "also when nobody reads on");
}

#[test]
fn a_stream_that_is_dropped_was_cancelled() {
    let log = Log::default();
    let mut guarded = guard(&log, vec![Ok(1), Ok(2)], Chunks, Outcome::Success);
    let _ = guarded.next().now_or_never();
    drop(guarded);
    assert_eq!(log.ends(), [Outcome::Cancelled]);
}

#[test]
fn a_meter_counts_reports_and_corrects() {
    let log = Log::default();
    let guarded = guard(&log, vec![Ok(3), Ok(0), Ok(500)], Tokens, Outcome::Success);
    let _: Vec<_> = guarded.collect().now_or_never().unwrap();
    assert_eq!(
        log.told(),
        [
            Told::Data(3),
            Told::Data(0),
            Told::Usage(Some(42)),
            Told::Data(500),
            Told::End(SERVER)
        ]
    );
}

#[test]
fn a_stream_that_panics_ends_the_call_even_if_the_panic_is_caught() {
    struct Panics;

    impl Stream for Panics {
        type Item = Item;

        fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Item>> {
            panic!("expected")
        }
    }

    let log = Log::default();
    let mut guarded = GuardedStream::new(Panics, log.completion(), Chunks, Outcome::Success);
    assert!(quietly(|| guarded.next().now_or_never()).is_err());
    assert_eq!(log.ends(), [PANIC], "before it is dropped");
}

#[test]
fn what_a_stream_holds_is_given_back_before_its_call_ends() {
    let log = Log::default();
    let holds = GivenBack(log.clone());
    let items = stream::pending::<Item>().map(move |item| (&holds, item).1);
    drop(GuardedStream::new(
        items,
        log.completion(),
        Chunks,
        Outcome::Success,
    ));
    assert_eq!(log.told(), [Told::Head, Told::End(Outcome::Cancelled)]);
}
