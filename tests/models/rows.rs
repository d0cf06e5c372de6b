//! The rows of `tests/oracles/make_models.py`.

/// Numbers in a row: four numbers and three codes.
pub(crate) const WIDTH: usize = 7;

const NUMBERS: usize = 4;
const CATEGORIES: [f64; 3] = [12.0, 70.0, 3.0];

/// The output function of splitmix64.
pub(crate) fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// The rows that models are asked about.
pub(crate) fn rows(count: usize) -> Vec<f64> {
    let seed = 2 << 32;
    (0..count * WIDTH).map(|at| value(at % WIDTH, mix(seed + at as u64))).collect()
}

fn value(column: usize, hash: u64) -> f64 {
    let share = (hash >> 11) as f64 * 2_f64.powi(-53);
    let chance = hash & 1023;
    if chance < 100 {
        return f64::NAN;
    }
    let number = share * 8.0 - 4.0;
    match column {
        NUMBERS.. => {
            let code = (share * (CATEGORIES[column - NUMBERS] + 2.0) - 1.0).floor();
            if chance >= 1000 { code + 0.5 } else { code }
        }
        _ if (900..960).contains(&chance) => 0.0,
        // Values that were trained with are thresholds, once they are rounded to
        // `f32`.
        0 | 3 if (800..900).contains(&chance) => {
            let trained = mix((1 << 32) + hash % 3000 * WIDTH as u64 + column as u64);
            (trained >> 11) as f64 * 2_f64.powi(-53) * 8.0 - 4.0
        }
        1 => (number * 8.0).floor() / 8.0,
        2 => number.floor(),
        _ => number,
    }
}

/// The rows as codes of the data frame with the columns first, colour, third,
/// size and form.
pub(crate) fn framed(count: usize) -> Vec<f64> {
    let known = |code: f64| if [0.0, 1.0, 2.0].contains(&code) { code } else { f64::NAN };
    rows(count)
        .chunks(WIDTH)
        .flat_map(|row| {
            [row[0], known(row[6]), row[2], known(row[4].rem_euclid(3.0)), known(row[5].rem_euclid(3.0))]
        })
        .collect()
}
