//! What the configuration says of the models that are explained.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{fs, path::PathBuf};

use driftline::{
    config::{ConfigErrors, Overrides, load_text},
    explainer::{ModelSource, RemoteSettings, Runtime, remote::Authorization},
    model::Link,
};
use secrecy::ExposeSecret as _;

/// The model `credit` with this below it, in a folder with a model, a library and
/// a token.
fn source(explain: &str) -> Result<(PathBuf, ModelSource), ConfigErrors> {
    let folder = tempfile::tempdir().unwrap();
    for file in ["credit.onnx", "library.so"] {
        fs::write(folder.path().join(file), "").unwrap();
    }
    fs::write(folder.path().join("token"), "Bearer from-a-file\n").unwrap();
    let text = format!(
        "[[models]]\nname = \"credit\"\nreference = {{ first_events = 10000 }}\n[models.explain]\n{explain}"
    );
    let loaded = load_text(&text, &folder.path().join("c.toml"), &Overrides::none())?;
    let explain = loaded.settings.models[0].explain.clone().unwrap();
    Ok((folder.path().to_owned(), explain.source))
}

fn server(more: &str) -> (PathBuf, RemoteSettings) {
    let text = format!(
        "[models.explain.server]\nurl = \"http://localhost\"\nprotocol = \"kserve_v1\"\nname = \"m\"\n{more}"
    );
    match source(&text).unwrap() {
        (folder, ModelSource::Server(server)) => (folder, *server),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_server_has_outputs_and_a_link() {
    let (_, plain) = server("");
    assert!(plain.output_names.is_empty() && plain.link == Link::Identity);
    let (_, named) = server("output_names = [\"no\", \"maybe\", \"yes\"]\nlink = \"softmax\"");
    assert_eq!(
        (named.output_names, named.link),
        (vec!["no".into(), "maybe".into(), "yes".into()], Link::Softmax)
    );
}

#[test]
fn a_secret_in_a_file_stays_there() {
    let (folder, settings) = server("authorization_file = \"token\"");
    assert!(!format!("{settings:?}").contains("from-a-file"));
    let Some(Authorization::File(file)) = settings.authorization else { panic!("{settings:?}") };
    assert_eq!(file, folder.join("token"));
    let (_, settings) = server("authorization = \"Bearer inline\"");
    assert!(!format!("{settings:?}").contains("inline"));
    let Some(Authorization::Secret(secret)) = settings.authorization else { panic!("{settings:?}") };
    assert_eq!(secret.expose_secret(), "Bearer inline");
    let errors = source(
        "[models.explain.server]\nurl = \"http://localhost\"\nprotocol = \"mlflow\"\nauthorization_file = \"nowhere\"",
    );
    assert!(errors.unwrap_err().to_string().contains("nowhere can't be read"));
}

#[test]
fn a_library_is_asked_for_an_output() {
    let of = |more: &str| source(&format!("model = \"credit.onnx\"\n{more}"));
    let (folder, found) = of("runtime = \"library.so\"\nruntime_output = \"p\"").unwrap();
    let ModelSource::File { runtime, .. } = found else { panic!("{found:?}") };
    let expected = Runtime { library: folder.join("library.so"), output: Some("p".to_owned()) };
    assert_eq!(runtime, Some(expected));
    let error = of("runtime_output = \"p\"").unwrap_err().to_string();
    assert!(error.contains("there is no library that it would be asked of"), "{error}");
}
