//! The table of languages: everything that is a name, a key or a default of one language.
//!
//! A new language is one line here, one struct in [`crate::instrumentation`] and one file in the
//! engine (`inject::language`); the compiler names each place.

/// A language (or web server, or "SDK settings only") that injection knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Language {
    /// Java agent by `JAVA_TOOL_OPTIONS`.
    Java,
    /// Node.js by `NODE_OPTIONS`.
    NodeJs,
    /// Python by `PYTHONPATH`.
    Python,
    /// .NET by the CLR profiler and startup hooks.
    DotNet,
    /// Go by an eBPF sidecar.
    Go,
    /// Apache HTTPD by a module loaded from a patched configuration.
    ApacheHttpd,
    /// Nginx by a module loaded from a patched configuration.
    Nginx,
    /// SDK settings only: environment variables, no agent.
    Sdk,
}

/// One line of the table of languages.
#[derive(Debug)]
pub struct LanguageInfo {
    /// Id as used in annotation keys, status and metrics, for example `apache-httpd`.
    pub id: &'static str,
    /// Name for people, as the Go operator writes it in events.
    pub name: &'static str,
    /// Key of the request annotation.
    pub inject: &'static str,
    /// Key of the annotation that lists the target containers of this language only.
    pub container_names: &'static str,
    /// Key of the annotation on Instrumentations that remembers the default image; none for sdk.
    pub default_image_annotation: Option<&'static str>,
    /// Field of `Instrumentation.spec`; none for sdk.
    pub spec_field: Option<&'static str>,
    /// Field of the language's resource requirements (`resources` for Java only, spec 7.1).
    pub resources_field: &'static str,
    /// `--enable-<…>` flag; none for sdk, which cannot be switched off.
    pub enable_flag: Option<&'static str>,
    /// Environment variable of the same switch.
    pub enable_env: Option<&'static str>,
    /// Configuration file key of the same switch.
    pub enable_key: Option<&'static str>,
    /// Whether the language is on when nothing is said.
    pub enabled_by_default: bool,
    /// `--auto-instrumentation-<…>-image` flag.
    pub image_flag: Option<&'static str>,
    /// Environment variable of the default image.
    pub image_env: Option<&'static str>,
    /// Configuration file key of the default image.
    pub image_key: Option<&'static str>,
    /// Default agent image of this release; empty for sdk.
    pub default_image: &'static str,
    /// Default `limits` (cpu, memory) written into a stored Instrumentation.
    pub default_limits: (&'static str, &'static str),
    /// Default `requests` (cpu, memory) written into a stored Instrumentation.
    pub default_requests: (&'static str, &'static str),
}

macro_rules! image {
    ($name:literal) => {
        concat!("ghcr.io/open-telemetry/opentelemetry-operator/autoinstrumentation-", $name)
    };
}

macro_rules! info {
    ($id:literal, $name:literal, $names:literal, $field:literal, $res:literal, $flag:literal, $env:literal, $key:literal,
     $on:literal, $image_id:literal, $image_env:literal, $image_key:literal, $image:expr, $requests:expr) => {
        LanguageInfo {
            id: $id,
            name: $name,
            inject: concat!("instrumentation.opentelemetry.io/inject-", $id),
            container_names: concat!("instrumentation.opentelemetry.io/", $names),
            default_image_annotation: Some(concat!(
                "instrumentation.opentelemetry.io/default-auto-instrumentation-",
                $id,
                "-image"
            )),
            spec_field: Some($field),
            resources_field: $res,
            enable_flag: Some(concat!("enable-", $flag, "-instrumentation")),
            enable_env: Some(concat!("ENABLE_", $env, "_AUTO_INSTRUMENTATION")),
            enable_key: Some($key),
            enabled_by_default: $on,
            image_flag: Some(concat!("auto-instrumentation-", $image_id, "-image")),
            image_env: Some(concat!("RELATED_IMAGE_AUTO_INSTRUMENTATION_", $image_env)),
            image_key: Some($image_key),
            default_image: $image,
            default_limits: ("500m", "256Mi"),
            default_requests: $requests,
        }
    };
}

