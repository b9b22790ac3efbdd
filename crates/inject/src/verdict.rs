//! The reasons a decision can have: one enum from which the command line, warnings, metrics, logs and documents
//! take their words.

use api::Language;

/// Why a language or a sidecar was or was not injected. The names are stable: they are metric labels and
/// part of the verdict annotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// The language, or the sidecar, was injected.
    Injected,
    /// The pod was injected before; injecting again changes nothing.
    AlreadyInjected,
    /// The annotation asks for a language that does not exist.
    UnknownLanguage,
    /// The language is switched off by the operator's flags.
    LanguageDisabled,
    /// The value is `true` and the namespace has no Instrumentation.
    NoInstrumentation,
    /// The value is `true` and the namespace has several Instrumentations.
    SeveralInstrumentations,
    /// The named Instrumentation does not exist.
    InstrumentationNotFound,
    /// Instrumentations could not be read, or the one found could not be understood.
    InstrumentationUnreadable,
    /// The Namespace of the pod could not be read.
    NamespaceNotFound,
    /// A container-names annotation holds characters that cannot be in a list of names.
    InvalidContainerNames,
    /// Several languages are requested and at least one of them names no container.
    ContainerNamesMissing,
    /// A container is listed twice for one language.
    DuplicateContainerNames,
    /// No container of this name is in the pod.
    ContainerNotFound,
    /// The language cannot instrument an init container.
    InitContainerNotSupported,
    /// The Secret or ConfigMap with certificates does not exist in the pod's namespace.
    CertificateObjectMissing,
    /// The container takes a variable that injection must extend from a source that injection cannot extend.
    VariableFromSource,
    /// The platform or runtime annotation has a value that the agent image has no files for.
    UnsupportedPlatform,
    /// `OTEL_DOTNET_AUTO_HOME` is set already: the application brings its own .NET agent.
    AgentAlreadyConfigured,
    /// Another CLR profiler is configured.
    OtherProfiler,
    /// The Go agent was given no executable.
    GoExecutableMissing,
    /// The Go agent instruments exactly one container and several are asked for.
    GoSeveralContainers,
    /// The pod forbids the shared process namespace that the Go agent needs.
    GoSharedProcessNamespace,
    /// The namespace enforces a Pod Security level that refuses what injection would add.
    PodSecurity,
    /// Another web server of the pod was injected already, and the agents' containers and volumes have fixed names.
    WebServerTaken,
    /// Something in the pod has the name or mount path that injection needs.
    NameCollision,
    /// The Instrumentation holds a value that the API server would refuse in the pod.
    InvalidInstrumentation,
    /// The pod runs where the agents cannot (Windows, a mirror of a static pod).
    UnsupportedPod,
    /// The pod has no regular container.
    NoContainers,
    /// The decision took longer than the webhook's deadline.
    DeadlineExceeded,
    /// The pod in the request could not be understood.
    PodUnreadable,
    /// The annotation for sidecars says `false`, and the collector's container was taken out.
    SidecarRemoved,
    /// The value is `true` and the namespace has no OpenTelemetryCollector in sidecar mode.
    NoCollector,
    /// The value is `true` and the namespace has several OpenTelemetryCollectors in sidecar mode.
    SeveralCollectors,
    /// The named OpenTelemetryCollector does not exist.
    CollectorNotFound,
    /// The named OpenTelemetryCollector is in another mode than `sidecar`.
    CollectorNotSidecar,
    /// The OpenTelemetryCollector may not be used from the pod's namespace.
    CollectorNotAllowed,
    /// No sidecar can be made of the OpenTelemetryCollector, or the API server would refuse the pod with it.
    InvalidCollector,
}

