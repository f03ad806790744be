use std::{fmt, sync::Arc, time::Duration};

use crate::BoxError;

/// What a scripted endpoint does with one call.
///
/// ```
/// use campanile::testing::Step;
/// use std::time::Duration;
///
/// let slow: Step<&str> = Step::answer("hello").after(Duration::from_millis(300));
/// let broken: Step<&str> = Step::error("connection refused");
/// let hung: Step<&str> = Step::stall();
/// ```
pub struct Step<T, E = BoxError> {
    pub(super) latency: Duration,
    pub(super) act: Act<T, E>,
}

pub(super) enum Act<T, E> {
    Answer(Arc<dyn Fn() -> T + Send + Sync>),
    Fail(Arc<dyn Fn() -> E + Send + Sync>),
    Stall,
    PanicInCall,
    PanicInPoll,
}

/// What a scripted endpoint says in `poll_ready`.
pub enum Readiness<E = BoxError> {
    /// It is ready.
    Ready,
    /// It is not, until the script says otherwise.
    Pending,
    /// It is not, and is ready by itself once so much time has passed from when the script was told.
    PendingFor(Duration),
    /// Each instance has to be polled for so long before it is ready, and then stays so, as one that connects when it is
    /// first used. A clone starts anew.
    WarmsUp(Duration),
    /// It fails. An instance that has failed is dead: it fails again whatever the script says later. Its clones live.
    Error(Arc<dyn Fn() -> E + Send + Sync>),
    /// It panics.
    Panic,
}

// ===== impl Step =====

impl<T, E> Step<T, E> {
    const fn of(act: Act<T, E>) -> Self {
        Self {
            latency: Duration::ZERO,
            act,
        }
    }

    /// Answers with a clone of `answer`.
    pub fn answer(answer: T) -> Self
    where
        T: Clone + Send + Sync + 'static,
    {
        Self::answer_with(move || answer.clone())
    }

    /// Answers with what the function makes.
    pub fn answer_with(answer: impl Fn() -> T + Send + Sync + 'static) -> Self {
        Self::of(Act::Answer(Arc::new(answer)))
    }

    /// Fails with an error made of a text, as a [`BoxError`] can be.
    pub fn error(text: impl Into<String>) -> Self
    where
        E: From<String>,
    {
        let text = text.into();
        Self::error_with(move || E::from(text.clone()))
    }

    /// Fails with what the function makes.
    pub fn error_with(error: impl Fn() -> E + Send + Sync + 'static) -> Self {
        Self::of(Act::Fail(Arc::new(error)))
    }

    /// Never answers.
    #[must_use]
    pub const fn stall() -> Self {
        Self::of(Act::Stall)
    }

    /// Panics within `call`.
    #[must_use]
    pub const fn panic_in_call() -> Self {
        Self::of(Act::PanicInCall)
    }

    /// Panics when the future is polled.
    #[must_use]
    pub const fn panic_in_poll() -> Self {
        Self::of(Act::PanicInPoll)
    }

    /// Does so after `latency`, counted from the call, instead of at once. A panic within `call` comes at once.
    #[must_use]
    pub const fn after(mut self, latency: Duration) -> Self {
        self.latency = latency;
        self
    }
}

#[cfg(feature = "http")]
impl<E> Step<http::Response<super::ScriptBody>, E> {
    /// Answers with a response of this status and body.
    ///
    /// ```
    /// use campanile::testing::{ScriptBody, Script, Step};
    /// use http::StatusCode;
    ///
    /// let upstream = Script::<_>::new(Step::respond(StatusCode::OK, ScriptBody::full("hello")))
    ///     .then(Step::respond(StatusCode::SERVICE_UNAVAILABLE, ScriptBody::empty()));
    /// # let _ = upstream;
    /// ```
    #[must_use]
    pub fn respond(status: http::StatusCode, body: super::ScriptBody) -> Self {
        let mut response = http::Response::new(body);
        *response.status_mut() = status;
        Self::answer(response)
    }
}

// By hand, since derived ones would ask it of the answer too.
impl<T, E> Clone for Step<T, E> {
    fn clone(&self) -> Self {
        Self {
            latency: self.latency,
            act: match &self.act {
                Act::Answer(answer) => Act::Answer(Arc::clone(answer)),
                Act::Fail(error) => Act::Fail(Arc::clone(error)),
                Act::Stall => Act::Stall,
                Act::PanicInCall => Act::PanicInCall,
                Act::PanicInPoll => Act::PanicInPoll,
            },
        }
    }
}

impl<T, E> fmt::Debug for Step<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let act = match &self.act {
            Act::Answer(_) => "answer",
            Act::Fail(_) => "error",
            Act::Stall => "stall",
            Act::PanicInCall => "panic in call",
            Act::PanicInPoll => "panic in poll",
        };
        f.debug_struct("Step")
            .field("act", &act)
            .field("after", &self.latency)
            .finish()
    }
}

// ===== impl Readiness =====

impl<E> Readiness<E> {
    /// `poll_ready` fails with an error made of a text, as a [`BoxError`] can be.
    pub fn error(text: impl Into<String>) -> Self
    where
        E: From<String>,
    {
        let text = text.into();
        Self::error_with(move || E::from(text.clone()))
    }

    /// `poll_ready` fails with what the function makes.
    pub fn error_with(error: impl Fn() -> E + Send + Sync + 'static) -> Self {
        Self::Error(Arc::new(error))
    }
}

impl<E> Clone for Readiness<E> {
    fn clone(&self) -> Self {
        match self {
            Self::Ready => Self::Ready,
            Self::Pending => Self::Pending,
            Self::PendingFor(time) => Self::PendingFor(*time),
            Self::WarmsUp(time) => Self::WarmsUp(*time),
            Self::Error(error) => Self::Error(Arc::clone(error)),
            Self::Panic => Self::Panic,
        }
    }
}

impl<E> fmt::Debug for Readiness<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready => f.write_str("Ready"),
            Self::Pending => f.write_str("Pending"),
            Self::PendingFor(time) => f.debug_tuple("PendingFor").field(time).finish(),
            Self::WarmsUp(time) => f.debug_tuple("WarmsUp").field(time).finish(),
            Self::Error(_) => f.write_str("Error"),
            Self::Panic => f.write_str("Panic"),
        }
    }
}
