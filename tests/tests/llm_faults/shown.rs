//! Streams that break, as a caller sees them over HTTP.

use campanile::Call;
use campanile_llm::{
    dialect::{Api, Dialect},
    error::Class,
    front,
};
use campanile_tests::faults::APIS;
use http_body_util::BodyExt;
use tower::ServiceExt;

use crate::{
    leaks::nothing_leaks,
    llm::campaign::{Fate, Fault, SHORT, faults},
    llm::{
        bounded, request,
        seen::{Seen, composed},
        site::{clocks, patient, site},
    },
};

/// The same, as a caller sees it over HTTP: bytes.
async fn shows(api: Api, dialect: Dialect, fault: Fault) {
    let of = format!("{api:?} to {dialect:?}: {}", fault.name);
    let clocks = if fault.timed {
        clocks(SHORT)
    } else {
        patient()
    };
    let (upstream, stack, guards) = site(api, clocks).await.unwrap();
    upstream.next(fault.answer.clone());
    let result = bounded(stack.oneshot(Call::new(request(dialect, true)))).await;
    let response = front::answer(result, dialect);
    let (head, body) = response.into_parts();
    let body = bounded(body.collect())
        .await
        .expect("a failure is told in the body")
        .to_bytes();
    let header = |name: &str| head.headers.get(name).map(|value| value.to_str().unwrap());
    if head.status == 200 {
        assert!(!matches!(fault.fate, Fate::Fails(_)), "{of}: it failed");
        assert_eq!(header("content-type"), Some("text/event-stream"), "{of}");
        let seen = Seen::read(dialect, &body);
        assert_eq!((seen.after, seen.garbage), (0, 0), "{of}: {seen:?}");
        match fault.fate {
            Fate::Whole => assert!(seen.is_clean() && seen.says(&composed()), "{of}: {seen:?}"),
            _ => {
                assert!(!seen.ended, "{of}: a false end");
                assert_eq!(seen.errors.len(), 1, "{of}: one error frame: {seen:?}");
                assert!(seen.errors[0]["message"].is_string(), "{of}: {seen:?}");
                assert!(seen.begins(&composed()), "{of}: {seen:?}");
            }
        }
    } else {
        assert!(
            !matches!(fault.fate, Fate::Whole),
            "{of}: {head:?} {body:?}"
        );
        assert_eq!(header("content-type"), Some("application/json"), "{of}");
        assert_eq!(
            header("x-should-retry"),
            Some("false"),
            "{of}: its retries are made here"
        );
        let error: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert!(
            error["error"]["message"].is_string() && error["error"]["type"].is_string(),
            "{of}: {error}"
        );
        assert_eq!(
            error["type"] == "error",
            dialect == Dialect::Anthropic,
            "{of}: {error}"
        );
        assert!(!error.to_string().contains("very-secret-key"), "{of}");
        let wanted = match &fault.fate {
            Fate::Fails(classes) if classes == &[Class::Rate] => 429,
            Fate::Fails(classes) if classes == &[Class::Overload] => match dialect {
                Dialect::Anthropic => 529,
                _ => 503,
            },
            Fate::Fails(classes) if classes == &[Class::Timeout] => 504,
            Fate::Fails(classes) if classes == &[Class::Request] => 400,
            _ => 502,
        };
        assert!(
            head.status == wanted || fault.name.contains("error event"),
            "{of}: {head:?}"
        );
    }
    nothing_leaks(&of, &upstream, &guards).await;
}

#[tokio::test]
async fn faults_show_in_openais_dialect() {
    for api in APIS {
        for fault in faults(api) {
            shows(api, Dialect::OpenAi, fault).await;
        }
    }
}

#[tokio::test]
async fn faults_show_in_anthropics_dialect() {
    for api in APIS {
        for fault in faults(api) {
            shows(api, Dialect::Anthropic, fault).await;
        }
    }
}
