//! One message in, one envelope and one row out, or the reason why not.

use std::borrow::Cow;

use ahash::AHashMap;

use super::{
    EventMapping, FieldSource, Row, Schema,
    paths::{FIELDS, Field, OnFeatures, Paths, Spans},
    scanner::{Scanner, ValueStart, unescape},
};
use crate::event::{EventKind, EventTime, Message, Reject, RejectReason, parse_epoch, parse_rfc3339};

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

/// Decodes messages for a fixed list of models.
#[derive(Debug)]
pub struct Decoder {
    mapping: EventMapping,
    paths: Paths,
    max_bytes: usize,
    models: Vec<Model>,
    by_name: AHashMap<Box<[u8]>, usize>,
    /// The model of the last message: the best guess when the features come
    /// before the model's name.
    last_model: usize,
}

#[derive(Debug)]
struct Model {
    name: String,
    schema: Option<Schema>,
    /// Key order of the last features object (see [`Schema::read_features`]).
    order: Vec<usize>,
}

/// Reads features during the walk, as the model that they most likely belong to.
struct InlineFeatures<'d> {
    models: &'d mut [Model],
    by_name: &'d AHashMap<Box<[u8]>, usize>,
    guess: usize,
    row: &'d mut Row,
    payload: &'d [u8],
    enabled: bool,
    read_as: Option<usize>,
}

impl OnFeatures for InlineFeatures<'_> {
    fn features(&mut self, scanner: &mut Scanner<'_>, spans: &Spans) -> Option<()> {
        if !self.enabled {
            return scanner.skip_value();
        }
        if let Some((start, end)) = spans[Field::Model as usize]
            && let Some(name) = self.payload.get(start + 1..end.saturating_sub(1))
            && let Some(&model) = self.by_name.get(name)
        {
            self.guess = model;
        }
        match self.models.get_mut(self.guess) {
            Some(Model { schema: Some(schema), order, .. }) => {
                self.row.reset(schema.len());
                self.read_as = Some(self.guess);
                schema.read_features(scanner, self.row, order, |_| false)
            }
            _ => scanner.skip_value(),
        }
    }
}

impl Decoder {
    /// A decoder for `models`, in that order; payloads longer than `max_bytes`
    /// are refused.
    #[must_use]
    pub fn new(mapping: &EventMapping, max_bytes: usize, models: impl IntoIterator<Item = String>) -> Self {
        let models: Vec<Model> =
            models.into_iter().map(|name| Model { name, schema: None, order: Vec::new() }).collect();
        let by_name =
            models.iter().enumerate().map(|(index, model)| (model.name.as_bytes().into(), index)).collect();
        Self { mapping: mapping.clone(), paths: Paths::new(mapping), max_bytes, models, by_name, last_model: 0 }
    }

    /// Gives a model its columns; until then its rows stay empty.
    pub fn set_schema(&mut self, model: usize, schema: Schema) {
        if let Some(model) = self.models.get_mut(model) {
            model.order.clear();
            model.schema = Some(schema);
        }
    }

