//! Whatever way calls end, everything is given back and each is counted once.

use std::panic::AssertUnwindSafe;

use futures_util::{FutureExt, StreamExt};

use super::*;
use crate::{
    protocol::Streaming,
    testing::{ScriptStream, seeded},
};

type Pieces = ScriptStream<u32>;

/// How a call ends, and whether that counts: as nothing, as a success or as an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Says {
    Nothing,
    Success,
    Error,
}

#[tokio::test(start_paused = true)]
async fn a_hundred_thousand_random_endings_leave_every_count_right() {
    let script = Script::<Pieces>::answering(Pieces::new());
    let config = config().with_window(SEC * 3600).build().unwrap();
    let service = BackPressureLayer::new(config)
        .unwrap()
        .protocol(Streaming::default())
        .layer(script.service());
    let mut random = seeded(7);
    let (mut calls, mut errors) = (0, 0);
    for _ in 0..100_000 {
        let ending = random.u8(..8);
        let (step, says) = match ending {
            0 => (Step::answer(Pieces::from_iter([1, 2])), Says::Success),
            1 => (Step::error("broken"), Says::Error),
            2 => (
                Step::answer(Pieces::new().piece(1).cut("reset")),
                Says::Error,
            ),
            // Dropped by the client, timed out by somebody outside.
            3 => (Step::answer(Pieces::new().piece(1).stall()), Says::Nothing),
            4 => (Step::stall(), Says::Nothing),
            5 => (Step::panic_in_poll(), Says::Error),
            6 => (Step::panic_in_call(), Says::Error),
            _ => (Step::answer(Pieces::new().piece(1).panic()), Says::Error),
        };
        script.push(step);
        let call = async {
            let Ok(mut stream) = service.clone().oneshot(()).await else {
                return;
            };
            while let Some(Ok(_)) = stream.next().await {}
        };
        // Polled once: what has not ended by then is dropped. Panics of the script are quiet here.
        let _ = quietly(|| AssertUnwindSafe(call).catch_unwind().now_or_never());
        calls += u64::from(says != Says::Nothing);
        errors += u64::from(says == Says::Error);
    }
    let handle = service.handle();
    let counts = handle.snapshot().counts;
    assert_eq!((counts.calls, counts.errors), (calls, errors));
    assert_eq!(handle.shared.held(), 0);
    assert_eq!(script.counts().in_flight, 0);
    assert!(calls > 70_000 && errors > 60_000, "all kinds took place");
}

/// Runs it without the panic hook's words.
fn quietly<T>(f: impl FnOnce() -> T) -> T {
    use std::{cell::Cell, panic, sync::Once};

    thread_local!(static QUIET: Cell<bool> = const { Cell::new(false) });
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let loud = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                loud(info);
            }
        }));
    });
    QUIET.set(true);
    let result = f();
    QUIET.set(false);
    result
}
