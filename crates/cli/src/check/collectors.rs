//! OpenTelemetryCollectors: is what they wish there, and can it run?

use collector::{
    check::{Severity, lint_text},
    settings::DEFAULT_IMAGE,
};
use serde_json::Value;

use super::{
    Seen,
    catalogue::{Check, Group},
    items,
    sheet::Sheet,
    text, title,
};
use crate::cluster::Cluster;

/// Looks at every collector.
///
/// # Errors
///
/// When the cluster cannot be asked.
pub(super) fn check(cluster: &Cluster, seen: &Seen, sheet: &mut Sheet) -> anyhow::Result<()> {
    for made in Check::ALL.iter().filter(|check| check.group() == Group::Collectors) {
        sheet.made(*made, "");
    }
    let monitors = cluster.get("/apis/monitoring.coreos.com/v1")?.is_some();
    for collector in &seen.collectors {
        let object = title(api::collector::KIND, collector);
        let ready = items(collector, "/status/conditions").iter().find(|c| text(c, "/type") == "Ready");
        if let Some(ready) = ready.filter(|ready| text(ready, "/status") == "False") {
            let message = format!("{}: {}", text(ready, "/reason"), text(ready, "/message"));
            sheet.error(Check::CollectorNotReady, &object, message, "");
        }
        for finding in lint_text(&collector.to_string(), DEFAULT_IMAGE).findings {
            if finding.severity == Severity::Error {
                let message = format!("{}: {} ({})", finding.path, finding.sentence, finding.code.code());
                sheet.error(Check::CollectorConfiguration, &object, message, finding.fix);
            }
        }
        let version = text(collector, "/status/version");
        let left_alone = text(collector, "/spec/managementState") == "unmanaged"
            || text(collector, "/spec/upgradeStrategy") == "none";
        if !left_alone && !version.is_empty() && version != env!("CARGO_PKG_VERSION") {
            let message = format!("it is at {version}, the release is {}", env!("CARGO_PKG_VERSION"));
            sheet.warn(Check::CollectorVersion, &object, message, "");
        }
        let wants =
            collector.pointer("/spec/observability/metrics/enableMetrics") == Some(&Value::Bool(true));
        if wants && !monitors {
            sheet.warn(
                Check::MonitorsMissing,
                &object,
                "it asks for monitors, and the cluster has no monitoring.coreos.com/v1",
                "",
            );
        }
    }
    Ok(())
}
