//! TLS: whom the sink trusts. The server is a stand-in over rustls, with a
//! certificate that `openssl` makes for the test.

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    path::Path,
    sync::Arc,
};

use driftline::sink::InfluxSettings;
use rustls::{
    ServerConfig, ServerConnection, Stream,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};

use crate::{
    Rig, settings,
    support::servers::{Certificates, or_skip},
    until,
};

fn server_config(certificates: &Certificates) -> Arc<ServerConfig> {
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
    Arc::new(config)
}

/// Answers every request over TLS with 204, until the test process ends.
fn serve(config: Arc<ServerConfig>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut tls = Stream::new(&mut connection, &mut stream);
            let mut request = [0; 4 * 1024];
            // A client that doesn't trust us goes away in the handshake.
            if tls.read(&mut request).is_ok_and(|read| read > 0) {
                let _ = tls.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
                tls.conn.send_close_notify();
                let _ = tls.flush();
            }
        }
    });
    url
}

fn trusting(url: &str, ca_file: Option<&Path>) -> InfluxSettings {
    InfluxSettings { ca_file: ca_file.map(Path::to_path_buf), ..settings(url) }
}

#[tokio::test]
async fn a_certificate_is_verified_against_the_given_authority() {
    let folder = tempfile::tempdir().unwrap();
    let Some(certificates) = or_skip(Certificates::make(folder.path())) else { return };
    let url = serve(server_config(&certificates));

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
