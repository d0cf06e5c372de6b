//! Predictions that wait for their label, and for the answers of other arms to the
//! same request.
//!
//! Everything that came under one id is one entry, and what comes later joins it,
//! whatever comes first: a label may be read before its prediction when topics are
//! caught up on. An entry goes when the window of its last answer can't change any
//! more, or when it has to make room, oldest first; a label alone goes sooner, when no
//! prediction of before it can come any more. The caller counts what is lost.
//!
//! Whether a label is in time, and whether answers are near enough to each other, is
//! a matter of their event times and not of which partition was read faster: the
//! caller says so by the times that are kept here.

use std::collections::BTreeSet;

use ahash::AHashMap;
use serde::{Deserialize, Serialize, Serializer, ser::SerializeSeq};

use super::{arm::ArmIndex, class::Class, losses::Predicted};

/// One arm's answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Answer {
    pub(super) arm: ArmIndex,
    pub(super) bucket: Option<u8>,
    /// Event time.
    pub(super) time: i64,
    pub(super) predicted: Predicted,
    /// Covariates of the metrics that need a label, one after another; of shadows,
    /// the values of the metrics that need none. Mostly empty, which takes no memory.
    pub(super) values: Box<[Option<i64>]>,
}

/// What came under one id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    /// Event time of the last answer, while there is one.
    pub(super) time: i64,
    /// The label with its event time.
    pub(super) label: Option<(i64, Class)>,
    /// Whether the label is in time for any answer.
    pub(super) is_joined: bool,
    /// By arm, in the order in which they came; one for all but shadows.
    pub(super) first: Option<Answer>,
    pub(super) others: Vec<Answer>,
}

impl Entry {
    pub(super) fn answers(&self) -> impl Iterator<Item = &Answer> {
        self.first.iter().chain(&self.others)
    }

    pub(super) fn answer_of(&self, arm: ArmIndex) -> Option<&Answer> {
        self.answers().find(|answer| answer.arm == arm)
    }

    fn is_complete(&self, room: Room) -> bool {
        self.answers().count() >= room.answers && (self.label.is_some() || !room.has_label)
    }

    fn of_answer(answer: Answer) -> Self {
        Self { time: answer.time, label: None, is_joined: false, first: Some(answer), others: Vec::new() }
    }

    /// Without its label yet.
    fn of_label(time: i64) -> Self {
        Self { time, label: None, is_joined: false, first: None, others: Vec::new() }
    }

    fn add(&mut self, answer: Answer) {
        if self.first.is_none() {
            self.first = Some(answer);
        } else {
            self.others.push(answer);
        }
    }
}

/// How many entries may wait, and what one has that waits for nothing more.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    pub(super) most: usize,
    pub(super) answers: usize,
    pub(super) has_label: bool,
}

/// What became of something that was offered.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Offered {
    /// The entry with it, unless there was the same already.
    pub(super) is_new: bool,
    /// Entries that had to make room before they were complete.
    pub(super) lost: u64,
    /// Of two labels, the event time of the one that is left out.
    pub(super) surplus: Option<i64>,
}

/// All that waits.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(from = "Vec<(u64, Entry)>")]
pub(super) struct Waiting {
    entries: AHashMap<u64, Entry>,
    /// Those with an answer.
    by_time: BTreeSet<(i64, u64)>,
    /// Those with a label that found no answer, by the label's time.
    labels: BTreeSet<(i64, u64)>,
}

impl From<Vec<(u64, Entry)>> for Waiting {
    fn from(list: Vec<(u64, Entry)>) -> Self {
        let entries: AHashMap<u64, Entry> = list.into_iter().collect();
        let mut waiting = Self::default();
        for (id, entry) in &entries {
            if entry.first.is_some() {
                waiting.by_time.insert((entry.time, *id));
            }
            if let Some((time, _)) = entry.label.filter(|_| !entry.is_joined) {
                waiting.labels.insert((time, *id));
            }
        }
        Self { entries, ..waiting }
    }
}

