//! How well a classifier tells a window's rows from the reference's.

use smartcore::{
    ensemble::random_forest_regressor::{RandomForestRegressor, RandomForestRegressorParameters},
    linalg::basic::matrix::DenseMatrix,
};

use super::{
    Settings,
    auc::{Auc, ranks},
    discriminant::Discriminant,
    encoder::Encoder,
    matrix::{Matrix, count},
    top_shares,
};
use crate::{
    profile::row_hash,
    result::{DomainResult, Verdict},
};

/// Parts of the rows. Each but the first is scored by a classifier that was
/// fitted on the parts before it.
const FOLDS: usize = 5;
/// Parts by which features are ranked: the last ones, whose classifiers have
/// learnt the most. All of them would take as long as everything else.
const LOSS_FOLDS: usize = 2;
/// Standard normal quantile at 1 - 1/1000.
const THOUSANDTH: f64 = 3.090_232_306_167_813_5;
/// Standard normal quantile at 0.975.
const CONFIDENCE: f64 = 1.959_963_984_540_054;

/// Size of the forests: more or deeper trees tell a shift of three of twenty
/// features apart no better at 512 rows, and take longer.
const TREES: usize = 50;
const DEPTH: u16 = 6;
const LEAF_ROWS: usize = 5;

type Forest = RandomForestRegressor<f64, f64, DenseMatrix<f64>, Vec<f64>>;

/// A classifier and the rows that it has not seen.
struct Fold {
    forest: Forest,
    discriminant: Discriminant,
    /// The reference's rows, then the window's.
    unseen: Matrix,
    reference_rows: usize,
}

/// Compares a window's rows with the reference's. `None` when no column varies,
/// which is when all rows are equal.
///
/// The classifier is a forest of smartcore and a quadratic discriminant, their
/// ranks added: the forest sees what single features and their thresholds do,
/// the discriminant correlations.
///
/// The parts are used forwards: each is scored by what was learnt from those
/// before it. With equal distributions and everything before it given, the
/// groups of a part's rows are exchangeable: its AUC is 0.5 on average, with the
/// known variance of the Mann-Whitney test. So the deviations of the parts are
/// martingale differences, uncorrelated, and the variance of their mean is
/// known. This does not hold for the usual k-fold scheme, where each part is
/// also among the others' training rows: there the same formula is exceeded by
/// equal distributions several times too often.
///
/// `wider` is how many times wider noise is than that of independent rows.
pub(super) fn judge(
    (reference, window): (&Matrix, &Matrix),
    encoder: &Encoder,
    settings: &Settings,
    wider: f64,
) -> Option<DomainResult> {
    let varies: Vec<bool> = (0..reference.width())
        .map(|column| {
            let mut values = reference.column(column).chain(window.column(column));
            let first = values.next();
            values.any(|value| Some(value) != first)
        })
        .collect();
    let owners: Vec<usize> = kept(encoder.owners(), &varies).collect();
    if owners.is_empty() {
        return None;
    }
    let (reference, window) =
        (narrowed(reference, &varies, owners.len()), narrowed(window, &varies, owners.len()));
    let folds: Vec<Fold> =
        (1..FOLDS).map(|part| Fold::fit(&reference, &window, part)).collect::<Option<_>>()?;
    let aucs: Vec<Auc> = folds.iter().map(|fold| fold.auc(&fold.unseen)).collect::<Option<_>>()?;
    let parts = count(aucs.len());
    let auc = aucs.iter().map(|auc| auc.value).sum::<f64>() / parts;
    let deviation = |variance: fn(&Auc) -> f64| aucs.iter().map(variance).sum::<f64>().sqrt() / parts;
    let noise_point = 0.5 + wider * THOUSANDTH * deviation(|auc| auc.null_variance);
    let margin = wider * CONFIDENCE * deviation(|auc| auc.variance);
    let verdict = if auc <= noise_point {
        Verdict::Stable
    } else if auc - 0.5 >= settings.minimum_auc_gain {
        Verdict::Drifted
    } else {
        Verdict::Shifted
    };
    let features = match verdict {
        Verdict::Shifted | Verdict::Drifted => {
            let losses = losses(&folds, &aucs, &owners, encoder.names().len());
            top_shares(encoder, losses.into_iter(), settings)
        }
        Verdict::Insufficient | Verdict::Stable => Vec::new(),
    };
    Some(DomainResult {
        verdict,
        auc,
        low: (auc - margin).max(0.0),
        high: (auc + margin).min(1.0),
        noise_point: noise_point.min(1.0),
        effect: auc - 0.5,
        features,
    })
}

