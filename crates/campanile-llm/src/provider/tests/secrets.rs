use std::fmt::Write as _;

use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

use super::*;

const KEY: &str = "sk-very-secret-0123456789";

/// Keeps all that is logged, at every level.
#[derive(Debug, Clone, Default)]
pub(super) struct Log(pub(super) Arc<Mutex<String>>);

struct Write<'a>(&'a mut String);

impl Visit for Write<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let _ = write!(self.0, " {field}={value:?}");
    }
}

impl Subscriber for Log {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &span::Attributes<'_>) -> span::Id {
        let mut text = self.0.lock().unwrap();
        span.record(&mut Write(&mut text));
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, values: &span::Record<'_>) {
        values.record(&mut Write(&mut self.0.lock().unwrap()));
    }

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        event.record(&mut Write(&mut self.0.lock().unwrap()));
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

pub(super) fn hidden(what: &str, shown: &str) {
    assert!(!shown.contains(KEY), "{what} shows the key: {shown}");
    assert!(
        !shown.contains("0123456789"),
        "{what} shows a part of the key: {shown}"
    );
}

pub(super) fn secret_config(url: &str) -> ProviderConfig {
    ProviderConfig::openai(KEY)
        .with_base_url(url)
        .with_header("x-other", format!("other-{KEY}"))
}

#[test]
fn settings_do_not_show_it() {
    let config = secret_config("http://127.0.0.1:1");
    hidden("Debug", &format!("{config:?} {config:#?}"));
    let json = serde_json::to_string(&config).unwrap();
    hidden("serialisation", &json);
    let again: ProviderConfig = serde_json::from_str(&json).unwrap();
    let error = again.build().unwrap_err();
    assert!(error.to_string().contains("hidden when"), "{error}");
    let provider = Provider::new((), &config).unwrap();
    hidden(
        "the provider",
        &format!("{provider:?} {:?}", provider.settings()),
    );
    let error = ProviderConfig::openai(format!("{KEY}\u{7}"))
        .build()
        .unwrap_err();
    hidden("an error of settings", &format!("{error} {error:?}"));
}

#[test]
fn it_is_read_from_a_file() {
    let path = std::env::temp_dir().join(format!("campanile-secret-{}", std::process::id()));
    std::fs::write(&path, format!("  {KEY}\n")).unwrap();
    let secret = Secret::file(&path);
    assert_eq!(&*secret.read("key").unwrap(), KEY);
    hidden("Debug", &format!("{secret:?} {secret}"));
    let json = serde_json::to_string(&secret).unwrap();
    assert_eq!(serde_json::from_str::<Secret>(&json).unwrap(), secret);
    std::fs::remove_file(&path).unwrap();
}

#[tokio::test]
async fn requests_do_not_show_it() {
    let (send, mut receive) = tokio::sync::mpsc::unbounded_channel();
    let http = service_fn(move |request: Request<Full<Bytes>>| {
        send.send(format!("{request:?}")).unwrap();
        async { Err::<Response<Full<Bytes>>, BoxError>("gone".into()) }
    });
    let provider = Provider::new(http, &secret_config("http://h")).unwrap();
    let error = provider.oneshot(Call::new(ask())).await.unwrap_err();
    hidden("an error", &format!("{error} {error:?}"));
    let request = receive.recv().await.unwrap();
    assert!(request.contains("Sensitive"), "{request}");
    hidden("the request", &request);
}

#[tokio::test]
async fn errors_of_a_provider_that_repeats_it_do_not_show_it() {
    let body = format!(
        r#"{{"error":{{"message":"bad key {KEY}","code":"{KEY}","type":"{KEY}","param":"{KEY}"}}}}"#
    );
    let frame = format!("data: {body}\n\n");
    for (status, kind, body, request) in [
        (401, JSON, body.clone(), ask()),
        (200, JSON, body.clone(), ask()),
        (200, JSON, body, ask().streamed()),
    ] {
        let http = Once::new(status, kind, Pieces::of([body]));
        let provider = Provider::new(http, &secret_config("http://h")).unwrap();
        let error = provider.oneshot(Call::new(request)).await.unwrap_err();
        assert!(error.message().contains("***"), "{error}");
        hidden("an error", &format!("{error} {error:?}"));
    }
    let http = Once::new(200, SSE, Pieces::of([frame]));
    let provider = Provider::new(http, &secret_config("http://h")).unwrap();
    let response = provider.oneshot(Call::new(ask().streamed())).await.unwrap();
    let error = stream(response).next().await.unwrap().unwrap_err();
    hidden("an error in a stream", &format!("{error} {error:?}"));
}

