//! Settings about the process's own certificates.

use time::Duration;

use super::values::{Invalid, Values};
use crate::certificate::Lifetimes;

/// Where the authorities are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    /// A Secret in a cluster, a folder outside.
    Auto,
    /// A Secret in the operator's namespace.
    Secret,
    /// A folder, `--state-dir`.
    Folder,
}

/// A rotation needs this many overlaps: one before the change of CAs, one after it, and room for what goes wrong.
const OVERLAPS: i32 = 10;

/// Where.
pub(super) fn store(values: &Values) -> Result<Store, Invalid> {
    let given = values.get("ca-store");
    match given.texts.last().map(String::as_str).unwrap_or_default() {
        "auto" | "" => Ok(Store::Auto),
        "secret" => Ok(Store::Secret),
        "folder" => Ok(Store::Folder),
        _ => Err(Invalid::new(&given, "no place", "give auto, secret or folder")),
    }
}

/// How long.
pub(super) fn lifetimes(values: &Values) -> Result<Lifetimes, Invalid> {
    let lifetimes = Lifetimes {
        ca: duration(values, "ca-lifetime")?,
        certificate: duration(values, "certificate-lifetime")?,
        overlap: duration(values, "ca-overlap")?,
    };
    if lifetimes.overlap * OVERLAPS > lifetimes.ca {
        let overlap = values.text("ca-overlap");
        return Err(values.misfit(
            ("ca-overlap", format!("give at most a {OVERLAPS}th of --ca-lifetime")),
            ("ca-lifetime", format!("give at least {OVERLAPS} times --ca-overlap, which is {overlap}")),
        ));
    }
    Ok(lifetimes)
}

/// A time of one unit: `90d`, `24h`, `30m`, `15s`.
fn duration(values: &Values, id: &str) -> Result<Duration, Invalid> {
    let given = values.get(id);
    let text = given.texts.last().map(String::as_str).unwrap_or_default();
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let seconds = match unit {
        "s" => Some(1),
        "m" => Some(60),
        "h" => Some(3600),
        "d" => Some(86400),
        _ => None,
    };
    // A certificate cannot end after the year 9999.
    let days = Duration::days(365 * 1000);
    let duration = seconds.zip(number.parse::<i64>().ok()).and_then(|(unit, n)| n.checked_mul(unit));
    match duration.map(Duration::seconds).filter(|d| d.is_positive() && *d <= days) {
        Some(duration) => Ok(duration),
        None => Err(Invalid::new(
            &given,
            "no usable time",
            "give a number with a unit, for example 90d, 24h, 30m or 15s",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(ca: &str, overlap: &str) -> Result<Lifetimes, Invalid> {
        let mut values = Values::default();
        let line = |id: &str| crate::settings::table::by_flag(id).unwrap();
        values.from_flag(line("ca-lifetime"), vec![ca.to_owned()]);
        values.from_flag(line("ca-overlap"), vec![overlap.to_owned()]);
        lifetimes(&values)
    }

    #[test]
    fn the_defaults_are_the_defaults() {
        assert_eq!(lifetimes(&Values::default()).unwrap(), Lifetimes::default());
        assert_eq!(store(&Values::default()).unwrap(), Store::Auto);
    }

    #[test]
    fn times_have_a_unit_and_an_overlap_fits_into_the_life_of_a_ca() {
        let read_well = read("30s", "2s").unwrap();
        assert_eq!((read_well.ca, read_well.overlap), (Duration::seconds(30), Duration::seconds(2)));
        assert!(read("30", "2s").unwrap_err().to_string().contains("90d"));
        assert!(read("99999999999d", "2s").is_err());
        let message = read("30s", "4s").unwrap_err().to_string();
        assert!(message.contains("--ca-overlap") && message.contains("10th of --ca-lifetime"), "{message}");
        let mut only_the_life = Values::default();
        let line = crate::settings::table::by_flag("ca-lifetime").unwrap();
        only_the_life.from_flag(line, vec!["1s".to_owned()]);
        assert_eq!(
            lifetimes(&only_the_life).unwrap_err().to_string(),
            "--ca-lifetime: \"1s\" is too short; give at least 10 times --ca-overlap, which is 6h"
        );
    }
}
