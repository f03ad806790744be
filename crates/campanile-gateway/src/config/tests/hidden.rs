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
            "stages:\n  model: claude-sonnet-4-20250514",
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

/// What is written where secrets belong is one, whatever it is called and wherever it was put.
#[test]
fn nothing_that_is_misspelt_or_misplaced_shows_a_secret() {
    let names = [
        "secrt",
        "Secret_",
        "secret1",
        "sekret",
        "secert",
        "serect",
        "scret",
        "secrets",
        "kee",
        "kye",
        "ky",
        "keys",
        "keyy",
        "k",
        "apikeys",
        "api_keys",
        "apikye",
        "api_ky",
        "tokn",
        "toke",
        "tokens",
        "tokne",
        "bearer",
        "auth",
        "passwd",
        "pass",
        "pw",
        "credential",
        "value",
        "text",
        "header",
        "authorization2",
        "x-api-kye",
        "admin",
        "limits",
        "budgets",
        "simulated",
    ];
    let places = [
        "keys:\n  shop:\n    NAME: VALUE\n",
        "keys:\n  shop:\n    models: [a]\n    NAME: VALUE\n    tenant: x\n",
        "keys:\n  shop: { NAME: VALUE }\n",
        "keys: { shop: { tenant: a, NAME: VALUE, models: [b] }, other: { wrong: 1 } }\n",
        "keys:\n  shop:\n    NAME:\n      VALUE\n",
        "keys:\n  shop:\n    NAME: [VALUE]\n",
        "keys:\n  shop:\n    NAME:\n      - VALUE\n",
        "keys:\n  shop:\n    NAME: { deep: VALUE }\n",
        "keys:\n  shop:\n    NAME: |\n      VALUE\n",
        "keys:\n  - NAME: VALUE\n",
        "keys:\n  NAME: VALUE\n",
        "keys: { NAME: VALUE }\n",
        "keys: VALUE\n",
        "keys: [VALUE]\n",
        "keys:\n  - VALUE\n",
        "keys:\n  shop:\n    limits: { NAME: VALUE }\n",
        "keys:\n  shop:\n    limits: VALUE\n",
        "keys:\n  shop:\n    budgets: [{ NAME: VALUE }]\n",
        "kyes:\n  shop:\n    NAME: VALUE\n",
        "clients:\n  shop:\n    NAME: VALUE\n",
        "NAME: VALUE\n",
        "admin: VALUE\n",
        "admin: [VALUE]\n",
        "admin: { NAME: VALUE }\n",
        "admin:\n  NAME: VALUE\n",
        "admn:\n  NAME: VALUE\n",
        "providers: VALUE\n",
        "providers: { openai: VALUE }\n",
        "providers:\n  openai:\n    NAME: VALUE\n",
        "providers:\n  openai: { models: [a], NAME: VALUE }\n",
        "providers:\n  openai:\n    NAME: { authorization2: VALUE }\n",
        "providers:\n  openai:\n    simulated: { NAME: VALUE }\n",
        "provider:\n  openai:\n    NAME: VALUE\n",
        // What is no YAML is shown as well.
        "keys:\n  shop:\n    NAME: VALUE\n   x: 1\n",
        "keys:\n  shop:\n    NAME: VALUE: x\n",
        "keys:\n  shop:\n    NAME:VALUE\n    models: [a]\n",
        "keys:\n  shop: { NAME: VALUE\n",
        "keys:\n  shop: NAME: VALUE\n",
        "keys: shop: NAME: VALUE\n",
        "keys:\n  shop: { NAME: VALUE: x }\n",
        "keys:\n  shop:\n    NAME: 'VALUE' x\n",
        "keys:\n  shop:\n    NAME: \"VALUE\n",
        "keys:\n  shop:\n    NAME: @VALUE\n",
        "keys:\n\t shop: { NAME: VALUE }\n",
        "providers:\n  openai:\n    NAME: VALUE: x\n",
        "admin: { NAME: VALUE\n",
    ];
    for place in places {
        // A section is known: no secret belongs there, by no name.
        let known = |name: &&str| !place.starts_with("NAME") || *name != "limits";
        for name in names.into_iter().filter(known) {
            for secret in [
                "correct-horse-battery",
                "'correct: horse-battery'",
                "${SECRET}",
            ] {
                let text = place.replace("NAME", name).replace("VALUE", secret);
                for text in [&text, &format!("providers: {{ openai: {{}} }}\n{text}")] {
                    let Err(error) = load(text) else { continue };
                    let told = error.to_string();
                    for part in ["correct", "horse", "battery", "very-secret"] {
                        assert!(!told.contains(part), "{text}\n{told}");
                    }
                }
            }
        }
    }
}

/// A check, the log and `/status` tell the same text.
#[tokio::test]
async fn the_status_shows_no_secret_of_a_slip() {
    let text = "providers: { openai: { key: a-key-of-the-tests } }\n";
    let gateway = crate::Gateway::new(load(text).unwrap().config).unwrap();
    let slip =
        "keys:\n  shop: correct-horse-battery\n  other:\n    secrt: second-horse-battery # typo\n";
    let error = load(&format!("{text}{slip}")).unwrap_err();
    gateway.refuse(&error.to_string());
    let told = gateway.last_reload().unwrap().result.clone().unwrap_err();
    assert_eq!(
        told,
        "line 3, column 9: keys.shop: it is a text, and must be a map of settings
  3 |   shop: ***
    |         ^^^
line 5, column 5: keys.other.secrt: there is no such setting; did you mean `secret`?
  5 |     secrt: ***
    |     ^^^^^
2 problems"
    );
}

/// What holds no secret is shown, so that a person sees what is wrong.
#[test]
fn what_is_known_to_be_no_secret_is_shown() {
    for (text, expected) in [
        (
            "providers:\n  a:\n    base_url: nowhere\n",
            "    base_url: nowhere",
        ),
        (
            "providers:\n  a: { preset: openia, models: [b] }\n",
            "  a: { preset: openia, models: [b] }",
        ),
        (
            "providers:\n  a:\n    models: { small: gpt-5 }\n",
            "    models: { small: gpt-5 }",
        ),
        (
            "providers:\n  a:\n    models:\n      small: gpt-5\n",
            "      small: gpt-5",
        ),
        (
            "keys:\n  a:\n    budgets:\n    - unit: mony\n      limit: 5\n",
            "      limit: 5",
        ),
        (
            "keys:\n  a: { limits: { concurrent: x }, secret: b }\n",
            "  a: { limits: { concurrent: x }, secret: *** }",
        ),
        (
            "keys:\n  a: { secret: { env: NAME }, priority: hi }\n",
            "  a: { secret: { env: NAME }, priority: hi }",
        ),
        (
            "pools:\n  a: { strategy: wibble }\n",
            "  a: { strategy: wibble }",
        ),
        ("admin: { open: perhaps }\n", "admin: { open: perhaps }"),
    ] {
        assert_eq!(shown(text), expected, "{text}");
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
