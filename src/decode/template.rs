//! The layout of a producer's messages, learned from one of them.
//!
//! Why: the messages of one producer differ in their values only. Between two
//! values stand the same bytes every time (keys, quotes, separators, white
//! space), so that one comparison per value replaces reading a key and looking
//! it up. A message that differs anywhere is simply not followed, and read
//! the general way.
//!
//! Promises: a message that is followed gives the same spans, cells and names
//! as the general walk, and is valid JSON: the bytes between the values were
//! taken from valid JSON, and every value is checked as it is read.
//! Refuses to learn: messages where a field is mapped to a place inside the
//! features, or inside of a value that another field takes whole.

use super::{
    Row, Schema,
    number::Terminator,
    paths::{Field, Paths, Span, Spans, Visit},
    scanner::{Known, RawString, Scanner},
    schema::FeatureKey,
};
use crate::profile::Cell;

/// What stands between two values.
#[derive(Debug, Clone)]
struct Literal {
    bytes: Box<[u8]>,
    /// The first 32 bytes as words, zero where there are none.
    words: [u64; 4],
    /// All ones where `words` has bytes.
    masks: [u64; 4],
}

/// What becomes of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Slot {
    /// It belongs to these fields of the envelope.
    Fields(Vec<Field>),
    /// It is the model's name.
    Model,
    /// It goes into a numeric column of the schema.
    Numeric(usize),
    /// It goes into another column of the schema.
    Column(usize),
    /// It belongs to a feature that the schema does not know; where its key
    /// starts and ends, counted back from the value.
    Unknown(usize, usize),
    /// Nobody wants it.
    Unused,
}

#[derive(Debug, Clone)]
struct Step {
    literal: Literal,
    slot: Slot,
    /// What stands behind the value.
    end: Terminator,
}

/// A layout, for messages of one model.
#[derive(Debug, Clone)]
struct Template {
    /// The model's name with its quotes.
    model: Box<[u8]>,
    before: Vec<Step>,
    features: Option<Features>,
    after: Vec<Step>,
    tail: Literal,
    /// Messages followed since a template was learned last.
    followed: u64,
}

/// The features object within the layout.
#[derive(Debug, Clone)]
struct Features {
    steps: Vec<Step>,
    /// From the end of the value before to the opening brace.
    open: usize,
    /// From the end of the last feature's value to behind the closing brace.
    close: usize,
}

/// How following a template went.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Followed<'a> {
    /// To the end; spans and row are filled.
    Whole,
    /// The message belongs to another model; its name with quotes.
    OtherModel(&'a [u8]),
    /// The layout is another one.
    No,
}

impl Literal {
    fn new(bytes: &[u8]) -> Self {
        let (mut words, mut masks) = ([0; 4], [0; 4]);
        for ((word, mask), chunk) in words.iter_mut().zip(&mut masks).zip(bytes.chunks(8)) {
            let mut padded = [0; 8];
            let mut filled = [0; 8];
            for ((padded, filled), byte) in padded.iter_mut().zip(&mut filled).zip(chunk) {
                (*padded, *filled) = (*byte, 0xff);
            }
            (*word, *mask) = (u64::from_le_bytes(padded), u64::from_le_bytes(filled));
        }
        Self { bytes: bytes.into(), words, masks }
    }

    /// Whether `text` starts with it. Short literals are compared without a
    /// branch on their length, as long as there is enough text behind them.
    #[inline]
    fn starts(&self, text: &[u8]) -> bool {
        match text.first_chunk::<32>() {
            Some(chunk) if self.bytes.len() <= 32 => {
                let (chunks, _) = chunk.as_chunks::<8>();
                let mut pairs = chunks.iter().zip(self.words.iter().zip(&self.masks));
                let differ = |differ, (bytes, (word, mask)): (&[u8; 8], (&u64, &u64))| {
                    differ | ((u64::from_le_bytes(*bytes) ^ word) & mask)
                };
                // Most keys fit two words.
                pairs.by_ref().take(2).fold(0, differ) == 0
                    && (self.bytes.len() <= 16 || pairs.fold(0, differ) == 0)
            }
            _ => text.starts_with(&self.bytes),
        }
    }
}