impl Reason {
    /// Every reason, in the order of the documentation.
    pub const ALL: [Reason; 37] = [
        Reason::Injected,
        Reason::AlreadyInjected,
        Reason::UnknownLanguage,
        Reason::LanguageDisabled,
        Reason::NoInstrumentation,
        Reason::SeveralInstrumentations,
        Reason::InstrumentationNotFound,
        Reason::InstrumentationUnreadable,
        Reason::NamespaceNotFound,
        Reason::InvalidContainerNames,
        Reason::ContainerNamesMissing,
        Reason::DuplicateContainerNames,
        Reason::ContainerNotFound,
        Reason::InitContainerNotSupported,
        Reason::CertificateObjectMissing,
        Reason::VariableFromSource,
        Reason::UnsupportedPlatform,
        Reason::AgentAlreadyConfigured,
        Reason::OtherProfiler,
        Reason::GoExecutableMissing,
        Reason::GoSeveralContainers,
        Reason::GoSharedProcessNamespace,
        Reason::PodSecurity,
        Reason::WebServerTaken,
        Reason::NameCollision,
        Reason::InvalidInstrumentation,
        Reason::UnsupportedPod,
        Reason::NoContainers,
        Reason::DeadlineExceeded,
        Reason::PodUnreadable,
        Reason::SidecarRemoved,
        Reason::NoCollector,
        Reason::SeveralCollectors,
        Reason::CollectorNotFound,
        Reason::CollectorNotSidecar,
        Reason::CollectorNotAllowed,
        Reason::InvalidCollector,
    ];

    /// The reason's code, for example `InstrumentationNotFound`.
    pub fn code(self) -> &'static str {
        match self {
            Reason::Injected => "Injected",
            Reason::AlreadyInjected => "AlreadyInjected",
            Reason::UnknownLanguage => "UnknownLanguage",
            Reason::LanguageDisabled => "LanguageDisabled",
            Reason::NoInstrumentation => "NoInstrumentation",
            Reason::SeveralInstrumentations => "SeveralInstrumentations",
            Reason::InstrumentationNotFound => "InstrumentationNotFound",
            Reason::InstrumentationUnreadable => "InstrumentationUnreadable",
            Reason::NamespaceNotFound => "NamespaceNotFound",
            Reason::InvalidContainerNames => "InvalidContainerNames",
            Reason::ContainerNamesMissing => "ContainerNamesMissing",
            Reason::DuplicateContainerNames => "DuplicateContainerNames",
            Reason::ContainerNotFound => "ContainerNotFound",
            Reason::InitContainerNotSupported => "InitContainerNotSupported",
            Reason::CertificateObjectMissing => "CertificateObjectMissing",
            Reason::VariableFromSource => "VariableFromSource",
            Reason::UnsupportedPlatform => "UnsupportedPlatform",
            Reason::AgentAlreadyConfigured => "AgentAlreadyConfigured",
            Reason::OtherProfiler => "OtherProfiler",
            Reason::GoExecutableMissing => "GoExecutableMissing",
            Reason::GoSeveralContainers => "GoSeveralContainers",
            Reason::GoSharedProcessNamespace => "GoSharedProcessNamespace",
            Reason::PodSecurity => "PodSecurity",
            Reason::WebServerTaken => "WebServerTaken",
            Reason::NameCollision => "NameCollision",
            Reason::InvalidInstrumentation => "InvalidInstrumentation",
            Reason::UnsupportedPod => "UnsupportedPod",
            Reason::NoContainers => "NoContainers",
            Reason::DeadlineExceeded => "DeadlineExceeded",
            Reason::PodUnreadable => "PodUnreadable",
            Reason::SidecarRemoved => "SidecarRemoved",
            Reason::NoCollector => "NoCollector",
            Reason::SeveralCollectors => "SeveralCollectors",
            Reason::CollectorNotFound => "CollectorNotFound",
            Reason::CollectorNotSidecar => "CollectorNotSidecar",
            Reason::CollectorNotAllowed => "CollectorNotAllowed",
            Reason::InvalidCollector => "InvalidCollector",
        }
    }

    /// The reason with this code.
    pub fn from_code(code: &str) -> Option<Reason> {
        Reason::ALL.into_iter().find(|r| r.code() == code)
    }

    /// Whether a user should hear of it: something was asked for and not done.
    pub fn is_news(self) -> bool {
        !self.is_as_asked()
    }

    /// The reason of the event on the workload. It is the code, but where the reference operator has a word of its own, which
    /// people may have alerts for.
    pub fn event_reason(self) -> &'static str {
        match self {
            Reason::LanguageDisabled => "InstrumentationRequestRejected",
            other => other.code(),
        }
    }

    /// Whether the pod is as it was asked for.
    pub fn is_as_asked(self) -> bool {
        matches!(self, Reason::Injected | Reason::AlreadyInjected | Reason::SidecarRemoved)
    }

    /// Whether the reference operator answers such a request with `status.code` 500 (spec 2.3).
    pub fn is_request_error(self) -> bool {
        matches!(
            self,
            Reason::NoInstrumentation
                | Reason::SeveralInstrumentations
                | Reason::InstrumentationNotFound
                | Reason::InstrumentationUnreadable
                | Reason::NamespaceNotFound
                | Reason::InvalidContainerNames
                | Reason::CertificateObjectMissing
                | Reason::CollectorNotFound
        )
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.code())
    }
}

