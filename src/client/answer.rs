//! What can be read from any server's answer, or from its absence.

use std::time::{Duration, SystemTime};

use reqwest::{Response, header};

/// Longest part of a server's answer that is read.
const MAX_BODY: usize = 16 * 1024;

/// Why a request got no answer. The address is left out.
pub(crate) fn reason_of(error: reqwest::Error) -> String {
    chain(&error.without_url())
}

/// An error's causes, or itself without any: its own words only say that a
/// request failed. The address must have been taken out.
fn chain(error: &dyn std::error::Error) -> String {
    let first = error.source().unwrap_or(error);
    let mut text = first.to_string();
    let mut cause = first.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

/// The body of an answer, as far as a message needs it.
pub(crate) async fn body(mut response: Response) -> Vec<u8> {
    let mut bytes = Vec::new();
    while bytes.len() < MAX_BODY {
        match response.chunk().await {
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
            // What came before a broken end is still the best explanation.
            Ok(None) | Err(_) => break,
        }
    }
    bytes.truncate(MAX_BODY);
    bytes
}

/// The message in a server's answer: `message` or `error` of a JSON object,
/// else the text, on one line.
pub(crate) fn message_of(body: &[u8]) -> String {
    let object: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    let named = object.as_ref().and_then(|object| {
        ["message", "error"].iter().find_map(|key| object.get(key).and_then(serde_json::Value::as_str))
    });
    one_line(&named.map_or_else(|| String::from_utf8_lossy(body), Into::into))
}

/// The words of a text with single spaces between them.
pub(crate) fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ")
}

/// The first `limit` characters, with an ellipsis when there were more.
pub(crate) fn cut(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// How long the server wants to be left alone.
pub(crate) fn retry_after(response: &Response) -> Option<Duration> {
    let text = response.headers().get(header::RETRY_AFTER)?.to_str().ok()?;
    parse_retry_after(text, SystemTime::now())
}

/// Reads `Retry-After`: seconds, or an HTTP date (in the past: no wait).
fn parse_retry_after(text: &str, now: SystemTime) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = httpdate::parse_http_date("Wed, 25 Nov 2026 12:00:00 GMT").unwrap();
        assert_eq!(parse_retry_after(" 7 ", now), Some(Duration::from_secs(7)));
        assert_eq!(parse_retry_after("Wed, 25 Nov 2026 12:01:30 GMT", now), Some(Duration::from_secs(90)));
        assert_eq!(parse_retry_after("Wed, 25 Nov 2026 11:00:00 GMT", now), Some(Duration::ZERO));
        for nonsense in ["soon", "-1", "1.5", "", "99999999999999999999999"] {
            assert_eq!(parse_retry_after(nonsense, now), None, "{nonsense}");
        }
    }

    #[test]
    fn messages_of_every_shape_are_found() {
        assert_eq!(
            message_of(br#"{"code":"invalid","message":"unable to parse 'x'"}"#),
            "unable to parse 'x'"
        );
        assert_eq!(message_of(br#"{"error":"database not found: \"d\""}"#), "database not found: \"d\"");
        assert_eq!(message_of(b"<html>\n  bad\tgateway\n"), "<html> bad gateway");
        assert_eq!(message_of(b"\xff\xfe"), "\u{fffd}\u{fffd}");
    }
}
