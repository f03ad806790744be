use std::{fmt, sync::Arc};

use super::{MODELS, Place, by_model::ByModel, histogram::Histogram};

/// How long answers turn out to be, by model and by how long they may be. Clones share what is learned.
///
/// A call that may write 16 tokens writes others than one that may write 16,000, so answers are counted in classes by the most
/// that they may have: not said, up to 32, 256, 1,024, 4,096, 16,384 tokens, and more. Each remembers about the last thousand. A
/// class is asked once it has 20 answers, and before that all answers of the model.
///
/// The source of the rule, the prompt and the ninth decile of the answers of its class reserved and the rest given back in the
/// end, is the project's study of limits for calls of unknown length.
///
/// Memory: 1.5 KiB for each of at most 128 models; further ones share theirs.
///
/// ```
/// use campanile_llm::tokens::OutputLengths;
///
/// let lengths = OutputLengths::default();
/// assert_eq!(lengths.likely("m", Some(500)), None, "nothing is known");
/// for tokens in 0..100 {
///     lengths.learn("m", Some(500), 1 + tokens);
/// }
/// let likely = lengths.likely("m", Some(500)).unwrap();
/// assert!((90..=110).contains(&likely));
/// assert_eq!(lengths.likely("m", Some(50)), Some(50), "never more than it may");
/// ```
#[derive(Clone, Default)]
pub struct OutputLengths {
    shared: Arc<Shared>,
}

struct Shared {
    models: ByModel<Classes>,
}

#[derive(Debug, Default)]
struct Classes {
    all: Histogram,
    by_most: [Histogram; CLASSES],
}

/// How long answers of a kind are, in tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lengths {
    /// Half of them are at most so long.
    pub median: u64,
    /// Nine in ten are at most so long.
    pub p90: u64,
    /// How many are remembered.
    pub answers: u32,
}

/// The classes' ends; one for what is not said, and one for what is longer.
const ENDS: [u64; CLASSES - 2] = [32, 256, 1_024, 4_096, 16_384];
const CLASSES: usize = 7;
/// From how many answers on a class is believed.
const ENOUGH: u32 = 20;

// ===== impl OutputLengths =====

impl OutputLengths {
    /// How long an answer is, with nine chances in ten: at most `most`, if the request says so. `None` while too little is
    /// known. At most a fifth too high.
    #[must_use]
    pub fn likely(&self, model: &str, most: Option<u64>) -> Option<u64> {
        self.likely_at(self.find(model)?, most)
    }

    /// As [`likely`](Self::likely), of a model at a place.
    pub(crate) fn likely_at(&self, place: Place, most: Option<u64>) -> Option<u64> {
        let (_, p90) = self.shared.models.at(place).known(most)?.quantiles();
        let p90 = p90.into();
        Some(most.map_or(p90, |most| most.min(p90)))
    }

    /// Where a model is, if it is known: so that it is looked up once in a call.
    pub(crate) fn find(&self, model: &str) -> Option<Place> {
        self.shared.models.find(model)
    }

    /// Likewise, and from now on if it is new.
    pub(crate) fn place(&self, model: &str) -> Place {
        self.shared.models.place(model)
    }

    /// How long answers of this class are; those of the model, while the class has too few. `None` while the model has too few.
    #[must_use]
    pub fn of(&self, model: &str, most: Option<u64>) -> Option<Lengths> {
        let classes = self.shared.models.get(model)?;
        let known = classes.known(most)?;
        let (median, p90) = known.quantiles();
        Some(Lengths {
            median: median.into(),
            p90: p90.into(),
            answers: known.samples(),
        })
    }

    /// An answer of the model was so long. Only of those that ended as they should.
    pub fn learn(&self, model: &str, most: Option<u64>, tokens: u64) {
        self.learn_at(self.place(model), most, tokens);
    }

    /// As [`learn`](Self::learn), of a model at a place.
    pub(crate) fn learn_at(&self, place: Place, most: Option<u64>, tokens: u64) {
        let classes = self.shared.models.at(place);
        classes.by_most[class(most)].learn(tokens);
        classes.all.learn(tokens);
    }
}

impl Classes {
    /// What has enough answers to tell of those of this class.
    fn known(&self, most: Option<u64>) -> Option<&Histogram> {
        let lengths = [&self.by_most[class(most)], &self.all];
        lengths.into_iter().find(|all| all.samples() >= ENOUGH)
    }
}

fn class(most: Option<u64>) -> usize {
    most.map_or(0, |most| 1 + ENDS.partition_point(|&end| end < most))
}

impl fmt::Debug for OutputLengths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutputLengths")
            .field("models", &self.shared.models)
            .finish()
    }
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            models: ByModel::new(MODELS),
        }
    }
}
