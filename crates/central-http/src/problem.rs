//! Every refusal of the API: RFC 9457, with one more field that says what to do.
//!
//! Its words are the API's, in English. The console says a refusal in its own, by its [`Cause`].

use std::fmt::Display;
use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use lottery::{ActError, ProgressError, ReadError, StoreFault};
use operators::{ChangeError, FileError, PasswordError, PeopleError, Permission};
use serde::Serialize;
use thiserror::Error;
use utoipa::ToSchema;

use crate::origin::Origin;
use central::ConnectionLimit;

/// Why a request was refused.
#[derive(Clone, Debug, Serialize, ToSchema, Error)]
#[error("{title}: {detail}")]
pub(crate) struct Problem {
    /// Which kind of problem, for programs.
    #[serde(rename = "type")]
    #[schema(example = "urn:bolillero:problem:not-permitted")]
    kind: String,
    /// The kind, for people.
    title: &'static str,
    /// The status of the answer.
    status: u16,
    /// What happened.
    detail: String,
    /// What to do.
    remedy: String,
    #[serde(skip)]
    cause: Option<Box<Cause>>,
}

/// Why, for who says it in other words. Where there is none, the status says it all, or only a
/// program asks like that.
#[derive(Clone, Debug)]
pub(super) enum Cause {
    Permission(Permission),
    Csrf,
    /// Where pages of the central are, if that is known.
    Elsewhere(Option<Origin>),
    Attempts {
        wait_seconds: u64,
    },
    Login,
    SearchedEarly,
    NoBets,
    TooManyExports,
    TooMuchAtOnce,
    Password(PasswordError),
    People(PeopleError),
    Act(ActError),
    Read(ReadError),
    Progress(ProgressError),
}

impl Problem {
    fn new(
        status: StatusCode,
        kind: &'static str,
        title: &'static str,
        detail: impl Display,
        remedy: impl Display,
    ) -> Self {
        Self {
            kind: format!("urn:bolillero:problem:{kind}"),
            title,
            status: status.as_u16(),
            detail: detail.to_string(),
            remedy: remedy.to_string(),
            cause: None,
        }
    }

    fn because(self, cause: Cause) -> Self {
        Self { cause: Some(Box::new(cause)), ..self }
    }

