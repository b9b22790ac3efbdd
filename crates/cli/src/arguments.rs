//! Arguments that `inject`, `uninject`, `diff` and `explain` share.

use std::path::PathBuf;

use anyhow::Result;
use api::{Language, Settings};
use clap::{ArgMatches, Args, Command, FromArgMatches, parser::ValueSource};
use operator::settings::{Process, arguments, published};

use crate::cluster::Cluster;

/// Settings that decide about pods. All flags of `run` are accepted, so that a Deployment's arguments can be pasted; the
/// others are left out of the help text.
const ABOUT_PODS: [&str; 5] = [
    "kubeconfig",
    "config-file",
    "enable-multi-instrumentation",
    "otlp-protocol-by-port",
    "verdict-annotation",
];

/// Which objects, which cluster.
#[derive(Args, Clone, Debug)]
pub(crate) struct Common {
    /// Files with YAML or JSON documents, folders (all .yaml, .yml and .json files below them), or - for standard input
    #[arg(short = 'f', long = "filename", value_name = "FILE|DIR|-")]
    pub filename: Vec<String>,
    /// Namespace of objects that state none [default: that of the Namespace object in their folder, or default]
    #[arg(short = 'n', long, value_name = "NAME")]
    pub namespace: Option<String>,
    /// Look up in a cluster what the files do not say: the one of the current context
    #[arg(long)]
    pub cluster: bool,
    /// Look up in the cluster of this context of the kubeconfig
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
    /// Namespace of the running operator, whose settings are used with a cluster
    #[arg(long, value_name = "NAME", default_value = operator::manifest::NAMESPACE)]
    pub operator_namespace: String,
}

/// A subcommand with the shared arguments.
pub(crate) fn command(name: &'static str, about: &'static str) -> Command {
    let settings = arguments::arguments().map(|arg| {
        let shown = |id: &str| {
            ABOUT_PODS.contains(&id)
                || Language::ALL
                    .iter()
                    .any(|l| l.info().enable_flag == Some(id) || l.info().image_flag == Some(id))
        };
        let hidden = !shown(arg.get_id().as_str());
        arg.hide(hidden)
    });
    // The derived arguments bring the struct's own comment along as text of the command.
    Common::augment_args(Command::new(name)).about(about).args(settings)
}

/// The arguments, read.
#[derive(Debug)]
pub(crate) struct Given {
    /// Which objects, which cluster.
    pub common: Common,
    pub process: Process,
    matches: ArgMatches,
}

impl Given {
    /// Reads them.
    ///
    /// # Errors
    ///
    /// When a value makes no sense.
    pub(crate) fn read(matches: &ArgMatches) -> Result<Given> {
        let common = Common::from_arg_matches(matches)?;
        Ok(Given { common, process: Process::read(matches, Vec::new())?, matches: matches.clone() })
    }

    /// Whether the user wants a cluster to be asked.
    pub(crate) fn asks_cluster(&self) -> bool {
        self.common.cluster || self.common.context.is_some() || self.kubeconfig().is_some()
    }

    /// The kubeconfig of the command line. `KUBECONFIG` says which clusters there are, not that one is to be asked.
    fn kubeconfig(&self) -> Option<&PathBuf> {
        let here = self.matches.value_source("kubeconfig") == Some(ValueSource::CommandLine);
        self.process.kubeconfig.as_ref().filter(|_| here)
    }

    /// The cluster.
    ///
    /// # Errors
    ///
    /// When no kubeconfig can be used.
    pub(crate) fn connect(&self) -> Result<Cluster> {
        Cluster::connect(self.kubeconfig(), self.common.context.as_deref())
    }

    /// The settings of decisions, and where they come from: those of the operator that runs in the cluster, where there is
    /// one; flags of this command line win.
    ///
    /// # Errors
    ///
    /// When the cluster refuses, or the published settings cannot be read.
    pub(crate) fn settings(&self, cluster: Option<&Cluster>) -> Result<(Settings, String)> {
        let here = &self.process.injection;
        let Some(cluster) = cluster else {
            return Ok(((**here).clone(), "built-in defaults, environment and flags".to_owned()));
        };
        let namespace = &self.common.operator_namespace;
        let map = format!("ConfigMap {namespace}/{}", published::CONFIG_MAP);
        let Some(mut settings) = cluster.settings(namespace)? else {
            let origin =
                format!("built-in defaults and flags: no operator has published its settings in {map}");
            return Ok(((**here).clone(), origin));
        };
        let given = |flag: Option<&'static str>| {
            flag.is_some_and(|f| self.matches.value_source(f) == Some(ValueSource::CommandLine))
        };
        let mut overridden = false;
        for language in Language::ALL {
            if given(language.info().enable_flag) {
                settings.enabled[language] = here.enabled[language];
                overridden = true;
            }
            if given(language.info().image_flag) {
                settings.images[language].clone_from(&here.images[language]);
                overridden = true;
            }
        }
        for (flag, to, from) in [
            ("enable-multi-instrumentation", &mut settings.multi_instrumentation, here.multi_instrumentation),
            ("otlp-protocol-by-port", &mut settings.otlp_protocol_by_port, here.otlp_protocol_by_port),
            ("verdict-annotation", &mut settings.verdict_annotation, here.verdict_annotation),
        ] {
            if given(Some(flag)) {
                *to = from;
                overridden = true;
            }
        }
        let and = if overridden { ", and flags" } else { "" };
        Ok((settings, format!("the running operator's, {map}{and}")))
    }
}
