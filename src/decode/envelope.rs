//! What an event says about itself, from the spans that the walk found.

use std::borrow::Cow;

use super::{
    EventMapping, FieldSource,
    escape::unescape,
    paths::{Field, Span, Spans},
    scanner::{Known, Scanner},
};
use crate::{
    event::{EventKind, EventTime, Message, Reject, RejectReason, parse_epoch, parse_rfc3339},
    profile::LONGEST_NAME,
};

/// What an event says about itself.
#[derive(Debug, Clone)]
pub struct Envelope<'m> {
    /// Prediction, feature or label.
    pub kind: EventKind,
    /// Event time.
    pub time: EventTime,
    /// The model, by its place in the list that the decoder was made with.
    pub model: usize,
    /// What joins a prediction, its features and its label.
    pub id: Option<Cow<'m, str>>,
    /// Model version; empty when the event names none.
    pub version: Cow<'m, str>,
    /// Variant; empty when the event names none.
    pub variant: Cow<'m, str>,
    /// Unit of randomisation.
    pub unit: Option<Cow<'m, str>>,
    /// The features as JSON.
    pub features: Option<&'m [u8]>,
    /// The prediction as JSON, unless it is null.
    pub prediction: Option<Cow<'m, [u8]>>,
    /// The predicted class as JSON, unless it is null.
    pub prediction_class: Option<Cow<'m, [u8]>>,
    /// The label as JSON, unless it is null.
    pub label: Option<Cow<'m, [u8]>>,
}

impl Envelope<'_> {
    /// Names are kept for as long as their stream or row, and versions and
    /// variants are tags of every point, which a server takes only so long.
    fn check_names(&self) -> Result<(), Reject> {
        let names = [
            ("id", self.id.as_deref()),
            ("version", Some(&*self.version)),
            ("variant", Some(&*self.variant)),
            ("unit", self.unit.as_deref()),
        ];
        match names.into_iter().find(|(_, name)| name.is_some_and(|name| name.len() > LONGEST_NAME)) {
            None => Ok(()),
            Some((field, name)) => {
                let length = name.map_or(0, str::len);
                let detail = format!("the {field} has {length} bytes, more than the {LONGEST_NAME} allowed");
                Err(Reject::new(RejectReason::NameTooLong, detail))
            }
        }
    }
}

/// The fields of one message, as found.
pub(super) struct Fields<'d, 'm> {
    pub(super) mapping: &'d EventMapping,
    pub(super) message: Message<'m>,
    pub(super) topic: &'m str,
    pub(super) payload: &'m str,
    pub(super) spans: &'d Spans,
}