/// What of `values` stands where `wanted` is true.
fn kept<T>(values: impl IntoIterator<Item = T>, wanted: &[bool]) -> impl Iterator<Item = T> {
    values.into_iter().zip(wanted).filter(|(_, wanted)| **wanted).map(|(value, _)| value)
}

/// The wanted columns of a matrix, of which there are `width`.
fn narrowed(rows: &Matrix, wanted: &[bool], width: usize) -> Matrix {
    let mut narrow = Matrix::new(width);
    rows.rows().for_each(|row| narrow.push(kept(row.iter().copied(), wanted)));
    narrow
}

/// By how much the last classifiers lose when a feature's values are dealt to other
/// rows (Breiman, "Random forests", 2001), for each feature.
fn losses(folds: &[Fold], aucs: &[Auc], owners: &[usize], features: usize) -> Vec<f64> {
    let loss = |feature: usize| {
        let lost = |(fold, auc): (&Fold, &Auc)| {
            fold.auc(&dealt(&fold.unseen, owners, feature)).map_or(0.0, |without| auc.value - without.value)
        };
        let last = folds.iter().zip(aucs).rev().take(LOSS_FOLDS);
        last.map(lost).sum::<f64>().max(0.0)
    };
    (0..features).map(loss).collect()
}

/// The rows with the values of one feature dealt anew, in an order that is as
/// good as random and always the same.
fn dealt(rows: &Matrix, owners: &[usize], feature: usize) -> Matrix {
    let mut givers: Vec<(usize, &[f64])> = rows.rows().enumerate().collect();
    givers.sort_by_key(|(place, _)| row_hash(&place.to_le_bytes()));
    let mut dealt = Matrix::new(rows.width());
    for (row, (_, giver)) in rows.rows().zip(givers) {
        let values = row.iter().zip(giver).zip(owners);
        dealt.push(values.map(|((own, given), owner)| if *owner == feature { *given } else { *own }));
    }
    dealt
}

impl Fold {
    /// Learns from the parts before `part`.
    fn fit(reference: &Matrix, window: &Matrix, part: usize) -> Option<Self> {
        let seen = |rows: &Matrix| rows.part(|place| place % FOLDS < part);
        let unseen = |rows: &Matrix| rows.part(|place| place % FOLDS == part);
        let (first, second) = (seen(reference), seen(window));
        let discriminant = Discriminant::fit(&first, &second);
        let mut labels = vec![0.0; first.len()];
        labels.resize(first.len() + second.len(), 1.0);
        let rows = dense(&first.followed_by(&second))?;
        let forest = Forest::fit(&rows, &labels, parameters(reference.width(), part)).ok()?;
        let unseen_reference = unseen(reference);
        let reference_rows = unseen_reference.len();
        let unseen = unseen_reference.followed_by(&unseen(window));
        Some(Self { forest, discriminant, unseen, reference_rows })
    }

    /// How well rows like the unseen ones are told apart.
    fn auc(&self, rows: &Matrix) -> Option<Auc> {
        let votes = self.forest.predict(&dense(rows)?).ok()?;
        let mut scratch = Vec::new();
        let ratios: Vec<f64> = rows.rows().map(|row| self.discriminant.score(row, &mut scratch)).collect();
        let scores: Vec<f64> = ranks(&votes).0.iter().zip(ranks(&ratios).0).map(|(a, b)| a + b).collect();
        let (reference, window) = scores.split_at_checked(self.reference_rows)?;
        Auc::of(reference, window)
    }
}

fn dense(rows: &Matrix) -> Option<DenseMatrix<f64>> {
    DenseMatrix::new(rows.len(), rows.width(), rows.values().to_vec(), false).ok()
}

/// The settings of a forest on rows of `width` numbers. The seed is fixed: chance
/// comes from the rows.
fn parameters(width: usize, part: usize) -> RandomForestRegressorParameters {
    RandomForestRegressorParameters::default()
        .with_n_trees(TREES)
        .with_max_depth(DEPTH)
        .with_min_samples_leaf(LEAF_ROWS)
        .with_m(width.isqrt().max(1))
        .with_seed(part as u64)
}
