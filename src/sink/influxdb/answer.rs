//! What a server's answer means for the points of a request.
//!
//! | answer | meaning |
//! |---|---|
//! | any 2xx | written |
//! | 400, 422 | a point is refused: find it |
//! | 413 | the request is too large: halve it |
//! | 401, 403, 404 | the configuration is wrong here or there: keep and ask again |
//! | 429, 5xx | the server is busy or ill: keep and ask again, not before `Retry-After` |
//! | 3xx | the address is wrong: keep and ask again |
//! | any other | keep and ask again |
//!
//! 400 and 422 differ: InfluxDB 2 and 3 answer 400 when nothing of the batch
//! was written, perhaps because of the request itself, and 422 when all but
//! the points at fault were. InfluxDB 1 says the latter with 400 and the words
//! `partial write`.

use std::time::Duration;

use reqwest::{Response, StatusCode};

use crate::client::{body, cut, message_of, reason_of, retry_after};

/// Longest message of a server that is shown, in characters.
const MAX_MESSAGE: usize = 300;

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The points are there.
    Written,
    /// Fewer points at once.
    TooLarge,
    /// At least one point, or the request as such, is refused.
    Refused(Refusal),
    /// The same again, later.
    Again(Again),
}

/// A refusal that repeating doesn't change.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// What the server says.
    pub(super) message: String,
    /// Whether the server says that it looked at the points one by one, so
    /// that the request as such can't be at fault.
    pub(super) is_about_points: bool,
    /// How many points were refused, where the server says so.
    pub(super) dropped: Option<usize>,
}

/// Why the same is sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    Timeout,
    Connect,
    Network,
    Redirected,
    Unauthorized,
    Forbidden,
    NotFound,
    Throttled,
    ServerError,
    OtherStatus,
    AllRefused,
}

impl Reason {
    pub(super) const ALL: [Self; 11] = [
        Self::Timeout,
        Self::Connect,
        Self::Network,
        Self::Redirected,
        Self::Unauthorized,
        Self::Forbidden,
        Self::NotFound,
        Self::Throttled,
        Self::ServerError,
        Self::OtherStatus,
        Self::AllRefused,
    ];

    /// The word in metrics and logs.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Connect => "connect",
            Self::Network => "network",
            Self::Redirected => "redirected",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::Throttled => "throttled",
            Self::ServerError => "server_error",
            Self::OtherStatus => "other_status",
            Self::AllRefused => "all_refused",
        }
    }

    /// What is wrong and, where somebody can do something, what.
    fn sentence(self) -> &'static str {
        match self {
            Self::Timeout => "influxdb does not answer in time",
            Self::Connect => "influxdb can't be reached",
            Self::Network => "the connection to influxdb broke",
            Self::Redirected => "influxdb.url leads to a redirect; set it to the address that it leads to",
            Self::Unauthorized => "influxdb refuses the token or password; check the secret in [influxdb]",
            Self::Forbidden => {
                "influxdb does not let this token or user write there; give it write permission"
            }
            Self::NotFound => {
                "influxdb does not know the organisation, bucket, database or address in [influxdb]"
            }
            Self::Throttled => "influxdb asks for fewer requests",
            Self::ServerError => "influxdb has an error of its own",
            Self::OtherStatus => "influxdb gives an unexpected answer",
            Self::AllRefused => {
                "influxdb refuses every point, so that the request must be at fault; check the settings in [influxdb]"
            }
        }
    }
}

/// A failure that may pass.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Again {
    pub(super) reason: Reason,
    /// What is wrong and what to do, for people.
    pub(super) sentence: String,
    /// How long the server wants to be left alone.
    pub(super) retry_after: Option<Duration>,
}

impl Again {
    /// A failure and its details.
    pub(super) fn new(reason: Reason, details: &str) -> Self {
        let what = reason.sentence();
        let sentence = if details.is_empty() { what.to_owned() } else { format!("{what} ({details})") };
        Self { reason, sentence, retry_after: None }
    }

    /// A request that got no answer.
    pub(super) fn from_error(error: reqwest::Error) -> Self {
        let reason = if error.is_timeout() {
            Reason::Timeout
        } else if error.is_connect() {
            Reason::Connect
        } else {
            Reason::Network
        };
        Self::new(reason, &reason_of(error))
    }
}

