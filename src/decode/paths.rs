//! The mapping's JSON pointers as one tree, so that a single walk over the
//! payload finds all of them.

use super::{
    EventMapping, FieldSource, JsonPointer,
    scanner::{Known, Scanner},
};

/// The fields of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    Kind,
    Id,
    Time,
    Model,
    Version,
    Variant,
    Unit,
    Features,
    Prediction,
    PredictionClass,
    Label,
}

const FIELDS: usize = 11;

/// Where each field's value was found in the payload.
pub(super) type Spans = [Option<Span>; FIELDS];

/// Where a value stands, and what reading it has shown, so that nobody has to
/// look at its bytes again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) known: Known,
}

/// One place in the payload that some pointer passes through or ends at.
#[derive(Debug, Clone, Default)]
struct Node {
    key: Box<[u8]>,
    children: Vec<usize>,
    /// Fields whose pointer ends here.
    fields: Vec<Field>,
}

/// All pointers of a mapping; node 0 is the whole document.
#[derive(Debug, Clone)]
pub(super) struct Paths {
    nodes: Vec<Node>,
    features_node: usize,
}

/// What is done with what the walk meets.
pub(super) trait Visit {
    /// Takes the features object at the scanner's position. `spans` has what
    /// was found so far.
    fn features(&mut self, scanner: &mut Scanner<'_>, spans: &Spans) -> Option<()>;

    /// Sees a value that the walk did not look into: the fields that it
    /// belongs to, and whether some field is mapped to a place inside of it.
    fn leaf(&mut self, _fields: &[Field], _has_children: bool, _start: usize, _end: usize) -> Option<()> {
        Some(())
    }
}

impl Paths {
    pub(super) fn new(mapping: &EventMapping) -> Self {
        let mut paths = Self { nodes: vec![Node::default()], features_node: 0 };
        let sources = [
            (Field::Kind, &mapping.kind),
            (Field::Id, &mapping.id),
            (Field::Time, &mapping.time),
            (Field::Model, &mapping.model),
            (Field::Version, &mapping.version),
            (Field::Variant, &mapping.variant),
            (Field::Unit, &mapping.unit),
            (Field::Prediction, &mapping.prediction),
            (Field::PredictionClass, &mapping.prediction_class),
            (Field::Label, &mapping.label),
        ];
        for (field, source) in sources {
            if let FieldSource::Pointer(pointer) = source {
                paths.insert(field, pointer);
            }
        }
        paths.features_node = paths.insert(Field::Features, &mapping.features);
        paths
    }

    fn insert(&mut self, field: Field, pointer: &JsonPointer) -> usize {
        let mut node = 0;
        for token in &pointer.0 {
            node = self.child(node, token.as_bytes()).unwrap_or_else(|| {
                let new = self.nodes.len();
                self.nodes.push(Node { key: token.as_bytes().into(), ..Node::default() });
                if let Some(parent) = self.nodes.get_mut(node) {
                    parent.children.push(new);
                }
                new
            });
        }
        if let Some(node) = self.nodes.get_mut(node) {
            node.fields.push(field);
        }
        node
    }

    fn child(&self, node: usize, key: &[u8]) -> Option<usize> {
        let children = &self.nodes.get(node)?.children;
        children.iter().copied().find(|&child| self.nodes.get(child).is_some_and(|node| *node.key == *key))
    }

    /// The child that names an array's element.
    fn child_at(&self, node: &Node, index: usize) -> Option<usize> {
        let is_index = |key: &[u8]| std::str::from_utf8(key).is_ok_and(|text| text.parse() == Ok(index));
        node.children
            .iter()
            .copied()
            .find(|&child| self.nodes.get(child).is_some_and(|node| is_index(&node.key)))
    }

    /// Whether the features can be read during the walk: nothing else is
    /// mapped to a place inside of them.
    pub(super) fn features_stand_alone(&self) -> bool {
        self.nodes.get(self.features_node).is_some_and(|node| node.children.is_empty())
    }

    /// Whether `key` of the features object belongs to another field.
    pub(super) fn is_mapped_inside_features(&self, key: &[u8]) -> bool {
        self.child(self.features_node, key).is_some()
    }

    /// Walks the value at the scanner's position and notes where each field is.
    pub(super) fn walk(
        &self,
        scanner: &mut Scanner<'_>,
        spans: &mut Spans,
        visit: &mut impl Visit,
    ) -> Option<()> {
        self.walk_node(0, scanner, spans, visit)
    }

    fn walk_node(
        &self,
        node_index: usize,
        scanner: &mut Scanner<'_>,
        spans: &mut Spans,
        visit: &mut impl Visit,
    ) -> Option<()> {
        let node = self.nodes.get(node_index)?;
        let start = scanner.position();
        let mut known = Known::Other;
        match scanner.peek()? {
            b'{' if !node.children.is_empty() => {
                let mut next = 0;
                scanner.object(|inner, key| match self.next_child(node, key.bytes, &mut next) {
                    Some(child) => self.walk_node(child, inner, spans, visit),
                    None => skip(inner, visit),
                })?;
            }
            b'[' if !node.children.is_empty() => {
                scanner.array(|inner, index| match self.child_at(node, index) {
                    Some(child) => self.walk_node(child, inner, spans, visit),
                    None => skip(inner, visit),
                })?;
            }
            start_byte => {
                if start_byte == b'{' && node_index == self.features_node {
                    visit.features(scanner, spans)?;
                } else {
                    known = scanner.value()?;
                }
                visit.leaf(&node.fields, !node.children.is_empty(), start, scanner.position())?;
            }
        }
        for field in &node.fields {
            if let Some(span) = spans.get_mut(*field as usize) {
                *span = Some(Span { start, end: scanner.position(), known });
            }
        }
        Some(())
    }

    /// The child called `key`, looked for first behind the one found last:
    /// producers keep the order of their keys.
    #[inline]
    fn next_child(&self, node: &Node, key: &[u8], next: &mut usize) -> Option<usize> {
        let count = node.children.len();
        for step in 0..count {
            let position = (*next + step) % count;
            let child = *node.children.get(position)?;
            if *self.nodes.get(child)?.key == *key {
                *next = position + 1;
                return Some(child);
            }
        }
        None
    }
}

/// Skips a value that no field is mapped to.
fn skip(scanner: &mut Scanner<'_>, visit: &mut impl Visit) -> Option<()> {
    let start = scanner.position();
    scanner.skip_value()?;
    visit.leaf(&[], false, start, scanner.position())
}
