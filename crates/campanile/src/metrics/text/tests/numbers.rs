use proptest::prelude::*;

use super::number;

fn float(number: f64) -> String {
    let mut text = String::new();
    number::float(&mut text, number).unwrap();
    text
}

#[test]
fn numbers_that_are_none() {
    assert_eq!(float(f64::NAN), "NaN");
    assert_eq!(float(f64::INFINITY), "+Inf");
    assert_eq!(float(f64::NEG_INFINITY), "-Inf");
    assert_eq!(float(-0.0), "0");
    assert_eq!(float(3.0), "3");
    assert_eq!(float(1e300), "1e300");
}

proptest! {
    #[test]
    fn a_whole_number_is_as_it_is(n: u64) {
        let mut text = String::new();
        number::whole(&mut text, n).unwrap();
        prop_assert_eq!(text, n.to_string());
    }

    #[test]
    fn billionths_are_exact(n: u64) {
        let mut text = String::new();
        number::billionths(&mut text, n).unwrap();
        let (units, rest) = text.split_once('.').unwrap_or((&text, ""));
        prop_assert!(!rest.ends_with('0') && rest.len() <= 9);
        let rest: u64 = format!("{rest:0<9}").parse().unwrap();
        prop_assert_eq!(units.parse::<u64>().unwrap() * 1_000_000_000 + rest, n);
    }

    #[test]
    fn a_number_is_read_as_the_same(bits: u64) {
        let n = f64::from_bits(bits);
        prop_assume!(n.is_finite());
        let text = float(n);
        prop_assert!(text.len() < 30, "{}", text);
        prop_assert_eq!(text.parse::<f64>().unwrap(), n);
    }
}
