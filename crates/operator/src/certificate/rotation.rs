//! From one certificate authority to the next, without a moment in which a replica serves what the API server does not
//! trust.
//!
//! ```text
//!            due, or asked for          every bundle has it        + overlap             + overlap
//! one CA ──────────────────▶ announced ──────────────────▶ trusted ─────────▶ signing ─────────────▶ one CA
//!                            (trusted in bundles, signs nothing)             (the old one signs nothing, is still trusted)
//! ```
//!
//! Each arrow is one guarded write of the document that all replicas share ([`super::keep`]); any replica makes it. Before the
//! change, `overlap` is the time in which every API server gets to see the bundles; after it, the time in which every
//! replica gets to see that it has to issue itself another serving certificate. Replicas look many times in that time.
//!
//! Everything here is a pure function of the document and the time.

use std::collections::BTreeMap;

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::authority::{Ca, Error, Lifetimes};

/// The authorities of an installation: what the replicas share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorities {
    /// The one that signs serving certificates.
    pub signing: Ca,
    /// The one to come.
    pub next: Option<Next>,
    /// The one that signed before.
    pub previous: Option<Previous>,
}

/// A CA that is trusted before it signs anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Next {
    /// The CA.
    pub ca: Ca,
    /// Since when every bundle is known to have it.
    pub trusted_since: Option<OffsetDateTime>,
}

/// A CA that signs nothing any more and is trusted for a while yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Previous {
    /// Its certificate; its key is forgotten.
    pub certificate: String,
    /// When it stopped signing.
    pub since: OffsetDateTime,
}

/// One step of a rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A new CA, trusted beside the old one.
    Announced,
    /// It is in every bundle.
    Trusted,
    /// Somebody took it out of a bundle again.
    Distrusted,
    /// It signs from now on.
    Signing,
    /// The old one is not trusted any more.
    Done,
    /// The signing CA was unusable or at its end, and there was no time for an overlap.
    Replaced,
}

impl Step {
    /// As a log line says it.
    pub fn sentence(self) -> &'static str {
        match self {
            Step::Announced => "rotating the CA: a new one is being added to every caBundle",
            Step::Trusted => "rotating the CA: every caBundle has the new one",
            Step::Distrusted => {
                "rotating the CA: somebody took the new one out of a caBundle, adding it again"
            }
            Step::Signing => "rotating the CA: the new one signs from now on, the old one stays trusted",
            Step::Done => "rotating the CA: done, the old one is not trusted any more",
            Step::Replaced => "the CA was unusable or expired and is replaced at once",
        }
    }
}

impl Authorities {
    /// One new CA.
    ///
    /// # Errors
    /// As [`Ca::create`].
    pub fn create(lifetimes: &Lifetimes, now: OffsetDateTime) -> Result<Authorities, Error> {
        Ok(Authorities { signing: Ca::create(lifetimes.ca, now)?, next: None, previous: None })
    }

    /// What the API server has to trust, as PEM: the signing CA first.
    pub fn bundle(&self) -> String {
        let next = self.next.as_ref().map(|next| next.ca.certificate.as_str());
        let previous = self.previous.as_ref().map(|previous| previous.certificate.as_str());
        [Some(self.signing.certificate.as_str()), next, previous].into_iter().flatten().collect()
    }

    /// Whether the next step depends on what the bundles in the cluster hold.
    pub fn asks_for_trust(&self) -> bool {
        self.next.is_some()
    }

