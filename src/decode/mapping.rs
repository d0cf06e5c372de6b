//! Where each field of an event is found in a message.

/// An RFC 6901 pointer, split into its unescaped tokens. The empty pointer is
/// the whole document.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct JsonPointer(pub Vec<String>);

impl JsonPointer {
    /// Parses `/a/b~1c/0`.
    ///
    /// # Errors
    /// A sentence when the text is neither empty nor starts with `/`, or holds
    /// a `~` that is not `~0` or `~1`.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let Some(rest) = text.strip_prefix('/') else {
            return Err(format!("a JSON pointer starts with '/', as in \"/{text}\""));
        };
        rest.split('/').map(unescape).collect::<Result<Vec<_>, _>>().map(Self)
    }
}

fn unescape(token: &str) -> Result<String, String> {
    let mut out = String::with_capacity(token.len());
    let mut chars = token.chars();
    while let Some(c) = chars.next() {
        match (c, c == '~') {
            (_, false) => out.push(c),
            _ => match chars.next() {
                Some('0') => out.push('~'),
                Some('1') => out.push('/'),
                _ => {
                    return Err(
                        "in a JSON pointer '~' is written \"~0\" and '/' inside a key \"~1\"".to_owned()
                    );
                }
            },
        }
    }
    Ok(out)
}

/// Where one field comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldSource {
    /// A place in the JSON payload.
    Pointer(JsonPointer),
    /// The message header of this name.
    Header(String),
    /// The message key, as text.
    Key,
    /// The topic's name.
    Topic,
    /// The same for every message.
    Constant(String),
}

impl FieldSource {
    fn key(name: &str) -> Self {
        Self::Pointer(JsonPointer(vec![name.to_owned()]))
    }
}

/// Where all fields come from; by default the native envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventMapping {
    /// `prediction`, `feature` or `label`. When a message has none, it is a
    /// prediction if it has a prediction, a label if it has a label, else a
    /// feature event.
    pub kind: FieldSource,
    /// Joins predictions, features and labels; optional.
    pub id: FieldSource,
    /// Event time: RFC 3339 or an epoch number.
    pub time: FieldSource,
    /// Model name.
    pub model: FieldSource,
    /// Model version; optional.
    pub version: FieldSource,
    /// Variant; optional.
    pub variant: FieldSource,
    /// Unit of randomisation; optional.
    pub unit: FieldSource,
    /// The object that holds the features, always in the payload. The empty
    /// pointer makes every key that no other field uses a feature.
    pub features: JsonPointer,
    /// A number, a class, or an object `{"class": …, "scores": {…}}`.
    pub prediction: FieldSource,
    /// A predicted class that stands beside a numeric prediction; optional.
    pub prediction_class: FieldSource,
    /// The truth.
    pub label: FieldSource,
}

impl Default for EventMapping {
    fn default() -> Self {
        Self {
            kind: FieldSource::key("kind"),
            id: FieldSource::key("id"),
            time: FieldSource::key("time"),
            model: FieldSource::key("model"),
            version: FieldSource::key("version"),
            variant: FieldSource::key("variant"),
            unit: FieldSource::key("unit"),
            features: JsonPointer(vec!["features".to_owned()]),
            prediction: FieldSource::key("prediction"),
            prediction_class: FieldSource::key("prediction_class"),
            label: FieldSource::key("label"),
        }
    }
}
