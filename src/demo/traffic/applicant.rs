//! One applicant: from random numbers to features and a prediction.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::{CHALLENGER, HOUR_MS, Incident, IncidentKind};
use crate::{event::EventTime, reference::Value};

const REGIONS: [(&str, f64); 12] = [
    ("north", 0.16),
    ("west", 0.15),
    ("capital", 0.14),
    ("south", 0.12),
    ("east", 0.10),
    ("coast", 0.08),
    ("lakes", 0.07),
    ("valley", 0.06),
    ("hills", 0.05),
    ("islands", 0.03),
    ("border", 0.025),
    ("abroad", 0.015),
];
const PURPOSES: [(&str, f64); 7] = [
    ("car", 0.29),
    ("debt_consolidation", 0.23),
    ("home_improvement", 0.19),
    ("holiday", 0.09),
    ("education", 0.08),
    ("medical", 0.05),
    ("other", 0.07),
];
const HOUSING: [(&str, f64); 4] = [("rent", 0.44), ("mortgage", 0.31), ("own", 0.17), ("family", 0.08)];
/// The bureau score that the model assumes where it gets none.
const USUAL_BUREAU_SCORE: f64 = 680.0;

/// One scored loan application. `None` is a value that did not come.
#[derive(Debug, Clone, PartialEq)]
pub struct Application {
    /// Its number in the stream.
    pub index: u64,
    /// When it was scored.
    pub time: EventTime,
    /// The version of the model that scored it.
    pub version: &'static str,
    /// The inputs, in the order of [`super::FEATURES`].
    pub features: [Value<'static>; 20],
    /// Probability of default.
    pub prediction: f64,
    /// `approve`, `review` or `decline`.
    pub decision: &'static str,
}

/// What the features follow from.
struct Person {
    age: f64,
    employment: &'static str,
    income: f64,
    /// Standard normal: how rich for the income, how likely to default.
    wealth: f64,
    risk: f64,
}

/// What was asked for.
struct Loan {
    amount: f64,
    term_months: f64,
    purpose: &'static str,
}

/// What the bureau knows.
struct Credit {
    score: f64,
    utilisation: f64,
    late_payments: f64,
    open_accounts: f64,
    inquiries: f64,
}

impl Application {
    pub(super) fn draw(
        index: u64,
        time: EventTime,
        version: &'static str,
        incident: Option<(Incident, EventTime)>,
        random: &mut ChaCha8Rng,
    ) -> Self {
        let is = |kind| incident.is_some_and(|(incident, _)| incident.kind == kind);
        let shift = match incident {
            Some((incident, time)) if incident.kind == IncidentKind::PopulationShift => {
                incident.strength(time)
            }
            _ => 0.0,
        };
        let evening = evening(time);
        let person = Person::draw(shift, evening, random);
        let credit = Credit::draw(&person, random);
        let loan = Loan::draw(&person, random);
        let existing_customer = random.random_bool(0.34);
        let interest = interest_rate(&credit, random);
        let yearly_payment = loan.amount / loan.term_months * 12.0 * (1.0 + interest / 200.0);
        let debt_to_income = round(
            (yearly_payment / person.income + 0.25 * credit.utilisation + 0.03 * credit.open_accounts)
                .min(3.0),
            4,
        );
        let channel = if is(IncidentKind::NewCategory) && random.random_bool(0.15) {
            "partner_api"
        } else {
            channel(evening + shift, random)
        };
        let score_came = !(is(IncidentKind::MissingField) && random.random_bool(0.7));
        let income =
            if is(IncidentKind::UnitChange) { (person.income / 12.0).round() } else { person.income };

        let odds = log_odds(&credit, score_came, income, debt_to_income)
            - if existing_customer { 0.35 } else { 0.0 }
            + if person.employment == "unemployed" { 0.8 } else { 0.0 };
        let odds = if version == CHALLENGER { 1.06 * odds + 0.06 } else { odds };
        let prediction = round(logistic(odds), 6);
        let number = Value::Number;
        let features = [
            number(person.age),
            number(income),
            number(person.years_employed(random)),
            number(loan.amount),
            number(loan.term_months),
            number(interest),
            number(debt_to_income),
            if score_came { number(credit.score) } else { Value::Missing },
            number(credit.open_accounts),
            number(credit.late_payments),
            number(credit.utilisation),
            person.savings(random),
            number((-80.0 * random.random::<f64>().max(1e-12).ln()).min(600.0).round()),
            number(credit.inquiries),
            Value::Text(pick(&HOUSING, random)),
            Value::Text(loan.purpose),
            Value::Text(channel),
            Value::Text(pick(&REGIONS, random)),
            Value::Text(person.employment),
            Value::Bool(existing_customer),
        ];
        let decision = match prediction {
            _ if prediction < 0.08 => "approve",
            _ if prediction < 0.2 => "review",
            _ => "decline",
        };
        Self { index, time, version, features, prediction, decision }
    }
}

impl Person {
    fn draw(shift: f64, evening: f64, random: &mut ChaCha8Rng) -> Self {
        let age =
            (43.0 - 11.0 * shift - 1.5 * evening + (13.0 - 3.0 * shift) * normal(random)).clamp(18.0, 85.0);
        let age = age.round();
        let employment = match (age, random.random::<f64>()) {
            (65.0.., 0.15..) => "retired",
            (_, ..0.06) => "unemployed",
            (_, ..0.18) => "self_employed",
            (_, ..0.33) => "fixed_term",
            _ => "permanent",
        };
        let factor = match employment {
            "unemployed" => 0.45,
            "retired" => 0.7,
            "self_employed" => 1.15,
            _ => 1.0,
        };
        let log_income = 10.45 + 0.004 * (age - 43.0) + 0.42 * normal(random) - 0.3 * shift;
        let income = (factor * log_income.exp() / 100.0).round().max(60.0) * 100.0;
        Self { age, employment, income, wealth: normal(random), risk: normal(random) }
    }

