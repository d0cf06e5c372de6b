//! Changes of unit that have a name.

/// A factor between two units of the same quantity.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct KnownFactor {
    pub(super) factor: f64,
    /// What `factor` turns the reference's values into, and the other way round.
    pub(super) times: &'static str,
    pub(super) over: &'static str,
}

/// A change that is more than a factor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct KnownOffset {
    pub(super) scale: f64,
    pub(super) offset: f64,
    pub(super) name: &'static str,
}

/// A change that bends the scale, with its inverse.
#[derive(Debug, Clone, Copy)]
pub(super) struct KnownCurve {
    pub(super) forward: fn(f64) -> f64,
    pub(super) inverse: fn(f64) -> f64,
    pub(super) name: &'static str,
}

const fn known(factor: f64, times: &'static str, over: &'static str) -> KnownFactor {
    KnownFactor { factor, times, over }
}

/// International definitions (the foot and the pound of 1959), SI prefixes and
/// powers of 1,024.
pub(super) const FACTORS: [KnownFactor; 18] = [
    known(10.0, "", ""),
    known(100.0, "such as shares as percent, or m as cm", "such as percent as shares, or cm as m"),
    known(1e3, "such as kg as g, or s as ms", "such as g as kg, or ms as s"),
    known(1e6, "such as s as us", "such as us as s"),
    known(1e9, "such as s as ns", "such as ns as s"),
    known(60.0, "such as minutes as seconds", "such as seconds as minutes"),
    known(3_600.0, "such as hours as seconds", "such as seconds as hours"),
    known(24.0, "such as days as hours", "such as hours as days"),
    known(86_400.0, "such as days as seconds", "such as seconds as days"),
    known(7.0, "such as weeks as days", "such as days as weeks"),
    known(12.0, "such as years as months, or feet as inches", "such as months as years, or inches as feet"),
    known(1_024.0, "such as MiB as KiB", "such as KiB as MiB"),
    known(1_048_576.0, "such as MiB as bytes", "such as bytes as MiB"),
    known(2.54, "such as inches as cm", "such as cm as inches"),
    known(0.3048, "such as feet as m", "such as m as feet"),
    known(1.609_344, "such as miles as km", "such as km as miles"),
    known(0.453_592_37, "such as pounds as kg", "such as kg as pounds"),
    known(3.6, "such as m/s as km/h", "such as km/h as m/s"),
];

/// Temperatures.
pub(super) const OFFSETS: [KnownOffset; 6] = [
    KnownOffset { scale: 1.8, offset: 32.0, name: "like °C turned into °F" },
    KnownOffset { scale: 1.0 / 1.8, offset: -32.0 / 1.8, name: "like °F turned into °C" },
    KnownOffset { scale: 1.0, offset: 273.15, name: "like °C turned into K" },
    KnownOffset { scale: 1.0, offset: -273.15, name: "like K turned into °C" },
    KnownOffset { scale: 1.0 / 1.8, offset: 459.67 / 1.8, name: "like °F turned into K" },
    KnownOffset { scale: 1.8, offset: -459.67, name: "like K turned into °F" },
];

/// Logarithms and what undoes them.
pub(super) const CURVES: [KnownCurve; 8] = [
    KnownCurve { forward: f64::ln, inverse: f64::exp, name: "like the reference's natural logarithms" },
    KnownCurve {
        forward: f64::ln_1p,
        inverse: f64::exp_m1,
        name: "like the natural logarithms of 1 + the reference's",
    },
    KnownCurve {
        forward: f64::log10,
        inverse: power_of_ten,
        name: "like the reference's logarithms to base 10",
    },
    KnownCurve { forward: f64::log2, inverse: f64::exp2, name: "like the reference's logarithms to base 2" },
    KnownCurve { forward: f64::exp, inverse: f64::ln, name: "like the reference's exponentials" },
    KnownCurve {
        forward: f64::exp_m1,
        inverse: f64::ln_1p,
        name: "like the reference's exponentials less 1",
    },
    KnownCurve { forward: power_of_ten, inverse: f64::log10, name: "like powers of 10 of the reference's" },
    KnownCurve { forward: f64::exp2, inverse: f64::log2, name: "like powers of 2 of the reference's" },
];

fn power_of_ten(x: f64) -> f64 {
    10.0_f64.powf(x)
}
