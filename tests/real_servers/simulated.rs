//! Made-up traffic of a credit model, as CSV, the same at every run.

use std::{fmt::Write as _, fs, path::Path};

/// Ten o'clock on a day long past, so that no event lies in the future.
pub const START_MS: i64 = 1_735_725_600_000;

/// One file of events.
#[derive(Debug, Clone, Copy)]
pub struct Traffic {
    /// Events.
    pub rows: u32,
    /// Time of the first event.
    pub from_ms: i64,
    /// Time between two events.
    pub every_ms: i64,
    /// Whether something happens: amounts double, people are older, and a new
    /// channel opens.
    pub incident: bool,
}

impl Traffic {
    /// What the model was trained on.
    pub const REFERENCE: Self =
        Self { rows: 5_000, from_ms: START_MS - 86_400_000, every_ms: 10_000, incident: false };

    /// Four hours and ten minutes: four windows of an hour, and what closes them.
    pub const FOUR_HOURS: Self = Self { rows: 2_500, from_ms: START_MS, every_ms: 6_000, incident: true };

    /// Writes the file.
    pub fn write(self, path: &Path) {
        let mut random = Random(u64::from(self.rows));
        let mut text = "id,time,version,age,amount,channel,score,decision\n".to_owned();
        for row in 0..self.rows {
            let at = self.from_ms + i64::from(row) * self.every_ms;
            let time = jiff::Timestamp::from_millisecond(at).unwrap();
            let age = 18 + random.below(60) + if self.incident { 5 } else { 0 };
            // A continuous column with a mass at zero, and now and then nothing.
            let sum = (random.unit() + random.unit()) * 500.0;
            let amount = match random.below(20) {
                0 => String::new(),
                1..4 => "0".to_owned(),
                _ => (sum * if self.incident { 2.0 } else { 1.0 }).to_string(),
            };
            let channel = match random.below(10) {
                0 if self.incident => "fax",
                0..4 => "branch",
                4..8 => "online",
                _ => r#"partner, ""other"""#,
            };
            let score = random.unit();
            let decision = if score < 0.5 { "accept" } else { "refuse" };
            let version = if row % 5 == 0 { "v2" } else { "v1" };
            writeln!(text, "{row},{time},{version},{age},{amount},\"{channel}\",{score},{decision}").unwrap();
        }
        fs::write(path, text).unwrap();
    }
}

/// `SplitMix64`: small, and no crate's next version changes it.
#[derive(Debug)]
pub struct Random(pub u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to below `limit`.
    pub fn below(&mut self, limit: u32) -> u32 {
        let wide = (self.next() >> 32) * u64::from(limit);
        u32::try_from(wide >> 32).unwrap()
    }

    /// From 0 to below 1, in steps that a double holds.
    pub fn unit(&mut self) -> f64 {
        f64::from(u32::try_from(self.next() >> 32).unwrap()) / 4_294_967_296.0
    }
}
