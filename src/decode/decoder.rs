//! One message in, one envelope and one row out, or the reason why not.

use ahash::AHashMap;

use super::{
    Envelope, EventMapping, FieldSource, Row, Schema,
    envelope::Fields,
    paths::{Field, Paths, Span, Spans, Visit},
    scanner::{Known, Scanner},
    template::{Followed, Templates},
};
use crate::event::{EventKind, Message, Reject, RejectReason};

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
    /// Layouts of its messages.
    templates: Templates,
}

/// What the walk has found of a message.
struct Found<'p> {
    payload: &'p str,
    spans: &'p Spans,
    /// Whether the row holds the features already.
    features_read: bool,
}

impl<'p> Found<'p> {
    /// A scanner at a field's value in the payload.
    fn scanner(&self, field: Field) -> Option<Scanner<'p>> {
        let Span { start, end, .. } = self.spans.get(field as usize).copied()??;
        // A null is no value; one from outside the payload may stand in for it.
        let is_null = self.payload.get(start..end)? == "null";
        (!is_null).then(|| Scanner::at(self.payload.as_bytes(), start))
    }

    /// The number that a field's value is.
    fn number(&self, field: Field) -> Option<f64> {
        match self.spans.get(field as usize).copied()?? {
            Span { known: Known::Number(number), .. } => Some(number),
            _ => None,
        }
    }
}

/// Reads features during the walk, as the model that they most likely belong to.
struct InlineFeatures<'d> {
    models: &'d mut [Model],
    by_name: &'d AHashMap<Box<[u8]>, usize>,
    guess: usize,
    row: &'d mut Row,
    payload: &'d str,
    enabled: bool,
    read_as: Option<usize>,
}

