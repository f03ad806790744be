use super::{load, told};
use crate::config::read::hide;

/// What is shown of the last line of a text.
fn shown(text: &str) -> String {
    hide::line(text, text.lines().count(), &[])
}

#[test]
fn an_excerpt_shows_no_secret() {
    for (line, expected) in [
        ("    key: abc", "    key: ***"),
        ("    \"key\": abc def # why", "    \"key\": ***"),
        ("    api_key: 'abc' # why", "    api_key: *** # why"),
        (
            "  a: { secret: abc, models: [b] }",
            "  a: { secret: ***, models: [b] }",
        ),
        (
            "  a: { secret: \"a,b\", models: [b] }",
            "  a: { secret: ***, models: [b] }",
        ),
        ("  a: { secret: \"a, models: [b] }", "  a: { secret: ***"),
        ("  key: { env: NAME }", "  key: { env: NAME }"),
        ("  key: { file: /run/key }", "  key: { file: /run/key }"),
        ("  key: ${NAME}", "  key: ${NAME}"),
        ("  key: ${NAME:-abc}", "  key: ***"),
        ("  headers: { x-a: abc }", "  headers: ***"),
        ("  x-api-key: abc", "  x-api-key: ***"),
        ("  token: abc", "  token: ***"),
        ("  token_limit: max_tokens", "  token_limit: max_tokens"),
        ("  tokens_per_minute: 5", "  tokens_per_minute: 5"),
        ("keys:", "keys:"),
        (
            "  base_url: http://user:abc@host/v1",
            "  base_url: http://***@host/v1",
        ),
        ("  wrong sk-0123456789abc", "  wrong ***"),
        (
            "  model: claude-sonnet-4-20250514",
            "  model: claude-sonnet-4-20250514",
        ),
        ("a:\n  headers:\n    x-a: abc", "    x-a: ***"),
        ("a:\n  key: |\n    abc", "    ***"),
        ("a:\n  key:\n    env: NAME", "    env: NAME"),
        ("a:\n  key:\n    abc", "    ***"),
        ("a:\n  key: abc\n  models: [b]", "  models: [b]"),
    ] {
        assert_eq!(shown(line), expected, "{line}");
    }
}

#[test]
fn nothing_that_is_wrong_shows_a_secret() {
    for text in [
        "providers:\n  openai:\n    key: very-secret-indeed\n   x: 1\n",
        "providers:\n  openai:\n    key: [very-secret-indeed]\n",
        "providers:\n  openai: { key: very-secret-indeed, ap: 1 }\n",
        "providers:\n  openai: { key: 'very-secret-indeed' x }\n",
        "providers:\n  openai: { headers: { a: [very-secret-indeed] } }\n",
        "providers:\n  openai:\n    headers:\n      a: { very-secret-indeed: 1 }\n",
        "providers:\n  openai:\n    key:\n      enf: very-secret-indeed\n",
        "providers:\n  openai: { api: '${SECRET}' }\n",
        "providers:\n  openai: { simulated: { first_word: '${SECRET}' } }\n",
        "listen: '${SECRET}'",
        "log: { filter: '=${SECRET}=' }\nproviders: { openai: {} }",
        "providers: { openai: {} }\ndefault_stage: ${SECRET}\n",
        "providers: { openai: {} }\nkeys: { a: { secret: '${SECRET}' }, b: { secret: very-secret-indeed } }\n",
        "providers: { openai: {} }\nadmin: { token: very-secret-indeed }\nkeys: { b: { secret: very-secret-indeed } }\n",
        "providers: { openai: { base_url: 'http://a:very-secret-indeed@host/' } }\n",
        "providers: { openai: { base_url: 'http://host/?key=very-secret-indeed' } }\n",
    ] {
        let told = told(text);
        assert!(!told.contains("very-secret"), "{told}");
    }
}

#[test]
fn no_warning_shows_a_secret() {
    let text = "
listen: 0.0.0.0:80
providers: { openai: {} }
admin: { token: shorty }
keys: { a: { secret: shorter, models: [nix] } }
";
    for warning in load(text).unwrap().warnings {
        let told = warning.to_string();
        assert!(
            !told.contains("short") || told.ends_with("soon guessed"),
            "{told}"
        );
        assert!(
            !told.contains("shorty") && !told.contains("shorter"),
            "{told}"
        );
    }
}
