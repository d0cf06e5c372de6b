//! A stand-in for an InfluxDB server that answers whatever a test wants. It
//! says nothing about what a real server accepts; `tests/real_servers` does.

use std::{
    io::Read as _,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Bytes,
    extract::{Request, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
};
use tokio::net::TcpListener;

/// A request as it came, with its body uncompressed.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: String,
    pub path: String,
    pub query: String,
    pub headers: HeaderMap,
    pub body: String,
    pub raw: Bytes,
    pub at: Instant,
}

impl Seen {
    /// A header's value, empty when it is absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("the header is text"))
    }

    pub fn lines(&self) -> Vec<&str> {
        self.body.lines().collect()
    }
}

/// What to answer.
#[derive(Debug, Clone)]
pub struct Reply {
    status: u16,
    body: String,
    headers: Vec<(&'static str, String)>,
    delay: Duration,
    stored: Option<Vec<String>>,
}

impl Reply {
    pub fn status(status: u16) -> Self {
        Self { status, body: String::new(), headers: Vec::new(), delay: Duration::ZERO, stored: None }
    }

    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    pub fn written() -> Self {
        Self::status(204)
    }

    pub fn body(mut self, body: &str) -> Self {
        body.clone_into(&mut self.body);
        self
    }

    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// What is stored whatever the status; without it, all lines of a request
    /// that is answered with 2xx.
    pub fn storing(mut self, lines: Vec<String>) -> Self {
        self.stored = Some(lines);
        self
    }
}

type Behaviour = Box<dyn Fn(&Seen) -> Reply + Send + Sync>;

struct Inner {
    behaviour: Mutex<Behaviour>,
    seen: Mutex<Vec<Seen>>,
    stored: Mutex<Vec<String>>,
}

/// A server on a free port of this machine, for as long as the runtime lives.
#[derive(Clone)]
pub struct StandIn {
    pub address: SocketAddr,
    inner: Arc<Inner>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no test panics while it holds a lock")
}

impl StandIn {
    pub async fn start(behaviour: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_at("127.0.0.1:0".parse().expect("an address"), behaviour).await
    }

    pub async fn start_at(
        address: SocketAddr,
        behaviour: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).await.expect("a free port");
        let inner = Arc::new(Inner {
            behaviour: Mutex::new(Box::new(behaviour)),
            seen: Mutex::new(Vec::new()),
            stored: Mutex::new(Vec::new()),
        });
        let server = Self { address: listener.local_addr().expect("it is bound"), inner: Arc::clone(&inner) };
        let router = Router::new().fallback(answer).with_state(inner);
        tokio::spawn(async move { axum::serve(listener, router).await });
        server
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on the server answers differently.
    pub fn behave(&self, behaviour: impl Fn(&Seen) -> Reply + Send + Sync + 'static) {
        *lock(&self.inner.behaviour) = Box::new(behaviour);
    }

    /// Every request so far.
    pub fn seen(&self) -> Vec<Seen> {
        lock(&self.inner.seen).clone()
    }

    /// Every line stored so far, in order, with repetitions.
    pub fn stored(&self) -> Vec<String> {
        lock(&self.inner.stored).clone()
    }
}

async fn answer(State(inner): State<Arc<Inner>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let raw = axum::body::to_bytes(body, usize::MAX).await.expect("a whole request");
    let mut body = String::new();
    if parts.headers.get("content-encoding").is_some_and(|encoding| encoding == "gzip") {
        flate2::read::GzDecoder::new(&raw[..]).read_to_string(&mut body).expect("gzip of UTF-8");
    } else {
        body = String::from_utf8(raw.to_vec()).expect("UTF-8");
    }
    let seen = Seen {
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: parts.headers,
        body,
        raw,
        at: Instant::now(),
    };
    let reply = lock(&inner.behaviour)(&seen);
    lock(&inner.seen).push(seen.clone());
    tokio::time::sleep(reply.delay).await;
    let status = StatusCode::from_u16(reply.status).expect("a status");
    let all = || seen.body.lines().map(str::to_owned).collect();
    let stored = reply.stored.unwrap_or_else(|| if status.is_success() { all() } else { Vec::new() });
    lock(&inner.stored).extend(stored);
    let mut response = (status, reply.body).into_response();
    for (name, value) in reply.headers {
        response.headers_mut().insert(name, value.parse().expect("a header"));
    }
    response
}