/// Why something is not injected: what a [`Verdict`] is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decline {
    /// Reason code.
    pub reason: Reason,
    /// What happened; the reference's message where it has one.
    pub message: String,
    /// What to do.
    pub fix: String,
}

impl Decline {
    /// A refusal with its message and fix.
    pub fn new(reason: Reason, message: impl Into<String>, fix: impl Into<String>) -> Decline {
        Decline { reason, message: message.into(), fix: fix.into() }
    }
}

/// What a verdict is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum About {
    /// The pod as a whole: it was declined before anything else mattered, or asks for a language that does not exist.
    Pod,
    /// The collector in a container of its own.
    Sidecar,
    /// A language.
    Language(Language),
}

impl About {
    /// The language, if it is one.
    pub fn language(self) -> Option<Language> {
        match self {
            About::Language(language) => Some(language),
            About::Pod | About::Sidecar => None,
        }
    }

    /// What this word is about.
    pub fn from_id(id: &str) -> Option<About> {
        match id {
            "pod" => Some(About::Pod),
            SIDECAR => Some(About::Sidecar),
            other => Language::from_id(other).map(About::Language),
        }
    }

    /// One word: `pod`, `sidecar`, or the language's id.
    pub fn id(self) -> &'static str {
        match self {
            About::Pod => "pod",
            About::Sidecar => SIDECAR,
            About::Language(language) => language.id(),
        }
    }
}

/// [`About::Sidecar`] in one word.
pub(crate) const SIDECAR: &str = "sidecar";

/// What was decided for the sidecar, or for one requested language and one container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The language or the sidecar.
    pub about: About,
    /// The container; none when the language was declined before containers were looked at.
    pub container: Option<String>,
    /// The reason code.
    pub reason: Reason,
    /// What happened, in one sentence. Messages of the reference operator come first, verbatim.
    pub message: String,
    /// What the user can do about it; empty when nothing needs to be done.
    pub fix: String,
    /// The Instrumentation that was chosen, or the OpenTelemetryCollector of the sidecar.
    pub source: Option<Source>,
    /// Things worth knowing that changed nothing about the decision.
    pub notes: Vec<String>,
}

/// The object behind a verdict: an Instrumentation, or the OpenTelemetryCollector of a sidecar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Namespace; empty for the static Instrumentation of the configuration file.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Generation at the time of the decision; 0 when it came from a file.
    pub generation: i64,
    /// Version of the language's agent: tag or digest of its image. Empty when the image names none, and for languages without agent.
    pub agent: String,
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.namespace.as_str() {
            "" => write!(f, "{}", self.name),
            namespace => write!(f, "{namespace}/{}", self.name),
        }
    }
}

impl Verdict {
    /// What the verdict is about: `<language>/<container>`, `<language>`, `sidecar/<container>`, `sidecar`, or `pod`.
    pub fn subject(&self) -> String {
        match (self.about, &self.container) {
            (About::Pod, _) | (_, None) => self.about.id().to_owned(),
            (about, Some(container)) => format!("{}/{container}", about.id()),
        }
    }

    /// The language that the verdict is about, if it is about one.
    pub fn language(&self) -> Option<Language> {
        self.about.language()
    }

    /// What a user is told, wherever it is: message, fix, what it is about, and the code to look up in the documentation.
    pub fn notice(&self) -> String {
        format!("{} ({}: {})", self.text(), self.subject(), self.reason)
    }

    /// Whether a user should hear of it.
    pub fn is_news(&self) -> bool {
        self.reason.is_news()
    }

    /// Message and fix in one text: `<message>; <fix>`.
    pub fn text(&self) -> String {
        match (self.message.is_empty(), self.fix.is_empty()) {
            (_, true) => self.message.clone(),
            (true, _) => self.fix.clone(),
            _ => format!("{}; {}", self.message, self.fix),
        }
    }
}
