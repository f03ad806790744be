//! Chats over TLS, with a server that a private authority has certified.

use std::{convert::Infallible, net::SocketAddr, path::PathBuf, sync::Arc};

use bytes::Bytes;
use campanile::{BoxError, Call};
use campanile_llm::{
    chat::{Answer, ChatRequest, Part},
    error::Class,
    provider::{HttpClient, HttpConfig, Provider, ProviderConfig, http_client},
};
use futures_util::{StreamExt, stream};
use http::{Request, Response, Version, header};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio::{net::TcpListener, sync::mpsc};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

const WORDS: [&str; 3] = ["Rome", " and", " Paris"];

/// A private authority, whose certificate lies in a file.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    file: PathBuf,
}

/// A server that answers chats over TLS, and tells by which version of HTTP it was asked.
struct Server {
    port: u16,
    asked: mpsc::UnboundedReceiver<Version>,
}

// ===== impl Authority =====

impl Authority {
    fn new(name: &str) -> Result<Self, BoxError> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?.pem();
        let file = format!("{}/{name}.pem", env!("CARGO_TARGET_TMPDIR"));
        std::fs::write(&file, certificate)?;
        Ok(Self {
            issuer: Issuer::new(params, key),
            file: file.into(),
        })
    }

    /// A server of this name, which speaks these protocols.
    async fn serves(&self, name: &str, protocols: &[&[u8]]) -> Result<Server, BoxError> {
        let key = KeyPair::generate()?;
        let params = CertificateParams::new(vec![name.to_owned()])?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        let certificate = CertificateDer::from_pem_slice(certificate.pem().as_bytes())?;
        let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes())?;
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let mut tls = ServerConfig::builder_with_provider(provider.into())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)?;
        tls.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
        let port = listener.local_addr()?.port();
        let (tell, asked) = mpsc::unbounded_channel();
        tokio::spawn(serve(listener, TlsAcceptor::from(Arc::new(tls)), tell));
        Ok(Server { port, asked })
    }
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor, tell: mpsc::UnboundedSender<Version>) {
    while let Ok((connection, _)) = listener.accept().await {
        let (acceptor, tell) = (acceptor.clone(), tell.clone());
        tokio::spawn(async move {
            // One who does not trust this server goes.
            let Ok(tls) = acceptor.accept(connection).await else {
                return;
            };
            let http2 = tls.get_ref().1.alpn_protocol() == Some(b"h2");
            let service =
                service_fn(move |request: Request<Incoming>| answer(request, tell.clone()));
            let io = TokioIo::new(tls);
            if http2 {
                let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                let _ = server.serve_connection(io, service).await;
            } else {
                let server = hyper::server::conn::http1::Builder::new();
                let _ = server.serve_connection(io, service).await;
            }
        });
    }
}

/// A word at a time.
async fn answer(
    request: Request<Incoming>,
    tell: mpsc::UnboundedSender<Version>,
) -> Result<Response<impl hyper::body::Body<Data = Bytes, Error = Infallible>>, Infallible> {
    let _ = tell.send(request.version());
    let _ = request.into_body().collect().await;
    let word = |word: &str| {
        format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{word}\"}}}}]}}\n\n")
    };
    let end = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n\
        data: [DONE]\n\n";
    let frames = WORDS.map(word).into_iter().chain([end.to_owned()]);
    let frames: Vec<_> = frames
        .map(|frame| Ok(Frame::data(Bytes::from(frame))))
        .collect();
    let response = Response::builder()
        .header(header::CONTENT_TYPE, "text/event-stream")
        .body(StreamBody::new(stream::iter(frames)));
    Ok(response.expect("it is a response"))
}

/// A provider at this name and port.
fn provider(
    http: HttpClient,
    name: &str,
    server: &Server,
) -> Result<Provider<HttpClient>, BoxError> {
    let url = format!("https://{name}:{}", server.port);
    Ok(Provider::new(http, &ProviderConfig::llama_cpp(&url))?)
}

fn call() -> Call<ChatRequest> {
    Call::new(ChatRequest::new("m").user("Two cities?").streamed())
}

#[tokio::test]
async fn a_chat_is_streamed_over_tls_that_a_private_authority_vouches_for() -> Result<(), BoxError>
{
    let authority = Authority::new("trusted")?;
    let config = HttpConfig::default().with_root_certificates(&authority.file);
    for (protocols, version) in [
        (&[b"h2".as_slice(), b"http/1.1"][..], Version::HTTP_2),
        (&[b"http/1.1"], Version::HTTP_11),
        // As servers that know nothing of protocols.
        (&[], Version::HTTP_11),
    ] {
        let mut server = authority.serves("localhost", protocols).await?;
        let http = HttpClient::new(config.clone())?;
        let response = provider(http, "localhost", &server)?
            .oneshot(call())
            .await?;
        let Answer::Stream(mut events) = response.answer else {
            panic!("it is streamed");
        };
        let (mut said, mut last) = (String::new(), Part::Idle);
        while let Some(event) = events.next().await {
            let event = event?;
            last = event.part();
            let data = serde_json::from_slice::<serde_json::Value>(event.data());
            let data = data.unwrap_or_default();
            said += data["choices"][0]["delta"]["content"]
                .as_str()
                .unwrap_or("");
        }
        assert_eq!((said, last), (WORDS.concat(), Part::End), "{version:?}");
        assert_eq!(server.asked.recv().await, Some(version));
    }
    Ok(())
}

#[tokio::test]
async fn a_server_that_nobody_vouches_for_is_not_asked() -> Result<(), BoxError> {
    let (authority, other) = (Authority::new("one")?, Authority::new("other")?);
    let trusting = |authority: &Authority| {
        HttpClient::new(HttpConfig::default().with_root_certificates(&authority.file))
    };
    let protocols = [b"http/1.1".as_slice()];
    for (http, name) in [
        // Mozilla knows nothing of it.
        (http_client(), "localhost"),
        (trusting(&other)?, "localhost"),
        // It is certified, and for another name.
        (trusting(&authority)?, "elsewhere"),
    ] {
        let mut server = authority.serves(name, &protocols).await?;
        let asked = provider(http, "localhost", &server)?.oneshot(call()).await;
        let error = asked.map(drop).unwrap_err();
        assert_eq!(error.class(), Class::Unreachable, "{error:?}");
        assert!(server.asked.try_recv().is_err(), "no key has left");
    }
    Ok(())
}

#[test]
fn files_without_certificates_are_refused() -> Result<(), BoxError> {
    let path = |name: &str| PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (name, content, rule) in [
        ("missing.pem", None, "it is a file that can be read"),
        (
            "empty.pem",
            Some(""),
            "it has a certificate at least, in PEM",
        ),
        (
            "broken.pem",
            Some(broken),
            "each certificate in it is one of X.509, in PEM",
        ),
    ] {
        if let Some(content) = content {
            std::fs::write(path(name), content)?;
        }
        let config = HttpConfig::default().with_root_certificates(path(name));
        let error = config.clone().build().unwrap_err();
        assert_eq!((error.field, error.rule), ("root_certificates", rule));
        assert!(error.value.contains(name), "{error}");
        assert!(HttpClient::new(config).is_err());
    }
    Ok(())
}
