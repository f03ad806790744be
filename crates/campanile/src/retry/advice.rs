use crate::outcome::Outcome;

/// Knows more about an answer than its [`Outcome`] says: whether the call should be made again.
///
/// A closure is an adviser:
///
/// ```
/// use campanile::retry::{Advice, Advise, NoAdvice};
/// use campanile::outcome::Outcome;
///
/// let never_twice = |_: &Outcome, answer: Result<&str, &std::io::Error>| match answer {
///     Err(error) if error.kind() == std::io::ErrorKind::InvalidInput => Advice::GiveUp,
///     _ => Advice::Judge,
/// };
/// # let _ = never_twice;
/// ```
pub trait Advise<Res, Err> {
    /// What to do after this answer, which means `outcome`.
    fn advise(&self, outcome: &Outcome, result: Result<&Res, &Err>) -> Advice;
}

/// What an [`Advise`] says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Advice {
    /// As the outcome says: failures and refusals are tried again.
    #[default]
    Judge,
    /// Try again, whatever the outcome; limits and budgets still hold.
    Retry,
    /// Never try again: hand the answer out.
    GiveUp,
}

/// No advice: the outcome decides.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoAdvice;

/// Follows the `x-should-retry` header of an upstream's answer, which wins over its status: `true` or `false`. Answers
/// of success are not asked.
#[cfg(feature = "http")]
#[derive(Debug, Clone, Copy, Default)]
pub struct XShouldRetry;

// ===== impl Advise =====

impl<Res, Err> Advise<Res, Err> for NoAdvice {
    #[inline]
    fn advise(&self, _outcome: &Outcome, _result: Result<&Res, &Err>) -> Advice {
        Advice::Judge
    }
}

impl<F, Res, Err> Advise<Res, Err> for F
where
    F: Fn(&Outcome, Result<&Res, &Err>) -> Advice,
{
    #[inline]
    fn advise(&self, outcome: &Outcome, result: Result<&Res, &Err>) -> Advice {
        self(outcome, result)
    }
}

#[cfg(feature = "http")]
impl<B, Err> Advise<http::Response<B>, Err> for XShouldRetry {
    #[inline]
    fn advise(&self, outcome: &Outcome, result: Result<&http::Response<B>, &Err>) -> Advice {
        let Ok(response) = result else {
            return Advice::Judge;
        };
        if outcome.is_success() {
            return Advice::Judge;
        }
        match response.headers().get("x-should-retry") {
            Some(value) if value == "true" => Advice::Retry,
            Some(value) if value == "false" => Advice::GiveUp,
            _ => Advice::Judge,
        }
    }
}