    /// The status of the answer.
    pub(super) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).expect("it was made of one")
    }

    pub(super) fn cause(&self) -> Option<&Cause> {
        self.cause.as_deref()
    }

    /// Nobody known asks.
    pub(super) fn not_authenticated(detail: impl Display) -> Self {
        let remedy = "log in at POST /api/v1/session, or send a token as `Authorization: Bearer`";
        let status = StatusCode::UNAUTHORIZED;
        Self::new(status, "not-authenticated", "Nobody is logged in", detail, remedy)
    }

    /// Not the password of anybody of that name.
    pub(super) fn wrong_login() -> Self {
        Self::not_authenticated("the name or the password is wrong").because(Cause::Login)
    }

    /// Whoever asks may not.
    pub(super) fn not_permitted(permission: Permission) -> Self {
        let remedy = format!("ask somebody who is one of these: {}", permission.holders());
        let detail = format!("your role may not: {permission:?}");
        let status = StatusCode::FORBIDDEN;
        Self::new(status, "not-permitted", "Not permitted", detail, remedy)
            .because(Cause::Permission(permission))
    }

    /// Only somebody who gave a password lately may.
    pub(super) fn session_needed() -> Self {
        let detail = "this is not done with a token";
        let remedy = "log in at POST /api/v1/session";
        let status = StatusCode::FORBIDDEN;
        Self::new(status, "session-needed", "A session is needed", detail, remedy)
    }

    /// A page of somebody else's may be asking.
    pub(super) fn csrf() -> Self {
        let detail = "X-CSRF-Token is missing or is not this session's";
        let remedy = "send the csrf_token that GET /api/v1/session tells";
        let status = StatusCode::FORBIDDEN;
        Self::new(status, "csrf", "No proof of the page's origin", detail, remedy)
            .because(Cause::Csrf)
    }

    /// A page of somebody else's asks.
    pub(super) fn sent_from_elsewhere(origin: Option<&Origin>) -> Self {
        let detail = "the browser says that a page of elsewhere sent this";
        let remedy = match origin {
            Some(origin) => format!("do it from {origin}, the --http-origin of this central"),
            None => "do it from a page of this central; behind a proxy, start it with \
                     --http-origin"
                .to_owned(),
        };
        let status = StatusCode::FORBIDDEN;
        Self::new(status, "sent-from-elsewhere", "Sent from elsewhere", detail, remedy)
            .because(Cause::Elsewhere(origin.cloned()))
    }

    /// Too often.
    pub(super) fn too_many_attempts(wait: Duration) -> Self {
        let wait_seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        let detail = "too many attempts under this name or from this address";
        let remedy = format!("wait {wait_seconds} seconds");
        let status = StatusCode::TOO_MANY_REQUESTS;
        Self::new(status, "too-many-attempts", "Too many attempts", detail, remedy)
            .because(Cause::Attempts { wait_seconds })
    }

    /// The request itself is not one.
    pub(super) fn bad_request(detail: impl Display) -> Self {
        let remedy = "see the API's description at /api/v1/openapi.json";
        Self::new(StatusCode::BAD_REQUEST, "bad-request", "Bad request", detail, remedy)
    }

    /// A body of some other kind.
    pub(super) fn not_json() -> Self {
        let detail = "the body is not said to be JSON";
        let remedy = "send JSON, with `Content-Type: application/json`";
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        Self::new(status, "not-json", "Not JSON", detail, remedy)
    }

    /// More than is read.
    pub(super) fn too_long(len_max: usize) -> Self {
        let detail = format!("the body has more than {len_max} bytes");
        let status = StatusCode::PAYLOAD_TOO_LARGE;
        Self::new(status, "too-long", "Body too long", detail, "send less at once")
    }

    /// No such thing, or no such path.
    pub(super) fn not_found(detail: impl Display) -> Self {
        let remedy = "see the API's description at /api/v1/openapi.json";
        Self::new(StatusCode::NOT_FOUND, "not-found", "Not found", detail, remedy)
    }

    /// See [`not_found`](Self::not_found).
    pub(super) fn no_such_path() -> Self {
        Self::not_found("there is nothing at this path")
    }

    /// The path is there, and is not asked so.
    pub(super) fn method_not_allowed() -> Self {
        let (detail, remedy) = ("this path knows no such method", "see the header Allow");
        let status = StatusCode::METHOD_NOT_ALLOWED;
        Self::new(status, "method-not-allowed", "Method not allowed", detail, remedy)
    }

    /// A draw that holds no bets would be made.
    pub(super) fn no_bets() -> Self {
        let detail = "the draw holds no bets, and once it is made none can be added";
        let remedy = "send `\"allow_empty\": true` if it is to be made without bets";
        Self::new(StatusCode::CONFLICT, "no-bets", "No bets", detail, remedy).because(Cause::NoBets)
    }

    /// It does not go with what is.
    pub(super) fn conflict(detail: impl Display) -> Self {
        let remedy = "look at how things are now, and ask again if it still makes sense";
        Self::new(StatusCode::CONFLICT, "conflict", "Conflict", detail, remedy)
    }

    /// There are as many as may be.
    fn limit_reached(detail: impl Display, remedy: &'static str) -> Self {
        Self::new(StatusCode::CONFLICT, "limit-reached", "Limit reached", detail, remedy)
    }

    /// It is told later in the draw's life.
    pub(super) fn not_yet(detail: impl Display) -> Self {
        let remedy = "ask again once the draw is further; GET /api/v1/draws/{id} tells";
        Self::new(StatusCode::CONFLICT, "not-yet", "Not yet", detail, remedy)
    }

    /// Nobody learns before the draw what would win.
    pub(super) fn searched_early() -> Self {
        Self::not_yet("before the draw was made bets are searched by document only")
            .because(Cause::SearchedEarly)
    }

    /// Out of the ordinary, and not explained.
    fn reason_needed(detail: impl Display) -> Self {
        let remedy = "send it again with a reason";
        Self::new(StatusCode::CONFLICT, "reason-needed", "A reason is needed", detail, remedy)
    }

    /// Two operators are needed.
    fn entered_before(detail: impl Display) -> Self {
        let remedy = "let another operator read the number and enter it";
        let status = StatusCode::CONFLICT;
        Self::new(status, "entered-before", "Entered before", detail, remedy)
    }

    /// It took too long.
    pub(super) fn timed_out() -> Self {
        let (detail, remedy) = ("the request took too long", "send it again");
        Self::new(StatusCode::REQUEST_TIMEOUT, "timed-out", "Timed out", detail, remedy)
    }

    /// Others take exports now.
    pub(super) fn too_many_exports(most: usize) -> Self {
        let detail = format!("{most} exports are under way, and no more may be at once");
        let (remedy, status) =
            ("send it again when one has ended", StatusCode::SERVICE_UNAVAILABLE);
        Self::new(status, "too-many-exports", "Too many exports", detail, remedy)
            .because(Cause::TooManyExports)
    }

    /// Others, or whoever asks, have as much under way as may be at once.
    pub(super) fn too_much_at_once(what: &'static str, why: ConnectionLimit) -> Self {
        let (status, whose) = match why {
            ConnectionLimit::PerAddress => (StatusCode::TOO_MANY_REQUESTS, " from your address"),
            ConnectionLimit::Total => (StatusCode::SERVICE_UNAVAILABLE, ""),
        };
        let detail = format!("as many {what}{whose} are under way as may be at once");
        let remedy = "send it again when one has ended";
        Self::new(status, "too-much-at-once", "Too much at once", detail, remedy)
            .because(Cause::TooMuchAtOnce)
    }

    /// The central can't now. Why is for its log.
    pub(super) fn unavailable(what: &'static str) -> Self {
        let remedy = "try again later; the central's log says why";
        let status = StatusCode::SERVICE_UNAVAILABLE;
        Self::new(status, "unavailable", "Unavailable", what, remedy)
    }
}

