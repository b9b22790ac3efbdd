//! The CustomResourceDefinition `instrumentations.opentelemetry.io`.
//!
//! It is kept by hand in `crd.yaml`; tests hold it against the interface facts of the Go operator, against the types
//! that read it, and against the rendered copy in `deploy/crds/`.

use std::sync::LazyLock;

use serde_json::Value;

const SOURCE: &str = include_str!("crd.yaml");

static CRD: LazyLock<Value> = LazyLock::new(|| {
    #[expect(
        clippy::expect_used,
        reason = "the text is compiled in, and every test of this crate that asks for it would fail"
    )]
    let mut crd: Value = serde_saphyr::from_str(SOURCE).expect("crd.yaml is YAML");
    crd.sort_all_objects();
    crd
});

/// The CustomResourceDefinition, with anchors resolved.
pub fn crd() -> Value {
    CRD.clone()
}

/// The OpenAPI schema of the stored version, as the API server applies it to an object.
pub fn open_api_schema() -> &'static Value {
    &CRD["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
}

/// The CustomResourceDefinition as YAML for `kubectl apply`: strings that YAML 1.1 would read as something else are
/// quoted, and nothing needs anchors.
pub fn crd_yaml() -> String {
    #[expect(
        clippy::expect_used,
        reason = "a JSON value always has a YAML form, and writing to memory cannot fail"
    )]
    serde_saphyr::to_string(&*CRD).expect("JSON is YAML")
}
