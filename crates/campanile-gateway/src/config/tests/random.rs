use proptest::prelude::*;

use super::{env, load, schemas::EVERYTHING};
use crate::config::{Config, load::load_in};

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,200}") {
        let _ = load(&text).map_err(|error| error.to_string());
    }

    #[test]
    fn no_text_like_yaml_makes_it_panic(
        parts in proptest::collection::vec(
            prop_oneof![
                "[ \\n]{1,5}", "[a-z]{1,4}: ", "- ", "\\{", "\\}", "\\[", "\\]", "\"", "'", ", ", "&a ", "\\*a", "<<: ", "!!str ", "\\|\n", "# ",
                "\\$\\{[A-Z]{0,4}", ":-", "[0-9.eE_-]{1,6}", "providers:\n ", "pools:\n ", "openai: ", "key: ", "members: ", "limits: ",
            ],
            0..60,
        ),
    ) {
        let _ = load(&parts.concat()).map_err(|error| error.to_string());
    }

    /// One character of a file that is well is another: it is told, or it loads.
    #[test]
    fn no_slip_makes_it_panic(at in 0..EVERYTHING.len(), sign in any::<char>()) {
        let mut text = String::new();
        for (index, old) in EVERYTHING.char_indices() {
            text.push(if index == at { sign } else { old });
        }
        if let Err(error) = load(&text) {
            let told = error.to_string();
            prop_assert!(!told.contains("very-secret-indeed"), "{told}");
            prop_assert!(!told.contains("sk-openai"), "{told}");
        }
    }

    /// What is put in is a text of one value, whatever it is.
    #[test]
    fn nothing_that_is_put_in_is_structure(value in "\\PC{1,40}|[\\n:{}# a\"'-]{1,40}") {
        let env = |name: &str| match name {
            "VALUE" => Some(value.clone()),
            name => env(name),
        };
        let text = "
providers: { openai: {} }
pools:
  main:
    members:
      - provider: openai
        labels:
          a: ${VALUE}
          b: \"x-${VALUE}\"
";
        let config: Config = match load_in(text, std::path::Path::new(""), &env, false) {
            Ok(loaded) => loaded.config,
            Err(error) => return Err(TestCaseError::fail(error.to_string())),
        };
        prop_assert_eq!(&config.pools["main"].members[0].labels["a"], &value);
        prop_assert_eq!(&config.pools["main"].members[0].labels["b"], &format!("x-{value}"));
    }
}
