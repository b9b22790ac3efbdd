//! Who may read the metrics: the API server is asked whose token it is and what that user may do.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use hyper::{HeaderMap, header::AUTHORIZATION};
use k8s_openapi::api::{
    authentication::v1::{TokenReview, TokenReviewSpec, UserInfo},
    authorization::v1::{NonResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec},
};
use kube::{Api, Client, api::PostParams};

/// How long a decision is remembered, as in the reference: tokens 1 minute; there, rights longer than that.
const GRANTED_FOR: Duration = Duration::from_secs(60);
const DENIED_FOR: Duration = Duration::from_secs(30);
/// The API server must answer within this time.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many decisions are remembered at most.
const CAPACITY: usize = 256;

/// What a caller may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Read.
    Granted,
    /// No token, or one that the cluster does not know.
    Unauthenticated,
    /// This user may not.
    Denied(String),
    /// The API server could not be asked.
    Unknown(String),
}

/// Asks the API server about callers.
pub(super) struct Gate {
    client: Client,
    // The key is a keyed hash: tokens themselves are not kept.
    remembered: Mutex<HashMap<u64, (Instant, Access)>>,
    seed: std::hash::RandomState,
}

impl Gate {
    pub(super) fn new(client: Client) -> Gate {
        Gate { client, remembered: Mutex::default(), seed: std::hash::RandomState::new() }
    }

    pub(super) async fn check(&self, headers: &HeaderMap) -> Access {
        let token = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let Some(token) =
            token.and_then(|value| value.strip_prefix("Bearer ")).map(str::trim).filter(|t| !t.is_empty())
        else {
            return Access::Unauthenticated;
        };
        let key = {
            let mut hasher: DefaultHasher = std::hash::BuildHasher::build_hasher(&self.seed);
            token.hash(&mut hasher);
            hasher.finish()
        };
        if let Some(access) = self.remembered(key) {
            return access;
        }
        let access = match tokio::time::timeout(PATIENCE, self.ask(token)).await {
            Ok(Ok(access)) => access,
            Ok(Err(e)) => return Access::Unknown(format!("the API server could not be asked: {e}")),
            Err(_) => return Access::Unknown("the API server did not answer in time".to_owned()),
        };
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() >= CAPACITY {
            remembered.clear();
        }
        remembered.insert(key, (Instant::now(), access.clone()));
        access
    }

    fn remembered(&self, key: u64) -> Option<Access> {
        let remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, access) = remembered.get(&key)?;
        let life = if *access == Access::Granted { GRANTED_FOR } else { DENIED_FOR };
        (at.elapsed() < life).then(|| access.clone())
    }

    async fn ask(&self, token: &str) -> Result<Access, kube::Error> {
        let review = TokenReview {
            spec: TokenReviewSpec { token: token.to_owned(), ..TokenReviewSpec::default() },
            ..TokenReview::default()
        };
        let review =
            Api::<TokenReview>::all(self.client.clone()).create(&PostParams::default(), &review).await?;
        let status = review.status.unwrap_or_default();
        let Some(UserInfo { username, groups, uid, extra }) =
            status.user.filter(|_| status.authenticated == Some(true))
        else {
            return Ok(Access::Unauthenticated);
        };
        let name = username.clone().unwrap_or_default();
        let review = SubjectAccessReview {
            spec: SubjectAccessReviewSpec {
                user: username,
                groups,
                uid,
                extra,
                non_resource_attributes: Some(NonResourceAttributes {
                    path: Some("/metrics".to_owned()),
                    verb: Some("get".to_owned()),
                }),
                ..SubjectAccessReviewSpec::default()
            },
            ..SubjectAccessReview::default()
        };
        let review = Api::<SubjectAccessReview>::all(self.client.clone())
            .create(&PostParams::default(), &review)
            .await?;
        let allowed = review.status.is_some_and(|status| status.allowed);
        Ok(if allowed { Access::Granted } else { Access::Denied(name) })
    }
}
