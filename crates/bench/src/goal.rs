//! A figure beside its goal.

/// Prints a figure, and whether it meets its goal. Smaller is better.
pub(crate) fn compare(what: &str, figure: f64, unit: &str, goal: f64, reference: &str) {
    let verdict = if figure <= goal { "met" } else { "MISSED" };
    let reference = if reference.is_empty() {
        String::new()
    } else {
        format!("; reference, measured elsewhere: {reference}")
    };
    println!("{what:<58} {figure:>8.2} {unit:<8} goal {goal} {unit}: {verdict}{reference}");
}

/// Prints a figure that has no goal.
pub(crate) fn tell(what: &str, figure: f64, unit: &str, reference: &str) {
    let reference = if reference.is_empty() {
        String::new()
    } else {
        format!("reference, measured elsewhere: {reference}")
    };
    println!("{what:<58} {figure:>8.2} {unit:<8} {reference}");
}

/// The value below which this share of the sorted values lies.
pub(crate) fn quantile(sorted: &[f64], share: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    let index = (last as f64 * share).round() as usize;
    sorted.get(index.min(last)).copied().unwrap_or(f64::NAN)
}

/// Sorts; no value of ours is NaN.
pub(crate) fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_unstable_by(f64::total_cmp);
    values
}

/// The middle of the values.
pub(crate) fn median(values: &[f64]) -> f64 {
    quantile(&sorted(values.to_vec()), 0.5)
}
