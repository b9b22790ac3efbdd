//! Whether the image's distribution has the components.

use super::{Code, Context, Finding, Severity};
use crate::{
    component::{
        Kind,
        catalogue::{Distribution, Known, RELEASE, look_up},
    },
    config::{Config, Path, split_id},
};

pub(super) fn check(config: &Config<'_>, context: &Context<'_>, findings: &mut Vec<Finding>) {
    let declared = context.image.and_then(Distribution::of_image);
    for kind in Kind::ALL {
        for id in config.enabled(kind).keys() {
            if config.component(kind, id).is_none() {
                continue;
            }
            let component_type = split_id(id).0;
            // The largest distribution tells names that nobody knows.
            let distribution = declared.as_ref().map_or(Distribution::Contrib, |(d, _)| *d);
            let path = Path::of(&[kind.section(), id]);
            match look_up(kind, component_type, distribution) {
                Known::Included => {}
                // Removed components have a check of their own, with a replacement.
                Known::Nowhere if super::removed::is_removed(kind, component_type) => {}
                Known::Nowhere => findings.push(Finding::new(
                    Code::UnknownComponent,
                    path,
                    format!("{} {component_type} is in no official distribution", kind.name()),
                    "check the spelling; if the collector is your own build, ignore this",
                )),
                Known::Elsewhere(distributions) => {
                    let names: Vec<String> = distributions.iter().map(ToString::to_string).collect();
                    let finding = Finding::new(
                        Code::NotInDistribution,
                        path,
                        format!("{} {component_type} is not in the distribution {distribution}", kind.name()),
                        format!(
                            "set spec.image to the distribution {}, or use another component",
                            names.join(" or ")
                        ),
                    );
                    // The catalogue is that of one release; of others it only gives a hint.
                    let version = declared.as_ref().and_then(|(_, version)| version.as_ref());
                    let certain = version.is_some_and(|v| v.to_string() == RELEASE);
                    findings.push(if certain { finding } else { finding.milder(Severity::Warning) });
                }
            }
        }
    }
}
