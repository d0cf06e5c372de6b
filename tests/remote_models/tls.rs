//! TLS: whom a model's client trusts. The server is a stand-in over rustls, with a
//! certificate that `openssl` makes for the test.

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    sync::Arc,
    thread,
};

use driftline::{explainer::remote::RemoteSettings, model::PredictError};
use rustls::{
    ServerConfig, ServerConnection, Stream,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};

use crate::{
    Rig, kserve, predict, settings,
    support::servers::{Certificates, or_skip},
};

/// Answers every request over TLS, until the test process ends.
fn serve(certificates: &Certificates) -> String {
    const ANSWER: &[u8] =
        b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 19\r\n\r\n{\"predictions\":[1]}";
    let chain: Vec<_> =
        CertificateDer::pem_file_iter(&certificates.server).unwrap().map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(&certificates.server).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut tls = Stream::new(&mut connection, &mut stream);
            let mut request = [0; 4 * 1024];
            // A client that doesn't trust us goes away in the handshake.
            if tls.read(&mut request).is_ok_and(|read| read > 0) {
                let _ = tls.write_all(ANSWER);
                tls.conn.send_close_notify();
                let _ = tls.flush();
            }
        }
    });
    url
}

#[test]
fn a_certificate_is_verified_against_the_given_authority() {
    let folder = tempfile::tempdir().unwrap();
    let Some(certificates) = or_skip(Certificates::make(folder.path())) else { return };
    let url = serve(&certificates);
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