impl From<ActError> for Problem {
    fn from(error: ActError) -> Self {
        use ActError as E;
        let problem = match &error {
            E::UnknownDraw(_) => Self::not_found(&error),
            E::AgencyZero | E::Schedule | E::NumberRange { .. } => Self::bad_request(&error),
            E::ReasonNeeded(_) => Self::reason_needed(&error),
            E::EnteredBefore(_) => Self::entered_before(&error),
            E::TooManyUnmade => {
                let remedy = "close those that wait, enter their numbers, then announce it again";
                Self::limit_reached(&error, remedy)
            }
            E::TooManyDraws => {
                let remedy = "start a central on a new folder, and keep this one as a record";
                Self::limit_reached(&error, remedy)
            }
            E::TooManyRegistered => {
                let remedy = "give the number of an agency that is registered and not used";
                Self::limit_reached(&error, remedy)
            }
            E::NameTaken
            | E::DrawLooksLike { .. }
            | E::AgencyLooksLike { .. }
            | E::Expired(_)
            | E::State { .. }
            | E::NotTime
            | E::NotForTheClock
            | E::NotForPrograms => Self::conflict(&error),
            E::NotAllowed => Self::not_authenticated(&error),
            E::Store(fault) => fault.clone().into(),
        };
        problem.because(Cause::Act(error))
    }
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        let problem = match &error {
            ReadError::UnknownDraw(_) => Self::not_found(&error),
            ReadError::NotDrawn => Self::not_yet(&error),
            ReadError::Unreadable(_) => {
                tracing::error!(action = "leer_libro", result = "fail", error = %error);
                Self::unavailable("what is stored can't be read now")
            }
        };
        problem.because(Cause::Read(error))
    }
}

impl From<ProgressError> for Problem {
    fn from(error: ProgressError) -> Self {
        let problem = match &error {
            ProgressError::UnknownDraw(_) | ProgressError::UnknownAgency { .. } => {
                Self::not_found(&error)
            }
            ProgressError::Store(fault) => fault.clone().into(),
        };
        problem.because(Cause::Progress(error))
    }
}

impl From<PasswordError> for Problem {
    fn from(error: PasswordError) -> Self {
        Self::bad_request(error).because(Cause::Password(error))
    }
}

impl From<StoreFault> for Problem {
    fn from(fault: StoreFault) -> Self {
        tracing::error!(action = "pedido_http", result = "fail", error = %fault);
        match fault {
            StoreFault::Full(_) => {
                Self::unavailable("the ledger's disk is full, and nothing can be put on record")
            }
            StoreFault::Failed(_) | StoreFault::Closed => {
                Self::unavailable("the store takes nothing now")
            }
        }
    }
}

impl From<FileError> for Problem {
    fn from(error: FileError) -> Self {
        tracing::error!(action = "leer_operadores", result = "fail", error = %error);
        Self::unavailable("the operators can't be read or written")
    }
}

impl From<PeopleError> for Problem {
    fn from(error: PeopleError) -> Self {
        use PeopleError as E;
        let problem = match &error {
            E::Unknown(_) | E::UnknownToken(_) => Self::not_found(&error),
            E::RoleAboveOwner { .. } | E::Label(_) | E::Days => Self::bad_request(&error),
            E::TooMany => {
                let remedy =
                    "enable one who is disabled, with another password, instead of adding one";
                Self::limit_reached(&error, remedy)
            }
            E::TooManyTokens(_) => Self::limit_reached(&error, "revoke one that is not needed"),
            E::Exists(_)
            | E::LooksLike(_)
            | E::LastAdmin(_)
            | E::Disabled(_)
            | E::NoTokenNumber => Self::conflict(&error),
        };
        problem.because(Cause::People(error))
    }
}

impl From<ChangeError<PeopleError>> for Problem {
    fn from(error: ChangeError<PeopleError>) -> Self {
        match error {
            ChangeError::Refused(why) => why.into(),
            ChangeError::File(error) => error.into(),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.status();
        let mut response = (status, Json(&self)).into_response();
        let headers = response.headers_mut();
        let kind = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, kind);
        if let Some(Cause::Attempts { wait_seconds }) = self.cause() {
            headers.insert(header::RETRY_AFTER, (*wait_seconds).into());
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        // For the console, which shows it as a page.
        response.extensions_mut().insert(self);
        response
    }
}