impl Template {
    /// Reads `payload`, which must be UTF-8, into `spans` and `row`.
    #[inline]
    fn follow<'a>(
        &mut self,
        schema: &Schema,
        payload: &'a [u8],
        spans: &mut Spans,
        row: &mut Row,
    ) -> Followed<'a> {
        match self.read(schema, payload, spans, row) {
            Ok(()) => {
                self.followed += 1;
                Followed::Whole
            }
            Err(other) => other,
        }
    }

    #[inline]
    fn read<'a>(
        &self,
        schema: &Schema,
        payload: &'a [u8],
        spans: &mut Spans,
        row: &mut Row,
    ) -> Result<(), Followed<'a>> {
        let mut scanner = Scanner::new(payload);
        schema.reset_row(row, self.features.is_some());
        self.fields(&self.before, schema, &mut scanner, spans, row)?;
        if let Some(features) = &self.features {
            features.follow(schema, &mut scanner, spans, row).ok_or(Followed::No)?;
        }
        self.fields(&self.after, schema, &mut scanner, spans, row)?;
        let ends = scanner.take_if(|rest| self.tail.starts(rest), self.tail.bytes.len()) && scanner.at_end();
        if ends { Ok(()) } else { Err(Followed::No) }
    }

    /// Values outside of the features.
    fn fields<'a>(
        &self,
        steps: &[Step],
        schema: &Schema,
        scanner: &mut Scanner<'a>,
        spans: &mut Spans,
        row: &mut Row,
    ) -> Result<(), Followed<'a>> {
        // A copy whose address nobody has stays in registers.
        let mut here = *scanner;
        for step in steps {
            self.step(step, schema, &mut here, spans, row)?;
        }
        *scanner = here;
        Ok(())
    }

    /// One value outside of the features.
    #[inline]
    fn step<'a>(
        &self,
        step: &Step,
        schema: &Schema,
        scanner: &mut Scanner<'a>,
        spans: &mut Spans,
        row: &mut Row,
    ) -> Result<(), Followed<'a>> {
        let start = step.begin(scanner).ok_or(Followed::No)?;
        match &step.slot {
            Slot::Fields(fields) => {
                let known = scanner.value().ok_or(Followed::No)?;
                let span = Span { start, end: scanner.position(), known };
                for field in fields {
                    set_span(spans, *field, span);
                }
            }
            Slot::Model if scanner.take_bytes(&self.model) => {
                let span = Span { start, end: scanner.position(), known: Known::Other };
                set_span(spans, Field::Model, span);
            }
            Slot::Model => {
                scanner.skip_value().ok_or(Followed::No)?;
                return Err(Followed::OtherModel(scanner.slice(start, scanner.position())));
            }
            Slot::Numeric(_) | Slot::Column(_) | Slot::Unknown(..) | Slot::Unused => {
                step.feature(schema, scanner, start, row).ok_or(Followed::No)?;
            }
        }
        Ok(())
    }
}

impl Features {
    #[inline]
    fn follow(
        &self,
        schema: &Schema,
        scanner: &mut Scanner<'_>,
        spans: &mut Spans,
        row: &mut Row,
    ) -> Option<()> {
        let open = scanner.position() + self.open;
        // A copy whose address nobody has stays in registers.
        let mut here = *scanner;
        for step in &self.steps {
            let start = step.begin(&mut here)?;
            if let Slot::Numeric(column) = step.slot
                && let Some(number) = here.number_until(step.end)
            {
                row.set(column, Cell::number(number));
            } else {
                *scanner = here;
                step.feature(schema, scanner, start, row)?;
                here = *scanner;
            }
        }
        *scanner = here;
        let span = Span { start: open, end: scanner.position() + self.close, known: Known::Other };
        set_span(spans, Field::Features, span);
        Some(())
    }
}

