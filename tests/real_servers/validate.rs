//! `driftline validate --connect` against servers that are right, and wrong in
//! one thing.

use std::{fs, path::Path};

use crate::{
    setup::{Setup, path},
    support::servers::{Finished, Influx2, Kafka, driftline, free_port, or_skip},
};

/// The exit code of a server that does not answer or refuses.
const UNAVAILABLE: i32 = 69;

fn validate(config: &Path) -> Finished {
    driftline(["validate", "--connect", "--config", path(config)])
}

#[test]
#[ignore = "needs real servers: run scripts/test"]
fn validate_connect_tells_what_is_wrong_with_which_server() {
    let Some(kafka) = or_skip(Kafka::shared()) else { return };
    let Some(influx) = or_skip(Influx2::shared()) else { return };
    let setup = Setup::with_reference("validate", kafka, influx);
    let config = setup.config();
    let right = validate(&config);
    assert_eq!(right.code, 0, "{}{}", right.out, right.err);
    for named in [&setup.topic, &setup.bucket] {
        assert!(right.out.contains(named.as_str()), "{}", right.out);
    }
    let nobody = format!("127.0.0.1:{}", free_port());
    let text = setup.config_text();
    for (right, wrong, told) in [
        (kafka.brokers(), nobody.clone(), nobody.as_str()),
        (
            format!("topics = [\"{}\"]", setup.topic),
            "topics = [\"no-such-topic\"]".to_owned(),
            "no-such-topic",
        ),
        (setup.dead_letters.clone(), "no-such-dead-letters".to_owned(), "no-such-dead-letters"),
        (influx.url(), format!("http://{nobody}"), "influxdb"),
        (Influx2::TOKEN.to_owned(), "no-such-token".to_owned(), "401"),
        (setup.bucket.clone(), "no-such-bucket".to_owned(), "no-such-bucket"),
    ] {
        let changed = text.replace(&right, &wrong);
        assert_ne!(changed, text, "{right}");
        fs::write(&config, changed).unwrap();
        let result = validate(&config);
        let said = format!("{}{}", result.out, result.err);
        assert_eq!(result.code, UNAVAILABLE, "{wrong}: {said}");
        assert!(said.contains(told), "{told} is not in: {said}");
        assert!(!said.contains("no-such-token") && !said.contains(Influx2::TOKEN), "a secret: {said}");
    }
}

#[test]
#[ignore = "needs real servers: run scripts/test"]
fn validate_connect_goes_through_sasl_over_tls() {
    let Some(kafka) = or_skip(Kafka::shared()) else { return };
    let Some(influx) = or_skip(Influx2::shared()) else { return };
    let setup = Setup::with_reference("validate-sasl", kafka, influx);
    let config = setup.config();
    for (password, code) in [(Kafka::PASSWORD, 0), ("wrong-battery", UNAVAILABLE)] {
        fs::write(setup.folder.join("password"), password).unwrap();
        let security = format!(
            r#""security.protocol" = "SASL_SSL"
"sasl.mechanism" = "SCRAM-SHA-512"
"sasl.username" = "{}"
"sasl.password" = {{ file = "password" }}
"ssl.ca.location" = "{}"
[windows]"#,
            Kafka::USER,
            kafka.authority().display()
        );
        let text = setup.config_text().replace(&kafka.brokers(), &kafka.sasl_brokers());
        fs::write(&config, text.replace("[windows]", &security)).unwrap();
        let result = validate(&config);
        let said = format!("{}{}", result.out, result.err);
        assert_eq!(result.code, code, "{said}");
        assert!(!said.contains(password), "a secret: {said}");
    }
}
