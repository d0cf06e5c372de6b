//! TLS: whom the sink trusts. The server is a stand-in over rustls, with a
//! certificate that `openssl` makes for the test.

use std::path::Path;

use driftline::sink::InfluxSettings;

use crate::{
    Rig, settings,
    support::servers::{Certificates, or_skip},
    until,
};

const ANSWER: &[u8] = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";

fn trusting(url: &str, ca_file: Option<&Path>) -> InfluxSettings {
    InfluxSettings { ca_file: ca_file.map(Path::to_path_buf), ..settings(url) }
}

#[tokio::test]
async fn a_certificate_is_verified_against_the_given_authority() {
    let folder = tempfile::tempdir().unwrap();
    let Some(certificates) = or_skip(Certificates::make(folder.path())) else { return };
    let url = certificates.serve(ANSWER);

    let known = Rig::new(&trusting(&url, Some(&certificates.authority)));
    known.delivered(known.submit(0..3)).await;
    assert_eq!(known.points("written"), 3);

    let elsewhere = tempfile::tempdir().unwrap();
    let other = or_skip(Certificates::make(elsewhere.path())).unwrap();
    for ca_file in [None, Some(other.authority.as_path())] {
        let unknown = Rig::new(&trusting(&url, ca_file));
        unknown.submit(0..3);
        until("it was tried again", || unknown.retries("connect") >= 2).await;
        let why = unknown.sink.status().to_string();
        assert!(why.contains("certificate"), "{why}");
        assert_eq!((unknown.points("written"), unknown.sink.queued_points()), (0, 3));
    }
}