impl<'m> Fields<'_, 'm> {
    #[inline]
    fn raw(&self, field: Field) -> Option<&'m str> {
        let Span { start, end, known } = self.span(field)?;
        let raw = self.payload.get(start..end)?;
        (known != Known::Other || raw != "null").then_some(raw)
    }

    #[inline]
    fn span(&self, field: Field) -> Option<Span> {
        self.spans.get(field as usize).copied()?
    }

    /// The text of a string without escapes, which most fields are.
    #[inline]
    fn plain(&self, field: Field) -> Option<&'m str> {
        match self.span(field)? {
            Span { start, end, known: Known::PlainString } => self.payload.get(start + 1..end - 1),
            _ => None,
        }
    }

    /// Whether a field is neither in the payload nor elsewhere.
    #[inline]
    fn is_absent(&self, field: Field, source: &FieldSource) -> bool {
        self.span(field).is_none() && matches!(source, FieldSource::Pointer(_))
    }

    /// Text from outside the payload.
    fn outer(&self, source: &FieldSource) -> Result<Option<Cow<'m, str>>, Reject> {
        let bytes = match source {
            FieldSource::Pointer(_) => return Ok(None),
            FieldSource::Header(name) => self.message.header(name.as_bytes()),
            FieldSource::Key => self.message.key,
            FieldSource::Topic => return Ok(Some(Cow::Borrowed(self.topic))),
            FieldSource::Constant(text) => return Ok(Some(Cow::Owned(text.clone()))),
        };
        bytes
            .map(|bytes| {
                std::str::from_utf8(bytes)
                    .map(Cow::Borrowed)
                    .map_err(|_| Reject::new(RejectReason::WrongType, "a header or key is not valid UTF-8"))
            })
            .transpose()
    }

    /// A field that must be text.
    #[inline]
    pub(super) fn text(&self, field: Field, source: &FieldSource) -> Result<Option<Cow<'m, str>>, Reject> {
        match self.plain(field) {
            Some(plain) => Ok(Some(Cow::Borrowed(plain))),
            None if self.is_absent(field, source) => Ok(None),
            None => self.unusual_text(field, source),
        }
    }

    fn unusual_text(&self, field: Field, source: &FieldSource) -> Result<Option<Cow<'m, str>>, Reject> {
        let Some(raw) = self.raw(field) else { return self.outer(source) };
        string_of(raw).map(Some).ok_or_else(|| {
            Reject::new(
                RejectReason::WrongType,
                format!("{field:?} must be a string, found {}", excerpt(raw)),
            )
        })
    }

    /// A field that may be text or a number, as text.
    #[inline]
    fn name(&self, field: Field, source: &FieldSource) -> Result<Option<Cow<'m, str>>, Reject> {
        match self.span(field) {
            Some(Span { start, end, known: Known::Number(_) }) => {
                Ok(self.payload.get(start..end).map(Cow::Borrowed))
            }
            _ => self.text(field, source),
        }
    }

    /// A field that may be any JSON value; text from outside becomes a number
    /// where it reads as one, else a string.
    #[inline]
    fn value(&self, field: Field, source: &FieldSource) -> Result<Option<Cow<'m, [u8]>>, Reject> {
        match self.raw(field) {
            Some(raw) => Ok(Some(Cow::Borrowed(raw.as_bytes()))),
            None if self.is_absent(field, source) => Ok(None),
            None => self.outer_value(source),
        }
    }

    fn outer_value(&self, source: &FieldSource) -> Result<Option<Cow<'m, [u8]>>, Reject> {
        Ok(self.outer(source)?.map(|text| {
            let mut scanner = Scanner::new(text.as_bytes());
            if scanner.number().is_some() && scanner.at_end() {
                Cow::Owned(text.as_bytes().to_vec())
            } else {
                Cow::Owned(serde_json::Value::from(text.as_ref()).to_string().into_bytes())
            }
        }))
    }

    /// The envelope of an event of `model`.
    pub(super) fn envelope(&self, model: usize) -> Result<Envelope<'m>, Reject> {
        let mapping = self.mapping;
        let time = self.time()?;
        let prediction = self.value(Field::Prediction, &mapping.prediction)?;
        let prediction_class = self.value(Field::PredictionClass, &mapping.prediction_class)?;
        let label = self.value(Field::Label, &mapping.label)?;
        let features = self.raw(Field::Features).map(str::as_bytes);
        if features.is_some_and(|raw| raw.first() != Some(&b'{')) {
            return Err(Reject::new(RejectReason::WrongType, "the features must be an object"));
        }
        let kind = match self.text(Field::Kind, &mapping.kind)? {
            Some(word) => EventKind::from_word(word.as_bytes()).ok_or_else(|| {
                let found = excerpt(&word);
                Reject::new(
                    RejectReason::BadKind,
                    format!("kind must be prediction, feature or label, found {found}"),
                )
            })?,
            None if prediction.is_some() || prediction_class.is_some() => EventKind::Prediction,
            None if label.is_some() => EventKind::Label,
            None if features.is_some() => EventKind::Feature,
            None => {
                let detail = "the event has no kind, prediction, label or features";
                return Err(Reject::new(RejectReason::BadKind, detail));
            }
        };
        let envelope = Envelope {
            kind,
            time,
            model,
            id: self.name(Field::Id, &mapping.id)?,
            version: self.text(Field::Version, &mapping.version)?.unwrap_or_default(),
            variant: self.text(Field::Variant, &mapping.variant)?.unwrap_or_default(),
            unit: self.name(Field::Unit, &mapping.unit)?,
            features,
            prediction,
            prediction_class,
            label,
        };
        envelope.check_names()?;
        Ok(envelope)
    }

    #[inline]
    fn time(&self) -> Result<EventTime, Reject> {
        match self.plain(Field::Time).and_then(|text| parse_rfc3339(text.as_bytes())) {
            Some(time) => Ok(time),
            None => self.unusual_time(),
        }
    }

    fn unusual_time(&self) -> Result<EventTime, Reject> {
        let outer;
        let (text, is_text) = if let Some(raw) = self.raw(Field::Time) {
            match raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
                Some(text) => (text, true),
                None => (raw, false),
            }
        } else {
            outer = self
                .outer(&self.mapping.time)?
                .ok_or_else(|| Reject::new(RejectReason::NoTime, "the event has no time"))?;
            (outer.as_ref(), true)
        };
        let rfc3339 = is_text.then(|| parse_rfc3339(text.as_bytes())).flatten();
        rfc3339.or_else(|| epoch_of(text.as_bytes())).ok_or_else(|| {
            let detail = format!(
                "time must be RFC 3339 with an offset, or an epoch number between 1990 and 2200, found {}",
                excerpt(text)
            );
            Reject::new(RejectReason::BadTime, detail)
        })
    }
}

fn epoch_of(text: &[u8]) -> Option<EventTime> {
    let mut scanner = Scanner::new(text);
    let number = scanner.number()?;
    scanner.at_end().then(|| parse_epoch(number))?
}

/// The text of a well-formed JSON string.
#[inline]
fn string_of(raw: &str) -> Option<Cow<'_, str>> {
    let text = raw.strip_prefix('"')?.strip_suffix('"')?;
    Some(if memchr::memchr(b'\\', text.as_bytes()).is_some() {
        Cow::Owned(unescape(text.as_bytes()))
    } else {
        Cow::Borrowed(text)
    })
}

/// The beginning of a value, for a person.
fn excerpt(text: &str) -> String {
    let mut shown: String = text.chars().take(60).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}
