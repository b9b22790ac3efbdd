//! How each language is injected: one file a language.

mod apache_httpd;
mod dotnet;
mod go;
mod java;
mod nginx;
mod nodejs;
mod python;
mod sdk;
mod web_server;

mod copied_agent;

use api::Language;

use crate::{
    context::Context,
    draft::{Draft, Place},
    verdict::Decline,
};

pub(crate) use go::SIDECAR as GO_SIDECAR;
pub(crate) use java::EXTENSION;
pub(crate) use web_server::CLONE as WEB_SERVER_CLONE;

/// Init containers that only injection makes.
pub(crate) const AGENT_INIT_CONTAINERS: [&str; 7] = [
    "opentelemetry-auto-instrumentation-java",
    "opentelemetry-auto-instrumentation-nodejs",
    "opentelemetry-auto-instrumentation-python",
    "opentelemetry-auto-instrumentation-dotnet",
    web_server::CLONE,
    apache_httpd::ATTACH,
    nginx::ATTACH,
];

/// What came of the targets, in order: injected, or the reason why not.
pub(crate) type Outcomes = Vec<(Place, Result<(), Decline>)>;

/// Injects one language into its targets. An error concerns the language as a whole; the draft is then thrown away.
pub(crate) fn inject(
    context: &Context<'_>,
    draft: &mut Draft,
    targets: &[Place],
) -> Result<Outcomes, Decline> {
    if targets.is_empty() {
        return Ok(Outcomes::new()); // every name is unknown
    }
    match context.language {
        Language::Java => copied_agent::inject(&java::Java, context, draft, targets),
        Language::NodeJs => copied_agent::inject(&nodejs::NodeJs, context, draft, targets),
        Language::Python => copied_agent::inject(&python::Python, context, draft, targets),
        Language::DotNet => copied_agent::inject(&dotnet::DotNet, context, draft, targets),
        Language::Go => go::inject(context, draft, targets),
        Language::ApacheHttpd => web_server::inject(&apache_httpd::ApacheHttpd, context, draft, targets),
        Language::Nginx => web_server::inject(&nginx::Nginx, context, draft, targets),
        Language::Sdk => sdk::inject(context, draft, targets),
    }
}
