//! The keys of experiments.

use super::{
    Default::{self, Absent, Bool, Integer, Number, Required, Text},
    KeySpec, Kind,
    table::{AT_LEAST_A_SECOND, DURATION, FIELD, POSITIVE, key},
};

/// Beyond any number that is measured.
const ANY: Kind = Kind::Number { min: -1e300, max: 1e300 };
const NOT_NEGATIVE: Kind = Kind::Number { min: 0.0, max: 1e300 };
const SHARE: Kind = Kind::Number { min: 0.0, max: 1.0 };

const fn count(max: i64) -> Kind {
    Kind::Integer { min: 1, max }
}

const fn number(path: &'static str, kind: Kind, absent: &'static str, meaning: &'static str) -> KeySpec {
    key(path, kind, Absent(absent), meaning)
}

const fn choice(
    path: &'static str,
    words: &'static [&'static str],
    default: Default,
    meaning: &'static str,
) -> KeySpec {
    key(path, Kind::Choice(words), default, meaning)
}

/// `[[experiments]]`, their metrics and their later splits.
pub(super) const KEYS: &[KeySpec] = &[
    key(
        "experiments[].id",
        Kind::Text,
        Required,
        "its name, its own among all experiments: in points, in the API and in what rollout tools ask for",
    ),
    key("experiments[].model", Kind::Text, Required, "name of the model whose events it looks at"),
    choice(
        "experiments[].arm",
        &["variant", "version"],
        Text("variant"),
        "which field of the envelope names the arm of an event",
    ),
    key(
        "experiments[].arm_field",
        FIELD,
        Absent("as `arm` says"),
        "in place of `arm`: where an event names its arm",
    ),
    key(
        "experiments[].control",
        Kind::Text,
        Required,
        "the value that names the arm others are held against",
    ),
    key(
        "experiments[].challengers",
        Kind::TextList,
        Required,
        "the values that name the other arms, up to 15; events of arms that are not named are counted and left out",
    ),
    key(
        "experiments[].unit_field",
        FIELD,
        Absent("the unit of the envelope"),
        "where an event names its unit of randomisation, such as a customer",
    ),
    key(
        "experiments[].by_unit",
        Kind::Bool,
        Bool(true),
        "whether units are given to arms; `false` where every request is, as most rollout tools do",
    ),
    choice(
        "experiments[].mode",
        &["split", "shadow"],
        Text("split"),
        "whether arms share the traffic, or all answer the same requests under the same id",
    ),
    key(
        "experiments[].pair_timeout",
        POSITIVE,
        Text("10m"),
        "of `shadow`: how far apart in event time two answers to one request may be",
    ),
    key(
        "experiments[].max_unanswered",
        Kind::Number { min: 0.0, max: 1.0 },
        Number("0.01"),
        "of `shadow`: share of the control's requests that a challenger may leave unanswered before nothing is \
         promoted; higher where it is sent a random part of them",
    ),
    key(
        "experiments[].split",
        Kind::Text,
        Absent("the sample ratio is not tested"),
        "where arms share the traffic: their intended shares, the control first, such as `\"90/10\"`; any positive weights",
    ),
    choice(
        "experiments[].method",
        &["always_valid", "group_sequential", "fixed"],
        Text("always_valid"),
        "how it may be looked at: at any time, at every window up to `planned_events`, or once at `planned_events`",
    ),
    key(
        "experiments[].alpha",
        Kind::Number { min: 0.0001, max: 0.5 },
        Number("0.05"),
        "probability of a false promotion, and of a false rollback, at most",
    ),
    key(
        "experiments[].srm_alpha",
        Kind::Number { min: 0.000_001, max: 0.1 },
        Number("0.001"),
        "probability of a false alarm about the sample ratio, at most",
    ),
    key(
        "experiments[].power",
        Kind::Number { min: 0.5, max: 0.99 },
        Number("0.8"),
        "with which probability an effect is found that is called detectable",
    ),
    key(
        "experiments[].planned_events",
        Kind::Integer { min: 10, max: 1_000_000_000_000 },
        Integer(5_000),
        "events of two arms together around which bounds are the tightest; `group_sequential` and `fixed` end \
         there, and need it said",
    ),
    key(
        "experiments[].min_events",
        count(1_000_000_000),
        Integer(100),
        "events of each arm below which nothing is said",
    ),
    choice(
        "experiments[].promote_when",
        &["all_goals", "any_goal"],
        Text("all_goals"),
        "what it takes to promote: every goal is better, or one is and none is worse",
    ),
    key(
        "experiments[].label_delay",
        DURATION,
        Text("1h"),
        "how long after a prediction its label may come; metrics of labels look at windows of that age and older",
    ),
    key(
        "experiments[].max_waiting",
        count(100_000_000),
        Integer(200_000),
        "predictions that wait for a label or for their counterpart, at most",
    ),
    key(
        "experiments[].max_units",
        count(1_000_000_000),
        Integer(1_000_000),
        "units whose first arm is remembered, at most",
    ),
    key("experiments[].starts", Kind::Time, Absent("the first event"), "events before this are none of it"),
    key("experiments[].ends", Kind::Time, Absent("never"), "events from this on are none of it"),
    key(
        "experiments[].hooks",
        Kind::Bool,
        Bool(false),
        "whether it can be started and stopped by POST, as rollout tools do: by whoever has the token of the API, and \
         without one by whoever reaches `http.listen`",
    ),
    key(
        "experiments[].waits_for_start",
        Kind::Bool,
        Bool(false),
        "whether it looks at nothing until it is started so; needs `hooks`",
    ),
    key(
        "experiments[].stale_after",
        AT_LEAST_A_SECOND,
        Absent("10 times the slide of the windows, at least `10m`"),
        "how long its last result is served as its verdict",
    ),
    choice(
        "experiments[].on_stale",
        &["hold", "error"],
        Text("hold"),
        "what is served after that: the verdict `hold`, or an error that rollout tools count as a failure",
    ),
    key("experiments[].splits[].from", Kind::Time, Required, "from when on the arms were to share so"),
    key("experiments[].splits[].split", Kind::Text, Required, "intended shares of the arms, as `split`"),
    key("experiments[].metrics[].name", Kind::Text, Required, "its name, its own within the experiment"),
    choice(
        "experiments[].metrics[].role",
        &["goal", "guardrail", "plain"],
        Text("plain"),
        "what it is for: it is to get better, it must not get worse, or it is shown and decides nothing",
    ),
    choice(
        "experiments[].metrics[].kind",
        &["mean", "rate", "ratio", "quantile"],
        Text("mean"),
        "what is compared: the mean of the values, how often they meet a condition, their sum by the sum of `per`, or a quantile",
    ),
    choice(
        "experiments[].metrics[].of",
        &[
            "prediction",
            "predicted_class",
            "label",
            "brier",
            "log_loss",
            "absolute_error",
            "squared_error",
            "correct",
        ],
        Absent("`field`"),
        "what an event contributes: the prediction, the predicted class, the label, or by its label how wrong the \
         prediction was; `correct` is whether it was right, and always a rate",
    ),
    key(
        "experiments[].metrics[].field",
        FIELD,
        Absent("`of`"),
        "in place of `of`: where the prediction's event has the value",
    ),
    key(
        "experiments[].metrics[].per",
        FIELD,
        Absent("needed by `ratio`"),
        "of `ratio`: where the same event has what the values are divided by",
    ),
    number(
        "experiments[].metrics[].quantile",
        SHARE,
        "needed by `quantile`",
        "of `quantile`: which, such as 0.95",
    ),
    number("experiments[].metrics[].above", ANY, "none", "of `rate`: numbers above this are counted"),
    number("experiments[].metrics[].below", ANY, "none", "of `rate`: numbers below this are counted"),
    key(
        "experiments[].metrics[].equals",
        Kind::Text,
        Absent("without `above` and `below`: `true`, and numbers that are not 0"),
        "of `rate`: this word, number or truth value is counted",
    ),
    choice(
        "experiments[].metrics[].better",
        &["higher", "lower"],
        Absent(
            "`lower` for errors, `higher` for `correct` and for errors `below`; else needed by goals and guardrails",
        ),
        "in which direction it is better",
    ),
    number(
        "experiments[].metrics[].margin",
        NOT_NEGATIVE,
        "it can be proven worse, and not that it is not",
        "of a guardrail: how much worse it may be, in the metric's unit; of a rate 0.01 is one percentage point",
    ),
    number(
        "experiments[].metrics[].margin_relative",
        Kind::Number { min: 0.0, max: 10.0 },
        "as `margin`",
        "in place of `margin`: how much worse, as a share of the control's value; 0.01 is 1 % of it",
    ),
    number(
        "experiments[].metrics[].minimum_effect",
        NOT_NEGATIVE,
        "the effect as it is found",
        "the difference that is worth finding; how many events are still needed goes by it, but for guardrails with a \
         margin",
    ),
    key(
        "experiments[].metrics[].covariates",
        Kind::TextList,
        Absent("none"),
        "of `mean`: up to 8 numeric features, or `prediction`, that explain a part of the values' scatter and are \
         no consequence of the arm",
    ),
    number("experiments[].metrics[].cap", ANY, "none", "greater values are taken for this"),
    number("experiments[].metrics[].floor", ANY, "none", "smaller values are taken for this"),
    number(
        "experiments[].metrics[].winsorise",
        Kind::Number { min: 0.5, max: 1.0 },
        "none",
        "in place of `cap`: this quantile of the prediction or feature in the reference, such as 0.999; where there \
         are negative values, the opposite quantile is the floor",
    ),
];
