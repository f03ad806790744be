use super::*;

/// A streamed call whose times are as those of a model that answers: each spread over a factor of fifty or so.
fn stream(recorder: &Recorder, now: Timestamp, random: &mut fastrand::Rng) {
    // The sum of several is near a normal distribution; of its power, near a log-normal one.
    let mut times = |scale: f64| {
        let normal = (0..12).map(|_| random.f64()).sum::<f64>() - 6.0;
        Duration::from_secs_f64(scale * (normal * 0.6).exp())
    };
    let mut call = recorder.begin(now);
    call.waited(Timestamp::from_nanos(now.as_nanos() - nanos(times(0.02))));
    let mut at = now.after(times(0.3));
    call.head(at);
    at = at.after(times(0.1));
    for _ in 0..10 {
        call.data(at, 1);
        call.bytes(50);
        at = at.after(times(0.03));
    }
    let outcome = match random.u32(0..100) {
        0..3 => FAILED,
        3 => Outcome::Cancelled,
        _ => Outcome::Success,
    };
    call.end(at, outcome);
}

/// As many threads as there are lanes, and then a minute in which nothing happens.
#[test]
fn at_rest_after_calls_of_many_threads_it_takes_at_most_16_kib() {
    let (recorder, start) = recorder();
    std::thread::scope(|scope| {
        for seed in 0..2 * LANES as u64 {
            let recorder = &recorder;
            scope.spawn(move || {
                let mut random = fastrand::Rng::with_seed(seed);
                for number in 0..2_000 {
                    stream(recorder, start.after(number * 20 * MS), &mut random);
                }
            });
        }
    });
    let calls = 2 * LANES as u64 * 2_000;
    let busy = start.after(Duration::from_secs(45));
    assert_eq!(recorder.read_at(busy).outcomes.total(), calls);
    let while_busy = recorder.memory();
    let reading = recorder.read_at(busy.after(Duration::from_secs(120)));
    assert_eq!(reading.start.between_data.count(), 9 * calls);
    assert_eq!(reading.latest.outcomes.total(), 1_000);
    let at_rest = recorder.memory();
    println!("{while_busy} bytes while busy, {at_rest} at rest");
    assert!(at_rest <= 16 << 10, "{at_rest} bytes");
    assert!(while_busy <= 96 << 10, "{while_busy} bytes");
}

#[test]
fn unused_it_takes_next_to_nothing() {
    let bytes = Recorder::new().memory();
    assert!(bytes <= 1_536, "{bytes} bytes");
}

/// The widest spread that there may be: of calls of 1 ms to 100 s, of as many threads as there are lanes.
#[test]
fn at_rest_after_calls_of_every_length_it_takes_at_most_16_kib() {
    let (recorder, start) = recorder();
    std::thread::scope(|scope| {
        for seed in 0..LANES as u64 {
            let recorder = &recorder;
            scope.spawn(move || {
                let mut random = fastrand::Rng::with_seed(seed);
                for _ in 0..4_000 {
                    let takes = MS.mul_f64(100_000_f64.powf(random.f64()));
                    let mut call = recorder.begin(start);
                    call.head(start.after(takes / 3));
                    call.data(start.after(takes / 2), 1);
                    call.end(start.after(takes), Outcome::Success);
                }
            });
        }
    });
    let rest = start.after(Duration::from_secs(300));
    assert_eq!(
        recorder.read_at(rest).outcomes.success,
        LANES as u64 * 4_000
    );
    let at_rest = recorder.memory();
    println!("{at_rest} bytes at rest");
    assert!(at_rest <= 16 << 10, "{at_rest} bytes");
}