    /// Decodes one message of `topic` into `row`.
    ///
    /// For a model without a schema the row has no cells.
    ///
    /// # Errors
    /// The bounded reason, with a sentence about this message.
    pub fn decode<'m>(
        &mut self,
        message: &Message<'m>,
        topic: &'m str,
        row: &mut Row,
    ) -> Result<Envelope<'m>, Reject> {
        let payload = self.payload(message)?;
        row.reset(0);
        let mut spans: Spans = [None; FIELDS];
        let mut inline = InlineFeatures {
            enabled: self.paths.features_stand_alone(),
            models: &mut self.models,
            by_name: &self.by_name,
            guess: self.last_model,
            row,
            payload,
            read_as: None,
        };
        let mut scanner = Scanner::new(payload);
        scanner.skip_space();
        let is_object = scanner.peek() == Some(b'{');
        let walked = self.paths.walk(&mut scanner, &mut spans, &mut inline);
        let read_as = inline.read_as;
        if walked.is_none() || !scanner.at_end() {
            let detail = format!("not valid JSON near byte {}", scanner.position());
            return Err(Reject::new(RejectReason::NotJson, detail));
        }
        if !is_object {
            return Err(Reject::new(RejectReason::NotAnObject, "the payload is JSON, but not an object"));
        }
        let fields = Fields { mapping: &self.mapping, message: *message, topic, payload, spans };
        let model = self.model(&fields)?;
        self.last_model = model;
        let envelope = fields.envelope(model)?;
        let unread = spans[Field::Features as usize].filter(|_| read_as != Some(model));
        self.fill_row(&envelope, row, read_as == Some(model), unread.map(|(start, _)| Scanner::at(payload, start)))?;
        Ok(envelope)
    }

    fn payload<'m>(&self, message: &Message<'m>) -> Result<&'m [u8], Reject> {
        let payload =
            message.value.ok_or_else(|| Reject::new(RejectReason::Empty, "the message has no payload"))?;
        if payload.len() > self.max_bytes {
            let detail = format!("{} bytes, more than the {} allowed", payload.len(), self.max_bytes);
            return Err(Reject::new(RejectReason::TooLarge, detail));
        }
        if simdutf8::basic::from_utf8(payload).is_err() {
            return Err(Reject::new(RejectReason::NotJson, "not valid UTF-8"));
        }
        Ok(payload)
    }

    fn model(&self, fields: &Fields<'_, '_>) -> Result<usize, Reject> {
        let name = fields
            .text(Field::Model, &self.mapping.model)?
            .filter(|name| !name.is_empty())
            .ok_or_else(|| Reject::new(RejectReason::NoModel, "the event names no model"))?;
        if let Some(last) = self.models.get(self.last_model)
            && last.name == *name
        {
            return Ok(self.last_model);
        }
        self.by_name.get(name.as_bytes()).copied().ok_or_else(|| {
            let shown: String = name.chars().take(100).collect();
            Reject::new(RejectReason::UnknownModel, format!("model {shown:?} is not in the configuration"))
        })
    }

    /// Reads what the walk has not: features met before the model was known,
    /// and the prediction.
    fn fill_row(
        &mut self,
        envelope: &Envelope<'_>,
        row: &mut Row,
        features_read: bool,
        unread_features: Option<Scanner<'_>>,
    ) -> Result<(), Reject> {
        let paths = &self.paths;
        let Some(Model { schema: Some(schema), order, .. }) = self.models.get_mut(envelope.model) else {
            row.reset(0);
            return Ok(());
        };
        let not_json = || Reject::new(RejectReason::NotJson, "not valid JSON inside a field");
        if !features_read {
            row.reset(schema.len());
            if let (Some(_), Some(mut scanner)) = (envelope.features, unread_features) {
                let is_mapped = |key: &[u8]| paths.is_mapped_inside_features(key);
                schema.read_features(&mut scanner, row, order, is_mapped).ok_or_else(not_json)?;
            }
        }
        if envelope.kind == EventKind::Prediction {
            schema.expect_prediction(row);
            // The class second: where both are given, it is the more precise one.
            for raw in [&envelope.prediction, &envelope.prediction_class].into_iter().flatten() {
                schema.read_prediction(raw, row).ok_or_else(not_json)?;
            }
        }
        Ok(())
    }
}

/// The fields of one message, as found.
struct Fields<'d, 'm> {
    mapping: &'d EventMapping,
    message: Message<'m>,
    topic: &'m str,
    payload: &'m [u8],
    spans: Spans,
}

