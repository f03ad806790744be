use std::thread;

use proptest::prelude::*;
use serde_json::json;

use super::{by_model::ByModel, histogram::Histogram, prompt::MEDIA_TOKENS, ratio::Ratio, *};

#[test]
fn a_ratio_begins_at_four_and_follows_what_is_reported() {
    let ratio = Ratio::default();
    assert_eq!(ratio.get(), 4.0);
    for _ in 0..50 {
        ratio.learn(2_500, 1_000);
    }
    assert!((2.4..=2.6).contains(&ratio.get()), "{}", ratio.get());
    for _ in 0..100 {
        ratio.learn(5_000, 1_000);
    }
    assert!(
        (4.9..=5.1).contains(&ratio.get()),
        "the past fades: {}",
        ratio.get()
    );
}

#[test]
fn one_call_does_not_decide_and_nonsense_is_not_learned() {
    let ratio = Ratio::default();
    for _ in 0..20 {
        ratio.learn(4_000, 1_000);
    }
    ratio.learn(20_000_000, 1_000_000);
    assert!(
        ratio.get() < 8.1,
        "a quarter of what is remembered: {}",
        ratio.get()
    );
    let before = ratio.get();
    for (bytes, tokens) in [(0, 0), (0, 10), (10, 0), (1_000_000, 10), (1, 1_000)] {
        ratio.learn(bytes, tokens);
        assert_eq!(ratio.get(), before, "{bytes} bytes as {tokens} tokens");
    }
}

#[test]
fn models_are_bounded_in_number_and_share_beyond() {
    let models = ByModel::<Ratio>::new(32);
    for n in 0..1_000 {
        models.entry(&format!("model-{n}")).learn(2_000, 1_000);
    }
    assert!(models.len() <= 32, "{}", models.len());
    assert!(models.len() >= 24, "{}", models.len());
    let unknown = models.get("model-of-nobody");
    assert!(
        unknown.is_none_or(|ratio| ratio.get() < 2.1),
        "that of the others"
    );
    let long = "m".repeat(1_000);
    models.entry(&long).learn(2_000, 1_000);
    assert!(models.len() <= 32);
}

#[test]
fn many_threads_make_one_entry() {
    let models = ByModel::<Histogram>::new(8);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..200).for_each(|_| models.entry("m").learn(100)));
        }
    });
    assert_eq!(models.len(), 1);
    // Of what two count at once one may be lost.
    let samples = models.get("m").unwrap().samples();
    assert!((200..=800).contains(&samples), "{samples}");
    assert!(models.get("n").is_none());
}

#[test]
fn each_step_ends_at_a_quarter_of_a_double() {
    let ends: Vec<u32> = (0..84)
        .map(|step| 2_f64.powf(f64::from(step) / 4.0) as u32)
        .collect();
    for tokens in (0..5_000).chain([65_536, 65_537, 1_000_000, 5_000_000, u64::MAX]) {
        let histogram = Histogram::default();
        histogram.learn(tokens);
        let end = ends.iter().find(|&&end| u64::from(end) >= tokens.max(1));
        let end = *end.unwrap_or(&ends[83]);
        assert_eq!(histogram.quantiles(), (end, end), "{tokens}");
    }
}

#[test]
fn lengths_are_told_by_class_once_it_has_enough() {
    let lengths = OutputLengths::default();
    for _ in 0..19 {
        lengths.learn("m", None, 2_000);
    }
    assert_eq!(lengths.likely("m", None), None);
    lengths.learn("m", None, 2_000);
    let likely = lengths.likely("m", None).unwrap();
    assert!((2_000..2_400).contains(&likely), "{likely}");
    assert_eq!(
        lengths.likely("m", Some(100)),
        Some(100),
        "those of the model, as far as it may"
    );
    for _ in 0..20 {
        lengths.learn("m", Some(100), 10);
    }
    let likely = lengths.likely("m", Some(200)).unwrap();
    assert!((10..12).contains(&likely), "its class: {likely}");
    assert!(lengths.likely("m", None).unwrap() >= 2_000);
    assert_eq!(lengths.likely("n", None), None);
}

#[test]
fn lengths_follow_a_change() {
    let lengths = OutputLengths::default();
    (0..2_000).for_each(|_| lengths.learn("m", None, 100));
    (0..4_000).for_each(|_| lengths.learn("m", None, 3_000));
    let now = lengths.of("m", None).unwrap();
    assert!(now.median >= 3_000 && now.answers <= 1_024, "{now:?}");
}

