//! Defaulting, validation and conversion of OpenTelemetryCollectors.

use std::sync::Arc;

use collector::{
    Available,
    admission::{self, Access, Asked, Requester, Review, Settings, Validated},
};
use futures::future::join_all;
use k8s_openapi::api::authorization::v1::{
    NonResourceAttributes, ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec,
};
use kube::{Api, Client, api::PostParams};
use serde_json::{Value, value::RawValue};
use tokio::sync::watch;

use super::review::{Answer, Request, read};
use crate::controller::collector::defaulted::Defaulted;

/// Path of the defaulting webhook, as in the reference operator.
pub const DEFAULT_PATH: &str = "/mutate-opentelemetry-io-v1beta1-opentelemetrycollector";
/// Path of the validating webhook, as in the reference operator.
pub const VALIDATE_PATH: &str = "/validate-opentelemetry-io-v1beta1-opentelemetrycollector";
/// Path of the conversion webhook, as in the reference operator.
pub const CONVERT_PATH: &str = "/convert";

/// Validation asks for what it needs to know in rounds; the second asks what the first one's answers raise.
const ROUNDS: usize = 3;

/// Answers about collectors.
pub struct Collectors {
    /// For access reviews.
    pub client: Client,
    /// Settings of admission; what may change is filled in from `in_force` and `available`.
    pub settings: Settings,
    /// The settings about collectors in force.
    pub in_force: watch::Receiver<Arc<collector::Settings>>,
    /// What the cluster offers.
    pub available: watch::Receiver<Option<Available>>,
    /// What is to be told once the collector is stored.
    pub defaulted: Arc<Defaulted>,
}

impl Collectors {
    fn settings(&self) -> Settings {
        let available = self.available.borrow().clone().unwrap_or_default();
        let collector = (**self.in_force.borrow()).clone();
        Settings { available, collector, ..self.settings.clone() }
    }

    /// Fills in defaults. The error text goes with HTTP 400.
    pub fn default(&self, body: &[u8]) -> Result<Vec<u8>, String> {
        let review = read(body)?;
        let old = old(&review);
        let defaulted = admission::default(&object(review.object)?, old.as_ref(), &self.settings());
        if let Some(message) = defaulted.error {
            return Ok(Answer { warnings: defaulted.warnings, ..Answer::forbid(message) }.write(&review.uid));
        }
        // An object whose name the API server makes up has none yet.
        if !review.is_dry_run() && !review.name.is_empty() {
            let name = (review.namespace.to_string(), review.name.to_string());
            let generation = old.as_ref().and_then(|old| old["metadata"]["generation"].as_i64());
            self.defaulted.note(name, generation.unwrap_or_default(), defaulted.events);
        }
        let patch = match defaulted.patch.is_empty() {
            true => Vec::new(),
            // Operations hold JSON values, which always serialise.
            false => serde_json::to_vec(&defaulted.patch).unwrap_or_default(),
        };
        Ok(Answer { patch, warnings: defaulted.warnings, ..Answer::allow() }.write(&review.uid))
    }

    /// Accepts or refuses. Deletion is always allowed, so that an object that newer rules dislike can be removed.
    pub async fn validate(&self, body: &[u8]) -> Result<Vec<u8>, String> {
        let review = read(body)?;
        let validated = match &*review.operation {
            "DELETE" => admission::validate_delete(&Value::Null),
            _ => self.decide(&object(review.object)?, &review).await,
        };
        let answer = validated.error.map_or_else(Answer::allow, Answer::forbid);
        Ok(Answer { warnings: validated.warnings, ..answer }.write(&review.uid))
    }

    async fn decide(&self, object: &Value, review: &Request<'_>) -> Validated {
        let (old, settings) = (old(review), self.settings());
        let requester = review
            .user_info
            .as_ref()
            .map(|user| Requester { user: user.username.clone(), groups: user.groups.clone() });
        let mut access = Access::default();
        for _ in 0..ROUNDS {
            let validated = admission::validate(object, old.as_ref(), requester.as_ref(), &settings, &access);
            if validated.reviews.is_empty() {
                return validated;
            }
            let answers = join_all(validated.reviews.iter().map(|review| self.ask(review))).await;
            access.0.extend(validated.reviews.into_iter().zip(answers));
        }
        admission::validate(object, old.as_ref(), requester.as_ref(), &settings, &access)
    }

    /// Asks the API server whether somebody may do something.
    async fn ask(&self, review: &Review) -> Result<bool, String> {
        let mut spec = SubjectAccessReviewSpec {
            user: Some(review.user.clone()),
            groups: Some(review.groups.clone()),
            ..SubjectAccessReviewSpec::default()
        };
        match &review.asked {
            Asked::Resource { group, resource, verb } => {
                let (resource, subresource) = match resource.split_once('/') {
                    Some((resource, subresource)) => (resource, Some(subresource.to_owned())),
                    None => (resource.as_str(), None),
                };
                spec.resource_attributes = Some(ResourceAttributes {
                    group: Some(group.clone()),
                    resource: Some(resource.to_owned()),
                    subresource,
                    verb: Some(verb.clone()),
                    ..ResourceAttributes::default()
                });
            }
            Asked::Path { path, verb } => {
                spec.non_resource_attributes =
                    Some(NonResourceAttributes { path: Some(path.clone()), verb: Some(verb.clone()) });
            }
        }
        let question = SubjectAccessReview { spec, ..SubjectAccessReview::default() };
        let reviews = Api::<SubjectAccessReview>::all(self.client.clone());
        let answer = reviews.create(&PostParams::default(), &question).await.map_err(|e| e.to_string())?;
        Ok(answer.status.is_some_and(|status| status.allowed))
    }
}

/// Converts between versions. The error text goes with HTTP 400.
pub fn convert(body: &[u8]) -> Result<Vec<u8>, String> {
    let review: Value =
        serde_json::from_slice(body).map_err(|e| format!("the body is no ConversionReview: {e}"))?;
    if review["kind"] != "ConversionReview" {
        return Err(format!("the body is a {}, not a ConversionReview", review["kind"]));
    }
    let answer = api::collector::conversion::convert_review(&review);
    // JSON values always serialise.
    Ok(serde_json::to_vec(&answer).unwrap_or_default())
}

fn object(text: Option<&RawValue>) -> Result<Value, String> {
    let text = text.map(RawValue::get).unwrap_or_default();
    serde_json::from_str(text).map_err(|e| format!("the request holds no OpenTelemetryCollector: {e}"))
}

fn old(review: &Request<'_>) -> Option<Value> {
    review.old_object.and_then(|old| serde_json::from_str(old.get()).ok())
}
