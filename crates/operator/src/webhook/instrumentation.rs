//! Defaulting and validation of Instrumentations.

use api::Settings;
use serde_json::{Value, value::RawValue};

use super::review::{Answer, Request, read};

/// Path of the defaulting webhook, as in the reference operator.
pub const DEFAULT_PATH: &str = "/mutate-opentelemetry-io-v1alpha1-instrumentation";
/// Path of the validating webhook, as in the reference operator.
pub const VALIDATE_PATH: &str = "/validate-opentelemetry-io-v1alpha1-instrumentation";

/// Fills in defaults. The error text goes with HTTP 400.
pub(super) fn default(body: &[u8], settings: &Settings) -> Result<Vec<u8>, String> {
    let review = read(body)?;
    let object = object(&review)?;
    let old = review.old_object.and_then(|old| serde_json::from_str::<Value>(old.get()).ok());
    let defaulted = api::instrumentation::default(&object, old.as_ref(), settings);
    let patch = if defaulted.patch.is_empty() {
        Vec::new()
    } else {
        // Operations hold JSON values, which always serialise.
        serde_json::to_vec(&defaulted.patch).unwrap_or_default()
    };
    Ok(Answer { patch, warnings: defaulted.warnings, ..Answer::allow() }.write(&review.uid))
}

/// Accepts or refuses. Deletion is always allowed, so that an object that newer rules dislike can be removed.
pub(super) fn validate(body: &[u8], settings: &Settings) -> Result<Vec<u8>, String> {
    let review = read(body)?;
    let validated = match &*review.operation {
        "DELETE" => api::instrumentation::validate_delete(),
        _ => api::instrumentation::validate(&object(&review)?, settings),
    };
    let answer = validated.error.map_or_else(Answer::allow, Answer::forbid);
    Ok(Answer { warnings: validated.warnings, ..answer }.write(&review.uid))
}

fn object(review: &Request<'_>) -> Result<Value, String> {
    let text = review.object.map(RawValue::get).unwrap_or_default();
    serde_json::from_str(text).map_err(|e| format!("the request holds no Instrumentation: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::{Engine, engine::general_purpose::STANDARD};
    use serde_json::json;

    fn review(operation: &str, object: &Value) -> Vec<u8> {
        let request = json!({"uid": "u", "operation": operation, "namespace": "shop", "object": object});
        serde_json::to_vec(
            &json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}),
        )
        .unwrap()
    }

    #[test]
    fn defaults_come_as_a_patch() {
        let body = review("CREATE", &json!({"metadata": {"name": "i"}, "spec": {}}));
        let answer: Value = serde_json::from_slice(&default(&body, &Settings::default()).unwrap()).unwrap();
        let patch = STANDARD.decode(answer["response"]["patch"].as_str().unwrap()).unwrap();
        assert!(String::from_utf8(patch).unwrap().contains("autoinstrumentation-java"));
    }

    #[test]
    fn a_bad_object_is_refused_with_the_message_but_may_be_deleted() {
        let bad = json!({"metadata": {"name": "i"}, "spec": {"sampler": {"type": "traceidratio", "argument": "2"}}});
        let answer = |operation| -> Value {
            serde_json::from_slice(&validate(&review(operation, &bad), &Settings::default()).unwrap())
                .unwrap()
        };
        let refused = answer("UPDATE");
        assert_eq!(refused["response"]["allowed"], false);
        assert_eq!(refused["response"]["status"]["code"], 403);
        let message = refused["response"]["status"]["message"].as_str().unwrap();
        assert!(message.starts_with("spec.sampler.argument should be in rage [0..1]: 2"), "{message}");
        assert_eq!(answer("DELETE")["response"]["allowed"], true);
    }
}
