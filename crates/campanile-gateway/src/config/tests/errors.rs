use super::{load, told};

/// What is told of a text with one mistake, without its excerpt.
fn first(text: &str) -> String {
    let told = told(text);
    told.lines().next().unwrap_or_default().to_owned()
}

#[test]
fn everything_is_told_at_once_with_its_place() {
    let text = "
providers:
  openai:
    modles: [a]
pools:
  main:
    strtegy: ebw
    members: [openai, {provider: openai, wieght: 3}]
    strategy: wibble
    breaker:
      open_for: -1
    retry: { max_retries: x }
";
    assert_eq!(
        told(text),
        "line 4, column 5: providers.openai.modles: there is no such setting; did you mean `models`?
  4 |     modles: [***]
    |     ^^^^^^
line 7, column 5: pools.main.strtegy: there is no such setting; did you mean `strategy`?
  7 |     strtegy: ebw
    |     ^^^^^^^
line 8, column 42: pools.main.members[1].wieght: there is no such setting; did you mean `weight`?
  8 |     members: [openai, {provider: openai, wieght: 3}]
    |                                          ^^^^^^
line 9, column 15: pools.main.strategy: \"wibble\" is none of its values; there are: cheapest, conversation, ebw, least_loaded, peak_ewma, prefix, round_robin, weighted
  9 |     strategy: wibble
    |               ^^^^^^
line 11, column 17: pools.main.breaker.open_for: -1 seconds: below 0
  11 |       open_for: -1
     |                 ^^
line 12, column 27: pools.main.retry.max_retries: it is a text, and must be a whole number from 0 to 4,294,967,295
  12 |     retry: { max_retries: x }
     |                           ^
6 problems"
    );
    assert_eq!(load(text).unwrap_err().problems.len(), 6);
}

#[test]
fn what_is_no_yaml_is_told_with_its_place() {
    for (text, expected) in [
        (
            "providers:\n  openai:\n    key: abc\n   bad: indent\n",
            "line 4, column 4: while parsing a block mapping, did not find expected key",
        ),
        (
            "providers:\n  openai: {}\n  openai: {}\n",
            "line 3, column 3: \"openai\" is written twice here",
        ),
        (
            "a: {b: [1, 2}",
            "line 1, column 8: mismatched bracket '[' closed by '}'",
        ),
        (
            "providers: {openai: {models: [${MODEL}]}}",
            "line 1, column 32: while parsing a flow sequence, expected ',' or ']'; within `[ ]` and `{ }` write \"${NAME}\" in quotes",
        ),
        (
            "just text",
            "line 1, column 1: it is a text, and must be a map of settings",
        ),
        (
            "- a",
            "line 1, column 1: it is a list, and must be a map of settings",
        ),
        (
            "",
            "providers: there is none: write at least one, such as `providers: { openai: {} }`",
        ),
    ] {
        assert_eq!(first(text), expected, "{text}");
    }
}

