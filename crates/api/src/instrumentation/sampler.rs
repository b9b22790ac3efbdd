//! What a sampler's argument may be (spec 9, V3 to V6).

/// Why this sampler is refused, in the Go operator's words and with our fix; none if it is good.
pub(super) fn refusal(kind: &str, argument: &str) -> Option<String> {
    match kind {
        "" | "always_on" | "always_off" | "parentbased_always_on" | "parentbased_always_off" | "xray" => None,
        "traceidratio" | "parentbased_traceidratio" => ratio(argument),
        "jaeger_remote" | "parentbased_jaeger_remote" => jaeger(argument).map(|detail| {
            format!("spec.sampler.argument is not a valid argument for sampler {kind}: {detail}")
        }),
        other => Some(format!(
            "spec.sampler.type is not valid: {other}; use one of always_on, always_off, traceidratio, \
             parentbased_always_on, parentbased_always_off, parentbased_traceidratio, jaeger_remote, \
             parentbased_jaeger_remote, xray"
        )),
    }
}

const RATIO_FIX: &str = "give the part of traces to record as a number from 0 to 1, such as \"0.25\"";

fn ratio(argument: &str) -> Option<String> {
    if argument.is_empty() {
        return None;
    }
    match number(argument) {
        None => Some(format!("spec.sampler.argument is not a number: {argument}; {RATIO_FIX}")),
        Some(n) if !(0.0..=1.0).contains(&n) => {
            Some(format!("spec.sampler.argument should be in rage [0..1]: {argument}; {RATIO_FIX}"))
        }
        Some(_) => None,
    }
}

/// The number, if it is one. `NaN` is none: no sampler can do anything with it. A number too large to be stored
/// (`1e400`) is none either, while a literal infinity is one that is out of range.
fn number(text: &str) -> Option<f64> {
    let n: f64 = text.parse().ok()?;
    let literal = text.bytes().any(|b| matches!(b, b'i' | b'I'));
    (!n.is_nan() && (n.is_finite() || literal)).then_some(n)
}

const JAEGER_FIX: &str =
    "write it as endpoint=http://localhost:14250,pollingIntervalMs=5000,initialSamplingRate=0.25";

fn jaeger(argument: &str) -> Option<String> {
    if argument.is_empty() {
        return None;
    }
    argument.split(',').find_map(|part| {
        let pair: Vec<&str> = part.split('=').collect();
        let [key, value] = pair[..] else {
            return Some(format!(
                "invalid argument: {part}, the argument should be in the form of key=value; {JAEGER_FIX}"
            ));
        };
        match key {
            "endpoint" if value.is_empty() => {
                Some("endpoint cannot be empty; give the URL of the Jaeger agent or collector, or leave endpoint out".to_owned())
            }
            "pollingIntervalMs" if value.parse::<i64>().is_err() => {
                Some(format!("invalid pollingIntervalMs: {value}; give whole milliseconds, such as 5000"))
            }
            "initialSamplingRate" => match number(value) {
                None => Some(format!("invalid initialSamplingRate: {value}; give a number from 0 to 1, such as 0.25")),
                Some(n) if !(0.0..=1.0).contains(&n) => Some(format!(
                    "initialSamplingRate should be in rage [0..1]: {value}; give a number from 0 to 1, such as 0.25"
                )),
                Some(_) => None,
            },
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_numbers_from_0_to_1() {
        for good in ["", "0", "1", "0.5", ".5", "1.", "5e-1", "+0.5", "-0"] {
            assert_eq!(refusal("traceidratio", good), None, "{good}");
        }
        for bad in ["abc", " 0.5", "0,5", "NaN", "nan", "-nan", "1e400"] {
            let said = refusal("parentbased_traceidratio", bad).unwrap();
            assert!(said.starts_with(&format!("spec.sampler.argument is not a number: {bad}; ")), "{said}");
        }
        for bad in ["1.99", "-0.1", "7", "inf", "-Infinity"] {
            let said = refusal("traceidratio", bad).unwrap();
            assert!(
                said.starts_with(&format!("spec.sampler.argument should be in rage [0..1]: {bad}; ")),
                "{said}"
            );
        }
    }

    #[test]
    fn the_argument_of_other_samplers_is_not_looked_at() {
        assert_eq!(refusal("always_on", "abc"), None);
        assert_eq!(refusal("xray", "abc"), None);
        assert!(
            refusal("foo", "")
                .unwrap()
                .starts_with("spec.sampler.type is not valid: foo; use one of always_on")
        );
    }

    #[test]
    fn jaeger_arguments_are_pairs() {
        for good in [
            "",
            "endpoint=http://x:1,pollingIntervalMs=5,initialSamplingRate=1",
            "other=x",
            "pollingIntervalMs=-1",
        ] {
            assert_eq!(refusal("jaeger_remote", good), None, "{good}");
        }
        for (bad, detail) in [
            ("foo", "invalid argument: foo, the argument should be in the form of key=value"),
            ("a=b=c", "invalid argument: a=b=c, the argument should be in the form of key=value"),
            ("other=x,", "invalid argument: , the argument should be in the form of key=value"),
            ("endpoint=", "endpoint cannot be empty"),
            ("pollingIntervalMs=x", "invalid pollingIntervalMs: x"),
            ("pollingIntervalMs=1.5", "invalid pollingIntervalMs: 1.5"),
            ("initialSamplingRate=x", "invalid initialSamplingRate: x"),
            ("initialSamplingRate=NaN", "invalid initialSamplingRate: NaN"),
            ("initialSamplingRate=2", "initialSamplingRate should be in rage [0..1]: 2"),
        ] {
            let said = refusal("parentbased_jaeger_remote", bad).unwrap();
            let prefix =
                "spec.sampler.argument is not a valid argument for sampler parentbased_jaeger_remote: ";
            assert!(said.starts_with(&format!("{prefix}{detail}; ")), "{said}");
        }
    }
}