/// In the order of time, and without a copy: there may be millions.
impl Serialize for Waiting {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.entries.len()))?;
        for (_, id) in &self.by_time {
            if let Some(entry) = self.entries.get(id) {
                list.serialize_element(&(id, entry))?;
            }
        }
        for (_, id) in &self.labels {
            // With an answer it was among the others.
            if let Some(entry) = self.entries.get(id).filter(|entry| entry.first.is_none()) {
                list.serialize_element(&(id, entry))?;
            }
        }
        list.end()
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

    /// Offers an arm's answer; `in_time` says of the times of an answer and a label
    /// whether they belong together.
    pub(super) fn answer(
        &mut self,
        id: u64,
        answer: Answer,
        room: Room,
        in_time: impl Fn(i64, i64) -> bool,
    ) -> Offered {
        let time = answer.time;
        let lost = self.make_room(id, room);
        let Some(entry) = self.entries.get_mut(&id) else {
            self.by_time.insert((time, id));
            self.entries.insert(id, Entry::of_answer(answer));
            return Offered { is_new: true, lost, surplus: None };
        };
        let is_new = entry.answer_of(answer.arm).is_none();
        if !is_new {
            return Offered { is_new, lost, surplus: None };
        }
        if entry.first.is_none() || time > entry.time {
            self.by_time.remove(&(entry.time, id));
            self.by_time.insert((time, id));
            entry.time = time;
        }
        if let Some((label, _)) = entry.label.filter(|(label, _)| !entry.is_joined && in_time(time, *label)) {
            self.labels.remove(&(label, id));
            entry.is_joined = true;
        }
        entry.add(answer);
        Offered { is_new, lost, surplus: None }
    }

    /// Offers a label. Of two the earlier one counts, unless the other has found an
    /// answer.
    pub(super) fn label(
        &mut self,
        id: u64,
        (time, label): (i64, Class),
        room: Room,
        in_time: impl Fn(i64, i64) -> bool,
    ) -> Offered {
        let lost = self.make_room(id, room);
        let entry = self.entries.entry(id).or_insert_with(|| Entry::of_label(time));
        let before = entry.label.map(|(before, _)| before);
        let surplus = before.map(|before| before.max(time));
        let is_new = before.is_none_or(|before| !entry.is_joined && time < before);
        if is_new {
            if let Some(before) = before {
                self.labels.remove(&(before, id));
            }
            entry.label = Some((time, label));
            let is_joined = entry.answers().any(|answer| in_time(answer.time, time));
            entry.is_joined = is_joined;
            if !entry.is_joined {
                self.labels.insert((time, id));
            }
        }
        Offered { is_new, lost, surplus }
    }

    fn make_room(&mut self, id: u64, room: Room) -> u64 {
        let mut lost = 0;
        while self.entries.len() >= room.most.max(1) && !self.entries.contains_key(&id) {
            if let Some((_, oldest)) = self.labels.pop_first() {
                self.drop_label(oldest);
                lost += 1;
            } else if let Some((_, oldest)) = self.by_time.pop_first() {
                let entry = self.entries.remove(&oldest);
                lost += u64::from(entry.is_some_and(|entry| !entry.is_complete(room)));
            } else {
                break;
            }
        }
        lost
    }

    /// Lets go of a label that found no answer.
    fn drop_label(&mut self, id: u64) {
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.label = None;
            if entry.first.is_none() {
                self.entries.remove(&id);
            }
        }
    }

    /// Lets go of answers from before `answers`, of which `gone` is told, and of labels
    /// from before `labels` that found none; the event times of those labels.
    pub(super) fn expire(&mut self, answers: i64, labels: i64, mut gone: impl FnMut(&Entry)) -> Vec<i64> {
        while let Some((_, id)) = pop_before(&mut self.by_time, answers) {
            let Some(entry) = self.entries.get_mut(&id) else { continue };
            gone(entry);
            // The label may be of another prediction yet.
            if entry.label.is_some() && !entry.is_joined {
                entry.first = None;
                entry.others.clear();
            } else {
                self.entries.remove(&id);
            }
        }
        let mut lost = Vec::new();
        while let Some((time, id)) = pop_before(&mut self.labels, labels) {
            self.drop_label(id);
            lost.push(time);
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

    fn at(place: u8) -> ArmIndex {
        ArmIndex::new(usize::from(place)).expect("an arm")
    }

    fn answer(arm: u8, time: i64) -> Answer {
        let predicted = Predicted { score: Some(0.5), class: None };
        Answer { arm: at(arm), bucket: None, time, predicted, values: Box::default() }
    }

    const ROOM: Room = Room { most: 10, answers: 1, has_label: true };

    const LABEL: Class = Class::Number(1.0);

    fn in_ten(answer: i64, label: i64) -> bool {
        label < answer + 10
    }

    #[test]
    fn what_comes_under_one_id_meets_in_any_order() {
        for label_first in [true, false] {
            let mut waiting = Waiting::default();
            if label_first {
                assert!(waiting.label(1, (5, LABEL), ROOM, in_ten).is_new);
            }
            assert!(waiting.answer(1, answer(0, 6), ROOM, in_ten).is_new);
            assert!(!waiting.answer(1, answer(0, 7), ROOM, in_ten).is_new, "the first one counts");
            assert!(waiting.answer(1, answer(1, 7), ROOM, in_ten).is_new);
            if !label_first {
                assert!(waiting.label(1, (9, LABEL), ROOM, in_ten).is_new);
            }
            let entry = waiting.get(1).expect("an entry");
            assert_eq!(entry.time, 7, "the last answer");
            assert!(
                entry.label.is_some() && entry.answer_of(at(0)).is_some() && entry.answer_of(at(1)).is_some()
            );
        }
    }

    #[test]
    fn of_two_labels_the_earlier_one_counts_whichever_is_read_first() {
        for times in [[8, 30], [30, 8]] {
            for answer_after in 0..=2 {
                let mut waiting = Waiting::default();
                let mut surplus = Vec::new();
                for (index, time) in times.into_iter().enumerate() {
                    if index == answer_after {
                        waiting.answer(1, answer(0, 5), ROOM, in_ten);
                    }
                    surplus.extend(waiting.label(1, (time, LABEL), ROOM, in_ten).surplus);
                }
                waiting.answer(1, answer(0, 5), ROOM, in_ten);
                let entry = waiting.get(1).expect("an entry");
                assert_eq!((entry.label.map(|(time, _)| time), surplus), (Some(8), vec![30]));
            }
        }
    }

    #[test]
    fn the_oldest_makes_room_and_is_counted() {
        let mut waiting = Waiting::default();
        for (id, time) in [(1, 10), (2, 20)] {
            waiting.answer(id, answer(0, time), Room { most: 2, ..ROOM }, in_ten);
        }
        let offered = waiting.label(3, (30, LABEL), Room { most: 2, ..ROOM }, in_ten);
        assert_eq!(offered, Offered { is_new: true, lost: 1, surplus: None });
        assert!(waiting.get(1).is_none());
        let mut gone = Vec::new();
        let mut expire =
            |waiting: &mut Waiting, labels| waiting.expire(21, labels, |entry| gone.push(entry.time));
        assert_eq!((expire(&mut waiting, 30), waiting.len()), (vec![], 1));
        assert_eq!((expire(&mut waiting, 31), waiting.len()), (vec![30], 0));
        assert_eq!(gone, [20]);
    }

    #[test]
    fn what_waits_for_nothing_more_is_not_lost_when_it_makes_room() {
        for (arms, has_label, lost) in [(2, false, 0), (1, false, 1), (2, true, 1)] {
            let room = Room { most: 1, answers: 2, has_label };
            let mut waiting = Waiting::default();
            for arm in 0..arms {
                waiting.answer(1, answer(arm, 10), room, in_ten);
            }
            assert_eq!(waiting.answer(2, answer(0, 20), room, in_ten).lost, lost, "{arms} {has_label}");
        }
    }

    #[test]
    fn it_comes_back_as_it_was_stored() {
        let mut waiting = Waiting::default();
        waiting.answer(4, answer(2, 10), ROOM, in_ten);
        waiting.label(5, (12, LABEL), ROOM, in_ten);
        let text = serde_json::to_string(&waiting).expect("JSON");
        assert_eq!(serde_json::from_str::<Waiting>(&text).expect("the same"), waiting);
    }
}
