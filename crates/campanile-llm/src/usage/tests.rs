use campanile::Usage;

use super::Tally;

fn output(tokens: u64) -> Usage {
    Usage {
        output_tokens: Some(tokens),
        ..Usage::default()
    }
}

#[test]
fn a_report_before_the_first_word_does_not_hide_what_follows() {
    let mut tally = Tally::new(50, 4.0);
    tally.report(&Usage {
        input_tokens: Some(60),
        ..output(1)
    });
    assert!(tally.is_reported());
    tally.said(400);
    assert!(!tally.is_reported(), "cut here, it is an estimate");
    assert_eq!(tally.usage().output_tokens, Some(101));
    tally.report(&output(90));
    assert!(tally.is_reported());
    assert_eq!(tally.usage().output_tokens, Some(90));
    assert_eq!(tally.usage().input_tokens, Some(60), "reported before");
}

#[test]
fn reports_are_cumulative_and_replace() {
    let mut tally = Tally::new(0, 4.0);
    for (bytes, tokens) in [(40, 8), (40, 17), (40, 25)] {
        tally.said(bytes);
        tally.report(&output(tokens));
        assert_eq!(tally.usage().output_tokens, Some(tokens));
    }
    assert_eq!(tally.bytes(), 120);
    assert_eq!(tally.estimate(), 30);
    assert!(!tally.is_reported(), "nobody reported the input");
}
