//! A subscriber that remembers everything.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard},
    thread::{self, ThreadId},
};

use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    level_filters::LevelFilter,
    span::{Attributes, Id, Record},
    subscriber::DefaultGuard,
};

type Fields = BTreeMap<&'static str, String>;

/// A span, or an event.
#[derive(Debug, Clone)]
pub(super) struct Noted {
    pub(super) name: &'static str,
    pub(super) target: &'static str,
    pub(super) level: Level,
    pub(super) fields: Fields,
    /// The span that it is in, by its place in the list.
    pub(super) parent: Option<usize>,
    pub(super) closed: bool,
    references: usize,
}

#[derive(Default)]
struct State {
    spans: Vec<Noted>,
    events: Vec<Noted>,
    entered: Vec<(ThreadId, usize)>,
}

/// What was noted. A handle.
#[derive(Clone)]
pub(super) struct Capture {
    state: Arc<Mutex<State>>,
    up_to: LevelFilter,
    only: &'static str,
}

impl Capture {
    /// Listens on this thread, up to a level, to targets that begin so.
    pub(super) fn of(up_to: LevelFilter, only: &'static str) -> (Self, DefaultGuard) {
        let capture = Self {
            state: Arc::default(),
            up_to,
            only,
        };
        let guard = tracing::subscriber::set_default(capture.clone());
        (capture, guard)
    }

    /// Listens on this thread to everything of this module.
    pub(super) fn all() -> (Self, DefaultGuard) {
        Self::of(LevelFilter::TRACE, "campanile::")
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// The spans of this name, in the order of their making.
    pub(super) fn spans(&self, name: &str) -> Vec<Noted> {
        let state = self.state();
        let spans = state.spans.iter().filter(|span| span.name == name);
        spans.cloned().collect()
    }

    pub(super) fn span(&self, name: &str) -> Noted {
        let [span] = &self.spans(name)[..] else {
            panic!("not one span {name}: {:#?}", self.state().spans);
        };
        span.clone()
    }

    /// The name of the span that this one is in.
    pub(super) fn parent(&self, of: &Noted) -> Option<&'static str> {
        of.parent.map(|parent| self.state().spans[parent].name)
    }

    /// The lines about calls.
    pub(super) fn lines(&self) -> Vec<Noted> {
        self.events("campanile::call")
    }

    pub(super) fn events(&self, target: &str) -> Vec<Noted> {
        let state = self.state();
        let events = state.events.iter().filter(|event| event.target == target);
        events.cloned().collect()
    }

    pub(super) fn line(&self) -> Noted {
        let [line] = &self.lines()[..] else {
            panic!("not one line: {:#?}", self.lines());
        };
        line.clone()
    }

    /// Everything that was noted, as text.
    pub(super) fn text(&self) -> String {
        let state = self.state();
        format!("{:?} {:?}", state.spans, state.events)
    }

    /// Every span is over, and none is entered.
    pub(super) fn is_over(&self) -> bool {
        let state = self.state();
        state.entered.is_empty() && state.spans.iter().all(|span| span.closed)
    }

    fn current(state: &State) -> Option<usize> {
        let here = thread::current().id();
        let entered = state.entered.iter().rev();
        entered
            .filter(|(thread, _)| *thread == here)
            .map(|(_, span)| *span)
            .next()
    }
}

impl Noted {
    fn new(meta: &'static Metadata<'static>, parent: Option<usize>) -> Self {
        Self {
            name: meta.name(),
            target: meta.target(),
            level: *meta.level(),
            fields: Fields::new(),
            parent,
            closed: false,
            references: 1,
        }
    }

    pub(super) fn get(&self, field: &str) -> &str {
        self.fields.get(field).map_or("", String::as_str)
    }
}

fn index(id: &Id) -> usize {
    usize::try_from(id.into_u64()).unwrap() - 1
}

impl Subscriber for Capture {
    fn enabled(&self, meta: &Metadata<'_>) -> bool {
        *meta.level() <= self.up_to && meta.target().starts_with(self.only)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.up_to)
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut state = self.state();
        let parent = if span.is_contextual() {
            Self::current(&state)
        } else {
            span.parent().map(index)
        };
        let mut noted = Noted::new(span.metadata(), parent);
        span.record(&mut Write(&mut noted.fields));
        state.spans.push(noted);
        Id::from_u64(state.spans.len() as u64)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        values.record(&mut Write(&mut self.state().spans[index(span)].fields));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut state = self.state();
        let mut noted = Noted::new(event.metadata(), Self::current(&state));
        event.record(&mut Write(&mut noted.fields));
        state.events.push(noted);
    }

    fn enter(&self, span: &Id) {
        self.state()
            .entered
            .push((thread::current().id(), index(span)));
    }

    fn exit(&self, span: &Id) {
        let left = (thread::current().id(), index(span));
        let mut state = self.state();
        let at = state.entered.iter().rposition(|entered| *entered == left);
        state
            .entered
            .remove(at.expect("left without having been entered"));
    }

    fn clone_span(&self, span: &Id) -> Id {
        self.state().spans[index(span)].references += 1;
        span.clone()
    }

    fn try_close(&self, span: Id) -> bool {
        let mut state = self.state();
        let span = &mut state.spans[index(&span)];
        span.references -= 1;
        span.closed = span.references == 0;
        span.closed
    }
}

struct Write<'a>(&'a mut Fields);

impl Visit for Write<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let before = self.0.insert(field.name(), format!("{value:?}"));
        assert_eq!(before, None, "{} is told twice", field.name());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let before = self.0.insert(field.name(), value.to_owned());
        assert_eq!(before, None, "{} is told twice", field.name());
    }
}
