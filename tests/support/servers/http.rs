//! Plain HTTP for the tests, answers in full.

use std::sync::LazyLock;

use tokio::runtime::Runtime;

/// A runtime that all tests share.
pub fn runtime() -> &'static Runtime {
    static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());
    &RUNTIME
}

static CLIENT: LazyLock<reqwest::Client> = LazyLock::new(|| {
    // Refused only when another test has installed one already.
    rustls::crypto::ring::default_provider().install_default().ok();
    reqwest::Client::builder().no_proxy().build().unwrap()
});

/// Runs a future to its end on the shared runtime.
pub fn block_on<F: Future>(future: F) -> F::Output {
    runtime().block_on(future)
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Value of the header `content-type`.
    pub content_type: String,
    /// Body.
    pub body: String,
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// The answer if its status is a success.
    pub fn success(self) -> Self {
        assert!((200..300).contains(&self.status), "{self:?}");
        self
    }
}

/// A GET; without an answer when nobody listens.
pub fn get(url: &str, token: Option<&str>) -> Option<Answer> {
    let mut request = CLIENT.get(url);
    if let Some(token) = token {
        request = request.header("Authorization", format!("Token {token}"));
    }
    send(request)
}

/// A POST.
pub fn post(url: &str, token: Option<&str>, content_type: &str, body: String) -> Answer {
    let mut request = CLIENT.post(url).header("Content-Type", content_type).body(body);
    if let Some(token) = token {
        request = request.header("Authorization", format!("Token {token}"));
    }
    send(request).unwrap_or_else(|| panic!("no answer from {url}"))
}

/// A GET with a query string made from pairs.
pub fn get_with(url: &str, token: Option<&str>, pairs: &[(&str, &str)]) -> Answer {
    let url = with_pairs(url, pairs);
    get(&url, token).unwrap_or_else(|| panic!("no answer from {url}"))
}

/// A POST without a body, with a query string made from pairs.
pub fn post_with(url: &str, pairs: &[(&str, &str)]) -> Answer {
    let url = with_pairs(url, pairs);
    send(CLIENT.post(&url)).unwrap_or_else(|| panic!("no answer from {url}"))
}

fn with_pairs(url: &str, pairs: &[(&str, &str)]) -> String {
    let encoded: Vec<String> =
        pairs.iter().map(|(key, value)| format!("{key}={}", percent_encoded(value))).collect();
    format!("{url}?{}", encoded.join("&"))
}

/// Any request; without an answer when nobody listens.
pub fn send(request: reqwest::RequestBuilder) -> Option<Answer> {
    block_on(async {
        let answer = request.send().await.ok()?;
        let status = answer.status().as_u16();
        let content_type = answer.headers().get("content-type");
        let content_type = content_type.map_or("", |value| value.to_str().unwrap()).to_owned();
        Some(Answer { status, content_type, body: answer.text().await.ok()? })
    })
}

fn percent_encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
