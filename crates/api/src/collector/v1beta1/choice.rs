//! Fields that take one of a few words. A word that we do not know is kept as it is: a newer version may know it, and
//! who reads the field can name it in an error.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

macro_rules! choice {
    (
        $(#[$doc:meta])*
        $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal),* $(,)? }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
            /// A word that this version does not know.
            Other(String),
        }

        impl $name {
            /// The word of the API.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $word,)*
                    Self::Other(word) => word,
                }
            }
        }

        impl From<&str> for $name {
            fn from(word: &str) -> Self {
                match word {
                    $($word => Self::$variant,)*
                    other => Self::Other(other.to_owned()),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            /// Reads the word; empty is absent, which is the default.
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let word = String::deserialize(deserializer)?;
                Ok(if word.is_empty() { Self::default() } else { Self::from(word.as_str()) })
            }
        }
    };
}

choice!(
    /// `spec.mode`: the kind of workload.
    Mode {
        /// A Deployment; what an object without a mode gets.
        #[default]
        Deployment = "deployment",
        /// A DaemonSet.
        DaemonSet = "daemonset",
        /// A StatefulSet.
        StatefulSet = "statefulset",
        /// A container in the pods that ask for it.
        Sidecar = "sidecar",
    }
);
choice!(
    /// `spec.managementState`: whether the operator acts on the object.
    ManagementState {
        /// It does.
        #[default]
        Managed = "managed",
        /// It does not.
        Unmanaged = "unmanaged",
    }
);
choice!(
    /// `spec.upgradeStrategy`: whether a new version of the operator changes the object.
    UpgradeStrategy {
        /// It does.
        #[default]
        Automatic = "automatic",
        /// It does not.
        None = "none",
    }
);
choice!(
    /// `spec.ingress.type`: how the collector is reached from outside.
    IngressType {
        /// Not at all.
        #[default]
        None = "",
        /// By an Ingress.
        Ingress = "ingress",
        /// By OpenShift Routes.
        Route = "route",
    }
);
choice!(
    /// `spec.ingress.ruleType`: how an Ingress tells the ports apart.
    IngressRuleType {
        /// By the first element of the path.
        #[default]
        Path = "path",
        /// By the first label of the host.
        Subdomain = "subdomain",
    }
);
choice!(
    /// `spec.ingress.route.termination`: where TLS of a Route ends.
    RouteTermination {
        /// No choice was made.
        #[default]
        Unset = "",
        /// No TLS.
        Insecure = "insecure",
        /// At the router.
        Edge = "edge",
        /// At the collector.
        Passthrough = "passthrough",
        /// At the router, and again at the collector.
        Reencrypt = "reencrypt",
    }
);
