//! Verdicts for a terminal: a line per window, a table of all windows at the
//! end, a picture of them, why a feature's verdict is what it is, which alerts
//! would have fired, and what is to be done in experiments.
//!
//! Promises: nothing is wider than the terminal (100 characters in a pipe);
//! whatever colours say stands there in words or shapes as well; names from
//! events are cleared of control characters, so that no event can write to the
//! terminal.
//!
//! Refuses to judge: every verdict is the window's own.

mod bins;
mod experiments;
mod explain;
mod lines;
mod matrix;
mod reason;
mod several;
mod summary;
mod table;
mod tally;
mod terminal;
#[cfg(test)]
mod tests;
mod timeline;
mod why;

pub(super) use experiments::experiments;
pub(super) use explain::{Explainer, Question};
pub(super) use lines::WindowLines;
pub(super) use matrix::Matrix;
pub(super) use summary::summary;
pub(super) use tally::Tally;
pub(super) use terminal::Terminal;
pub(super) use timeline::Timeline;
pub(super) use why::Why;

use crate::{
    event::EventTime,
    result::{Check, ScoreName, StreamKey, UNNAMED},
};

/// What a score is called.
fn score_text(score: ScoreName) -> &'static str {
    match score {
        ScoreName::Psi => "PSI",
        ScoreName::Ks => "KS",
        ScoreName::Wasserstein => "Wasserstein",
        ScoreName::JensenShannon => "Jensen-Shannon",
        ScoreName::Hellinger => "Hellinger",
        ScoreName::TotalVariation => "total variation",
        ScoreName::LInfinity => "L-infinity",
        ScoreName::ChiSquare => "chi-square",
    }
}

/// What a score is called where there is little room.
fn score_symbol(score: ScoreName) -> &'static str {
    match score {
        ScoreName::Psi => "PSI",
        ScoreName::Ks => "KS",
        ScoreName::Wasserstein => "W1",
        ScoreName::JensenShannon => "JS",
        ScoreName::Hellinger => "H",
        ScoreName::TotalVariation => "TV",
        ScoreName::LInfinity => "Linf",
        ScoreName::ChiSquare => "chi2",
    }
}

/// What a check is called.
fn check_text(check: Check) -> String {
    check.as_str().replace('_', " ")
}

/// The model, and its version and variant where events name them.
fn stream_text(stream: &StreamKey) -> String {
    let named = [&stream.version, &stream.variant].into_iter().filter(|part| *part != UNNAMED);
    std::iter::once(&stream.model).chain(named).map(String::as_str).collect::<Vec<_>>().join(" ")
}

/// Date and time, or just the date at midnight.
fn time_text(time: EventTime) -> String {
    let text = time.to_string();
    match text.split_once('T') {
        Some((date, "00:00:00Z")) => date.to_owned(),
        Some((date, clock)) => {
            let clock = clock.trim_end_matches('Z');
            format!("{date} {}", clock.strip_suffix(":00").unwrap_or(clock))
        }
        None => text,
    }
}

/// A number with so many decimals, or a dash.
fn number(value: Option<f64>, decimals: usize) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.decimals$}"))
}

/// A number of any size with four significant digits, or a dash.
fn significant(value: Option<f64>) -> String {
    let Some(value) = value else { return "-".to_owned() };
    let size = value.abs();
    if size == 0.0 {
        "0".to_owned()
    } else if (1e-3..1e7).contains(&size) {
        let decimals = [1.0, 10.0, 100.0, 1_000.0].into_iter().filter(|bound| size < *bound).count();
        let text = format!("{value:.decimals$}");
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
    } else {
        format!("{value:.2e}")
    }
}

/// A share in percent; a dash without one.
fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "-".to_owned(), |share| format!("{:.1}%", 100.0 * share))
}
