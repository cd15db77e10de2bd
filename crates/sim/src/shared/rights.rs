//! The rights to act: operators with sessions, and a program with a token. They are revoked now and
//! then, also between a request and its decision.
//!
//! Every version of the operators is kept, so that a stored act is checked against the version that
//! it names.

use std::sync::{Arc, LazyLock};

use engine::Clock;
use engine::conformance::TestClock;
use fastrand::Rng;
use lottery::{Actor, Judge, Label, Role, Timestamp};
use operators::{Name, Password, PasswordHash, People, Secret, TokenGrant, TokenId};
use parking_lot::Mutex;

use crate::setting::pick;

/// The operators of a shared run.
pub(super) const OPERATORS: [&str; 3] = ["ana", "eva", "leo"];
/// The owner of the program's token.
const OWNER: &str = OPERATORS[0];
const LABEL: &str = "programme";

static PASSWORD: LazyLock<PasswordHash> = LazyLock::new(|| {
    let password = Password::given("a long password".to_owned());
    password.hash(&name(OWNER), [1; 16]).expect("it is long enough")
});

/// The current rights; see the module documentation.
#[derive(Clone)]
pub(super) struct Rights(Arc<Mutex<State>>);

struct State {
    /// All versions; the last one is in force.
    versions: Vec<People>,
    /// The generation in which each operator's session began.
    sessions: [u32; OPERATORS.len()],
    token: Option<TokenId>,
}

/// The credential of a caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Credential {
    /// A session: the operator's index and their generation at login.
    Session(usize, u32),
    Token(TokenId),
}

impl Rights {
    /// Returns rights with every operator logged in.
    pub(super) fn new() -> Self {
        let mut people = People::default();
        for operator in OPERATORS {
            let added = people.add(name(operator), Role::Admin, PASSWORD.clone());
            added.expect("the names differ");
        }
        let sessions = [0; OPERATORS.len()];
        Self(Arc::new(Mutex::new(State { versions: vec![people], sessions, token: None })))
    }

    /// Revokes and restores rights; returns whether some ended.
    pub(super) fn change(&self, rng: &mut Rng, is_faulty: bool, now: Timestamp) -> bool {
        let mut state = self.0.lock();
        let at = rng.usize(..OPERATORS.len());
        let operator = name(OPERATORS[at]);
        let mut people = state.now().clone();
        let known = people.operator(&operator).expect("it was added").clone();
        let mut has_ended = false;
        if known.disabled {
            if is_faulty && rng.u8(..6) > 0 {
                return false;
            }
            people.enable(&operator).expect("it is known");
            state.sessions[at] = known.generation;
        } else if is_faulty && rng.u64(..40) == 0 && people.disable(&operator).is_ok() {
            has_ended = true;
        } else if operator.as_str() == OWNER && rng.u8(..8) == 0 {
            match state.token.filter(|token| people.bearer_of(*token, now.0).is_some()) {
                Some(token) => {
                    people.revoke(token).expect("it was granted");
                    has_ended = true;
                }
                None => state.token = Some(grant(&mut people, rng, now)),
            }
        } else {
            return false;
        }
        state.versions.push(people);
        has_ended
    }

    /// Returns the actor and credential used for an operator: their session or, sometimes, the
    /// token.
    pub(super) fn credential(&self, rng: &mut Rng, operator: &str) -> (Actor, Credential) {
        let state = self.0.lock();
        let at = OPERATORS.iter().position(|it| *it == operator).expect("it is one of them");
        let owner = Label::new(operator).expect("it is short");
        match state.token.filter(|_| operator == OWNER && rng.bool()) {
            Some(token) => {
                let label = Label::new(LABEL).expect("it is short");
                (Actor::Token { owner, number: token.0, label }, Credential::Token(token))
            }
            None => (Actor::Operator(owner), Credential::Session(at, state.sessions[at])),
        }
    }

    /// Returns a judge that checks the credential when the act is decided.
    pub(super) fn judge(&self, credential: Credential, clock: Arc<TestClock>) -> Judge {
        let rights = self.clone();
        Box::new(move || {
            let state = rights.0.lock();
            let allowed = allows(state.now(), &credential, clock.now());
            allowed.then_some(state.versions.len() as u64)
        })
    }

    /// Returns the version in force.
    pub(super) fn version(&self) -> u64 {
        self.0.lock().versions.len() as u64
    }

    /// Returns whether a caller may act under a version of the operators.
    pub(super) fn allowed(&self, version: u64, credential: &Credential, now: Timestamp) -> bool {
        let at = usize::try_from(version).ok().and_then(|version| version.checked_sub(1));
        let state = self.0.lock();
        at.and_then(|at| state.versions.get(at)).is_some_and(|it| allows(it, credential, now))
    }
}

impl State {
    fn now(&self) -> &People {
        self.versions.last().expect("there is one from the start")
    }
}

fn allows(people: &People, credential: &Credential, now: Timestamp) -> bool {
    match credential {
        Credential::Session(at, generation) => people
            .operator(&name(OPERATORS[*at]))
            .is_some_and(|known| !known.disabled && known.generation == *generation),
        Credential::Token(token) => people.bearer_of(*token, now.0).is_some(),
    }
}

fn grant(people: &mut People, rng: &mut Rng, now: Timestamp) -> TokenId {
    let secret = Secret::from_random(std::array::from_fn(|_| rng.u8(..)));
    let days = *pick(rng, &[1, 30]);
    let grant = TokenGrant { owner: name(OWNER), label: LABEL.to_owned(), role: Role::Admin, days };
    people.grant(grant, secret.digest(), now.0).expect("its owner is an admin who is enabled")
}

fn name(operator: &str) -> Name {
    Name::new(operator).expect("a short name")
}
