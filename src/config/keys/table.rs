//! The table itself, in the order of `config/driftline.toml`.

use super::{
    Default::{self, Absent, Bool, Integer, Number, Required, Text},
    KeySpec, Kind, OneOf,
};

pub(super) const fn key(path: &'static str, kind: Kind, default: Default, meaning: &'static str) -> KeySpec {
    KeySpec { path, kind, default, meaning, reloadable: false }
}

impl KeySpec {
    const fn reloadable(mut self) -> Self {
        self.reloadable = true;
        self
    }
}

const MAX_COUNT: i64 = 1_000_000_000;
pub(super) const DURATION: Kind = Kind::Duration { min_ms: 0 };
pub(super) const POSITIVE: Kind = Kind::Duration { min_ms: 1 };
pub(super) const AT_LEAST_A_SECOND: Kind = Kind::Duration { min_ms: 1_000 };

const fn count(min: i64) -> Kind {
    Kind::Integer { min, max: MAX_COUNT }
}

/// Where one field of an event comes from.
pub(super) const FIELD: Kind = Kind::OneOf(&OneOf {
    text: "pointer",
    keys: &[
        ("pointer", Kind::Pointer),
        ("header", Kind::Text),
        ("key", Kind::True),
        ("topic", Kind::True),
        ("constant", Kind::Text),
    ],
    forms: "a JSON pointer such as \"/a/b\", { header = \"x\" }, { key = true }, { topic = true } \
            or { constant = \"x\" }",
});

/// Where a reference comes from.
const REFERENCE: Kind = Kind::OneOf(&OneOf {
    text: "file",
    keys: &[("file", Kind::Path), ("first_events", count(1)), ("from", Kind::Time), ("until", Kind::Time)],
    forms: "\"file.json\", { first_events = 10000 } or { from = \"…\", until = \"…\" }",
});

const fn effect(path: &'static str, default: &'static str, meaning: &'static str) -> KeySpec {
    key(path, Kind::Number { min: 0.0, max: 1_000_000.0 }, Number(default), meaning)
}

const fn field(path: &'static str, pointer: &'static str, meaning: &'static str) -> KeySpec {
    key(path, FIELD, Text(pointer), meaning)
}

const fn column(path: &'static str, meaning: &'static str) -> KeySpec {
    key(path, Kind::Text, Absent("no such column"), meaning)
}

