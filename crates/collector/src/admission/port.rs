//! Ports that a user gives and ports that follow from the configuration.

use serde_json::Value;

use super::read::{items, text};
use crate::{
    component::port::{LISTENING_KINDS, port_name_problems, port_number_problems, ports},
    config::{Config, Path},
};

/// `spec.ports`.
pub(super) fn given(raw: &Value) -> Option<String> {
    items(raw, &["spec", "ports"]).iter().enumerate().find_map(|(index, port)| {
        let name = text(port, &["name"]);
        let number = port.get("port").and_then(Value::as_i64).unwrap_or_default();
        let (names, numbers) = (port_name_problems(name), port_number_problems(number));
        (!names.is_empty() || !numbers.is_empty()).then(|| {
            let fix = match (names.is_empty(), numbers.is_empty()) {
                (false, true) => format!("give spec.ports[{index}].name at most 15 lower-case letters, digits and -"),
                (true, false) => format!("give spec.ports[{index}].port a number from 1 to 65535"),
                _ => format!("give spec.ports[{index}] a name of at most 15 lower-case letters, digits and -, and a port from 1 to 65535"),
            };
            format!(
                "the OpenTelemetry Spec Ports configuration is incorrect, port name '{name}' errors: {}, num '{number}' errors: {}; {fix}",
                list(&names),
                list(&numbers)
            )
        })
    })
}

/// Ports that the components listen on.
pub(super) fn inferred(config: &Config<'_>) -> Option<String> {
    let below = |path: &Path| path.below(&Path::of(&["spec", "config"]));
    let ports = match ports(config, &LISTENING_KINDS) {
        Ok(ports) => ports,
        Err(problem) => {
            let (path, fix) = (below(&problem.path), &problem.fix);
            return Some(format!(
                "the OpenTelemetry config is incorrect. The port numbers are invalid: {}; {fix} ({path})",
                problem.message
            ));
        }
    };
    ports.iter().find_map(|port| {
        let numbers = port_number_problems(port.number.into());
        (!numbers.is_empty()).then(|| {
            format!(
                "the OpenTelemetry config is incorrect. The port name '{}' errors: [], num '{}' errors: {}; use a port from 1 to \
                 65535 in {}",
                port.name,
                port.number,
                list(&numbers),
                below(&port.path)
            )
        })
    })
}

/// A list in Go's form.
fn list(problems: &[&str]) -> String {
    format!("[{}]", problems.join(" "))
}