#[test]
fn what_is_of_another_kind_is_told_with_what_it_must_be() {
    for (text, expected) in [
        (
            "providers: [openai]",
            "line 1, column 12: providers: it is a list, and must be a map",
        ),
        (
            "listen: 99999999",
            "line 1, column 9: listen: it is 99999999, and must be an address with a port, such as `127.0.0.1:8080`, or a port",
        ),
        (
            "providers: {openai: {include_usage: yes}}",
            "line 1, column 37: providers.openai.include_usage: it is a text, and must be `true` or `false`",
        ),
        (
            "server: {max_head: -1}",
            "line 1, column 20: server.max_head: it is -1, and must be a whole number, 0 or more",
        ),
        (
            "limits: {concurrent: 1.5}",
            "line 1, column 22: limits.concurrent: it is a number with a fraction, and must be a whole number from 0 to 4,294,967,295",
        ),
        (
            "log: {format: jsn}",
            "line 1, column 15: log.format: \"jsn\" is none of its values; did you mean `json`?",
        ),
        (
            "pools: {a: {members: [{weight: 1}]}}",
            "line 1, column 23: pools.a.members[0]: `provider` is missing",
        ),
        (
            "providers: {openai: {key: a, api_key: b}}",
            "line 1, column 21: providers.openai: `key` is written twice, maybe by its other name",
        ),
        (
            "providers: {openai: {key: [a]}}",
            "line 1, column 27: providers.openai.key: it is a list, and must be a text, { env: NAME } or { file: PATH }",
        ),
        (
            "stages: {c: {fallbacks: {rat: b}}}",
            "line 1, column 26: stages.c.fallbacks.rat: there is no such setting; did you mean `rate`?",
        ),
        (
            "stages: {c: {fallbacks: {othrwise: b}}}",
            "line 1, column 26: stages.c.fallbacks.othrwise: there is no such setting; did you mean `otherwise`?",
        ),
        (
            "deadline: 18446744073709551615",
            "line 1, column 11: deadline: 18446744073709551615 seconds: the most are 100 years",
        ),
        (
            "server: {idle_timeout: 101years}",
            "line 1, column 24: server.idle_timeout: \"101years\" is too long: the most are 100 years",
        ),
        (
            "pools: {a: {patience: soon}}",
            "line 1, column 23: pools.a.patience: \"soon\" is no duration such as 30s or 250ms: expected number at 0",
        ),
        (
            "keys: {a: {budgets: [{unit: money, limit: 5, period: dya}]}}",
            "line 1, column 54: keys.a.budgets[0].period: \"dya\" is no period: minute, hour, day, week, month, forever or a duration such as 36h (expected number at 0)",
        ),
    ] {
        assert_eq!(first(text), expected, "{text}");
    }
}

#[test]
fn variables_are_told_by_name_and_never_by_value() {
    for (value, expected) in [
        (
            "${NOPE}",
            "the environment variable `NOPE` is not set; set it, or write `${NOPE:-default}`",
        ),
        (
            "${1A}",
            "\"1A\" is no name of an environment variable; write `${NAME}`, `${NAME:-default}`, or `$${` for the characters themselves",
        ),
        (
            "${A",
            "`${` is not closed by `}`; write `$${` for the characters themselves",
        ),
        (
            "${A:-${B}}",
            "the text for when `A` is not set is taken as it is: no `${` can stand in it",
        ),
        ("${EVIL}", "what was put in is none of its values"),
    ] {
        let text = format!("providers:\n  openai:\n    api: {value}\n");
        let expected = format!("line 3, column 10: providers.openai.api: {expected}");
        assert_eq!(first(&text), expected);
    }
    assert_eq!(
        first("# ${NOPE} is a comment\npools: {a: {patience: '${SECRET}'}}"),
        "line 2, column 23: pools.a.patience: what was put in is no duration such as 30s or 250ms: expected number at 0"
    );
}

