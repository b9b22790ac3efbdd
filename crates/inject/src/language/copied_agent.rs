//! What Java, Node.js, Python and .NET have in common: an init container copies the agent to a volume, the application mounts
//! it, and environment variables load it (spec 5.2).

use api::instrumentation::{Agent, EnvVar};

use super::Outcomes;
use crate::{
    context::Context,
    draft::{Container, Draft, Mount, Place},
    env::Environment,
    init_container, sdk_environment,
    verdict::{Decline, Reason},
    volume,
};

/// A language whose agent is copied.
pub(super) trait CopiedAgent {
    /// The language's settings in the Instrumentation.
    fn settings<'a>(&self, context: &Context<'a>) -> &'a dyn Agent;

    /// Volume that the agent is copied to.
    fn volume(&self) -> &'static str;

    /// Where a target mounts it.
    fn mount_path(&self, target: &str) -> String {
        let _ = target;
        format!("/{}", self.volume().replacen("opentelemetry", "otel", 1))
    }

    /// Variables that load the agent, and so must be extensible.
    fn extended(&self) -> &'static [&'static str];

    /// Why this container cannot be injected, beyond variables that cannot be extended.
    fn refuse(&self, context: &Context<'_>, env: &Environment) -> Result<(), Decline> {
        let _ = (context, env);
        Ok(())
    }

    /// Variables that stand before the Instrumentation's common ones.
    fn before_common(&self, env: &mut Environment, common: &[EnvVar]) {
        let _ = (env, common);
    }

    /// Variables that stand behind the common ones.
    fn after_common(&self, context: &Context<'_>, env: &mut Environment, target: &str);

    /// The init containers that copy the agent, in order.
    fn init_containers(&self, context: &Context<'_>) -> Vec<Container>;
}

pub(super) fn inject(
    language: &dyn CopiedAgent,
    context: &Context<'_>,
    draft: &mut Draft,
    targets: &[Place],
) -> Result<Outcomes, Decline> {
    let settings = language.settings(context);
    let mut outcomes = Outcomes::new();
    for &target in targets {
        let mut attempt = draft.clone();
        let outcome = into_container(language, settings, context, &mut attempt, target);
        if outcome.is_ok() {
            *draft = attempt;
        }
        outcomes.push((target, outcome));
    }
    let Some(&first) = targets.first().filter(|_| outcomes.iter().any(|(_, o)| o.is_ok())) else {
        return Ok(outcomes); // nothing injected: no volume, no init container (W1)
    };
    draft.ensure_volume(volume::agent_volume(language.volume(), settings, Some("200Mi")));
    let security_context = init_container::security_context(context, draft, first);
    let security_context = init_container::with_numeric_user(context, security_context);
    let mut containers = language.init_containers(context);
    for container in &mut containers {
        container.security_context.clone_from(&security_context);
    }
    init_container::insert(draft, first, containers);
    Ok(outcomes)
}

fn into_container(
    language: &dyn CopiedAgent,
    settings: &dyn Agent,
    context: &Context<'_>,
    draft: &mut Draft,
    target: Place,
) -> Result<(), Decline> {
    let container = draft.at_mut(target);
    for name in language.extended() {
        check_extensible(&container.env, name)?;
    }
    language.refuse(context, &container.env)?;
    container.env.append_if_absent(settings.env());
    language.before_common(&mut container.env, &context.spec().env);
    container.mounts.push(Mount::new(language.volume(), &language.mount_path(&container.name)));
    sdk_environment::add_common(context, &mut container.env);
    for name in language.extended() {
        if container.env.get(name).is_some_and(|e| e.is_sourced()) {
            return Err(Decline::new(
                Reason::VariableFromSource,
                format!(
                    "Instrumentation {} sets {name} by valueFrom, which the agent's value cannot be added to",
                    name_of(context)
                ),
                format!("give {name} a plain value in the Instrumentation's env, or remove it"),
            ));
        }
    }
    let name = container.name.clone();
    language.after_common(context, &mut container.env, &name);
    sdk_environment::configure(context, draft, target, target);
    Ok(())
}

/// A variable that loads the agent is extended; that is only possible for a plain value.
pub(super) fn check_extensible(env: &Environment, name: &str) -> Result<(), Decline> {
    if env.get(name).is_some_and(|e| e.is_sourced()) {
        return Err(Decline::new(
            Reason::VariableFromSource,
            format!("the container defines env var value via ValueFrom, envVar: {name}"),
            format!("give {name} a plain value, to which the agent's can be added"),
        ));
    }
    if let Some(config_map) = env.config_map_of(name) {
        return Err(Decline::new(
            Reason::VariableFromSource,
            format!(
                "the container takes {name} from ConfigMap {config_map} by envFrom, and injection would hide that value"
            ),
            format!(
                "set {name} in the container's env with a plain value, to which the agent's can be added"
            ),
        ));
    }
    Ok(())
}

/// Namespace and name of the Instrumentation.
pub(super) fn name_of(context: &Context<'_>) -> String {
    let metadata = &context.instrumentation.metadata;
    format!("{}/{}", metadata.namespace, metadata.name)
}