    fn years_employed(&self, random: &mut ChaCha8Rng) -> f64 {
        match self.employment {
            "unemployed" | "retired" => 0.0,
            _ => round((1.3 + 0.8 * normal(random)).exp().min(self.age - 17.0), 1),
        }
    }

    /// Three of ten have none; two of a hundred don't say.
    fn savings(&self, random: &mut ChaCha8Rng) -> Value<'static> {
        match random.random::<f64>() {
            ..0.02 => Value::Missing,
            ..0.3 => Value::Number(0.0),
            _ => {
                let log_savings = 8.2 + 1.1 * self.wealth + 0.8 * (self.income / 35_000.0).ln();
                Value::Number(round(log_savings.exp().min(5e6), 2))
            }
        }
    }
}

impl Credit {
    fn draw(person: &Person, random: &mut ChaCha8Rng) -> Self {
        let score = USUAL_BUREAU_SCORE - 65.0 * person.risk + 15.0 * person.wealth + 20.0 * normal(random);
        Self {
            score: score.round().clamp(300.0, 850.0),
            utilisation: round(logistic(-0.6 + 0.9 * person.risk + 0.6 * normal(random)), 3),
            late_payments: poisson((-1.7 + 0.9 * person.risk).exp(), random),
            open_accounts: poisson(3.2 + 0.02 * (person.age - 18.0), random),
            inquiries: poisson(0.8 * (0.35 * person.risk).exp(), random),
        }
    }
}

impl Loan {
    fn draw(person: &Person, random: &mut ChaCha8Rng) -> Self {
        let purpose = pick(&PURPOSES, random);
        let factor = match purpose {
            "car" => 1.3,
            "home_improvement" => 1.5,
            "holiday" => 0.4,
            "medical" => 0.5,
            _ => 1.0,
        };
        let log_amount = 9.1 + 0.5 * normal(random) + 0.4 * (person.income / 35_000.0).ln();
        let amount = (factor * log_amount.exp() / 100.0).round().clamp(5.0, 750.0) * 100.0;
        // Larger loans run longer: one to seven years.
        let years = (1.0 + 1.6 * (amount / 2_500.0).ln() + 0.9 * normal(random)).round().clamp(1.0, 7.0);
        Self { amount, term_months: 12.0 * years, purpose }
    }
}

/// The model: log-odds of default.
fn log_odds(credit: &Credit, score_came: bool, income: f64, debt_to_income: f64) -> f64 {
    let score = if score_came { credit.score } else { USUAL_BUREAU_SCORE };
    -2.9 - (score - USUAL_BUREAU_SCORE) / 80.0
        + 1.1 * (debt_to_income - 0.4)
        + 0.3 * credit.late_payments
        + 0.7 * (credit.utilisation - 0.4)
        + 0.1 * credit.inquiries
        - 0.4 * (income / 35_000.0).ln()
}

fn interest_rate(credit: &Credit, random: &mut ChaCha8Rng) -> f64 {
    round((7.5 - (credit.score - USUAL_BUREAU_SCORE) * 0.022 + 0.8 * normal(random)).clamp(1.9, 19.9), 2)
}

/// The web by day, the telephone in the evening, branches never at night.
fn channel(evening: f64, random: &mut ChaCha8Rng) -> &'static str {
    let (mobile, branch) = (0.28 + 0.08 * evening, 0.12 - 0.04 * evening);
    match random.random::<f64>() {
        draw if draw < mobile => "mobile_app",
        draw if draw < mobile + branch => "branch",
        draw if draw < mobile + branch + 0.14 => "broker",
        _ => "web",
    }
}

/// The daily season, -1 at eight in the morning to 1 at eight in the evening.
fn evening(time: EventTime) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "hours of one day")]
    let hour = time.0.rem_euclid(24 * HOUR_MS) as f64 / HOUR_MS as f64;
    -((hour - 8.0) / 12.0 * std::f64::consts::PI).cos()
}

fn normal(random: &mut ChaCha8Rng) -> f64 {
    StandardNormal.sample(random)
}

/// Knuth's product of uniforms, for small means.
fn poisson(mean: f64, random: &mut ChaCha8Rng) -> f64 {
    let floor = (-mean.min(30.0)).exp();
    let (mut product, mut count) = (random.random::<f64>(), 0.0);
    while product > floor {
        product *= random.random::<f64>();
        count += 1.0;
    }
    count
}

fn pick(weighted: &[(&'static str, f64)], random: &mut ChaCha8Rng) -> &'static str {
    let mut left = random.random::<f64>();
    let hit = weighted.iter().find(|(_, weight)| {
        left -= weight;
        left < 0.0
    });
    hit.or(weighted.first()).map_or("", |(name, _)| name)
}

fn logistic(odds: f64) -> f64 {
    1.0 / (1.0 + (-odds).exp())
}

fn round(value: f64, digits: i32) -> f64 {
    let factor = 10_f64.powi(digits);
    (value * factor).round() / factor
}
