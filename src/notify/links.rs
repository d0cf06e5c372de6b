//! Addresses that people are sent to.
//!
//! Why: an alert is worth as much as the next look that it leads to. Promises
//! that whatever a model or feature is called, the address stays one address.

use std::fmt::Write as _;

use super::NotifySettings;
use crate::{
    alert::{Alert, LABEL_FEATURE, LABEL_MODEL},
    result::schema::{TAG_EXPERIMENT, TAG_VARIANT, TAG_VERSION},
};

/// What the addresses are made of.
#[derive(Debug, Clone, Default)]
pub(super) struct Links {
    external_url: Option<String>,
    dashboard_url: Option<String>,
}

impl Links {
    pub(super) fn new(settings: &NotifySettings) -> Self {
        let external_url = settings.external_url.as_deref().map(|url| url.trim_end_matches('/').to_owned());
        Self { external_url, dashboard_url: settings.dashboard_url.clone() }
    }

    /// Where the daemon's own pages are; empty when nobody said so.
    pub(super) fn external_url(&self) -> &str {
        self.external_url.as_deref().unwrap_or_default()
    }

    /// A page about what the alert is about; none for the daemon itself.
    pub(super) fn page(&self, alert: &Alert) -> Option<String> {
        let model = Some(alert.label(LABEL_MODEL)).filter(|model| !model.is_empty())?;
        if let Some(template) = &self.dashboard_url {
            return Some(fill(template, alert));
        }
        let mut url = format!("{}/api/v1/models/{}/windows", self.external_url.as_ref()?, encoded(model));
        let mut separator = '?';
        for tag in [TAG_VERSION, TAG_VARIANT] {
            if let Some(value) = alert.labels.get(tag) {
                // Writing into a string can't fail.
                let _ = write!(url, "{separator}{tag}={}", encoded(value));
                separator = '&';
            }
        }
        Some(url)
    }

    /// The picture of the alert's distributions, for those who fetch it.
    pub(super) fn picture(&self, alert: &Alert) -> Option<String> {
        let base = self.external_url.as_ref()?;
        let is_drawn = !alert.bins.is_empty();
        is_drawn.then(|| format!("{base}/api/v1/alerts/{}/picture.png", encoded(&alert.fingerprint)))
    }
}

/// Fills in the places of a template; one pass, so that a name with braces in
/// it is no place.
fn fill(template: &str, alert: &Alert) -> String {
    let (from, to) = alert.window.unwrap_or((alert.starts_at, alert.ends_at.unwrap_or(alert.starts_at)));
    let mut url = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        url.push_str(before);
        let Some((name, behind)) = after.split_once('}') else {
            rest = after;
            url.push('{');
            continue;
        };
        match name {
            LABEL_MODEL | TAG_VERSION | TAG_VARIANT | LABEL_FEATURE | TAG_EXPERIMENT => {
                url.push_str(&encoded(alert.label(name)));
            }
            "from" => url.push_str(&from.0.to_string()),
            "to" => url.push_str(&to.0.to_string()),
            _ => {
                url.push('{');
                rest = after;
                continue;
            }
        }
        rest = behind;
    }
    url.push_str(rest);
    url
}

/// A text as part of a path or query: everything but the unreserved characters
/// of RFC 3986 percent-encoded.
fn encoded(text: &str) -> String {
    const HEX: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
    let digit = |value: u8| HEX.get(usize::from(value)).copied().unwrap_or('0');
    let mut url = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            url.push(char::from(byte));
        } else {
            url.extend(['%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::examples::alert;

    fn links(external_url: Option<&str>, dashboard_url: Option<&str>) -> Links {
        Links::new(&NotifySettings {
            external_url: external_url.map(str::to_owned),
            dashboard_url: dashboard_url.map(str::to_owned),
            ..NotifySettings::default()
        })
    }

    #[test]
    fn names_are_percent_encoded_and_fill_no_place_of_their_own() {
        let mut alert = alert("{to}&x=ä");
        alert.labels.insert("version".to_owned(), "1/2".to_owned());
        alert.labels.insert("experiment".to_owned(), "v2 or v1".to_owned());
        let dashboard =
            "https://g/d?{}&m={model}&v={version}&f={feature}&e={experiment}&a={from}&b={to}&{x&c={variant}";
        assert_eq!(
            links(None, Some(dashboard)).page(&alert).unwrap(),
            "https://g/d?{}&m=credit&v=1%2F2&f=%7Bto%7D%26x%3D%C3%A4&e=v2%20or%20v1&a=1764000000000&b=1764003600000&{x&c="
        );
        assert_eq!(
            links(Some("https://d.example/"), None).page(&alert).unwrap(),
            "https://d.example/api/v1/models/credit/windows?version=1%2F2"
        );
    }

    #[test]
    fn without_a_base_or_a_model_there_is_no_page() {
        let mut alert = alert("age");
        assert_eq!(links(None, None).page(&alert), None);
        assert_eq!(links(None, None).picture(&alert), None);
        let links = links(Some("https://d.example"), Some("https://g/{model}"));
        let picture = links.picture(&alert).unwrap();
        assert_eq!(picture, format!("https://d.example/api/v1/alerts/{}/picture.png", alert.fingerprint));
        alert.labels.remove("model");
        alert.bins.clear();
        assert_eq!(links.page(&alert), None);
        assert_eq!(links.picture(&alert), None);
    }
}
