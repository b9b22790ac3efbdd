//! Many collectors on a real API server: those that were recorded behind the Go operator, random ones through the conversion webhook,
//! two hundred at once, and those that the Go operator leaves behind.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic; so may its functions")]

#[path = "../../collector/tests/recorded/api_server.rs"]
mod api_server;
#[path = "collector_fleet/at_once.rs"]
mod at_once;
#[path = "collector_fleet/cluster.rs"]
mod cluster;
#[path = "collector_fleet/conversion.rs"]
mod conversion;
#[path = "../../collector/tests/recorded/difference.rs"]
mod difference;
#[path = "collector_fleet/later.rs"]
mod later;
#[path = "../../api/tests/collector/plain.rs"]
mod plain;
#[path = "../../api/tests/collector/random.rs"]
mod random;
#[path = "../../collector/tests/recorded/record.rs"]
mod record;
#[path = "collector_fleet/recorded.rs"]
mod recorded;
#[path = "collector_fleet/rows.rs"]
mod rows;
#[path = "../../api/tests/collector/storable.rs"]
mod storable;
#[path = "collector_fleet/takeover.rs"]
mod takeover;
