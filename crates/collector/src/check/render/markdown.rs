//! The table of checks as a page of the documentation.

use std::fmt::Write;

use crate::check::Code;

/// docs/lint.md.
pub fn markdown() -> String {
    let mut page = String::from(
        "# Checks of collector configurations\n\n\
         `otel-operator lint` makes these checks on files, the admission webhook makes them on every OpenTelemetryCollector. An\n\
         *error* means that the collector would not start: at admission it is a warning, or a refusal with\n\
         `--collector-config-validation=enforce` or the annotation `opentelemetry.io/config-validation: enforce`. A *warning* is\n\
         probably not what was meant. An *advice* is shown by `lint` alone.\n\n\
         | Code | Severity | What it means | What to do |\n| --- | --- | --- | --- |\n",
    );
    for code in Code::ALL {
        // Writing to a String cannot fail.
        let _ = writeln!(
            page,
            "| `{}` | {} | {} | {} |",
            code.code(),
            code.severity(),
            code.sentence(),
            code.fix()
        );
    }
    page
}