impl Step {
    /// Takes the literal; where the value starts.
    #[inline]
    fn begin(&self, scanner: &mut Scanner<'_>) -> Option<usize> {
        let literal = &self.literal;
        scanner.take_if(|rest| literal.starts(rest), literal.bytes.len()).then(|| scanner.position())
    }

    fn feature(&self, schema: &Schema, scanner: &mut Scanner<'_>, start: usize, row: &mut Row) -> Option<()> {
        match self.slot {
            Slot::Numeric(column) | Slot::Column(column) => schema.read_value(scanner, row, column),
            Slot::Unknown(key_start, key_end) => {
                row.unknown.push(start.saturating_sub(key_start)..start.saturating_sub(key_end));
                scanner.skip_value()
            }
            _ => scanner.skip_value(),
        }
    }
}

#[inline]
fn set_span(spans: &mut Spans, field: Field, span: Span) {
    if let Some(slot) = spans.get_mut(field as usize) {
        *slot = Some(span);
    }
}

/// The layouts of one model's messages: its producers', and one each for
/// predictions, features and labels.
#[derive(Debug)]
pub(super) struct Templates {
    learned: Vec<Template>,
    /// Messages that no layout fitted since the last one was learned.
    missed: u64,
    /// Learn from the miss of this number.
    learn_at: u64,
}

/// Layouts kept of one model.
const MAX_TEMPLATES: usize = 4;
/// Learning costs a few messages' time, so a producer whose messages differ
/// every time must not cause it for each of them.
const MAX_MISSES: u64 = 4_096;

impl Default for Templates {
    fn default() -> Self {
        Self { learned: Vec::new(), missed: 0, learn_at: 1 }
    }
}

impl Templates {
    /// Reads `payload` by the first layout that fits.
    #[inline]
    pub(super) fn follow<'a>(
        &mut self,
        schema: &Schema,
        payload: &'a [u8],
        spans: &mut Spans,
        row: &mut Row,
    ) -> Followed<'a> {
        for template in &mut self.learned {
            *spans = Spans::default();
            let followed = template.follow(schema, payload, spans, row);
            if followed != Followed::No {
                return followed;
            }
        }
        Followed::No
    }

    /// Notes that `payload` had to be read the general way, and learns its
    /// layout when it is time to.
    pub(super) fn missed(&mut self, payload: &[u8], paths: &Paths, schema: &Schema) {
        self.missed += 1;
        if self.missed < self.learn_at {
            return;
        }
        // While layouts pay for themselves new ones are learned soon.
        let followed: u64 = self.learned.iter().map(|template| template.followed).sum();
        self.learn_at = if followed > self.missed { 1 } else { (self.learn_at * 2).min(MAX_MISSES) };
        self.missed = 0;
        let Some(template) = Template::learn(payload, paths, schema) else { return };
        // A layout that nothing followed would only cost every message a try.
        self.learned.retain(|template| template.followed > 0);
        if self.learned.len() == MAX_TEMPLATES {
            let least = self.learned.iter().enumerate().min_by_key(|(_, template)| template.followed);
            if let Some(index) = least.map(|(index, _)| index) {
                self.learned.remove(index);
            }
        }
        for template in &mut self.learned {
            template.followed = 0;
        }
        self.learned.push(template);
    }
}

impl Template {
    /// Learns the layout of `payload`, a message that the general walk has
    /// read, of a model whose name stands in it.
    fn learn(payload: &[u8], paths: &Paths, schema: &Schema) -> Option<Self> {
        if !paths.features_stand_alone() {
            return None;
        }
        let mut lesson = Lesson { payload, schema, values: Vec::new(), features: None, model: None };
        let mut scanner = Scanner::new(payload);
        scanner.skip_space();
        paths.walk(&mut scanner, &mut Spans::default(), &mut lesson)?;
        lesson.finish()
    }
}

