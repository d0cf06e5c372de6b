//! The mapping of events.

use super::Resolver;
use crate::{
    config::raw,
    decode::{EventMapping, FieldSource, JsonPointer},
};

impl Resolver<'_> {
    pub(super) fn events(&mut self, raw: raw::Events) -> Option<EventMapping> {
        let kind = self.field("events.kind", raw.kind);
        let id = self.field("events.id", raw.id);
        let time = self.field("events.time", raw.time);
        let model = self.field("events.model", raw.model);
        let version = self.field("events.version", raw.version);
        let variant = self.field("events.variant", raw.variant);
        let unit = self.field("events.unit", raw.unit);
        let features = self.pointer("events.features", &raw.features);
        let prediction = self.field("events.prediction", raw.prediction);
        let prediction_class = self.field("events.prediction_class", raw.prediction_class);
        let label = self.field("events.label", raw.label);
        if let Some(FieldSource::Constant(word)) = &kind
            && !["prediction", "feature", "label"].contains(&word.as_str())
        {
            let message = format!("{word:?} is no kind of event");
            self.error("events.kind", message, "prediction, feature or label");
        }
        if let Some(FieldSource::Constant(_)) = &time {
            self.error(
                "events.time",
                "all events would have the same time",
                "name where an event has its time",
            );
        }
        Some(EventMapping {
            kind: kind?,
            id: id?,
            time: time?,
            model: model?,
            version: version?,
            variant: variant?,
            unit: unit?,
            features: features?,
            prediction: prediction?,
            prediction_class: prediction_class?,
            label: label?,
        })
    }

    pub(super) fn field(&mut self, key: &str, raw: raw::Field) -> Option<FieldSource> {
        let mut sources = Vec::new();
        if let Some(pointer) = raw.pointer {
            sources.push(FieldSource::Pointer(self.pointer(key, &pointer)?));
        }
        sources.extend(raw.header.map(FieldSource::Header));
        sources.extend(raw.key.map(|_| FieldSource::Key));
        sources.extend(raw.topic.map(|_| FieldSource::Topic));
        sources.extend(raw.constant.map(FieldSource::Constant));
        match (sources.pop(), sources.is_empty()) {
            (Some(source), true) => Some(source),
            (source, _) => {
                let message = match source {
                    Some(_) => "a field comes from one place, found several",
                    None => "the table does not say where the field comes from",
                };
                self.error(key, message, "keep one of pointer, header, key, topic and constant");
                None
            }
        }
    }

    fn pointer(&mut self, key: &str, text: &str) -> Option<JsonPointer> {
        JsonPointer::parse(text).map_err(|message| self.error(key, message, "write \"/a/b\"")).ok()
    }
}