#[test]
fn what_is_no_text_in_a_prompt_is_counted_and_not_measured() {
    let image = "iVBORw0KGgoAAAANSUhEUg+/".repeat(2_000);
    let request = ChatRequest::new("m").field(
        "messages",
        &json!([{"role": "user", "content": [
            {"type": "text", "text": "what is this?"},
            {"type": "image_url", "image_url": {"url": format!("data:image/png;base64,{image}")}},
        ]}]),
    );
    let size = PromptSize::of(&request);
    assert_eq!((size.media, size.elsewhere), (1, 0));
    assert!(size.text < 300, "{size:?}");
    let of_anthropic = ChatRequest::new("m").field(
        "messages",
        &json!([{"role": "user", "content": [
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": image}},
            {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
        ]}]),
    );
    let size = PromptSize::of(&of_anthropic);
    assert_eq!((size.media, size.elsewhere), (2, 1));
    assert!(size.text < 400, "{size:?}");
    let tokens = Calibrated::default().prompt_tokens(&of_anthropic);
    assert!((2 * MEDIA_TOKENS..2 * MEDIA_TOKENS + 100).contains(&tokens));
}

#[test]
fn text_of_any_language_is_text() {
    for text in [
        "a long and winding text with \\ and \" and \n in it. ".repeat(100),
        "天地玄黃宇宙洪荒日月盈昃辰宿列張".repeat(100),
        "{\"image_url\": \"that is said in a text\"}".repeat(100),
    ] {
        let request = ChatRequest::new("m").user(&text).system("terse");
        let size = PromptSize::of(&request);
        assert_eq!(size.media, 0);
        assert_eq!(size.text, request.prompt_bytes());
    }
}

#[test]
fn tools_and_the_schema_of_the_answer_are_part_of_the_prompt() {
    let schema =
        json!({"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}});
    let plain = ChatRequest::new("m").user("hi");
    let size = PromptSize::of(&plain.clone().field("response_format", &schema)).text;
    let more = serde_json::to_vec(&schema).unwrap().len() as u64;
    assert_eq!(size, PromptSize::of(&plain).text + more);
}

#[test]
fn a_tally_begins_with_what_is_known_of_its_model() {
    let tokens = Calibrated::default();
    for _ in 0..100 {
        tokens.learn_prompt("m", 3_000, 1_000);
        tokens.learn_answer("m", 2_000, 1_000);
    }
    let request = ChatRequest::new("alias").user(&"x ".repeat(600));
    let mut tally = tokens.tally(&request, "m");
    tally.said(1_000);
    let usage = tally.usage();
    assert!(
        (400..430).contains(&usage.input_tokens.unwrap()),
        "{usage:?}"
    );
    assert!(
        (490..510).contains(&usage.output_tokens.unwrap()),
        "{usage:?}"
    );
}

#[test]
fn nothing_of_what_is_learned_is_anybodys_words() {
    let tokens = Calibrated::default();
    tokens.learn_answer("private-model", 400, 100);
    assert!(!format!("{tokens:?}").contains("private"));
}

proptest! {
    #[test]
    fn a_quantile_is_never_too_low_and_at_most_a_fifth_too_high(
        lengths in prop::collection::vec(1..1_000_000_u64, 1..1_000),
    ) {
        let histogram = Histogram::default();
        lengths.iter().for_each(|&tokens| histogram.learn(tokens));
        let mut sorted = lengths;
        sorted.sort_unstable();
        let exact = |share: f64| sorted[(sorted.len() as f64 * share).ceil() as usize - 1];
        let (median, p90) = histogram.quantiles();
        for (learned, exact) in [(u64::from(median), exact(0.5)), (u64::from(p90), exact(0.9))] {
            prop_assert!(learned >= exact && learned as f64 <= exact as f64 * 1.2, "{learned} for {exact}");
        }
    }

    #[test]
    fn a_ratio_stays_within_its_bounds(calls in prop::collection::vec((any::<u64>(), any::<u64>()), 0..50)) {
        let ratio = Ratio::default();
        for (bytes, tokens) in calls {
            ratio.learn(bytes, tokens);
            prop_assert!((0.5..=32.0).contains(&ratio.get()), "{}", ratio.get());
        }
    }

    #[test]
    fn any_prompt_has_a_size(text in ".{0,3000}", name in "[a-z]{0,10}") {
        let request = ChatRequest::new("m").user(&text).field("tools", &name);
        let size = PromptSize::of(&request);
        prop_assert!(size.text <= request.prompt_bytes());
    }
}