#[rustfmt::skip]
static TABLE: [LanguageInfo; 8] = [
    info!("java", "Java", "java-container-names", "java", "resources", "java", "JAVA", "enable-java-auto-instrumentation",
          true, "java", "JAVA", "auto-instrumentation-java-image", concat!(image!("java"), ":2.30.0"), ("50m", "64Mi")),
    info!("nodejs", "NodeJS", "nodejs-container-names", "nodejs", "resourceRequirements", "nodejs", "NODEJS", "enable-node-js-auto-instrumentation",
          true, "nodejs", "NODEJS", "auto-instrumentation-node-js-image", concat!(image!("nodejs"), ":0.78.0"), ("50m", "128Mi")),
    info!("python", "Python", "python-container-names", "python", "resourceRequirements", "python", "PYTHON", "enable-python-auto-instrumentation",
          true, "python", "PYTHON", "auto-instrumentation-python-image", concat!(image!("python"), ":0.64b0"), ("50m", "64Mi")),
    info!("dotnet", ".NET", "dotnet-container-names", "dotnet", "resourceRequirements", "dotnet", "DOTNET", "enable-dot-net-auto-instrumentation",
          true, "dotnet", "DOTNET", "auto-instrumentation-dot-net-image", concat!(image!("dotnet"), ":1.16.0"), ("50m", "128Mi")),
    info!("go", "Go", "go-container-names", "go", "resourceRequirements", "go", "GO", "enable-go-auto-instrumentation",
          false, "go", "GO", "auto-instrumentation-go-image",
          "ghcr.io/open-telemetry/opentelemetry-go-instrumentation/autoinstrumentation-go:v0.24.0", ("50m", "64Mi")),
    info!("apache-httpd", "Apache HTTPD", "apache-httpd-container-names", "apacheHttpd", "resourceRequirements", "apache-httpd", "APACHE_HTTPD", "enable-apache-httpd-instrumentation",
          true, "apache-httpd", "APACHE_HTTPD", "auto-instrumentation-apache-httpd-image", concat!(image!("apache-httpd"), ":1.0.4"), ("1m", "128Mi")),
    info!("nginx", "Nginx", "inject-nginx-container-names", "nginx", "resourceRequirements", "nginx", "NGINX", "enable-nginx-auto-instrumentation",
          false, "nginx", "NGINX", "auto-instrumentation-nginx-image", concat!(image!("apache-httpd"), ":1.0.4"), ("1m", "128Mi")),
    LanguageInfo {
        id: "sdk", name: "SDK",
        inject: "instrumentation.opentelemetry.io/inject-sdk",
        container_names: "instrumentation.opentelemetry.io/sdk-container-names",
        default_image_annotation: None, spec_field: None, resources_field: "resourceRequirements",
        enable_flag: None, enable_env: None, enable_key: None, enabled_by_default: true,
        image_flag: None, image_env: None, image_key: None, default_image: "",
        default_limits: ("", ""), default_requests: ("", ""),
    },
];

impl Language {
    /// Every language, in the order in which requests are resolved (spec 2.4 step 2) and injected (step 7).
    pub const ALL: [Language; 8] = [
        Language::Java,
        Language::NodeJs,
        Language::Python,
        Language::DotNet,
        Language::Go,
        Language::ApacheHttpd,
        Language::Nginx,
        Language::Sdk,
    ];

    /// The language's line in the table.
    pub fn info(self) -> &'static LanguageInfo {
        &TABLE[self as usize]
    }

    /// The language's id, for example `nodejs`.
    pub fn id(self) -> &'static str {
        self.info().id
    }

    /// The language with this id.
    pub fn from_id(id: &str) -> Option<Language> {
        Language::ALL.into_iter().find(|l| l.id() == id)
    }

    /// The languages that have an agent image, that is all but `sdk`.
    pub fn with_image() -> impl Iterator<Item = Language> {
        Language::ALL.into_iter().filter(|l| l.info().spec_field.is_some())
    }
}

impl std::fmt::Display for Language {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.id())
    }
}

/// One value for each language, indexed by [`Language`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PerLanguage<T>([T; 8]);

impl<T> PerLanguage<T> {
    /// Computes the value of each language.
    pub fn from_fn(mut f: impl FnMut(Language) -> T) -> Self {
        PerLanguage(std::array::from_fn(|i| f(Language::ALL[i])))
    }
}

impl<T> std::ops::Index<Language> for PerLanguage<T> {
    type Output = T;
    fn index(&self, language: Language) -> &T {
        &self.0[language as usize]
    }
}

impl<T> std::ops::IndexMut<Language> for PerLanguage<T> {
    fn index_mut(&mut self, language: Language) -> &mut T {
        &mut self.0[language as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_enum() {
        for language in Language::ALL {
            assert_eq!(Language::from_id(language.id()), Some(language));
        }
        assert_eq!(
            Language::Nginx.info().container_names,
            "instrumentation.opentelemetry.io/inject-nginx-container-names"
        );
    }
}
