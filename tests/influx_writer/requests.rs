//! What is sent.

use driftline::sink::{InfluxApi, InfluxSettings};

use crate::{
    Rig, always_written, lines, settings,
    support::stand_in::{Reply, Seen, StandIn},
};

/// The request by which `settings` deliver three points.
async fn request(change: impl FnOnce(&mut InfluxSettings)) -> Seen {
    let server = StandIn::start(always_written).await;
    let mut settings = settings(&server.url());
    change(&mut settings);
    let rig = Rig::new(&settings);
    rig.delivered(rig.submit(0..3)).await;
    server.seen().remove(0)
}

fn v1(username: Option<&str>) -> InfluxApi {
    InfluxApi::V1 {
        database: "my drift".to_owned(),
        retention_policy: Some("a&b".to_owned()),
        username: username.map(str::to_owned),
    }
}

#[tokio::test]
async fn version_2() {
    let seen = request(|settings| {
        settings.api = InfluxApi::V2 { org: "acme & co".to_owned(), bucket: "drift".to_owned() };
    })
    .await;
    assert_eq!((seen.method.as_str(), seen.path.as_str()), ("POST", "/api/v2/write"));
    assert_eq!(seen.query, "org=acme+%26+co&bucket=drift&precision=ms");
    assert_eq!(seen.header("authorization"), "Token t0ps3cret");
    assert_eq!(seen.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(seen.header("user-agent"), concat!("driftline/", env!("CARGO_PKG_VERSION")));
    assert_eq!(seen.lines(), lines(0..3));
}

#[tokio::test]
async fn version_1_with_a_user() {
    let seen = request(|settings| settings.api = v1(Some("ann"))).await;
    assert_eq!((seen.method.as_str(), seen.path.as_str()), ("POST", "/write"));
    assert_eq!(seen.query, "db=my+drift&rp=a%26b&precision=ms");
    // printf 'ann:t0ps3cret' | base64
    assert_eq!(seen.header("authorization"), "Basic YW5uOnQwcHMzY3JldA==");
    assert_eq!(seen.lines(), lines(0..3));
}

#[tokio::test]
async fn version_1_without_a_user() {
    let seen = request(|settings| settings.api = v1(None)).await;
    assert_eq!(
        seen.header("authorization"),
        "Token t0ps3cret",
        "as newer servers want it at the old address"
    );
}

#[tokio::test]
async fn without_a_secret() {
    for api in [v1(Some("ann")), InfluxApi::V2 { org: "o".to_owned(), bucket: "b".to_owned() }] {
        let seen = request(|settings| (settings.secret, settings.api) = (None, api)).await;
        assert_eq!(seen.headers.get("authorization"), None);
    }
}

#[tokio::test]
async fn bodies_are_compressed_unless_told_otherwise() {
    let compressed = request(|_| ()).await;
    assert_eq!(compressed.header("content-encoding"), "gzip");
    assert_eq!(compressed.raw[..2], [0x1f, 0x8b]);
    let plain = request(|settings| settings.gzip = false).await;
    assert_eq!(plain.headers.get("content-encoding"), None);
    assert_eq!(plain.raw, plain.body.as_bytes());
    assert_eq!(plain.body, compressed.body);
    assert_eq!(plain.body, format!("{}\n", lines(0..3).join("\n")));
}

#[tokio::test]
async fn a_path_is_kept_as_a_prefix() {
    for (path, write) in [
        ("/", "/api/v2/write"),
        ("/influx", "/influx/api/v2/write"),
        ("/v1/influxdb/", "/v1/influxdb/api/v2/write"),
    ] {
        let seen = request(|settings| settings.url.push_str(path)).await;
        assert_eq!(seen.path, write);
    }
}

#[tokio::test]
async fn any_success_is_a_success() {
    for status in [200, 201, 202, 204, 206] {
        let server = StandIn::start(move |_| Reply::status(status)).await;
        let rig = Rig::new(&settings(&server.url()));
        rig.delivered(rig.submit(0..3)).await;
        assert_eq!(server.seen().len(), 1, "{status}");
        assert_eq!(rig.points("written"), 3);
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = StandIn::start(always_written).await;
    let target = format!("{}/api/v2/write", elsewhere.url());
    let server = StandIn::start(move |_| Reply::status(307).header("location", &target)).await;
    let rig = Rig::new(&settings(&server.url()));
    rig.submit(0..3);
    let why = rig.not_ready().await;
    assert!(why.contains("redirect"), "{why}");
    assert!(elsewhere.seen().is_empty(), "the token went to another server");
    assert_eq!(rig.sink.queued_points(), 3);
}

#[tokio::test]
async fn bytes_and_durations_are_counted() {
    let server = StandIn::start(always_written).await;
    let rig = Rig::new(&settings(&server.url()));
    rig.delivered(rig.submit(0..3)).await;
    let sent: usize = server.seen().iter().map(|seen| seen.raw.len()).sum();
    assert_eq!(rig.count("driftline_sink_sent_bytes_total", None), sent as u64);
    let families = rig.registry.gather();
    let seconds = families.iter().find(|family| family.name() == "driftline_sink_write_seconds").unwrap();
    assert_eq!(seconds.get_metric()[0].get_histogram().get_sample_count(), 1);
}
