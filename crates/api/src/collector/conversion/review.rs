//! The conversion webhook as a function.

use serde_json::{Value, json};

use crate::collector::{API_VERSION, KIND, OLD_API_VERSION};

use super::{to_v1alpha1, to_v1beta1};

/// Answers a ConversionReview of `apiextensions.k8s.io/v1` or `v1beta1`, in the version that was asked in.
///
/// An object that already has the desired version comes back as it is. The API has one verdict for all objects of a
/// review, so an object that is no OpenTelemetryCollector, or a version that does not exist, refuses the review; that
/// cannot happen to an object that the API server stored.
pub fn convert_review(review: &Value) -> Value {
    let request = &review["request"];
    let desired = request["desiredAPIVersion"].as_str().unwrap_or_default();
    let objects = request["objects"].as_array().map(Vec::as_slice).unwrap_or_default();
    let converted: Result<Vec<Value>, String> =
        objects.iter().map(|object| convert(object, desired)).collect();
    let (objects, result) = match converted {
        Ok(objects) => (objects, json!({ "status": "Success" })),
        Err(message) => (Vec::new(), json!({ "status": "Failure", "message": message })),
    };
    json!({
        "apiVersion": review["apiVersion"],
        "kind": review["kind"],
        "response": { "uid": request["uid"], "convertedObjects": objects, "result": result },
    })
}

fn convert(object: &Value, desired: &str) -> Result<Value, String> {
    let (kind, version) = (&object["kind"], &object["apiVersion"]);
    let known = [API_VERSION, OLD_API_VERSION];
    if version != desired && (kind != KIND || !known.iter().any(|known| version == known)) {
        let name = &object["metadata"]["name"];
        return Err(format!(
            "{kind} {name} of {version} cannot be converted; known is {KIND} of {}",
            known.join(", ")
        ));
    }
    match desired {
        API_VERSION => Ok(to_v1beta1(object)),
        OLD_API_VERSION => Ok(to_v1alpha1(object)),
        _ if version == desired => Ok(object.clone()),
        _ => Err(format!("desiredAPIVersion {desired:?} does not exist; known are {}", known.join(", "))),
    }
}
