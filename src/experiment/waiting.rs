//! Predictions that wait for their label, and for the answers of other arms to the
//! same request.
//!
//! Everything that came under one id is one entry, and what comes later joins it,
//! whatever comes first: a label may be read before its prediction when topics are
//! caught up on. An entry goes when the window of its prediction can't change any
//! more, or when it has to make room, oldest first; a label alone goes sooner, when no
//! prediction of before it can come any more. The caller counts what is lost.

use std::collections::BTreeSet;

use ahash::AHashMap;
use serde::{Deserialize, Serialize};

use super::values::Outcome;

/// One arm's answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Answer {
    pub(super) arm: u8,
    pub(super) bucket: Option<u8>,
    /// Start of its window.
    pub(super) pane: i64,
    pub(super) score: Option<f64>,
    pub(super) class: Option<Outcome>,
    /// Covariates of the metrics that need a label, one after another; of shadows,
    /// the values of the metrics that need none. Mostly empty, which takes no memory.
    pub(super) values: Box<[Option<i64>]>,
}

/// What came under one id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    /// Event time of the first answer; of the label while there is none.
    pub(super) time: i64,
    pub(super) label: Option<Outcome>,
    /// By arm, in the order in which they came; one for all but shadows.
    pub(super) first: Option<Answer>,
    pub(super) others: Vec<Answer>,
}

impl Entry {
    pub(super) fn answers(&self) -> impl Iterator<Item = &Answer> {
        self.first.iter().chain(&self.others)
    }

    pub(super) fn answer_of(&self, arm: u8) -> Option<&Answer> {
        self.answers().find(|answer| answer.arm == arm)
    }

    fn add(&mut self, answer: Answer) {
        if self.first.is_none() {
            self.first = Some(answer);
        } else {
            self.others.push(answer);
        }
    }
}

/// What became of something that was offered.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Offered {
    /// The entry with it, unless there was the same already.
    pub(super) is_new: bool,
    /// Entries that had to make room before they were complete.
    pub(super) lost: u64,
}

/// All that waits.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Vec<(u64, Entry)>", into = "Vec<(u64, Entry)>")]
pub(super) struct Waiting {
    entries: AHashMap<u64, Entry>,
    /// Those with an answer, and those that are a label alone.
    by_time: BTreeSet<(i64, u64)>,
    labels: BTreeSet<(i64, u64)>,
}

impl From<Vec<(u64, Entry)>> for Waiting {
    fn from(list: Vec<(u64, Entry)>) -> Self {
        let entries: AHashMap<u64, Entry> = list.into_iter().collect();
        let mut waiting = Self::default();
        for (id, entry) in &entries {
            let list = if entry.first.is_some() { &mut waiting.by_time } else { &mut waiting.labels };
            list.insert((entry.time, *id));
        }
        Self { entries, ..waiting }
    }
}

impl From<Waiting> for Vec<(u64, Entry)> {
    fn from(waiting: Waiting) -> Self {
        let Waiting { mut entries, by_time, labels } = waiting;
        by_time.into_iter().chain(labels).filter_map(|(_, id)| Some((id, entries.remove(&id)?))).collect()
    }
}

impl Waiting {
    #[cfg(test)]
    fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn get(&self, id: u64) -> Option<&Entry> {
        self.entries.get(&id)
    }

    /// Offers an arm's answer.
    pub(super) fn answer(&mut self, id: u64, time: i64, answer: Answer, most: usize) -> Offered {
        let lost = self.make_room(id, most);
        let Some(entry) = self.entries.get_mut(&id) else {
            self.by_time.insert((time, id));
            self.entries.insert(id, Entry { time, label: None, first: Some(answer), others: Vec::new() });
            return Offered { is_new: true, lost };
        };
        if entry.first.is_none() {
            self.labels.remove(&(entry.time, id));
            self.by_time.insert((time, id));
            entry.time = time;
        }
        let is_new = entry.answer_of(answer.arm).is_none();
        if is_new {
            entry.add(answer);
        }
        Offered { is_new, lost }
    }