impl Visit for InlineFeatures<'_> {
    fn features(&mut self, scanner: &mut Scanner<'_>, spans: &Spans) -> Option<()> {
        if !self.enabled {
            return scanner.skip_value();
        }
        if let Some(Some(Span { start, end, .. })) = spans.get(Field::Model as usize).copied()
            && let Some(name) = self.payload.as_bytes().get(start + 1..end.saturating_sub(1))
            && let Some(&model) = self.by_name.get(name)
        {
            self.guess = model;
        }
        match self.models.get_mut(self.guess) {
            Some(Model { schema: Some(schema), order, .. }) => {
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
        let models: Vec<Model> = models
            .into_iter()
            .map(|name| Model { name, schema: None, order: Vec::new(), templates: Templates::default() })
            .collect();
        let by_name =
            models.iter().enumerate().map(|(index, model)| (model.name.as_bytes().into(), index)).collect();
        Self {
            mapping: mapping.clone(),
            paths: Paths::new(mapping),
            max_bytes,
            models,
            by_name,
            last_model: 0,
        }
    }

    /// Gives a model its columns; until then its rows stay empty.
    pub fn set_schema(&mut self, model: usize, schema: Schema) {
        if let Some(model) = self.models.get_mut(model) {
            model.order.clear();
            model.templates = Templates::default();
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
        let mut spans = Spans::default();
        let followed = self.follow(message, topic, payload, (&mut spans, &mut *row));
        let read_as = match followed {
            Some(model) => Some(model),
            None => self.walk(payload, &mut spans, row)?,
        };
        let fields = Fields { mapping: &self.mapping, message: *message, topic, payload, spans: &spans };
        let model = match followed {
            Some(model) => model,
            None => self.model(&fields)?,
        };
        self.last_model = model;
        let envelope = fields.envelope(model)?;
        let found = Found { payload, spans: &spans, features_read: read_as == Some(model) };
        self.fill_row(&envelope, row, &found)?;
        if followed.is_none()
            && let Some(Model { schema: Some(schema), templates, .. }) = self.models.get_mut(model)
        {
            templates.missed(payload.as_bytes(), &self.paths, schema);
        }
        Ok(envelope)
    }

    /// Reads a message by a layout that was learned before; the model that
    /// `row` was read as.
    #[inline]
    fn follow(
        &mut self,
        message: &Message<'_>,
        topic: &str,
        payload: &str,
        (spans, row): (&mut Spans, &mut Row),
    ) -> Option<usize> {
        let outside = match &self.mapping.model {
            FieldSource::Pointer(_) => None,
            FieldSource::Header(name) => message.header(name.as_bytes()),
            FieldSource::Key => message.key,
            FieldSource::Topic => Some(topic.as_bytes()),
            FieldSource::Constant(name) => Some(name.as_bytes()),
        };
        let outside = match outside {
            Some(name) => Some(*self.by_name.get(name)?),
            None => None,
        };
        let mut model = outside.unwrap_or(self.last_model);
        // The second try is for the model that the message itself names.
        for _ in 0..2 {
            let Model { schema: Some(schema), templates, .. } = self.models.get_mut(model)? else {
                return None;
            };
            let other = match templates.follow(schema, payload.as_bytes(), spans, row) {
                Followed::Whole => return Some(model),
                Followed::OtherModel(name) => name,
                Followed::No => return None,
            };
            let name = other.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
            model = *self.by_name.get(name)?;
        }
        None
    }

    /// Reads a message of any layout; the model that `row` was read as, where
    /// it could be read at once.
    fn walk(&mut self, payload: &str, spans: &mut Spans, row: &mut Row) -> Result<Option<usize>, Reject> {
        *spans = Spans::default();
        row.clear();
        let mut inline = InlineFeatures {
            enabled: self.paths.features_stand_alone(),
            models: &mut self.models,
            by_name: &self.by_name,
            guess: self.last_model,
            row,
            payload,
            read_as: None,
        };
        let mut scanner = Scanner::new(payload.as_bytes());
        scanner.skip_space();
        let is_object = scanner.peek() == Some(b'{');
        let walked = self.paths.walk(&mut scanner, spans, &mut inline);
        if walked.is_none() || !scanner.at_end() {
            let detail = format!("not valid JSON near byte {}", scanner.position());
            return Err(Reject::new(RejectReason::NotJson, detail));
        }
        if !is_object {
            return Err(Reject::new(RejectReason::NotAnObject, "the payload is JSON, but not an object"));
        }
        Ok(inline.read_as)
    }

    fn payload<'m>(&self, message: &Message<'m>) -> Result<&'m str, Reject> {
        let payload =
            message.value.ok_or_else(|| Reject::new(RejectReason::Empty, "the message has no payload"))?;
        if payload.len() > self.max_bytes {
            let detail = format!("{} bytes, more than the {} allowed", payload.len(), self.max_bytes);
            return Err(Reject::new(RejectReason::TooLarge, detail));
        }
        simdutf8::basic::from_utf8(payload).map_err(|_| Reject::new(RejectReason::NotJson, "not valid UTF-8"))
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
    fn fill_row(&mut self, envelope: &Envelope<'_>, row: &mut Row, found: &Found<'_>) -> Result<(), Reject> {
        let paths = &self.paths;
        let Some(Model { schema: Some(schema), order, .. }) = self.models.get_mut(envelope.model) else {
            row.clear();
            return Ok(());
        };
        let not_json = || Reject::new(RejectReason::NotJson, "not valid JSON inside a field");
        if !found.features_read {
            schema.reset_row(row, false);
            if let (Some(_), Some(mut scanner)) = (envelope.features, found.scanner(Field::Features)) {
                let is_mapped = |key: &[u8]| paths.is_mapped_inside_features(key);
                schema.read_features(&mut scanner, row, order, is_mapped).ok_or_else(not_json)?;
            }
        }
        if envelope.kind == EventKind::Prediction {
            schema.expect_prediction(row);
            let number = found.number(Field::Prediction);
            let is_taken = number.is_some_and(|number| schema.take_prediction(number, row));
            if let Some(raw) = envelope.prediction.as_ref().filter(|_| !is_taken) {
                let scanner = found.scanner(Field::Prediction).unwrap_or_else(|| Scanner::new(raw));
                schema.read_prediction(scanner, row).ok_or_else(not_json)?;
            }
            // Second: where both give a class, this is the more precise one.
            if let Some(raw) = &envelope.prediction_class {
                let scanner = found.scanner(Field::PredictionClass).unwrap_or_else(|| Scanner::new(raw));
                schema.read_prediction_class(scanner, row).ok_or_else(not_json)?;
            }
        }
        Ok(())
    }
}