#[test]
fn variables_are_put_into_values() {
    let text = "
providers:
  local:
    base_url: http://${EMPTY:-127.0.0.1}:80${COUNT}/v1
    key: ${DIGITS}
    default_model: a$${MODEL}
    models: [\"${MODEL}\", plain]
limits: { concurrent: \"${COUNT}\", requests_per_second: \"${COUNT}.5\" }
deadline: \"${FIVE}\"
pools: { a: { timeouts: { first_data: \"${FIVE}\" }, retry: { max_retry_after: \"${FIVE}\" } } }
";
    let config = load(text).unwrap().config;
    let five = std::time::Duration::from_secs(5);
    assert_eq!(config.deadline, Some(five));
    assert_eq!(config.pools["a"].timeouts.first_data, Some(five));
    let retry = config.pools["a"].retry.clone().unwrap();
    assert_eq!(retry.max_retry_after, five);
    let local = &config.providers["local"];
    assert_eq!(local.base_url.as_deref(), Some("http://127.0.0.1:804/v1"));
    assert_eq!(
        &*local.key.clone().unwrap().reveal().unwrap(),
        "1234567890123456"
    );
    assert_eq!(local.default_model.as_deref(), Some("a${MODEL}"));
    assert!(local.models.contains_key("gpt-5"));
    assert_eq!(config.limits.concurrent, Some(4));
    assert_eq!(config.limits.requests_per_second, Some(4.5));
}

/// The message of each rule, after a file that is well but for it.
#[test]
fn every_rule_says_what_where_and_what_would_be_right() {
    for (part, expected) in [
        (
            "limits: {requests_per_second: .nan}",
            "limits.requests_per_second: it is NaN: it must be a number above 0; leave it out for no limit",
        ),
        (
            "limits: {tokens_per_minute: -1}",
            "limits.tokens_per_minute: it is -1: it must be a number above 0; leave it out for no limit",
        ),
        (
            "limits: {requests_per_second: 1, requests_per_minute: 1}",
            "limits.requests_per_minute: `requests_per_second` is written too: one of them must go",
        ),
        (
            "limits: {concurrent: 0}",
            "limits.concurrent: it is 0: it must be at least 1; leave it out for no limit",
        ),
        (
            "limits: {concurrent: 2000000}",
            "limits.concurrent: it is 2000000: it must be at most 1,000,000",
        ),
        (
            "limits: {requests_per_second: 1e300}",
            "limits.requests_per_second: it is 1e300: it must be at most 2^58, and 10^12 a second",
        ),
        (
            "limits: {tokens_per_minute: 1e17}",
            "limits.tokens_per_minute: it is 1e17: it must be at most 2^58, and 10^12 a second",
        ),
        (
            "keys: {a: {secret: abcd, limits: {concurrent: 1000001}}}",
            "keys.a.limits.concurrent: it is 1000001: it must be at most 1,000,000",
        ),
        (
            "pools: {a: {concurrency: {min_limit: 10}, members: [{provider: openai, limits: {concurrent: 5}}]}}",
            "pools.a.members[0].limits.concurrent: it is 5: it must be at least the pool's `concurrency.min_limit`, 10",
        ),
        ("deadline: 0", "deadline: it is 0: it must be above 0"),
        (
            "server: {max_head: 4}",
            "server.max_head: it is 4: it must be at least 1,024 bytes",
        ),
        (
            "server: {max_connections: 0}",
            "server.max_connections: it is 0: it must be above 0",
        ),
        (
            "admin: {listen: 8080}",
            "admin.listen: 127.0.0.1:8080 is where callers are served: operators need another one",
        ),
        (
            "admin: {listen: here}",
            "admin.listen: it is a text, and must be an address with a port, such as `127.0.0.1:8080`, or a port",
        ),
        (
            "server: {body_timeout: 0}",
            "server.body_timeout: it is 0: it must be above 0",
        ),
        (
            "http: {buffer: 1}",
            "http.buffer: it is 1: it must be from 8 KiB to 1 GiB",
        ),
        (
            "log: {filter: 'a=b=c'}",
            "log.filter: it is no filter (error parsing level filter: expected one of \"off\", \"error\", \"warn\", \"info\", \"debug\", \"trace\", or a number 0-5): write a level, such as `info`, or `warn,campanile_gateway=debug`",
        ),
        (
            "prices: /nope.json",
            "prices: the file cannot be it: prices in /nope.json: No such file or directory (os error 2)",
        ),
        (
            "default_stage: e",
            "default_stage: there is no stage `e`; there are: default",
        ),
        (
            "pools: {a: {members: [openia]}}",
            "pools.a.members[0]: there is no provider `openia`; did you mean `openai`?",
        ),
        (
            "pools: {a: {members: [openai, openai]}}",
            "pools.a.members[1]: `openai` is a member already; write its `weight` for a larger share",
        ),
        (
            "pools: {a: {members: [{provider: openai, weight: 0}]}}",
            "pools.a.members[0].weight: it is 0: it must be a number above 0, and no more than a million",
        ),
        (
            "pools: {a: {members: [{provider: openai, limits: {concurrent: 0}}]}}",
            "pools.a.members[0].limits.concurrent: it is 0: it must be at least 1; leave it out for no limit",
        ),
        (
            "pools: {a: {retry: {budget: {deposit: 7}}}}",
            "pools.a.retry.budget.deposit: it is 7: it must be 0, or from 0.001 to 1",
        ),
        (
            "pools: {a: {breaker: {failure_rate: 7}}}",
            "pools.a.breaker.failure_rate: it is 7: it must be above 0 and at most 1",
        ),
        (
            "pools: {a: {concurrency: {max_limit: 0}}}",
            "pools.a.concurrency.max_limit: it is 0: it must not be below min_limit",
        ),
        (
            "pools: {a: {hedge: {share: 9}}}",
            "pools.a.hedge.share: it is 9: it must be from 0.001 to 1",
        ),
        (
            "pools: {a: {timeouts: {total: 0}}}",
            "pools.a.timeouts.total: it is 0ns: it must be above 0",
        ),
        (
            "pools: {a: {probe: {interval: 0}}}",
            "pools.a.probe.interval: it is 0: it must be above 0",
        ),
        (
            "pools: {a: {probe: {path: x}}}",
            "pools.a.probe.path: it must begin with `/`",
        ),
        (
            "stages: {b: {}}",
            "stages.b: it has no `pool`, and there is no pool `b`",
        ),
        (
            "stages: {b: {pool: defalt}}",
            "stages.b.pool: there is no pool `defalt`; did you mean `default`?",
        ),
        (
            "stages: {b: {pool: default, fallbacks: {otherwise: b}}}",
            "stages.b.fallbacks.otherwise: it is the stage itself: it must be another",
        ),
        (
            "stages: {b: {pool: default, fallbacks: {rate: d}}}",
            "stages.b.fallbacks.rate: there is no stage `d`; did you mean `b`?",
        ),
        (
            "stages: {b: {pool: default, deadline: 0}}",
            "stages.b.deadline: it is 0: it must be above 0",
        ),
        (
            "stages: {b: {pool: default, context_window: 0}}",
            "stages.b.context_window: it is 0: it must be above 0",
        ),
        (
            "stages: {b: {pool: default, models: ['']}}",
            "stages.b.models[0]: a name of a model must not be empty",
        ),
        (
            "stages: {a: {pool: default, models: [m]}, b: {pool: default, models: [m]}}",
            "stages.b.models[0]: stage `a` takes `m` already: one stage must",
        ),
        (
            "stages: {a: {pool: default, fallbacks: {context_window: b}}, b: {pool: default, fallbacks: {context_window: a}}}",
            "stages.a.fallbacks: they must not go in a circle",
        ),
        (
            "aliases: {default: gpt-5}",
            "aliases.default: `default` is a model or a stage already",
        ),
        (
            "aliases: {a: b, b: c}",
            "aliases.a: `b` is an alias too: name the model",
        ),
        (
            "stages: {b: {pool: default, models: [gpt-5]}}\naliases: {a: gpt-6}",
            "aliases.a: no stage takes `gpt-6`; did you mean `gpt-5`?",
        ),
        (
            "keys: {c: {}}",
            "keys.c.secret: it has no secret: write a text, `{ env: NAME }` or `{ file: PATH }`",
        ),
        (
            "keys: {c: {secret: ' '}}",
            "keys.c.secret: it is ***: it must not be empty",
        ),
        (
            "keys: {c: {secret: {env: NOPE}}}",
            "keys.c.secret: it is env NOPE: the environment variable must be set, to UTF-8",
        ),
        (
            "keys: {c: {secret: {file: /nope}}}",
            "keys.c.secret: it is file /nope: the file must be there, be readable, and hold UTF-8",
        ),
        (
            "keys: {a: {secret: abcd}, b: {secret: abcd}}",
            "keys.b.secret: key `a` has the same: nobody could tell which of them calls",
        ),
        (
            "keys: {a: {secret: abcd}}\nadmin: {token: abcd}",
            "keys.a.secret: it is the same as `admin.token`: who calls would operate",
        ),
        (
            "keys: {a: {secret: abcd, tenant: ''}}",
            "keys.a.tenant: it must not be empty",
        ),
        (
            "keys: {a: {secret: abcd, budgets: [{unit: tokens, limit: 1, period: day}]}, b: {secret: efgh, tenant: a, budgets: [{unit: tokens, limit: 2, period: day}]}}",
            "keys.b.budgets: key `a` writes other budgets for tenant `a`: they share them, so they must be the same, or be written once",
        ),
    ] {
        let text = format!("providers: {{openai: {{}}}}\n{part}\n");
        let told = first(&text);
        let (_, told) = told.split_once(": ").unwrap();
        // That of a setting which is not written has no place.
        let told = match expected.starts_with(told.split(": ").next().unwrap()) {
            true => told.to_owned(),
            false => first(&text),
        };
        assert_eq!(told, expected, "{text}");
    }
}

#[test]
fn every_rule_of_providers_says_what_where_and_what_would_be_right() {
    for (provider, expected) in [
        (
            "{base_url: nowhere}",
            "it is \"nowhere\": it is an address as https://api.example.com/v1",
        ),
        (
            "{base_url: 'http://a:b@x/'}",
            "it is ***: it has no user: keys go into `key` or `headers`",
        ),
        ("{simulated: {slots: 0}}", "it is 0: it must be at least 1"),
        (
            "{simulated: {words_per_second: -1}}",
            "it is -1: it must be above 0",
        ),
        (
            "{simulated: {spread: 3}}",
            "it is 3: it must be from 0 to 2",
        ),
        (
            "{simulated: {cuts_per_thousand: 2000}}",
            "it is 2000: it must be at most 1,000",
        ),
    ] {
        let told = first(&format!("providers:\n  p: {provider}\n"));
        assert!(told.starts_with("line 2, column "), "{told}");
        assert!(told.ends_with(expected), "{told}");
    }
}

#[test]
fn what_may_not_be_meant_is_a_warning() {
    let text = "
listen: 0.0.0.0:80
admin: {open: true}
providers: {openai: {}, ollama: {}}
pools: {a: {members: [openai], strategy: cheapest}, b: {members: [openai]}}
stages: {a: {models: [m]}}
";
    let warnings = load(text).unwrap().warnings;
    let told: Vec<_> = warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "line 2: listen: 0.0.0.0:80 can be reached from elsewhere, and there are no `keys`: everybody may call",
            "line 2: listen: 0.0.0.0:80 can be reached from elsewhere, and `admin.token` is not set: everybody may read `/status` and `/metrics`",
            "line 3: admin.open: it does nothing without `admin.token`: nothing is closed",
            "line 4: providers.ollama: no pool has it: nothing goes there",
            "line 5: pools.a.strategy: without `prices` nothing is cheaper than anything else",
            "line 5: pools.b: no stage has it: nothing goes there",
        ]
    );
}

pub(super) fn warned(text: &str) -> Vec<String> {
    let warnings = load(text)
        .unwrap_or_else(|error| panic!("{error}"))
        .warnings;
    warnings.iter().map(ToString::to_string).collect()
}

#[test]
fn operators_who_can_be_read_from_elsewhere_are_warned_of_where_they_are_served() {
    let text = |listen: &str, operators: &str| {
        warned(&format!(
            "listen: {listen}\nadmin: {{listen: {operators}}}\nproviders: {{openai: {{}}}}\nkeys: {{k: {{secret: a-secret-of-the-tests}}}}\n"
        ))
    };
    assert!(text("0.0.0.0:80", "81").is_empty());
    assert!(text("80", "").is_empty());
    assert_eq!(
        text("80", "0.0.0.0:81"),
        [
            "line 2: admin.listen: 0.0.0.0:81 can be reached from elsewhere, and `admin.token` is not set: everybody may read `/status` and `/metrics`"
        ]
    );
}

#[test]
fn limits_that_no_call_keeps_and_budgets_without_prices_are_warned_of() {
    let text = "
providers: {openai: {}}
limits: {tokens_per_minute: 500}
stages: {a: {pool: default, budgets: [{unit: money, limit: 5, period: day}]}}
keys:
  k:
    secret: a-secret-of-the-tests
    limits: {tokens_per_minute: 1025}
    budgets:
      - {unit: tokens, limit: 10, period: day}
      - {unit: tokens, limit: 20, period: month, enforce: warn}
";
    assert_eq!(
        warned(text),
        [
            "line 3: limits.tokens_per_minute: it is 500: a call that does not say `max_tokens` is taken for 1,024 tokens and those of its prompt, and is always refused",
            "line 4: stages.a.budgets[0]: there are no `prices`: no call has a known price, and this budget is not kept",
            "line 10: keys.k.budgets[0].limit: it is 10: a call that does not say `max_tokens` is taken for 131,072 tokens and those of its prompt, and is always refused",
        ]
    );
}

#[test]
fn a_member_that_takes_any_model_beside_one_with_models_is_warned_of() {
    let text = "
providers:
  openai: {}
  local: {base_url: 'http://127.0.0.1:1/v1', models: [llama-3.3-70b]}
  llama_cpp: {}
  made-up: {simulated: {}}
";
    assert_eq!(
        warned(text),
        [
            "line 3: providers.openai: it names no models, so in pool `default` it is asked for `llama-3.3-70b` of `local` too: write its `models`",
        ]
    );
    let apart = "
providers:
  openai: {}
  local: {base_url: 'http://127.0.0.1:1/v1', models: [llama-3.3-70b]}
pools: {a: {members: [openai]}, b: {members: [local]}}
default_stage: a
";
    assert!(warned(apart).is_empty());
}

#[test]
fn a_member_of_which_no_model_is_known_is_warned_of() {
    let stage =
        "workflow: {parallel_processing: {stages: {dev: {providers: [ollama, vllm, box]}}}}";
    let text = format!(
        "providers:\n  box: {{base_url: 'http://127.0.0.1:1/v1', models: [a, b], default_model: a}}\n{stage}\n"
    );
    assert_eq!(
        warned(&text),
        [
            "line 1: providers.vllm: no model of it is known, so for stage `dev` it is asked for a model `dev`: write `models` or `default_model`",
            "line 2: providers.box.models.b: nobody can ask for `b`: stages of `workflow` take only their own names (dev); write a stage with it in `models`",
        ]
    );
}

#[test]
fn a_check_without_secrets_looks_for_none() {
    let text = "
admin: {token: '${NOT_SET_TOKEN}'}
providers: {openai: {}, anthropic: {}, box: {base_url: 'http://127.0.0.1:1/v1', key: {file: /nope}, headers: {x-a: '${NOT_SET_HEADER}'}}}
keys: {a: {secret: {env: NOT_SET_A}}, b: {secret: 'Bearer-${NOT_SET_B}'}, c: {secret: a-secret-of-the-tests}}
";
    let read = |text: &str| {
        let folder = std::path::Path::new("");
        super::super::load::load_by(text, folder, &super::env, false, true)
    };
    assert!(load(text).is_err());
    let loaded = read(text).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(loaded.config.keys.len(), 3);
    assert!(loaded.config.providers["anthropic"].key.is_some());
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    // What is wrong otherwise is so still.
    let told = read("providers: {openai: {base_url: '${NOT_SET}'}}")
        .unwrap_err()
        .to_string();
    assert!(
        told.contains("the environment variable `NOT_SET` is not set"),
        "{told}"
    );
    let told = read("providers: {openai: {}}\nkeys: {a: {secret: {env: A}, b: 1}}").unwrap_err();
    assert!(
        told.to_string().contains("there is no such setting"),
        "{told}"
    );
    // One secret of two is one of two here, too.
    let told =
        read("providers: {openai: {}}\nkeys: {a: {secret: {env: A}}, b: {secret: {env: A}}}")
            .unwrap_err();
    assert!(told.to_string().contains("key `a` has the same"), "{told}");
}

#[test]
fn a_file_is_named_and_its_paths_are_relative_to_it() {
    let folder = std::env::temp_dir().join(format!("campanile-config-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("gateway.yaml");
    std::fs::write(folder.join("key.txt"), "secret-of-a-file\n").unwrap();
    std::fs::write(
        &file,
        "providers: { local: { base_url: 'http://127.0.0.1:1/v1', key: { file: key.txt } } }\n",
    )
    .unwrap();
    let loaded = crate::config::read(&file).unwrap();
    let key = loaded.config.providers["local"].key.clone().unwrap();
    assert_eq!(&*key.reveal().unwrap(), "secret-of-a-file");
    std::fs::write(&file, "providrs: {}\n").unwrap();
    let told = crate::config::read(&file).unwrap_err().to_string();
    let name = file.display();
    assert!(
        told.starts_with(&format!(
            "{name}:1:1: providrs: there is no such setting; did you mean `providers`?\n"
        )),
        "{told}"
    );
    let missing = crate::config::read(&folder.join("nope.yaml"))
        .unwrap_err()
        .to_string();
    assert!(
        missing.ends_with("nope.yaml: it cannot be read: No such file or directory (os error 2)"),
        "{missing}"
    );
    std::fs::remove_dir_all(&folder).unwrap();
}