/// A provider whose key is in a header of one's own, behind a scheme, and which repeats it without the scheme.
#[tokio::test]
async fn errors_do_not_show_a_key_that_stands_behind_a_scheme() {
    let body = format!(r#"{{"error":{{"message":"invalid key: got '{KEY}'"}}}}"#);
    let http = Once::new(401, JSON, Pieces::of([body]));
    let config =
        ProviderConfig::llama_cpp("http://h").with_header("authorization", format!("Bearer {KEY}"));
    let provider = Provider::new(http, &config).unwrap();
    let error = provider.oneshot(Call::new(ask())).await.unwrap_err();
    assert!(error.message().contains("got '***'"), "{error}");
    hidden("an error", &format!("{error} {error:?}"));
}

/// An HTTP client, or a layer around it, may show what it was given.
#[tokio::test]
async fn errors_of_a_client_that_repeats_it_do_not_show_it() {
    #[derive(Debug)]
    struct Outer(std::io::Error);

    impl std::fmt::Display for Outer {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("outer")
        }
    }

    impl std::error::Error for Outer {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.0)
        }
    }

    let chain = |error: &Error| {
        let mut shown = format!("{error} {error:?}");
        let mut next = std::error::Error::source(error);
        while let Some(source) = next {
            shown += &format!(" {source} {source:?}");
            next = source.source();
        }
        shown
    };
    let outer = |said: &str| Outer(std::io::Error::other(said.to_owned()));
    for (said, kept) in [
        (format!("sent {KEY}"), "sent ***"),
        ("reset".to_owned(), "reset"),
    ] {
        let error = outer(&said);
        let mut error = Some(error);
        let http = service_fn(move |_: Request<Full<Bytes>>| {
            let error: BoxError = error.take().unwrap().into();
            async { Err::<Response<Full<Bytes>>, BoxError>(error) }
        });
        let provider = Provider::new(http, &secret_config("http://h")).unwrap();
        let shown = chain(&provider.oneshot(Call::new(ask())).await.unwrap_err());
        hidden("what an error came from", &shown);
        assert!(shown.contains("outer") && shown.contains(kept), "{shown}");

        let mut body = Pieces::of([FIRST]);
        body.left.push_back(Err(outer(&said).into()));
        let provider =
            Provider::new(Once::new(200, SSE, body), &secret_config("http://h")).unwrap();
        let response = provider.oneshot(Call::new(ask().streamed())).await.unwrap();
        let error = stream(response)
            .filter_map(async |event| event.err())
            .boxed()
            .next()
            .await;
        let shown = chain(&error.unwrap());
        hidden("what an error came from", &shown);
        assert!(shown.contains("outer") && shown.contains(kept), "{shown}");
    }
}

#[test]
fn errors_of_settings_do_not_show_it() {
    for wrong in ["123456789", "-123456789", "1234567.89"] {
        let error = serde_json::from_str::<ProviderConfig>(&format!("{{\"key\":{wrong}}}"));
        let error = error.unwrap_err().to_string();
        assert!(
            error.contains("quotes") && !error.contains("4567"),
            "{error}"
        );
    }
}

/// Words are cut off where they are long: what is left of a key there is not shown either.
#[tokio::test]
async fn errors_that_are_cut_off_amid_it_do_not_show_its_beginning() {
    for before in 1_900..2_100 {
        let words = "x".repeat(before);
        let body = format!(r#"{{"error":{{"message":"{words} {KEY}"}}}}"#);
        let http = Once::new(400, JSON, Pieces::of([body]));
        let provider = Provider::new(http, &secret_config("http://h")).unwrap();
        let error = provider.oneshot(Call::new(ask())).await.unwrap_err();
        assert!(!error.message().contains(&KEY[..8]), "{before}");
    }
}

/// All levels of the log, of all libraries, over HTTP/1 and HTTP/2.
#[cfg(feature = "client")]
#[tokio::test]
async fn no_log_shows_it() {
    let log = Log::default();
    let guard = tracing::subscriber::set_default(log.clone());
    for http2 in [false, true] {
        let server = super::net::Server::answering(http2, SSE, &format!("{FIRST}{LAST}")).await;
        let http = HttpClient::new(HttpConfig::default().with_http2_only(http2)).unwrap();
        let provider = Provider::new(http, &secret_config(&server.url)).unwrap();
        let response = provider.oneshot(Call::new(ask().streamed())).await.unwrap();
        let events: Vec<_> = stream(response).collect().await;
        assert_eq!(events.last().unwrap().as_ref().unwrap().part(), Part::End);
        assert_eq!(server.keys(), [format!("Bearer {KEY}")], "it was sent");
    }
    drop(guard);
    let log = log.0.lock().unwrap();
    assert!(!log.is_empty(), "something was logged");
    hidden("the log", &log);
}