/// Every key but those of alerts.
pub(super) const KEYS: &[KeySpec] = &[
    key(
        "state_dir",
        Kind::Path,
        Absent(
            "open windows are read again from Kafka after a restart; learned references go to `driftline-state`",
        ),
        "folder of this daemon alone for what must survive a restart: checkpoints and learned references; made when missing",
    ),
    key(
        "shutdown_timeout",
        AT_LEAST_A_SECOND,
        Text("25s"),
        "how long a stop may take; below the 30 s after which Kubernetes kills",
    ),
    key(
        "kafka.brokers",
        Kind::Text,
        Required,
        "`host:port` of one or more brokers, comma-separated; the others are found from there",
    ),
    key(
        "kafka.group",
        Kind::Text,
        Text("driftline"),
        "consumer group; one of its members reads, the others stand by",
    ),
    key(
        "kafka.instance_id",
        Kind::Text,
        Absent("a restart is told to the group"),
        "name of this member, its own within the group: a restart within the session timeout then changes \
         nothing for the others",
    ),
    key("kafka.topics", Kind::TextList, Required, "topics to read"),
    key(
        "kafka.start",
        Kind::Choice(&["earliest", "latest"]),
        Text("earliest"),
        "where a group without committed offsets starts: with the oldest message kept, or with the next one",
    ),
    key(
        "kafka.dead_letter_topic",
        Kind::Text,
        Absent("such messages are counted and logged only"),
        "topic for messages that can't be used, with the reason in their headers",
    ),
    key(
        "kafka.max_message_bytes",
        Kind::Size { min: 1, max: 1_000_000_000 },
        Text("1MiB"),
        "messages with a longer payload are rejected",
    ),
    key("kafka.close_timeout", POSITIVE, Text("5s"), "how long leaving the group may take at a stop"),
    key(
        "kafka.librdkafka",
        Kind::Librdkafka,
        Absent("Driftline's own settings"),
        "settings of librdkafka by its own names, such as `\"security.protocol\" = \"SASL_SSL\"`; \
         a secret is written `{ file = \"…\" }` or `{ env = \"…\" }`",
    ),
    field(
        "events.kind",
        "/kind",
        "`prediction`, `feature` or `label`; told from the other fields where missing",
    ),
    field("events.id", "/id", "event id; joins predictions, features and labels"),
    field("events.time", "/time", "event time: RFC 3339 or an epoch number in s, ms, us or ns"),
    field("events.model", "/model", "model name"),
    field("events.version", "/version", "model version"),
    field("events.variant", "/variant", "variant, such as an arm of an experiment"),
    field("events.unit", "/unit", "unit of randomisation, such as a customer"),
    key(
        "events.features",
        Kind::Pointer,
        Text("/features"),
        "object that holds the features; `\"\"` makes every key of the message a feature that no other field uses",
    ),
    field("events.prediction", "/prediction", "a number, a class, or `{\"class\": …, \"scores\": {…}}`"),
    field("events.prediction_class", "/prediction_class", "a class that stands beside a numeric prediction"),
    field("events.label", "/label", "the truth"),
    key("windows.size", AT_LEAST_A_SECOND, Text("1h"), "length of a window in event time"),
    key(
        "windows.slide",
        AT_LEAST_A_SECOND,
        Absent("as `size`: windows do not overlap"),
        "distance between the starts of windows; `size` must be a multiple of it",
    ),
    key("windows.lateness", DURATION, Text("1m"), "how far the events of a partition may be out of order"),
    key("windows.grace", DURATION, Text("0s"), "how long after its close a window still takes late events"),
    key(
        "windows.idle_timeout",
        POSITIVE,
        Text("1m"),
        "silence after which a caught-up partition no longer holds windows open",
    ),
    key("windows.max_future", DURATION, Text("5m"), "how far ahead of the clock an event may be"),
    key(
        "windows.min_events",
        count(1),
        Integer(100),
        "values below which a column is `insufficient` and gets no judgement",
    )
    .reloadable(),
    key("windows.max_streams", count(1), Integer(100), "versions and variants that a model may have"),
    key(
        "windows.max_empty_windows",
        Kind::Integer { min: 0, max: 10_000 },
        Integer(3),
        "empty windows written for a stream that has gone silent",
    ),
    key("models[].name", Kind::Text, Required, "the model's name in events"),
    key(
        "models[].reference",
        REFERENCE,
        Required,
        "what windows are compared with: a profile made by `driftline reference`, the first so many events, \
         or the events of a time range",
    ),
    key(
        "models[].bins",
        Kind::Integer { min: 2, max: 100 },
        Integer(10),
        "bins of the cut for histogram scores of numeric columns",
    ),
    key(
        "models[].false_alarms",
        Kind::Rate,
        Text("1 per 30d"),
        "false alarms that may be raised over all features, segments and versions together, where nothing drifts",
    ),
    key(
        "models[].score",
        Kind::Choice(&[
            "psi",
            "ks",
            "wasserstein",
            "jensen_shannon",
            "hellinger",
            "total_variation",
            "l_infinity",
            "chi_square",
        ]),
        Text("psi"),
        "the score that the verdict of a column is about; categories have no `ks` and no `wasserstein`, \
         and are judged by `psi` then; alarms and further references always go by `psi`",
    ),
    effect("models[].minimum_effect.psi", "0.1", "least effect in `psi` that is called drifted"),
    effect("models[].minimum_effect.ks", "0.1", "least effect in `ks` that is called drifted"),
    effect(
        "models[].minimum_effect.wasserstein",
        "0.25",
        "least effect in `wasserstein` that is called drifted, in standard deviations",
    ),
    effect("models[].minimum_effect.jensen_shannon", "0.1", "least effect in `jensen_shannon`"),
    effect("models[].minimum_effect.hellinger", "0.1", "least effect in `hellinger`"),
    effect("models[].minimum_effect.total_variation", "0.1", "least effect in `total_variation`"),
    effect("models[].minimum_effect.l_infinity", "0.05", "least effect in `l_infinity`"),
    effect("models[].minimum_effect.chi_square", "0.1", "least effect in `chi_square`, as Cramér's V"),
    key(
        "models[].compare_with",
        Kind::TextList,
        Absent("the reference only"),
        "further references, each with a verdict of its own: `previous` or `previous-3` (windows back), \
         `rolling-7d` (the last days), `seasonal-4w` (the same hour of the last weeks)",
    ),
    key(
        "models[].segments",
        Kind::TextList,
        Absent("none"),
        "categorical features whose values are judged each on its own, such as the country",
    ),
    key(
        "models[].max_segments",
        Kind::Integer { min: 1, max: 1_000 },
        Integer(20),
        "most frequent values of each such feature in the reference that are judged",
    ),
    key(
        "models[].sample_rows",
        Kind::Integer { min: 0, max: 10_000 },
        Integer(256),
        "rows of each window that are kept to look at several features at a time; 0 turns that off",
    ),
    key(
        "models[].features.*.kind",
        Kind::Choice(&["numeric", "categorical"]),
        Absent("inferred"),
        "what the feature is, where the inferred kind is wrong",
    ),
    key("models[].features.*.ignore", Kind::Bool, Bool(false), "leaves the feature out"),
    key(
        "models[].join.timeout",
        POSITIVE,
        Text("30s"),
        "how far apart in event time a prediction and the features of its id may be",
    ),
    key(
        "models[].join.max_waiting",
        count(1),
        Integer(100_000),
        "rows that wait for their other half, at most",
    ),
    column("models[].table.id", "column of a file that holds the event id"),
    column("models[].table.time", "column with the event time, or just a date"),
    column("models[].table.prediction", "column with the numeric prediction"),
    column("models[].table.prediction_class", "column with the predicted class"),
    column("models[].table.label", "column with the truth"),
    column("models[].table.version", "column with the model version"),
    column("models[].table.variant", "column with the variant"),
    key("models[].table.ignore", Kind::TextList, Absent("none"), "columns that are not features"),
    key("influxdb.url", Kind::Text, Required, "address of the server; a path in it is kept as a prefix"),
    key("influxdb.org", Kind::Text, Absent("not version 2"), "organisation (InfluxDB 2 and 3)"),
    key("influxdb.bucket", Kind::Text, Absent("not version 2"), "bucket (InfluxDB 2 and 3)"),
    key(
        "influxdb.token",
        Kind::Secret,
        Absent("no token"),
        "token; better kept in a file or the environment",
    ),
    key("influxdb.token_file", Kind::Path, Absent("no token"), "file that holds the token"),
    key("influxdb.token_env", Kind::Text, Absent("no token"), "environment variable that holds the token"),
    key("influxdb.database", Kind::Text, Absent("not version 1"), "database (InfluxDB 1)"),
    key(
        "influxdb.retention_policy",
        Kind::Text,
        Absent("the database's own"),
        "retention policy (InfluxDB 1)",
    ),
    key("influxdb.username", Kind::Text, Absent("no user"), "user (InfluxDB 1)"),
    key(
        "influxdb.password",
        Kind::Secret,
        Absent("no password"),
        "password; better kept in a file or the environment",
    ),
    key("influxdb.password_file", Kind::Path, Absent("no password"), "file that holds the password"),
    key(
        "influxdb.password_env",
        Kind::Text,
        Absent("no password"),
        "environment variable that holds the password",
    ),
    key(
        "influxdb.ca_file",
        Kind::Path,
        Absent("the system's certificates only"),
        "further certificates to trust, PEM",
    ),
    key(
        "influxdb.batch_points",
        Kind::Integer { min: 1, max: 100_000 },
        Integer(5_000),
        "points in one request, at most",
    ),
    key("influxdb.flush_interval", POSITIVE, Text("1s"), "how long a point may wait for others"),
    key(
        "influxdb.buffer_points",
        Kind::Integer { min: 1, max: 100_000_000 },
        Integer(100_000),
        "points waiting in memory, at most; beyond it reading pauses",
    ),
    key("influxdb.timeout", POSITIVE, Text("10s"), "limit of one request"),
    key("influxdb.gzip", Kind::Bool, Bool(true), "whether requests are compressed"),
    key(
        "http.listen",
        Kind::Text,
        Text("127.0.0.1:9640"),
        "address of /live, /ready, /metrics and the API; it has no login, so mind who can reach it",
    ),
    key(
        "http.latest_windows",
        Kind::Integer { min: 1, max: 100_000 },
        Integer(48),
        "windows kept per stream for the API",
    ),
    key(
        "log.level",
        Kind::Text,
        Text("info"),
        "`error`, `warn`, `info`, `debug`, `trace` or a filter such as `info,driftline::sink=debug`",
    )
    .reloadable(),
    key("log.format", Kind::Choice(&["text", "json"]), Text("text"), "for people, or one JSON object a line"),
];