impl<'m> Fields<'_, 'm> {
    fn raw(&self, field: Field) -> Option<&'m [u8]> {
        let (start, end) = (*self.spans.get(field as usize)?)?;
        let raw = self.payload.get(start..end)?;
        (raw != b"null").then_some(raw)
    }

    /// Text from outside the payload.
    fn outer(&self, source: &FieldSource) -> Result<Option<Cow<'m, str>>, Reject> {
        let bytes = match source {
            FieldSource::Pointer(_) => return Ok(None),
            FieldSource::Header(name) => self.message.header(name.as_bytes()),
            FieldSource::Key => self.message.key,
            FieldSource::Topic => Some(self.topic.as_bytes()),
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
    fn text(&self, field: Field, source: &FieldSource) -> Result<Option<Cow<'m, str>>, Reject> {
        let Some(raw) = self.raw(field) else { return self.outer(source) };
        string_of(raw).map(Some).ok_or_else(|| {
            Reject::new(RejectReason::WrongType, format!("{field:?} must be a string, found {}", excerpt(raw)))
        })
    }

    /// A field that may be text or a number, as text.
    fn name(&self, field: Field, source: &FieldSource) -> Result<Option<Cow<'m, str>>, Reject> {
        match self.raw(field) {
            Some(raw) if Scanner::new(raw).value_start() == Some(ValueStart::Number) => {
                Ok(std::str::from_utf8(raw).ok().map(Cow::Borrowed))
            }
            _ => self.text(field, source),
        }
    }

    /// A field that may be any JSON value; text from outside becomes a number
    /// where it reads as one, else a string.
    fn value(&self, field: Field, source: &FieldSource) -> Result<Option<Cow<'m, [u8]>>, Reject> {
        if let Some(raw) = self.raw(field) {
            return Ok(Some(Cow::Borrowed(raw)));
        }
        Ok(self.outer(source)?.map(|text| {
            let mut scanner = Scanner::new(text.as_bytes());
            if scanner.number().is_some() && scanner.at_end() {
                Cow::Owned(text.as_bytes().to_vec())
            } else {
                Cow::Owned(serde_json::Value::from(text.as_ref()).to_string().into_bytes())
            }
        }))
    }

    fn envelope(&self, model: usize) -> Result<Envelope<'m>, Reject> {
        let mapping = self.mapping;
        let time = self.time()?;
        let prediction = self.value(Field::Prediction, &mapping.prediction)?;
        let prediction_class = self.value(Field::PredictionClass, &mapping.prediction_class)?;
        let label = self.value(Field::Label, &mapping.label)?;
        let features = self.raw(Field::Features).filter(|raw| raw.starts_with(b"{"));
        if features.is_none() && self.raw(Field::Features).is_some() {
            return Err(Reject::new(RejectReason::WrongType, "the features must be an object"));
        }
        let kind = match self.text(Field::Kind, &mapping.kind)? {
            Some(word) => EventKind::from_word(word.as_bytes()).ok_or_else(|| {
                let found = excerpt(word.as_bytes());
                Reject::new(RejectReason::BadKind, format!("kind must be prediction, feature or label, found {found}"))
            })?,
            None if prediction.is_some() || prediction_class.is_some() => EventKind::Prediction,
            None if label.is_some() => EventKind::Label,
            None if features.is_some() => EventKind::Feature,
            None => {
                let detail = "the event has no kind, prediction, label or features";
                return Err(Reject::new(RejectReason::BadKind, detail));
            }
        };
        Ok(Envelope {
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
        })
    }

    fn time(&self) -> Result<EventTime, Reject> {
        let outer;
        let (text, is_text) = if let Some(raw) = self.raw(Field::Time) {
            match raw.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")) {
                Some(text) => (text, true),
                None => (raw, false),
            }
        } else {
            outer = self
                .outer(&self.mapping.time)?
                .ok_or_else(|| Reject::new(RejectReason::NoTime, "the event has no time"))?;
            (outer.as_bytes(), true)
        };
        let rfc3339 = is_text.then(|| parse_rfc3339(text)).flatten();
        rfc3339.or_else(|| epoch_of(text)).ok_or_else(|| {
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

/// The text of a JSON string.
fn string_of(raw: &[u8]) -> Option<Cow<'_, str>> {
    let string = Scanner::new(raw).string()?;
    if string.escaped {
        return Some(Cow::Owned(unescape(string.bytes)));
    }
    std::str::from_utf8(string.bytes).ok().map(Cow::Borrowed)
}

/// The beginning of a value, for a person.
fn excerpt(raw: &[u8]) -> String {
    let text = String::from_utf8_lossy(raw);
    let mut shown: String = text.chars().take(60).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}
