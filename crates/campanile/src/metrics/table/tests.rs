use super::{
    human::{Bytes, Count, Dollars, Percent, Seconds, rate, shown},
    *,
};
use crate::{
    endpoint::{Endpoint, Reason},
    metrics::{
        Histogram, Reading,
        gathered::{Gathered, GatheredEndpoint, GatheredStage},
        recorder::Tallies,
    },
    time::Timestamp,
};

fn endpoint(endpoint: &Endpoint, reading: Reading) -> GatheredEndpoint {
    let now = Timestamp::now();
    GatheredEndpoint {
        endpoint: endpoint.clone(),
        labels: "".into(),
        gates: endpoint.gate().history(now).collect(),
        reading,
        timed: Tallies::default(),
        samples: Vec::new(),
    }
}

/// As large as it gets.
fn huge() -> Reading {
    let mut times = Histogram::default();
    times.record(std::time::Duration::from_secs(4_000));
    times.record(std::time::Duration::from_micros(1));
    let mut reading = Reading {
        requests: u64::MAX,
        in_flight: u64::MAX,
        input_tokens: u64::MAX,
        output_tokens: u64::MAX,
        received_bytes: u64::MAX,
        nano_dollars: u64::MAX,
        retries: u64::MAX / 4,
        ..Reading::default()
    };
    for window in [&mut reading.start, &mut reading.minute] {
        window.outcomes.success = 999_999;
        window.outcomes.cancelled = 1;
        window.outcomes.throttled = 1;
        window.span = std::time::Duration::from_secs(60);
        window.total = times.clone();
    }
    reading.outcomes.success = u64::MAX / 2;
    reading
}

fn snapshot() -> MetricsSnapshot {
    let long =
        "https://a-very-long-name.of-a-region.in-some-cloud.example.com:8443/v1/chat/completions";
    let (a, b, c) = (
        Endpoint::new(long),
        Endpoint::new("ünïcode\x1b[2J\n"),
        Endpoint::new("idle"),
    );
    b.gate().close(Reason::Disabled);
    for reason in [Reason::Concurrency, Reason::Quota, Reason::Health] {
        c.gate().close(reason);
    }
    let endpoints = vec![
        endpoint(&a, huge()),
        endpoint(&b, Reading::default()),
        endpoint(&c, Reading::default()),
    ];
    let gathered = Gathered {
        now: Timestamp::now(),
        unix: 1.7e9,
        stages: vec![GatheredStage {
            name: "chat".into(),
            labels: "".into(),
            reading: huge(),
            timed: Tallies::default(),
            samples: Vec::new(),
            endpoints,
        }],
    };
    MetricsSnapshot::of(&gathered)
}

#[test]
fn it_fits_a_terminal_whatever_it_shows() {
    for window in [Window::Start, Window::Minute, Window::Latest] {
        let text = snapshot().table(window).to_string();
        for line in text.lines() {
            assert!(
                line.chars().count() <= 120,
                "{} letters: {line}",
                line.chars().count()
            );
            assert!(
                !line.contains(|letter: char| letter.is_control()),
                "{line:?}"
            );
        }
        assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
    }
}

#[test]
fn columns_stand_under_their_names() {
    let text = snapshot().table(Window::Start).to_string();
    let times: Vec<&str> = text.split("\n\n").next().unwrap().lines().skip(1).collect();
    assert_eq!(
        times.len(),
        5,
        "a head, a stage and three endpoints: {text}"
    );
    let end = times[0].find("ok").unwrap() + 2;
    for (row, ok) in times[1..].iter().zip([">99.9%", ">99.9%", "-", "-"]) {
        let row: String = row.chars().take(end).collect();
        assert!(row.ends_with(ok), "{row:?}");
    }
}

#[test]
fn gates_tell_the_first_reason_and_how_many_more() {
    let text = snapshot().to_string();
    assert!(text.contains("the last minute"));
    assert!(
        text.contains("disabled") && text.contains("health +2"),
        "{text}"
    );
    assert!(text.contains('…'), "a long name is cut: {text}");
}

#[test]
fn without_stages_there_is_a_row_of_nothing() {
    let gathered = Gathered {
        now: Timestamp::now(),
        unix: 0.0,
        stages: Vec::new(),
    };
    let text = MetricsSnapshot::of(&gathered).to_string();
    assert!(text.contains("all stages"), "{text}");
}

#[test]
fn quantities_are_short_and_round_to_the_next_unit() {
    let seconds = |seconds| shown(Seconds(seconds));
    let times = [
        0.0,
        1e-6,
        0.000_85,
        0.000_999_6,
        0.001_5,
        0.012,
        0.999_6,
        9.96,
        99.96,
        5_998.0,
        4e5,
    ];
    let texts = [
        "0µs", "1µs", "850µs", "1.0ms", "1.5ms", "12ms", "1.0s", "10s", "1.7m", "1.7h", "4.6d",
    ];
    assert_eq!(times.map(seconds), texts);
    let counts = [0, 9_999, 10_000, 12_345, 999_949, 999_999, u64::MAX];
    let texts = ["0", "9999", "10k", "12.3k", "1000k", "1M", "18.4E"];
    assert_eq!(counts.map(|count| shown(Count(count)))[..4], texts[..4]);
    assert_eq!(shown(Count(999_949)), "1.0M");
    assert_eq!(shown(Count(u64::MAX)), "18.4E");
    assert_eq!(
        [0.0, 0.001, 0.5, 12.0, 1_234.5].map(rate),
        ["0", "<0.01", "0.50", "12", "1.2k"]
    );
    let shares = [0.0, 0.000_1, 0.5, 0.999_9, 1.0];
    assert_eq!(
        shares.map(|share| shown(Percent(share))),
        ["0%", "<0.1%", "50.0%", ">99.9%", "100%"]
    );
    let money = [0, 1, 1_200_000, 12_300_000_000, 1_234_000_000_000];
    assert_eq!(
        money.map(|nanos| shown(Dollars(nanos))),
        ["$0", "<$0.0001", "$0.0012", "$12.30", "$1.2k"]
    );
    assert_eq!(
        [0, 999, 1_500].map(|bytes| shown(Bytes(bytes))),
        ["0B", "999B", "1.5kB"]
    );
}
