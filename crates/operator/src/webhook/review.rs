//! The envelope: AdmissionReview in, AdmissionReview out. The object in it stays the text that it is.

use std::{borrow::Cow, collections::BTreeMap};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

const API_VERSION: &str = "admission.k8s.io/v1";
const KIND: &str = "AdmissionReview";

/// The API server keeps this many bytes of warnings of one answer at most.
const WARNINGS_TOTAL: usize = 4096;
/// Once there are more in all, it cuts each to this many.
const WARNING_LENGTH: usize = 256;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Review<'a> {
    #[serde(borrow, default)]
    api_version: Cow<'a, str>,
    #[serde(borrow, default)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    request: Option<Request<'a>>,
}

/// `request` of an AdmissionReview, as far as our endpoints need it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request<'a> {
    /// Names the request; must come back in the answer.
    #[serde(borrow)]
    pub uid: Cow<'a, str>,
    /// Namespace of the object.
    #[serde(borrow, default)]
    pub namespace: Cow<'a, str>,
    /// Name of the object; empty when the API server will make one.
    #[serde(borrow, default)]
    pub name: Cow<'a, str>,
    /// `CREATE`, `UPDATE` or `DELETE`.
    #[serde(borrow, default)]
    pub operation: Cow<'a, str>,
    /// Whether nothing will be stored.
    #[serde(default)]
    pub dry_run: Option<bool>,
    /// The object, untouched.
    #[serde(borrow, default)]
    pub object: Option<&'a RawValue>,
    /// The stored object, on an update or deletion.
    #[serde(borrow, default)]
    pub old_object: Option<&'a RawValue>,
    /// Who asks.
    #[serde(default)]
    pub user_info: Option<UserInfo>,
}

/// Who asks.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct UserInfo {
    /// User name.
    pub username: String,
    /// Groups.
    pub groups: Vec<String>,
}

impl Request<'_> {
    /// Whether nothing may be recorded about this request.
    pub fn is_dry_run(&self) -> bool {
        self.dry_run.unwrap_or_default()
    }
}

/// Reads the body of a request to a webhook. The error says why it is no AdmissionReview.
pub fn read(body: &[u8]) -> Result<Request<'_>, String> {
    let review: Review<'_> =
        serde_json::from_slice(body).map_err(|e| format!("the body is no {API_VERSION} {KIND}: {e}"))?;
    if review.api_version != API_VERSION || review.kind != KIND {
        return Err(format!("the body is {} {}, not {API_VERSION} {KIND}", review.api_version, review.kind));
    }
    review.request.ok_or_else(|| format!("the {KIND} has no request"))
}

/// What a handler answers.
#[derive(Debug, Default, PartialEq)]
pub struct Answer {
    /// Whether the request goes on.
    pub allowed: bool,
    /// HTTP-like code and message.
    pub status: Option<Status>,
    /// JSON patch, as JSON text; empty for none.
    pub patch: Vec<u8>,
    /// Shown by kubectl and others.
    pub warnings: Vec<String>,
    /// Written to the audit log of the API server.
    pub audit: Option<String>,
}

/// `status` of an answer.
#[derive(Debug, PartialEq, Serialize)]
pub struct Status {
    /// HTTP-like code.
    pub code: u16,
    /// Text.
    pub message: String,
    /// Machine-readable word, for refusals.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
}

impl Answer {
    /// Goes on as it is.
    pub fn allow() -> Answer {
        Answer { allowed: true, ..Answer::default() }
    }

    /// Refused, with this message.
    pub fn forbid(message: String) -> Answer {
        Answer { status: Some(Status { code: 403, message, reason: Some("Forbidden") }), ..Answer::default() }
    }

    /// The bytes of the AdmissionReview that answers the request of this uid.
    pub fn write(self, uid: &str) -> Vec<u8> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Review<'a> {
            api_version: &'static str,
            kind: &'static str,
            response: Response<'a>,
        }
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Response<'a> {
            uid: &'a str,
            allowed: bool,
            #[serde(skip_serializing_if = "Option::is_none")]
            status: Option<Status>,
            #[serde(skip_serializing_if = "Option::is_none")]
            patch_type: Option<&'static str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            patch: Option<String>,
            #[serde(skip_serializing_if = "Vec::is_empty")]
            warnings: Vec<String>,
            #[serde(skip_serializing_if = "Option::is_none")]
            audit_annotations: Option<BTreeMap<&'static str, String>>,
        }
        let patch = (!self.patch.is_empty()).then(|| STANDARD.encode(&self.patch));
        let review = Review {
            api_version: API_VERSION,
            kind: KIND,
            response: Response {
                uid,
                allowed: self.allowed,
                status: self.status,
                patch_type: patch.as_ref().map(|_| "JSONPatch"),
                warnings: printable(self.warnings),
                audit_annotations: self.audit.map(|verdict| BTreeMap::from([("verdict", verdict)])),
                patch,
            },
        };
        // Strings and maps with string keys always serialise.
        serde_json::to_vec(&review).unwrap_or_default()
    }
}

/// Fits warnings into what the API server passes on: no control characters, limited total, and limited length where the total
/// would not do otherwise.
fn printable(warnings: Vec<String>) -> Vec<String> {
    let mut left = WARNINGS_TOTAL;
    let too_many = warnings.iter().map(String::len).sum::<usize>() > WARNINGS_TOTAL;
    let mut printable = Vec::with_capacity(warnings.len());
    for warning in warnings {
        let mut text: String = warning.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        if too_many && text.len() > WARNING_LENGTH {
            text.truncate(text.floor_char_boundary(WARNING_LENGTH - '…'.len_utf8()));
            text.push('…');
        }
        if text.is_empty() || text.len() > left {
            continue;
        }
        left -= text.len();
        printable.push(text);
    }
    printable
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn the_object_is_borrowed_as_it_came() {
        let body = br#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"1","namespace":"shop",
            "operation":"CREATE","dryRun":true,"object":{"b" : 1.0,"a":2}}}"#;
        let request = read(body).unwrap();
        assert_eq!(request.object.unwrap().get(), r#"{"b" : 1.0,"a":2}"#);
        assert!(request.is_dry_run());
    }

    #[test]
    fn what_is_no_review_is_named() {
        for (body, message) in [
            ("", "is no admission.k8s.io/v1 AdmissionReview"),
            ("[1]", "is no admission.k8s.io/v1 AdmissionReview"),
            (
                r#"{"apiVersion":"admission.k8s.io/v1beta1","kind":"AdmissionReview","request":{"uid":"1"}}"#,
                "v1beta1",
            ),
            (r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}"#, "has no request"),
        ] {
            assert!(read(body.as_bytes()).unwrap_err().contains(message), "{body}");
        }
    }

    #[test]
    fn an_answer_without_a_patch_says_nothing_of_patches() {
        let answer: Value = serde_json::from_slice(&Answer::allow().write("u")).unwrap();
        assert_eq!(answer["response"], json!({"uid": "u", "allowed": true}));
    }

    #[test]
    fn warnings_fit_the_limits_of_the_api_server() {
        let long = "ä".repeat(300);
        let warnings = printable(vec!["two\nlines".to_owned(), long.clone(), String::new()]);
        assert_eq!(warnings, ["two lines", long.as_str()], "a long one is whole where there is room");
        let many = printable(vec![long; 100]);
        assert!(many[0].len() <= WARNING_LENGTH && many[0].ends_with('…'));
        assert!(many.iter().map(String::len).sum::<usize>() <= WARNINGS_TOTAL);
    }
}
