//! Login sessions, in memory: restarting the central ends them all.

use std::collections::HashMap;
use std::time::Instant;

use crate::limits::{SESSION_IDLE_TIME_MAX, SESSION_TIME_MAX, SESSIONS_PER_OPERATOR_MAX};
use crate::{Digest, Name};

/// All sessions, by the digest of their secret.
#[derive(Debug, Default)]
pub struct Sessions {
    by_digest: HashMap<Digest, Session>,
}

/// The operator of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionUser {
    /// The operator's name.
    pub name: Name,
    /// The operator's generation at login; the session is invalid once it changes.
    pub generation: u32,
}

#[derive(Debug)]
struct Session {
    user: SessionUser,
    begun: Instant,
    used: Instant,
}

impl Sessions {
    /// Starts a session. At the limit, the operator's least recently used session ends.
    pub fn begin(&mut self, user: SessionUser, session: Digest, now: Instant) {
        self.by_digest.retain(|_, session| !session.is_over(now));
        let own = self.by_digest.iter().filter(|(_, session)| session.user.name == user.name);
        let own: Vec<_> = own.map(|(digest, session)| (session.used, *digest)).collect();
        if own.len() >= SESSIONS_PER_OPERATOR_MAX
            && let Some((_, oldest)) = own.iter().min_by_key(|(used, _)| *used)
        {
            self.by_digest.remove(oldest);
        }
        self.by_digest.insert(session, Session { user, begun: now, used: now });
    }

    /// Returns the operator of a valid session. Only its use keeps it alive: watching is idle.
    pub fn user(&mut self, session: Digest, is_use: bool, now: Instant) -> Option<&SessionUser> {
        if self.by_digest.get(&session)?.is_over(now) {
            self.by_digest.remove(&session);
        }
        let session = self.by_digest.get_mut(&session)?;
        if is_use {
            session.used = now;
        }
        Some(&session.user)
    }

    /// Ends a session; returns whether it existed.
    pub fn end(&mut self, session: Digest) -> bool {
        self.by_digest.remove(&session).is_some()
    }

    /// Ends all sessions of an operator.
    pub fn end_all_of(&mut self, name: &Name) {
        self.by_digest.retain(|_, session| session.user.name != *name);
    }
}

impl Session {
    fn is_over(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.used) >= SESSION_IDLE_TIME_MAX
            || now.saturating_duration_since(self.begun) >= SESSION_TIME_MAX
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::Secret;
    use crate::attempts::tests::some_moment;

    fn user(name: &str) -> SessionUser {
        SessionUser { name: Name::new(name).unwrap(), generation: 3 }
    }

    fn session(of: u8) -> Digest {
        Secret::from_random([of; 32]).digest()
    }

    #[test]
    fn a_session_is_valid_until_logout() {
        let (mut sessions, now) = (Sessions::default(), some_moment());
        sessions.begin(user("ana"), session(1), now);
        assert_eq!(sessions.user(session(1), true, now), Some(&user("ana")));
        assert_eq!(sessions.user(session(2), true, now), None);
        assert!(sessions.end(session(1)));
        assert!(!sessions.end(session(1)), "it ends once");
        assert_eq!(sessions.user(session(1), true, now), None);
    }

    #[test]
    fn an_idle_session_ends() {
        let (mut sessions, now) = (Sessions::default(), some_moment());
        sessions.begin(user("ana"), session(1), now);
        let shortly_before = SESSION_IDLE_TIME_MAX - Duration::from_secs(1);
        assert!(sessions.user(session(1), true, now + shortly_before).is_some());
        let later = now + shortly_before + SESSION_IDLE_TIME_MAX;
        assert_eq!(sessions.user(session(1), true, later), None);
    }

    #[test]
    fn watching_does_not_keep_a_session_alive() {
        let (mut sessions, begun) = (Sessions::default(), some_moment());
        sessions.begin(user("ana"), session(1), begun);
        let mut now = begun;
        while sessions.user(session(1), false, now).is_some() {
            now += Duration::from_secs(1);
        }
        assert_eq!(now - begun, SESSION_IDLE_TIME_MAX);
        assert_eq!(sessions.user(session(1), true, now), None);
    }

    #[test]
    fn an_active_session_ends_eventually() {
        let (mut sessions, begun) = (Sessions::default(), some_moment());
        sessions.begin(user("ana"), session(1), begun);
        let mut now = begun;
        while sessions.user(session(1), true, now).is_some() {
            now += SESSION_IDLE_TIME_MAX / 2;
        }
        assert_eq!(now - begun, SESSION_TIME_MAX);
    }

    #[test]
    fn sessions_of_an_operator_are_limited() {
        let (mut sessions, now) = (Sessions::default(), some_moment());
        sessions.begin(user("bea"), session(99), now);
        let count = u8::try_from(SESSIONS_PER_OPERATOR_MAX).unwrap();
        for of in 0..=count {
            sessions.begin(user("ana"), session(of), now + Duration::from_secs(of.into()));
        }
        let later = now + Duration::from_secs(60);
        assert_eq!(sessions.user(session(0), true, later), None, "the oldest one ended");
        assert!((1..=count).all(|of| sessions.user(session(of), true, later).is_some()));
        assert!(sessions.user(session(99), true, later).is_some(), "others keep theirs");
        sessions.end_all_of(&user("ana").name);
        assert_eq!(sessions.by_digest.len(), 1);
    }
}