    /// The next step, if there is one to be made now.
    ///
    /// `trusted`: whether every bundle in the cluster holds all of [`Authorities::bundle`]; only looked at when
    /// [`Authorities::asks_for_trust`]. `demanded`: somebody asks for a new CA although the present one is good.
    ///
    /// # Errors
    /// When a CA is to be made and cannot be.
    pub fn step(
        &self,
        trusted: bool,
        demanded: bool,
        lifetimes: &Lifetimes,
        now: OffsetDateTime,
    ) -> Result<Option<(Authorities, Step)>, Error> {
        let expires = self.signing.expires().filter(|expires| *expires > now);
        let Some(expires) = expires else {
            return Ok(Some((self.replaced(lifetimes, now)?, Step::Replaced)));
        };
        let passed = |since: OffsetDateTime| now - since >= lifetimes.overlap;
        if self.previous.as_ref().is_some_and(|previous| passed(previous.since)) {
            return Ok(Some((Authorities { previous: None, ..self.clone() }, Step::Done)));
        }
        let Some(next) = &self.next else {
            if !demanded && !Lifetimes::is_due(lifetimes.ca, expires, now) {
                return Ok(None);
            }
            let next = Next { ca: Ca::create(lifetimes.ca, now)?, trusted_since: None };
            return Ok(Some((Authorities { next: Some(next), ..self.clone() }, Step::Announced)));
        };
        if next.ca.expires().is_none_or(|expires| expires <= now) {
            // Damaged, or forgotten for as long as a CA lives: another one is announced.
            let next = Next { ca: Ca::create(lifetimes.ca, now)?, trusted_since: None };
            return Ok(Some((Authorities { next: Some(next), ..self.clone() }, Step::Announced)));
        }
        let with_trust = |trusted_since: Option<OffsetDateTime>| Authorities {
            next: Some(Next { trusted_since, ..next.clone() }),
            ..self.clone()
        };
        Ok(match (next.trusted_since, trusted) {
            (None, true) => Some((with_trust(Some(now)), Step::Trusted)),
            (Some(_), false) => Some((with_trust(None), Step::Distrusted)),
            (Some(since), true) if passed(since) => Some((self.promoted(next, now), Step::Signing)),
            _ => None,
        })
    }

    fn promoted(&self, next: &Next, now: OffsetDateTime) -> Authorities {
        let previous = Previous { certificate: self.signing.certificate.clone(), since: now };
        Authorities { signing: next.ca.clone(), next: None, previous: Some(previous) }
    }

    /// Without an overlap: what was announced, if it is good, or a new one.
    fn replaced(&self, lifetimes: &Lifetimes, now: OffsetDateTime) -> Result<Authorities, Error> {
        match &self.next {
            Some(next) if next.ca.expires().is_some_and(|expires| expires > now) => {
                Ok(Authorities { signing: next.ca.clone(), next: None, previous: None })
            }
            _ => Authorities::create(lifetimes, now),
        }
    }

    /// The document, by keys: those of a Secret, or of a file.
    pub fn document(&self) -> BTreeMap<String, String> {
        let mut document = BTreeMap::new();
        let mut put = |key: &str, value: &str| document.insert(key.to_owned(), value.to_owned());
        let time = |at: OffsetDateTime| at.format(&Rfc3339).unwrap_or_default();
        put(BUNDLE, &self.bundle());
        put("signing.crt", &self.signing.certificate);
        put("signing.key", &self.signing.key);
        if let Some(next) = &self.next {
            put("next.crt", &next.ca.certificate);
            put("next.key", &next.ca.key);
            next.trusted_since.map(|since| put("next-trusted-since", &time(since)));
        }
        if let Some(previous) = &self.previous {
            put("previous.crt", &previous.certificate);
            put("previous-since", &time(previous.since));
        }
        document
    }

    /// Reads a document; none when it has no signing CA. What else is incomplete counts as absent.
    pub fn read(document: &BTreeMap<String, String>) -> Option<Authorities> {
        let text = |key: &str| document.get(key).cloned();
        let time = |key: &str| OffsetDateTime::parse(document.get(key)?, &Rfc3339).ok();
        let ca = |certificate: &str, key: &str| Some(Ca { certificate: text(certificate)?, key: text(key)? });
        let next =
            ca("next.crt", "next.key").map(|ca| Next { ca, trusted_since: time("next-trusted-since") });
        let previous = text("previous.crt").zip(time("previous-since"));
        let previous = previous.map(|(certificate, since)| Previous { certificate, since });
        Some(Authorities { signing: ca("signing.crt", "signing.key")?, next, previous })
    }
}

/// Key of the bundle in the document: for people and other tools, not read.
pub const BUNDLE: &str = "ca.crt";

#[cfg(test)]
mod tests {
    use super::*;
    use time::Duration;

    const LIFETIMES: Lifetimes =
        Lifetimes { ca: Duration::days(900), certificate: Duration::days(90), overlap: Duration::hours(1) };