/// A message on the way to becoming a template: its values in order.
struct Lesson<'p> {
    payload: &'p [u8],
    schema: &'p Schema,
    values: Vec<(usize, usize, Slot)>,
    features: Option<FeaturesFound>,
    model: Option<&'p [u8]>,
}

/// Which of the values are features, and where their object is.
struct FeaturesFound {
    values: std::ops::Range<usize>,
    span: (usize, usize),
}

impl Visit for Lesson<'_> {
    fn features(&mut self, scanner: &mut Scanner<'_>, _: &Spans) -> Option<()> {
        let first = self.values.len();
        let object_start = scanner.position();
        scanner.object(|inner, key| {
            let start = inner.position();
            inner.skip_value()?;
            let slot = self.feature_slot(key, start)?;
            self.values.push((start, inner.position(), slot));
            Some(())
        })?;
        // A second features object would be read on top of the first one.
        let again = self.features.is_some();
        self.features = Some(FeaturesFound {
            values: first..self.values.len(),
            span: (object_start, scanner.position()),
        });
        (!again).then_some(())
    }

    fn leaf(&mut self, fields: &[Field], has_children: bool, start: usize, end: usize) -> Option<()> {
        if self.features.as_ref().is_some_and(|features| features.span == (start, end)) {
            // Learned as an object of steps already; other fields can't take it whole too.
            return (fields == [Field::Features]).then_some(());
        }
        if has_children {
            return None;
        }
        let slot = match fields {
            [] => Slot::Unused,
            [Field::Model] => {
                self.model = self.payload.get(start..end);
                Slot::Model
            }
            fields if fields.contains(&Field::Model) || fields.contains(&Field::Features) => return None,
            fields => Slot::Fields(fields.to_vec()),
        };
        self.values.push((start, end, slot));
        Some(())
    }
}

impl Lesson<'_> {
    fn feature_slot(&self, key: RawString<'_>, start: usize) -> Option<Slot> {
        Some(match self.schema.feature_key(key) {
            FeatureKey::Column(column) if self.schema.is_numeric(column) => Slot::Numeric(column),
            FeatureKey::Column(column) => Slot::Column(column),
            FeatureKey::Ignored => Slot::Unused,
            FeatureKey::Unknown => {
                // The key ends at the last quote before the value's colon.
                let before = self.payload.get(..start)?;
                let end = before.iter().rposition(|&byte| byte == b'"')?;
                let back = start - end;
                Slot::Unknown(back + key.bytes.len(), back)
            }
        })
    }

    fn finish(self) -> Option<Template> {
        let mut steps = Vec::with_capacity(self.values.len());
        let mut at = 0;
        for (start, end, slot) in self.values {
            let literal = Literal::new(self.payload.get(at..start)?);
            steps.push(Step { literal, slot, end: Terminator::new(*self.payload.get(end)?) });
            at = end;
        }
        let mut template = Template {
            model: self.model?.into(),
            before: Vec::new(),
            features: None,
            after: Vec::new(),
            tail: Literal::new(self.payload.get(at..)?.trim_ascii_end()),
            followed: 0,
        };
        let Some(found) = self.features else {
            template.before = steps;
            return Some(template);
        };
        template.after = steps.split_off(found.values.end);
        let feature_steps = steps.split_off(found.values.start);
        template.before = steps;
        // An empty object has no value to start from.
        let first = feature_steps.first()?;
        let following = template.after.first().map_or(&template.tail, |step| &step.literal);
        let close = following.bytes.iter().position(|&byte| byte == b'}')? + 1;
        let open = first.literal.bytes.iter().rposition(|&byte| byte == b'{')?;
        template.features = Some(Features { steps: feature_steps, open, close });
        Some(template)
    }
}