    /// Offers a label.
    pub(super) fn label(&mut self, id: u64, time: i64, label: Outcome, most: usize) -> Offered {
        let lost = self.make_room(id, most);
        let Some(entry) = self.entries.get_mut(&id) else {
            self.labels.insert((time, id));
            self.entries.insert(id, Entry { time, label: Some(label), first: None, others: Vec::new() });
            return Offered { is_new: true, lost };
        };
        let is_new = entry.label.is_none();
        if is_new {
            entry.label = Some(label);
        }
        Offered { is_new, lost }
    }

    fn make_room(&mut self, id: u64, most: usize) -> u64 {
        let mut lost = 0;
        while self.entries.len() >= most.max(1) && !self.entries.contains_key(&id) {
            let Some((_, oldest)) = self.labels.pop_first().or_else(|| self.by_time.pop_first()) else {
                break;
            };
            let entry = self.entries.remove(&oldest);
            lost += u64::from(entry.is_some_and(|entry| entry.label.is_none() || entry.first.is_none()));
        }
        lost
    }

    /// Lets go of answers from before `answers`, and of labels from before `labels`
    /// that found no answer; how many those are.
    pub(super) fn expire(&mut self, answers: i64, labels: i64) -> u64 {
        while let Some((_, id)) = pop_before(&mut self.by_time, answers) {
            self.entries.remove(&id);
        }
        let mut lost = 0;
        while let Some((_, id)) = pop_before(&mut self.labels, labels) {
            self.entries.remove(&id);
            lost += 1;
        }
        lost
    }
}

fn pop_before(list: &mut BTreeSet<(i64, u64)>, time: i64) -> Option<(i64, u64)> {
    list.first().is_some_and(|(at, _)| *at < time).then(|| list.pop_first())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(arm: u8) -> Answer {
        Answer { arm, bucket: None, pane: 0, score: Some(0.5), class: None, values: Box::default() }
    }

    const LABEL: Outcome = Outcome { number: Some(1.0), word: 1 };

    #[test]
    fn what_comes_under_one_id_meets_in_any_order() {
        for label_first in [true, false] {
            let mut waiting = Waiting::default();
            if label_first {
                assert!(waiting.label(1, 5, LABEL, 10).is_new);
            }
            assert!(waiting.answer(1, 6, answer(0), 10).is_new);
            assert!(!waiting.answer(1, 7, answer(0), 10).is_new, "the first one counts");
            assert!(waiting.answer(1, 7, answer(1), 10).is_new);
            if !label_first {
                assert!(waiting.label(1, 9, LABEL, 10).is_new);
            }
            let entry = waiting.get(1).expect("an entry");
            assert!(entry.label.is_some() && entry.answer_of(0).is_some() && entry.answer_of(1).is_some());
        }
    }

    #[test]
    fn the_oldest_makes_room_and_is_counted() {
        let mut waiting = Waiting::default();
        for (id, time) in [(1, 10), (2, 20)] {
            waiting.answer(id, time, answer(0), 2);
        }
        assert_eq!(waiting.label(3, 30, LABEL, 2), Offered { is_new: true, lost: 1 });
        assert!(waiting.get(1).is_none());
        assert_eq!((waiting.expire(21, 30), waiting.len()), (0, 1));
        assert_eq!((waiting.expire(21, 31), waiting.len()), (1, 0));
    }

    #[test]
    fn it_comes_back_as_it_was_stored() {
        let mut waiting = Waiting::default();
        waiting.answer(4, 10, answer(2), 9);
        waiting.label(5, 12, LABEL, 9);
        let text = serde_json::to_string(&waiting).expect("JSON");
        assert_eq!(serde_json::from_str::<Waiting>(&text).expect("the same"), waiting);
    }
}
