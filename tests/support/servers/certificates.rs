//! A certificate authority and a server certificate, made by `openssl`.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    thread,
};

use rustls::{
    ServerConfig, ServerConnection, Stream,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};

use super::{Missing, program};

/// Files in PEM form.
#[derive(Debug, Clone)]
pub struct Certificates {
    /// Certificate of the authority, for clients to trust.
    pub authority: PathBuf,
    /// Key and certificate of the server, for 127.0.0.1 and localhost, in one
    /// file as Kafka wants them.
    pub server: PathBuf,
}

impl Certificates {
    /// Makes them in a folder.
    pub fn make(folder: &Path) -> Result<Self, Missing> {
        program("openssl", "openssl")?;
        let run = |line: &str| {
            let output = Command::new("openssl").args(line.split(' ')).current_dir(folder).output().unwrap();
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "openssl {line}: {errors}");
        };
        fs::write(folder.join("names"), "subjectAltName=IP:127.0.0.1,DNS:localhost\n").unwrap();
        run("req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=driftline-test-authority \
             -keyout authority.key -out authority.pem");
        run("req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout server.key -out server.csr");
        run("x509 -req -in server.csr -CA authority.pem -CAkey authority.key -CAcreateserial \
             -days 2 -extfile names -out server.crt");
        let part = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
        let server = folder.join("server.pem");
        fs::write(&server, part("server.key") + &part("server.crt")).unwrap();
        Ok(Self { authority: folder.join("authority.pem"), server })
    }

    /// Answers every request over TLS with these bytes, until the test process
    /// ends; gives the address.
    pub fn serve(&self, answer: &'static [u8]) -> String {
        let chain = CertificateDer::pem_file_iter(&self.server).unwrap().map(Result::unwrap).collect();
        let key = PrivateKeyDer::from_pem_file(&self.server).unwrap();
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
                    let _ = tls.write_all(answer);
                    tls.conn.send_close_notify();
                    let _ = tls.flush();
                }
            }
        });
        url
    }
}
