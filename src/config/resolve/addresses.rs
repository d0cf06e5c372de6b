//! Addresses that may be secret, and those of pages for people.
//!
//! Promises: no error shows an address, since people put secrets into them.

use secrecy::{ExposeSecret, SecretString};

use super::Resolver;

impl Resolver<'_> {
    /// Whether a text that may be secret is an address.
    pub(super) fn is_secret_address(&mut self, key: &str, url: &SecretString, is_secret: bool) -> bool {
        self.is_address(key, url.expose_secret().trim(), is_secret)
    }

    /// Whether a text is an address; it is not shown. A secret that travels
    /// readable is a warning.
    pub(super) fn is_address(&mut self, key: &str, url: &str, is_secret: bool) -> bool {
        let parsed = reqwest::Url::parse(url).ok();
        let Some(parsed) = parsed.filter(|url| ["http", "https"].contains(&url.scheme()) && url.has_host())
        else {
            let message = "the address does not begin with http:// or https:// and a host";
            self.error(key, message, "write \"https://example.com/path\"");
            return false;
        };
        let is_far = parsed.host_str().is_some_and(|host| !is_loopback(host));
        if parsed.scheme() == "http" && is_far && is_secret {
            let message = "what goes with a secret is sent over http, for all on the way to read";
            self.warn(key, message, "use https, or http within one machine");
        }
        true
    }

    pub(super) fn external_url(&mut self, url: &str) -> Option<String> {
        self.is_address("alerts.external_url", url, false).then(|| url.trim_end_matches('/').to_owned())
    }

    pub(super) fn dashboard_url(&mut self, url: String) -> Option<String> {
        const FILLED_IN: [&str; 6] = ["model", "version", "variant", "feature", "from", "to"];
        let key = "alerts.dashboard_url";
        let mut names =
            url.split('{').skip(1).map(|rest| rest.split_once('}').map_or(rest, |(name, _)| name));
        if let Some(name) = names.find(|name| !FILLED_IN.contains(name)) {
            let filled_in: Vec<String> = FILLED_IN.iter().map(|name| format!("{{{name}}}")).collect();
            let hint = format!("there are {}", filled_in.join(", "));
            self.error(key, format!("nothing is filled in for {{{name}}}"), hint);
            return None;
        }
        let filled = url.replace(['{', '}'], "");
        self.is_address(key, &filled, false).then_some(url)
    }
}

/// Whether what is sent there stays on the machine.
pub(super) fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}
