//! Feature gates: the reference's names and stages, one precedence.

use std::collections::BTreeMap;

use super::values::{Invalid, Values};

/// A feature gate of the reference.
#[derive(Clone, Copy, Debug)]
pub struct Gate {
    /// Its name.
    pub name: &'static str,
    /// Whether it is on when nobody says anything.
    pub default: bool,
    /// Stable: it cannot be switched off.
    pub locked: bool,
    /// What it does here; else why it does nothing.
    pub effect: Result<&'static str, &'static str>,
}

/// All of them.
pub static GATES: [Gate; 6] = [
    Gate {
        name: "operator.golang.flags",
        default: true,
        locked: true,
        effect: Ok("collectors get GOMEMLIMIT and GOMAXPROCS"),
    },
    Gate {
        name: "operator.collector.usedefaulttelemetryshape",
        default: true,
        locked: true,
        effect: Ok("the metrics of collectors keep the names that the collector gives them"),
    },
    Gate {
        name: "operator.networkpolicy",
        default: true,
        locked: false,
        effect: Err("the operator's NetworkPolicy is part of its manifests, not made by the process"),
    },
    Gate {
        name: "operand.networkpolicy",
        default: true,
        locked: false,
        effect: Ok("collectors that do not say otherwise get a NetworkPolicy"),
    },
    Gate {
        name: "operator.targetallocator.fallbackstrategy",
        default: false,
        locked: false,
        effect: Err("the target allocator is not part of this operator yet"),
    },
    Gate {
        name: "operator.clusterobservability",
        default: false,
        locked: false,
        effect: Err("ClusterObservability is not part of this operator yet"),
    },
];

/// Which gates are on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gates(BTreeMap<&'static str, bool>);

impl Gates {
    /// Reads them. File, environment and flags are laid over one another, gate by gate.
    ///
    /// # Errors
    /// When a gate is unknown, or a stable one is switched off.
    pub fn read(values: &mut Values) -> Result<Gates, Invalid> {
        let mut on: BTreeMap<_, _> = GATES.iter().map(|gate| (gate.name, gate.default)).collect();
        let given = values.get("feature-gates");
        for word in values.list("feature-gates") {
            let (name, wanted) = match word.strip_prefix('-') {
                Some(name) => (name, false),
                None => (word.strip_prefix('+').unwrap_or(&word), true),
            };
            let refuse = |problem: &str, fix: String| {
                Err(Invalid {
                    origin: given.origin.clone(),
                    value: word.clone(),
                    problem: problem.to_owned(),
                    fix,
                })
            };
            let Some(gate) = GATES.iter().find(|gate| gate.name == name) else {
                let names: Vec<_> = GATES.iter().map(|gate| gate.name).collect();
                return refuse("no feature gate", format!("choose from {}", names.join(", ")));
            };
            if gate.locked && !wanted {
                return refuse("stable and cannot be switched off", "leave it out".to_owned());
            }
            if gate.locked {
                values
                    .warnings
                    .push(format!("{}: {name} is stable and always on; leave it out", given.origin));
            }
            if let Err(why) = gate.effect {
                values.warnings.push(format!("{}: {name} has no effect: {why}", given.origin));
            }
            on.insert(gate.name, wanted);
        }
        Ok(Gates(on))
    }

    /// Whether this gate is on.
    pub fn is_on(&self, name: &str) -> bool {
        self.0.get(name).copied().unwrap_or_default()
    }
}

impl std::fmt::Display for Gates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let words = self.0.iter().map(|(name, on)| format!("{}{name}", if *on { "" } else { "-" }));
        f.write_str(&words.collect::<Vec<_>>().join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::table;

    fn read(environment: &str, flags: &[&str]) -> (Result<Gates, Invalid>, Vec<String>) {
        let mut values = Values::default();
        values.from_environment(|name| {
            (name == "FEATURE_GATES" && !environment.is_empty()).then(|| environment.to_owned())
        });
        if !flags.is_empty() {
            let texts = flags.iter().map(|text| (*text).to_owned()).collect();
            values.from_flag(table::by_flag("feature-gates").unwrap(), texts);
        }
        let gates = Gates::read(&mut values);
        (gates, values.warnings)
    }

    #[test]
    fn defaults_are_those_of_the_reference() {
        let gates = read("", &[]).0.unwrap();
        assert_eq!(
            gates.to_string(),
            "operand.networkpolicy,-operator.clusterobservability,operator.collector.usedefaulttelemetryshape,operator.golang.flags,\
             operator.networkpolicy,-operator.targetallocator.fallbackstrategy"
        );
    }

    #[test]
    fn t7_a_flag_wins_over_the_environment_gate_by_gate() {
        let gates =
            read("operand.networkpolicy,-operator.networkpolicy", &["-operand.networkpolicy"]).0.unwrap();
        assert!(!gates.is_on("operand.networkpolicy"));
        assert!(!gates.is_on("operator.networkpolicy"), "what the flag does not name stays as it was");
    }

    #[test]
    fn t8_unknown_gates_are_refused_and_stable_ones_cannot_be_switched_off() {
        let message = read("no.such.gate", &[]).0.unwrap_err().to_string();
        assert!(
            message.starts_with(
                "environment variable FEATURE_GATES: \"no.such.gate\" is no feature gate; choose"
            ),
            "{message}"
        );
        let message = read("", &["-operator.golang.flags"]).0.unwrap_err().to_string();
        assert!(message.contains("--feature-gates: \"-operator.golang.flags\" is stable"), "{message}");
    }

    #[test]
    fn what_is_accepted_without_effect_is_said() {
        let (gates, warnings) = read("+operator.golang.flags,operator.clusterobservability", &[]);
        gates.unwrap();
        assert!(warnings[0].contains("always on") && warnings[1].contains("no effect"), "{warnings:?}");
    }
}