/// Reads an answer, and of its body no more than a message needs.
pub(super) async fn read(response: Response) -> Answer {
    let status = response.status();
    if status.is_success() {
        return Answer::Written;
    }
    let retry_after = retry_after(&response);
    let message = message_of(&body(response).await);
    classify(status, &message, retry_after)
}

fn classify(status: StatusCode, message: &str, retry_after: Option<Duration>) -> Answer {
    let reason = match status.as_u16() {
        413 => return Answer::TooLarge,
        400 | 422 => return Answer::Refused(refusal(status, message)),
        401 => Reason::Unauthorized,
        403 => Reason::Forbidden,
        404 => Reason::NotFound,
        429 => Reason::Throttled,
        500.. => Reason::ServerError,
        300..400 => Reason::Redirected,
        _ => Reason::OtherStatus,
    };
    let code = status.as_u16();
    let shown = cut(message, MAX_MESSAGE);
    let details = if shown.is_empty() { code.to_string() } else { format!("{code}: {shown}") };
    Answer::Again(Again { retry_after, ..Again::new(reason, &details) })
}

fn refusal(status: StatusCode, message: &str) -> Refusal {
    let is_about_points = status == StatusCode::UNPROCESSABLE_ENTITY || message.contains("partial write");
    let dropped = message.rsplit_once("dropped=").and_then(|(_, rest)| {
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        rest.get(..end)?.parse().ok()
    });
    Refusal { message: cut(message, MAX_MESSAGE), is_about_points, dropped }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        classify(StatusCode::from_u16(status).unwrap(), &message_of(body.as_bytes()), None)
    }

    #[test]
    fn a_refusal_is_kept_short() {
        let Answer::Refused(refusal) = answer(400, &"ä".repeat(1_000)) else { panic!() };
        assert_eq!(refusal.message.chars().count(), MAX_MESSAGE + 1);
    }

    #[test]
    fn a_partial_write_is_about_points_whatever_the_status() {
        // As InfluxDB 2.9.1 says it, and the count is far behind.
        let v2 = r#"{"code":"unprocessable entity","message":"failure writing points to database: partial write: dropped 3 points outside retention policy of duration 1h0m0s - oldest point m at 1970-01-01T00:00:01Z dropped because it violates a Retention Policy Lower Bound at 2026-11-25T21:24:10.093572857Z, newest point m,a=b at 1970-01-01T00:00:03Z dropped because it violates a Retention Policy Lower Bound at 2026-11-25T21:24:10.093572857Z dropped=3 for database: 270999991036bf98 for retention policy: autogen"}"#;
        // As InfluxDB 1.6.7 does.
        let v1 = r#"{"error":"partial write: points beyond retention policy dropped=12"}"#;
        for (status, body, dropped) in [(422, v2, 3), (400, v1, 12)] {
            let Answer::Refused(refusal) = answer(status, body) else { panic!("{status} {body}") };
            assert!(refusal.is_about_points);
            assert_eq!(refusal.dropped, Some(dropped));
        }
        let Answer::Refused(refusal) = answer(400, r#"{"message":"invalid bucket name"}"#) else { panic!() };
        assert!(!refusal.is_about_points);
        assert_eq!(refusal.dropped, None);
    }

    #[test]
    fn everything_else_is_kept() {
        for (status, reason) in [
            (401, Reason::Unauthorized),
            (403, Reason::Forbidden),
            (404, Reason::NotFound),
            (429, Reason::Throttled),
            (500, Reason::ServerError),
            (503, Reason::ServerError),
            (599, Reason::ServerError),
            (307, Reason::Redirected),
            (405, Reason::OtherStatus),
            (408, Reason::OtherStatus),
        ] {
            let Answer::Again(again) = answer(status, "why") else { panic!("{status}") };
            assert_eq!(again.reason, reason);
            assert!(again.sentence.contains(&format!("({status}: why)")), "{}", again.sentence);
        }
        assert_eq!(answer(413, ""), Answer::TooLarge);
    }
}
