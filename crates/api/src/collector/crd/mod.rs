//! The CustomResourceDefinition `opentelemetrycollectors.opentelemetry.io`.
//!
//! It is kept by hand in the YAML files beside this one; tests hold it against the interface facts of the Go operator,
//! against the types that read it, and against the rendered copy in `deploy/crds/`.

mod embed;
mod render;

use std::sync::LazyLock;

use serde_json::{Value, json};

static CRD: LazyLock<Value> = LazyLock::new(|| {
    let types = source(include_str!("kubernetes.yaml"));
    let v1beta1 = embed::types(source(include_str!("v1beta1.yaml")), &types);
    let v1alpha1 = embed::fields(embed::types(source(include_str!("v1alpha1.yaml")), &types), &v1beta1);
    let mut crd = source(include_str!("crd.yaml"));
    for version in crd["spec"]["versions"].as_array_mut().into_iter().flatten() {
        let schema = if version["storage"] == true { &v1beta1 } else { &v1alpha1 };
        version["schema"] = json!({ "openAPIV3Schema": schema });
    }
    crd.sort_all_objects();
    crd
});

fn source(yaml: &str) -> Value {
    #[expect(
        clippy::expect_used,
        reason = "the texts are compiled in, and every test that asks for the CRD would fail"
    )]
    serde_saphyr::from_str(yaml).expect("the sources of the CRD are YAML")
}

/// The CustomResourceDefinition, complete.
pub fn crd() -> Value {
    CRD.clone()
}

/// The OpenAPI schema of a version (`v1alpha1` or `v1beta1`), as the API server applies it; null for any other version.
pub fn open_api_schema(version: &str) -> &'static Value {
    let versions = CRD["spec"]["versions"].as_array().map(Vec::as_slice).unwrap_or_default();
    match versions.iter().find(|of| of["name"] == version) {
        Some(of) => &of["schema"]["openAPIV3Schema"],
        None => &Value::Null,
    }
}

/// The CustomResourceDefinition as YAML for `kubectl apply`. Embedded Kubernetes types take a line each, which keeps
/// the file small.
pub fn crd_yaml() -> String {
    render::yaml(&CRD)
}
