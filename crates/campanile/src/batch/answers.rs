use std::fmt;

/// Takes the answer to a batch apart.
pub trait Answers<Res, Err> {
    /// What a single request is answered with.
    type Answer;

    /// The answer of each request, in the order of the requests. There must be as many as requests.
    fn answers(&self, response: Res) -> impl Iterator<Item = Result<Self::Answer, Err>>;
}

/// The answer to a batch is a list of results: `Vec<Result<Answer, Error>>`, or whatever can be iterated so. The
/// default.
#[derive(Debug, Clone, Copy, Default)]
pub struct Results;

/// The answer to a batch is a list of answers, `Vec<Answer>`, and items do not fail by themselves.
#[derive(Debug, Clone, Copy, Default)]
pub struct Plain;

/// A function takes the answer to a batch apart: what [`BatchLayer::answers`](super::BatchLayer::answers) makes.
#[derive(Clone, Copy)]
pub struct Apart<F>(pub(super) F);

// ===== impl Answers =====

impl<Res, Answer, Err> Answers<Res, Err> for Results
where
    Res: IntoIterator<Item = Result<Answer, Err>>,
{
    type Answer = Answer;

    #[inline]
    fn answers(&self, response: Res) -> impl Iterator<Item = Result<Answer, Err>> {
        response.into_iter()
    }
}

impl<Res, Err> Answers<Res, Err> for Plain
where
    Res: IntoIterator,
{
    type Answer = Res::Item;

    #[inline]
    fn answers(&self, response: Res) -> impl Iterator<Item = Result<Res::Item, Err>> {
        response.into_iter().map(Ok)
    }
}

impl<Res, Err, Answer, I, F> Answers<Res, Err> for Apart<F>
where
    F: Fn(Res) -> I,
    I: IntoIterator<Item = Result<Answer, Err>>,
{
    type Answer = Answer;

    #[inline]
    fn answers(&self, response: Res) -> impl Iterator<Item = Result<Answer, Err>> {
        (self.0)(response).into_iter()
    }
}

impl<F> fmt::Debug for Apart<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Apart")
    }
}
