use std::sync::Arc;

use campanile::{Call, Context, Usage};

use super::{
    Estimator, Reserve, Unpriced,
    estimator::{Measured, Places},
};
use crate::{
    chat::ChatRequest,
    embed::EmbeddingRequest,
    error::{Class, Error},
    tokens::PromptSize,
};

/// What is remembered of a call until its end, to learn from it.
#[derive(Debug)]
#[allow(unreachable_pub)]
pub struct Lesson {
    /// The model that was asked for, unless its places tell: every call carries this, and to count one more holder costs
    /// more than to look there.
    model: Option<Arc<str>>,
    /// Where that is, if it was known when the call began.
    places: Places,
    size: PromptSize,
    most: Option<u64>,
    choices: u64,
}

// ===== impl Estimator =====

impl Estimator {
    /// A call begins: it is told what it is estimated to take, unless it knows.
    #[inline]
    pub(super) fn begin(&self, call: &mut Call<ChatRequest>) -> Result<Lesson, Error> {
        let request = &call.message;
        let size = PromptSize::of(request);
        let places = self.find(request.model());
        let measure = |reserve| self.measure(reserve, request, size, places);
        self.tell(&mut call.context, request.model(), measure)?;
        let told = self.name(places).is_some() && places.lengths.is_some();
        Ok(Lesson {
            model: (!told).then(|| request.model_shared()),
            places,
            size,
            most: request.most_tokens(),
            choices: request.choices(),
        })
    }

    /// The same for embeddings.
    pub(super) fn begin_embeddings(
        &self,
        call: &mut Call<EmbeddingRequest>,
    ) -> Result<Lesson, Error> {
        let request = &call.message;
        let measure = |reserve| self.measure_embeddings(reserve, request);
        self.tell(&mut call.context, request.model(), measure)?;
        Ok(Lesson {
            model: Some(request.model_shared()),
            places: Places::UNKNOWN,
            size: request.size(),
            most: None,
            choices: 1,
        })
    }

    /// Whose places they are, if they tell.
    fn name(&self, places: Places) -> Option<&str> {
        self.shared.calibrated.name(places.ratios?)
    }

    /// The model that was asked for.
    fn asked<'a>(&'a self, lesson: &'a Lesson) -> &'a str {
        let model = lesson.model.as_deref();
        model.or_else(|| self.name(lesson.places)).unwrap_or("")
    }

    #[inline]
    fn tell(
        &self,
        context: &mut Context,
        model: &str,
        measure: impl Fn(Reserve) -> Measured,
    ) -> Result<(), Error> {
        let config = &self.shared.config;
        if config.tell_most && context.most.is_none() {
            context.most = Some(measure(Reserve::Most).cost);
        }
        let strict = config.unpriced == Unpriced::Refuse;
        if context.cost.is_some() && !strict {
            return Ok(());
        }
        let measured = measure(config.reserve);
        if strict && !measured.priced {
            return Err(unpriced(model));
        }
        context.cost.get_or_insert(measured.cost);
        Ok(())
    }

    /// Embeddings have come, and their provider has reported what they took.
    pub(super) fn learn_embeddings(&self, lesson: &Lesson, usage: &Usage) {
        if let Some(input) = usage.input_tokens {
            let ratios = &self.shared.calibrated;
            ratios.learn_prompt(self.asked(lesson), lesson.size.text, input);
        }
    }

    /// A call has ended as it should, and its provider has reported what it took. `model` is the provider's name of the model,
    /// `bytes` how long the answer was, or 0.
    pub(super) fn learn(&self, lesson: &Lesson, model: Option<&str>, usage: &Usage, bytes: u64) {
        let (asked, ratios) = (self.asked(lesson), &self.shared.calibrated);
        let known = lesson.places.ratios;
        let places = [
            Some(known.unwrap_or_else(|| ratios.place(asked))),
            model
                .filter(|model| *model != asked)
                .map(|model| ratios.place(model)),
        ];
        for place in places.into_iter().flatten() {
            if let (Some(input), 0) = (usage.input_tokens, lesson.size.media) {
                ratios.learn_prompt_at(place, lesson.size.text, input);
            }
            // What is thought and not said has tokens, and no bytes.
            if let (Some(output), 0) = (usage.output_tokens, usage.reasoning_tokens.unwrap_or(0))
                && bytes > 0
            {
                ratios.learn_answer_at(place, bytes, output);
            }
        }
        if let Some(output) = usage.output_tokens {
            let lengths = &self.shared.lengths;
            let known = lesson.places.lengths;
            let place = known.unwrap_or_else(|| lengths.place(asked));
            let each = match lesson.choices {
                1 => output,
                choices => output.div_ceil(choices),
            };
            lengths.learn_at(place, lesson.most, each);
        }
    }
}

#[cold]
fn unpriced(model: &str) -> Error {
    let message = format!("no price is known of the model {model:?}");
    Error::new(Class::Request, message)
        .with_status(400)
        .with_kind("invalid_request_error")
        .with_param("model")
}
