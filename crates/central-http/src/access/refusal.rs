//! Why a request is rejected. A refusal keeps its cause, so that the API and the console can each
//! describe it in their own words.

use std::fmt::{self, Display};
use std::time::Duration;

use axum::Extension;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use central::ConnectionLimit;
use lottery::{ActError, NotInDraw, ReadError, StoreFault};
use operators::{PasswordError, PeopleError, Permission};

use crate::limits::EXPORTS_MAX;
use crate::web::origin::Origin;
use crate::web::problem::{Kind, Problem};

/// Why a request is rejected.
#[derive(Clone, Debug)]
pub(crate) enum Refusal {
    /// A refusal of which a page only needs the status.
    Plain(Problem),
    /// The caller's role lacks this permission.
    Permission(Permission),
    /// The CSRF token is missing or wrong: another site's page may have sent the request.
    Csrf,
    /// Another site's page sent the request. Holds the server's own origin, if configured.
    Elsewhere(Option<Origin>),
    /// Too many login attempts.
    Attempts {
        wait_seconds: u64,
    },
    /// The name or the password is wrong.
    Login,
    /// The token of a wall screen is wrong, or not a viewer's.
    Screen,
    /// Before the draw is made, bets can be searched by document only.
    SearchedEarly,
    /// The draw to be made holds no bets.
    NoBets,
    /// The store has not answered in time: the act may be done later, or not.
    NotKnown,
    /// The maximum number of exports is under way.
    TooManyExports,
    /// The maximum number of these (requests, boards) is under way, in all or from one address.
    TooMuchAtOnce(&'static str, ConnectionLimit),
    Password(PasswordError),
    People(PeopleError),
    Act(ActError),
    Read(ReadError),
    NotInDraw(NotInDraw),
}

const NOT_AUTHENTICATED: Kind =
    Kind(StatusCode::UNAUTHORIZED, "not-authenticated", "Not authenticated");
const NOT_PERMITTED: Kind = Kind(StatusCode::FORBIDDEN, "not-permitted", "Not permitted");
const SESSION_NEEDED: Kind = Kind(StatusCode::FORBIDDEN, "session-needed", "Session required");
const CSRF: Kind = Kind(StatusCode::FORBIDDEN, "csrf", "Invalid CSRF token");
const SENT_FROM_ELSEWHERE: Kind =
    Kind(StatusCode::FORBIDDEN, "sent-from-elsewhere", "Cross-site request");
const TOO_MANY_ATTEMPTS: Kind =
    Kind(StatusCode::TOO_MANY_REQUESTS, "too-many-attempts", "Too many attempts");
const TIMED_OUT: Kind = Kind(StatusCode::REQUEST_TIMEOUT, "timed-out", "Timed out");
const METHOD_NOT_ALLOWED: Kind =
    Kind(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "Method not allowed");
const NO_BETS: Kind = Kind(StatusCode::CONFLICT, "no-bets", "No bets");
const CONFLICT: Kind = Kind(StatusCode::CONFLICT, "conflict", "Conflict");
const LIMIT_REACHED: Kind = Kind(StatusCode::CONFLICT, "limit-reached", "Limit reached");
const NOT_YET: Kind = Kind(StatusCode::CONFLICT, "not-yet", "Not yet");
const REASON_NEEDED: Kind = Kind(StatusCode::CONFLICT, "reason-needed", "Reason required");
const ENTERED_BEFORE: Kind = Kind(StatusCode::CONFLICT, "entered-before", "Already entered");
const OTHER_HISTORY: Kind = Kind(StatusCode::CONFLICT, "other-history", "Other history");
const TOO_MANY_EXPORTS: Kind =
    Kind(StatusCode::SERVICE_UNAVAILABLE, "too-many-exports", "Too many exports");
const UNAVAILABLE: Kind = Kind(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Unavailable");
const NOT_KNOWN: Kind = Kind(StatusCode::SERVICE_UNAVAILABLE, "not-known", "Outcome not known");

impl Refusal {
    /// Returns the refusal for a caller who is not authenticated.
    pub(crate) fn not_authenticated(detail: impl Display) -> Self {
        Self::Plain(not_authenticated(detail))
    }

    /// Returns the refusal for a token where a session is needed.
    pub(crate) fn session_needed() -> Self {
        let remedy = "log in at POST /api/v1/session";
        Self::Plain(SESSION_NEEDED.problem("this requires a session, not a token", remedy))
    }

    /// Returns the refusal for too many login attempts, with the time to wait.
    pub(crate) fn too_many_attempts(wait: Duration) -> Self {
        Self::Attempts { wait_seconds: wait.as_secs() + u64::from(wait.subsec_nanos() > 0) }
    }

    /// Returns the refusal for a method that the path does not have.
    pub(crate) fn method_not_allowed() -> Self {
        let remedy = "see the header Allow";
        Self::Plain(METHOD_NOT_ALLOWED.problem("this path does not have this method", remedy))
    }

    /// Returns the refusal for a request that took too long.
    pub(crate) fn timed_out() -> Self {
        Self::Plain(TIMED_OUT.problem("the request took too long", "send it again"))
    }

    /// Returns the refusal for a copy that is not the beginning of this ledger.
    pub(crate) fn other_history(records: u64) -> Self {
        let detail =
            format!("the {records} records of the copy are not the first ones of this ledger");
        let remedy = "find out which of the two is right before either is used: this central may \
                      be of another lottery, restored from an old copy, or replaced by the other";
        Self::Plain(OTHER_HISTORY.problem(detail, remedy))
    }

    /// Returns the refusal for a request that can't be parsed or is invalid.
    pub(crate) fn bad_request(detail: impl Display) -> Self {
        Self::Plain(Problem::bad_request(detail))
    }

    /// Returns the refusal for a temporary failure; the log has its cause.
    pub(crate) fn unavailable(what: &'static str) -> Self {
        Self::Plain(unavailable(what))
    }

    /// Returns the status of the answer.
    pub(crate) fn status(&self) -> StatusCode {
        self.problem().status()
    }

    /// Returns the refusal as a problem document, for programs.
    pub(crate) fn problem(&self) -> Problem {
        match self {
            Self::Plain(problem) => problem.clone(),
            Self::Permission(permission) => not_permitted(*permission),
            Self::Csrf => CSRF.problem(
                "X-CSRF-Token is missing or is not this session's",
                "send the csrf_token of GET /api/v1/session",
            ),
            Self::Elsewhere(origin) => sent_from_elsewhere(origin.as_ref()),
            Self::Attempts { wait_seconds } => TOO_MANY_ATTEMPTS.problem(
                "too many attempts with this name or from this address",
                format_args!("wait {wait_seconds} seconds"),
            ),
            Self::Login => not_authenticated("the name or the password is wrong"),
            Self::Screen => not_authenticated("this is no valid token of a viewer"),
            Self::SearchedEarly => {
                not_yet("before the draw is made, bets can be searched by document only")
            }
            Self::NoBets => NO_BETS.problem(
                "the draw has no bets, and once it is made none can be added",
                "send `\"allow_empty\": true` to make it without bets",
            ),
            Self::NotKnown => NOT_KNOWN.problem(
                "the store does not answer now; whether this is done is not known",
                "look again when GET /readyz answers 200, and send it again if it is not done",
            ),
            Self::TooManyExports => TOO_MANY_EXPORTS.problem(
                format_args!("{EXPORTS_MAX} exports are running, which is the most"),
                "send it again when one has ended",
            ),
            Self::TooMuchAtOnce(what, why) => too_much_at_once(what, *why),
            Self::Password(error) => Problem::bad_request(error),
            Self::People(error) => of_people(error),
            Self::Act(error) => of_act(error),
            Self::Read(error) => of_reading(error),
            Self::NotInDraw(error) => Problem::not_found(error),
        }
    }
}

fn not_authenticated(detail: impl Display) -> Problem {
    let remedy = "log in at POST /api/v1/session, or send a token as `Authorization: Bearer`";
    NOT_AUTHENTICATED.problem(detail, remedy)
}

fn not_permitted(permission: Permission) -> Problem {
    let wait = match permission.once_published() {
        Some(later) => format!("; once the draw is published: {}", later.holders()),
        None => String::new(),
    };
    let remedy = format!("ask somebody with one of these roles: {}{wait}", permission.holders());
    NOT_PERMITTED.problem(format_args!("your role may not {permission}"), remedy)
}

fn sent_from_elsewhere(origin: Option<&Origin>) -> Problem {
    let remedy = match origin {
        Some(origin) => format!("use {origin}, the --http-origin of this central"),
        None => {
            "use a page of this central; behind a proxy, start it with --http-origin".to_owned()
        }
    };
    SENT_FROM_ELSEWHERE.problem("according to the browser, another site sent this request", remedy)
}

fn too_much_at_once(what: &str, why: ConnectionLimit) -> Problem {
    let (status, whose) = match why {
        ConnectionLimit::PerAddress => (StatusCode::TOO_MANY_REQUESTS, " from your address"),
        ConnectionLimit::Total => (StatusCode::SERVICE_UNAVAILABLE, ""),
    };
    let detail = format_args!("too many {what}{whose} at the same time");
    Kind(status, "too-much-at-once", "Too many at once")
        .problem(detail, "send it again when one has ended")
}

fn conflict(detail: impl Display) -> Problem {
    let remedy = "check the current state, and send it again if it still applies";
    CONFLICT.problem(detail, remedy)
}

fn not_yet(detail: impl Display) -> Problem {
    let remedy = "send it again later; GET /api/v1/draws/{id} shows the state of the draw";
    NOT_YET.problem(detail, remedy)
}

fn unavailable(what: &str) -> Problem {
    UNAVAILABLE.problem(what, "try again later; the central's log says why")
}

fn of_act(error: &ActError) -> Problem {
    use ActError as E;
    match error {
        E::UnknownDraw(_) => Problem::not_found(error),
        E::AgencyZero | E::Schedule | E::NumberRange { .. } => Problem::bad_request(error),
        E::ReasonNeeded(_) | E::NoReason(_) => {
            REASON_NEEDED.problem(error, "send it again with a reason")
        }
        E::EnteredBefore(_) | E::VoidedBefore(_) => {
            let remedy = "let another operator look and do it too";
            ENTERED_BEFORE.problem(error, remedy)
        }
        E::TooManyUnmade => {
            let remedy = "close draws and enter their numbers, then announce it again";
            LIMIT_REACHED.problem(error, remedy)
        }
        E::TooManyDraws => {
            let remedy = "start a central on a new folder, and archive this one";
            LIMIT_REACHED.problem(error, remedy)
        }
        E::TooManyActs => LIMIT_REACHED.problem(error, "end the draw as it is now"),
        E::TooManyRegistered => {
            let remedy = "reuse the number of a registered agency";
            LIMIT_REACHED.problem(error, remedy)
        }
        E::NameTaken
        | E::DrawLooksLike { .. }
        | E::AgencyLooksLike { .. }
        | E::Expired(_)
        | E::State { .. }
        | E::NotTime
        | E::NotFinished(_)
        | E::NoEntry
        | E::Published
        | E::NotForTheClock
        | E::NotForPrograms => conflict(error),
        E::NotAllowed => not_authenticated(error),
        E::Store(fault) => of_store(fault),
    }
}

fn of_reading(error: &ReadError) -> Problem {
    match error {
        ReadError::UnknownDraw(_) => Problem::not_found(error),
        ReadError::NotDrawn => not_yet(error),
        ReadError::Unreadable(_) => unavailable("the ledger can't be read now"),
    }
}

fn of_store(fault: &StoreFault) -> Problem {
    match fault {
        StoreFault::Full(_) => unavailable("the ledger's disk is full, and nothing can be stored"),
        StoreFault::Failed(_) | StoreFault::Closed => unavailable("the store accepts nothing now"),
    }
}

fn of_people(error: &PeopleError) -> Problem {
    use PeopleError as E;
    match error {
        E::Unknown(_) | E::UnknownToken(_) => Problem::not_found(error),
        E::RoleAboveOwner { .. } | E::Label(_) | E::Days => Problem::bad_request(error),
        E::TooMany => {
            let remedy = "enable a disabled one, with a new password, instead of adding one";
            LIMIT_REACHED.problem(error, remedy)
        }
        E::TooManyTokens(_) => LIMIT_REACHED.problem(error, "revoke one that is not needed"),
        E::Exists(_) | E::LooksLike(_) | E::LastAdmin(_) | E::Disabled(_) | E::NoTokenNumber => {
            conflict(error)
        }
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self::Plain(problem)
    }
}

impl From<ActError> for Refusal {
    fn from(error: ActError) -> Self {
        if let ActError::Store(fault) = &error {
            tracing::error!(action = "http_request", result = "fail", error = %fault);
        }
        Self::Act(error)
    }
}

impl From<ReadError> for Refusal {
    fn from(error: ReadError) -> Self {
        if let ReadError::Unreadable(_) = &error {
            tracing::error!(action = "read_ledger", result = "fail", error = %error);
        }
        Self::Read(error)
    }
}

impl From<PeopleError> for Refusal {
    fn from(error: PeopleError) -> Self {
        Self::People(error)
    }
}

impl Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problem().fmt(f)
    }
}

impl std::error::Error for Refusal {}

/// Returns an answer without a body that carries the refusal as an extension; the `answers` module
/// writes it.
impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status(), Extension(self)).into_response()
    }
}
