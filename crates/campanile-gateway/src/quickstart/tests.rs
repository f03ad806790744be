use std::collections::BTreeMap;

use super::*;
use crate::config::Preset;

fn server(models: &[&str]) -> ProviderSection {
    let models = models.iter().map(|model| ((*model).to_owned(), None));
    ProviderSection {
        preset: Some(Preset::LlamaCpp),
        base_url: Some("http://127.0.0.1:9".to_owned()),
        models: models.collect(),
        ..ProviderSection::default()
    }
}

fn found(servers: &[(&str, &[&str])]) -> (Config, Vec<Local>) {
    let mut config = quickstart();
    let servers = servers
        .iter()
        .map(|(name, models)| ((*name).to_owned(), server(models)));
    let locals = add(&mut config, servers.collect());
    (config, locals)
}

/// Which models go to which pool.
fn routes(config: &Config) -> BTreeMap<&str, Vec<&str>> {
    let stages = config.stages.iter();
    stages
        .map(|(name, stage)| {
            (
                name.as_str(),
                stage.models.iter().map(String::as_str).collect(),
            )
        })
        .collect()
}

fn banner(local: Vec<Local>, taken: bool) -> Banner {
    Banner {
        address: ([127, 0, 0, 1], 8_080).into(),
        taken,
        local,
        keys: vec!["OPENROUTER_API_KEY"],
    }
}

#[test]
fn three_simulated_processors_differ_and_say_what_they_are() {
    let config = quickstart();
    let sections: Vec<_> = config.providers.iter().collect();
    assert_eq!(sections.len(), 3);
    for (name, section) in &sections {
        assert!(name.starts_with("simulated-"));
        let simulated = section.simulated.clone().unwrap();
        let others = sections
            .iter()
            .filter(|(_, other)| other.simulated.as_ref() == Some(&simulated));
        assert_eq!(others.count(), 1);
        section.resolve(name).unwrap();
    }
    assert_eq!(
        config.default_stage, None,
        "a model that nobody has is refused, and not made up"
    );
}

#[test]
fn models_of_local_servers_go_to_them() {
    let (config, _) = found(&[("ollama", &["qwen", "gemma"]), ("llama-cpp", &["smol"])]);
    let routes = routes(&config);
    assert_eq!(routes["ollama"], ["gemma", "qwen"]);
    assert_eq!(routes["llama-cpp"], ["smol"]);
    assert!(routes["simulated"].is_empty(), "its own name is enough");
    assert_eq!(
        config.pools["simulated"].members.len(),
        3,
        "they do not mix"
    );
    assert_eq!(config.stages["ollama"].model.as_deref(), Some("gemma"));
}

#[test]
fn servers_of_the_same_models_share_them() {
    let (config, locals) = found(&[("llama-cpp", &["smol"]), ("llama-cpp-8081", &["smol"])]);
    assert_eq!(locals.len(), 1);
    assert_eq!(config.pools["llama-cpp"].members.len(), 2);
    assert_eq!(routes(&config).len(), 2);
}

#[test]
fn a_model_that_is_taken_goes_to_the_first() {
    let (config, locals) = found(&[
        ("ollama", &["a", "b"]),
        ("llama-cpp", &["b", "simulated", "ollama"]),
    ]);
    let routes = routes(&config);
    assert_eq!(routes["ollama"], ["a", "b"]);
    assert!(!routes.contains_key("llama-cpp"), "nothing is left for it");
    assert_eq!(locals.len(), 1);
}

#[tokio::test]
async fn a_gateway_is_made_of_it() {
    let (config, _) = found(&[("ollama", &["a", "b"]), ("llama-cpp", &["c"])]);
    Gateway::new(config).unwrap();
}

#[test]
fn the_banner_fits_and_has_no_colours() {
    let local = Local {
        names: vec!["llama-cpp".to_owned(), "llama-cpp-8081".to_owned()],
        models: (0..20)
            .map(|n| format!("{}{n}", "m".repeat(n * 12)))
            .collect(),
    };
    for (local, taken) in [(Vec::new(), false), (vec![local], true)] {
        let text = banner(local, taken).to_string();
        for line in text.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
        assert!(text.is_ascii() && !text.contains('\u{1b}'));
        assert!(text.contains("http://127.0.0.1:8080/v1"));
        assert_eq!(text.contains("8080 is taken"), taken);
        assert!(text.contains("OPENROUTER_API_KEY is set, and not used"));
    }
    assert!(banner(Vec::new(), false).to_string().contains("No Ollama"));
}

#[test]
fn the_banners_commands_send_json() {
    let text = banner(Vec::new(), false).to_string();
    let bodies: Vec<&str> = text
        .split('\'')
        .filter(|part| part.starts_with('{'))
        .collect();
    assert_eq!(bodies.len(), 2);
    for body in bodies {
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["model"], "simulated");
    }
}

#[test]
fn the_banner_warns_where_others_may_call() {
    let mut banner = banner(Vec::new(), false);
    assert!(!banner.to_string().contains("WITHOUT KEYS"));
    banner.address = ([0, 0, 0, 0], 9_000).into();
    let text = banner.to_string();
    assert!(text.contains("WITHOUT KEYS"));
    assert!(text.contains("http://127.0.0.1:9000/v1"), "{text}");
}

#[tokio::test]
async fn gateways_that_start_at_once_get_a_port_each() {
    let started = futures_util::future::join_all((0..8).map(|_| start(None))).await;
    let started: Vec<Started> = started.into_iter().map(Result::unwrap).collect();
    let mut ports: Vec<u16> = started
        .iter()
        .map(|one| one.server.address().unwrap().port())
        .collect();
    ports.sort_unstable();
    ports.dedup();
    assert_eq!(ports.len(), 8);
    for one in started {
        let port = one.banner.address.port();
        assert!(PORTS.contains(&port));
        assert_eq!(one.banner.taken, port != 8_080);
    }
}

#[tokio::test]
async fn an_address_that_is_taken_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap();
    let error = start(Some(address)).await.unwrap_err().to_string();
    let expected = format!("cannot listen at {address}: ");
    assert!(error.starts_with(&expected), "{error}");
}
