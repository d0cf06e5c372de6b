//! A look at the server before points depend on it (`validate --connect`).

use super::{
    SinkError,
    answer::{Again, Answer, Reason},
    endpoint::Endpoint,
};
use crate::sink::{InfluxApi, InfluxSettings};

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckStep {
    /// What was looked at.
    pub what: &'static str,
    /// A sentence: what is right, or what is wrong and what to do.
    pub outcome: Result<String, String>,
}

/// Tries the server: does it answer, and would it take points for the bucket
/// or database with this secret. Writes nothing: the second question is asked
/// by a write without points, which servers judge as any other up to there.
/// Later steps are left out when they can't be tried.
///
/// # Errors
/// For settings that can't work whatever the server does.
pub async fn check(settings: &InfluxSettings) -> Result<Vec<CheckStep>, SinkError> {
    let endpoint = Endpoint::new(settings)?;
    let health = match endpoint.health().await {
        // Anything that speaks HTTP may be a proxy that only knows the write
        // endpoint; only silence and errors of its own are bad health.
        Answer::Again(Again {
            reason: Reason::Timeout | Reason::Connect | Reason::Network | Reason::ServerError,
            sentence,
            ..
        }) => Err(sentence),
        _ => Ok("influxdb answers".to_owned()),
    };
    let answers = health.is_ok();
    let mut steps = vec![CheckStep { what: "health", outcome: health }];
    if answers {
        let outcome = judge_write(endpoint.write_nothing().await, &settings.api);
        steps.push(CheckStep { what: "write permission", outcome });
    }
    Ok(steps)
}

/// What the answer to an empty write says.
fn judge_write(answer: Answer, api: &InfluxApi) -> Result<String, String> {
    let target = match api {
        InfluxApi::V2 { org, bucket } => format!("bucket `{bucket}` of organisation `{org}`"),
        InfluxApi::V1 { database, .. } => format!("database `{database}`"),
    };
    match answer {
        Answer::Written => Ok(format!("influxdb takes points for {target}")),
        Answer::TooLarge => Err("influxdb refuses a request without points as too large (413)".to_owned()),
        Answer::Refused(refusal) => {
            Err(format!("influxdb refuses the request for {target}: {}", refusal.message))
        }
        Answer::Again(again) => Err(format!("{target}: {}", again.sentence)),
    }
}
