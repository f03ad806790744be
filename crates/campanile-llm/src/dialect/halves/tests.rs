use proptest::prelude::*;

use super::*;

fn mended(halves: &mut Halves, json: &str) -> Option<String> {
    let whole = halves.whole(json.as_bytes())?;
    Some(std::str::from_utf8(&whole).unwrap().to_owned())
}

#[test]
fn what_has_no_halves_stays() {
    for json in [
        r#"{"a":"b"}"#,
        r#""\ud83d\ude00""#,
        r#""\\ud83d""#,
        r#""\\\\ude00\n""#,
        r#""\u00e9\""#,
        r#""\ud8"#,
        r#""\"#,
        "",
    ] {
        assert_eq!(mended(&mut Halves::default(), json), None, "{json}");
    }
}

#[test]
fn halves_are_put_together() {
    let mut halves = Halves::default();
    let first = mended(&mut halves, r#"{"t":"a\uD83D","u":1}"#).unwrap();
    assert_eq!(first, r#"{"t":"a","u":1}"#);
    assert_eq!(mended(&mut halves, r#"{"t":"none"}"#), None);
    let second = mended(&mut halves, r#"{"t":"\uDE00b\ud83d"}"#).unwrap();
    assert_eq!(second, r#"{"t":"\uD83D\uDE00b"}"#);
    let third = mended(&mut halves, r#"{"t":"\ude01"}"#).unwrap();
    assert_eq!(third, r#"{"t":"\ud83d\ude01"}"#);
}

#[test]
fn a_half_alone_is_no_character() {
    for (json, whole) in [
        (r#""\ud83dx""#, r#""\ufffdx""#),
        (r#""x\ude00""#, r#""x\ufffd""#),
        (r#""\ude00""#, r#""\ufffd""#),
        (r#""\ud83d\ud83d\ude00""#, r#""\ufffd\ud83d\ude00""#),
    ] {
        assert_eq!(mended(&mut Halves::default(), json).unwrap(), whole);
    }
}

proptest! {
    #[test]
    fn a_text_cut_anywhere_is_the_same_again(text in "[a😀\\\\\"é𝄞\n]{0,20}", cuts in prop::collection::vec(0_usize..40, 0..5)) {
        let units: Vec<u16> = text.encode_utf16().collect();
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(units.len())).collect();
        cuts.extend([0, units.len()]);
        cuts.sort_unstable();
        let mut halves = Halves::default();
        let mut again = String::new();
        for piece in cuts.windows(2) {
            let units = units[piece[0]..piece[1]].iter();
            let json: String = units.map(|unit| format!("\\u{unit:04x}")).collect();
            let json = format!("\"{json}\"");
            let whole = mended(&mut halves, &json).unwrap_or(json);
            again += &serde_json::from_str::<String>(&whole).unwrap();
        }
        prop_assert_eq!(again, text);
    }

    #[test]
    fn any_bytes_are_borne(json in prop::collection::vec(prop::sample::select(&b"\\ud8e0\"x"[..]), 0..60)) {
        let mut halves = Halves::default();
        if let Some(whole) = halves.whole(&json) {
            prop_assert!(whole.len() <= json.len() + 6 * 10);
            prop_assert_eq!(halves.whole(&whole), None);
        }
    }
}
