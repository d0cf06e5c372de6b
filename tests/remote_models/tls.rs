//! TLS: whom a model's client trusts. The server is a stand-in over rustls, with a
//! certificate that `openssl` makes for the test.

use driftline::{explainer::remote::RemoteSettings, model::PredictError};

use crate::{
    Rig, kserve, predict, settings,
    support::servers::{Certificates, or_skip},
};

const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 19\r\n\r\n{\"predictions\":[1]}";

#[test]
fn a_certificate_is_verified_against_the_given_authority() {
    let folder = tempfile::tempdir().unwrap();
    let Some(certificates) = or_skip(Certificates::make(folder.path())) else { return };
    let url = certificates.serve(ANSWER);
    let rig = Rig::answering("");
    let ask = |ca_file| {
        let settings = RemoteSettings { ca_file, attempts: 1, ..settings(&url, kserve()) };
        predict(&rig.connect(&settings).unwrap(), &[1.0, 2.0])
    };
    assert_eq!(ask(Some(certificates.authority)).unwrap(), [1.0]);

    let elsewhere = tempfile::tempdir().unwrap();
    let other = or_skip(Certificates::make(elsewhere.path())).unwrap();
    for ca_file in [None, Some(other.authority)] {
        let error = ask(ca_file).unwrap_err();
        assert!(matches!(&error, PredictError::Unavailable(why) if why.contains("certificate")), "{error}");
    }
}
