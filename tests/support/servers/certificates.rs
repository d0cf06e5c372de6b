//! A certificate authority and a server certificate, made by `openssl`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
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
}