    fn start() -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(1_800_000_000).unwrap()
    }

    fn step(from: &Authorities, trusted: bool, now: OffsetDateTime) -> Option<(Authorities, Step)> {
        from.step(trusted, false, &LIFETIMES, now).unwrap()
    }

    #[test]
    fn a_whole_rotation_trusts_both_before_and_after_the_change() {
        let old = Authorities::create(&LIFETIMES, start()).unwrap();
        let due = start() + Duration::days(900 - 90);
        assert_eq!(step(&old, true, due - Duration::seconds(1)), None);

        let (announced, made) = step(&old, true, due).unwrap();
        assert_eq!((made, &announced.signing), (Step::Announced, &old.signing));
        assert!(announced.bundle().starts_with(&old.bundle()) && announced.bundle() != old.bundle());
        assert!(announced.asks_for_trust() && !old.asks_for_trust());

        assert_eq!(step(&announced, false, due + Duration::days(1)), None, "not before every bundle has it");
        let seen = due + Duration::days(1);
        let (trusted, made) = step(&announced, true, seen).unwrap();
        assert_eq!((made, trusted.bundle()), (Step::Trusted, announced.bundle()));

        assert_eq!(step(&trusted, true, seen + Duration::minutes(59)), None);
        let switched = seen + Duration::hours(1);
        let (signing, made) = step(&trusted, true, switched).unwrap();
        assert_eq!(made, Step::Signing);
        assert_eq!(Some(&signing.signing), announced.next.as_ref().map(|next| &next.ca));
        assert!(
            signing.bundle().ends_with(&old.bundle()),
            "the old one is trusted for replicas that have not noticed"
        );

        assert_eq!(step(&signing, true, switched + Duration::minutes(59)), None);
        let (done, made) = step(&signing, true, switched + Duration::hours(1)).unwrap();
        assert_eq!((made, done.bundle()), (Step::Done, signing.signing.certificate.clone()));
        assert_eq!(step(&done, true, switched + Duration::days(1)), None);
    }

    #[test]
    fn a_bundle_that_loses_the_new_one_starts_the_wait_again() {
        let old = Authorities::create(&LIFETIMES, start()).unwrap();
        let (announced, _) = old.step(true, true, &LIFETIMES, start()).unwrap().unwrap();
        let (trusted, _) = step(&announced, true, start()).unwrap();
        let late = start() + Duration::days(1);
        let (again, made) = step(&trusted, false, late).unwrap();
        assert_eq!((made, again), (Step::Distrusted, announced));
    }

    #[test]
    fn a_demand_rotates_a_good_one() {
        let old = Authorities::create(&LIFETIMES, start()).unwrap();
        let (announced, made) = old.step(true, true, &LIFETIMES, start()).unwrap().unwrap();
        assert_eq!(made, Step::Announced);
        assert_eq!(announced.step(false, true, &LIFETIMES, start()).unwrap(), None, "one at a time");
    }

    #[test]
    fn an_expired_or_damaged_one_is_replaced_at_once_by_what_was_announced() {
        let old = Authorities::create(&LIFETIMES, start()).unwrap();
        let ended = start() + Duration::days(901);
        let (new, made) = step(&old, true, ended).unwrap();
        assert_eq!((made, new.next.is_none(), new.previous.is_none()), (Step::Replaced, true, true));
        assert_ne!(new.signing, old.signing);

        let (announced, _) = step(&old, true, start() + Duration::days(850)).unwrap();
        let (new, made) = step(&announced, false, ended).unwrap();
        assert_eq!((made, Some(new.signing)), (Step::Replaced, announced.next.map(|next| next.ca)));

        let damaged = Ca { key: "no key".into(), ..old.signing.clone() };
        let damaged = Authorities { signing: damaged, ..old };
        assert_eq!(step(&damaged, true, start()).unwrap().1, Step::Replaced);
    }

    #[test]
    fn every_state_survives_being_written_and_read() {
        let now = start();
        let old = Authorities::create(&LIFETIMES, now).unwrap();
        let (announced, _) = old.step(true, true, &LIFETIMES, now).unwrap().unwrap();
        let (trusted, _) = step(&announced, true, now).unwrap();
        let (signing, _) = step(&trusted, true, now + Duration::hours(1)).unwrap();
        for state in [old, announced, trusted, signing] {
            let document = state.document();
            assert_eq!(document[BUNDLE], state.bundle());
            assert_eq!(Authorities::read(&document), Some(state));
        }
        assert_eq!(Authorities::read(&BTreeMap::new()), None);
    }
}
