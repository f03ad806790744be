//! A pool of endpoints without services, for tests of strategies: real endpoints and gates, time set by hand.

use std::{cell::Cell, fmt, time::Duration};

use super::{Begin, End, Peer, Pick, Probed, Strategy, View};
use crate::{
    context::Context,
    cost::{Cost, Usage},
    endpoint::{Builder, Endpoint, Reason},
    outcome::Outcome,
    time::Timestamp,
};

/// Members of the endpoints `0`, `1`, `2`, … or of those that were pushed. Fields may be set at any time.
pub(crate) struct FakeView<T> {
    pub(crate) members: Vec<FakeMember<T>>,
    pub(crate) now: Timestamp,
    pub(crate) version: u64,
    pub(crate) context: Option<Context>,
    pub(crate) cost: Cost,
    pub(crate) probed: Vec<Probed>,
    rng: Cell<u64>,
}

#[derive(Debug)]
pub(crate) struct FakeMember<T> {
    pub(crate) endpoint: Endpoint,
    pub(crate) state: T,
    pub(crate) joined: Timestamp,
}

/// A call under way in a [`FakeView`]. One that is never ended stays in flight.
#[derive(Debug)]
pub(crate) struct FakeCall {
    pub(crate) index: usize,
    pub(crate) started: Timestamp,
    pub(crate) head: Option<Timestamp>,
    pub(crate) first_data: Option<Timestamp>,
    pub(crate) units: u64,
    pub(crate) cost: Cost,
    pub(crate) usage: Option<Usage>,
}

// ===== impl FakeView =====

impl<T: Default> FakeView<T> {
    /// `len` members of weight 1, joined now, unknown to any strategy: see [`FakeView::joined_by`].
    pub(crate) fn new(len: usize) -> Self {
        let mut view = Self {
            members: Vec::new(),
            now: Timestamp::from_nanos(1_000_000_000_000),
            version: 1,
            context: None,
            cost: Cost::default(),
            probed: Vec::new(),
            rng: Cell::new(7),
        };
        for index in 0..len {
            view.push(Endpoint::builder(index.to_string()));
        }
        view
    }

    /// Members of the given weights.
    pub(crate) fn weighted(weights: &[f64]) -> Self {
        let mut view = Self::new(0);
        for (index, weight) in weights.iter().enumerate() {
            view.push(Endpoint::builder(index.to_string()).weight(*weight));
        }
        view
    }

    /// Adds a member; its index.
    pub(crate) fn push(&mut self, endpoint: Builder) -> usize {
        self.members.push(FakeMember {
            endpoint: endpoint.build().unwrap(),
            state: T::default(),
            joined: self.now,
        });
        self.version += 1;
        self.members.len() - 1
    }

    /// Tells `strategy` of every member's joining.
    pub(crate) fn joined_by<St: Strategy<State = T>>(self, strategy: &St) -> Self {
        for index in 0..self.members.len() {
            strategy.join(self.peer(index), self.members[index].joined);
        }
        self
    }
}

impl<T> FakeView<T> {
    pub(crate) fn seed(&mut self, seed: u64) {
        self.rng.set(seed);
    }

    pub(crate) fn advance(&mut self, by: Duration) {
        self.now = self.now.after(by);
    }

    pub(crate) fn peer(&self, index: usize) -> Peer<'_, T> {
        Peer {
            endpoint: &self.members[index].endpoint,
            state: &self.members[index].state,
        }
    }

    /// Closes a member's gate as an operator does.
    pub(crate) fn close(&self, index: usize) {
        self.members[index].endpoint.gate().close(Reason::Disabled);
    }

    /// Opens it again.
    pub(crate) fn open(&self, index: usize) {
        let endpoint = &self.members[index].endpoint;
        if endpoint.gate().open_as_of(Reason::Disabled, || self.now) {
            endpoint.notify();
        }
    }

    /// Picks for a request of no content, and begins the call; `None` when nobody was picked.
    pub(crate) fn call<St: Pick<(), State = T>>(&self, strategy: &St) -> Option<FakeCall> {
        let index = strategy.pick(self, &())?;
        assert!(
            self.load(index).is_some(),
            "picked {index}, which is closed"
        );
        Some(self.begin(strategy, index))
    }

    /// Begins a call at a member, picked or not.
    pub(crate) fn begin<St: Strategy<State = T>>(&self, strategy: &St, index: usize) -> FakeCall {
        // The look at the gate, which every pick takes, forgets reasons whose time is over.
        let entered = self.load(index).is_some() && self.members[index].endpoint.enter();
        assert!(entered, "{index} is closed");
        let cost = self.cost;
        self.members[index]
            .endpoint
            .measurements()
            .begin(self.now, &cost);
        strategy.begin(
            self.peer(index),
            &Begin {
                now: self.now,
                cost,
            },
        );
        FakeCall {
            index,
            started: self.now,
            head: None,
            first_data: None,
            units: 0,
            cost,
            usage: None,
        }
    }

    /// The head of a call's answer arrives now.
    pub(crate) fn head(&self, call: &mut FakeCall) {
        call.head = Some(self.now);
    }

    /// A piece of a call's answer arrives now.
    pub(crate) fn data<St: Strategy<State = T>>(
        &self,
        strategy: &St,
        call: &mut FakeCall,
        units: u64,
    ) {
        if call.first_data.is_none() {
            call.first_data = Some(self.now);
            strategy.first_data(self.peer(call.index), call.started, self.now);
        }
        call.units += units;
        strategy.data(self.peer(call.index), self.now, units);
    }

    /// Ends a call now.
    pub(crate) fn end<St: Strategy<State = T>>(
        &self,
        strategy: &St,
        call: &FakeCall,
        outcome: Outcome,
    ) {
        let endpoint = &self.members[call.index].endpoint;
        endpoint.measurements().release(&call.cost);
        if outcome.is_timed() {
            endpoint
                .measurements()
                .sample(call.started, call.head, call.first_data, self.now);
        }
        endpoint.leave(outcome);
        let end = End {
            started: call.started,
            head: call.head,
            first_data: call.first_data,
            now: self.now,
            outcome,
            units: call.units,
            cost: call.cost,
            usage: call.usage.as_ref(),
        };
        strategy.end(self.peer(call.index), &end);
    }

    /// A whole call at one member that takes so long; time moves on by it.
    pub(crate) fn run<St: Strategy<State = T>>(
        &mut self,
        strategy: &St,
        index: usize,
        takes: Duration,
        outcome: Outcome,
    ) {
        let mut call = self.begin(strategy, index);
        self.advance(takes);
        self.head(&mut call);
        self.end(strategy, &call, outcome);
    }

    /// How many of `picks` picks each member gets when no call is made of them.
    pub(crate) fn shares<St: Pick<(), State = T>>(
        &self,
        strategy: &St,
        picks: usize,
    ) -> Vec<usize> {
        let mut shares = vec![0; self.members.len()];
        for _ in 0..picks {
            if let Some(index) = strategy.pick(self, &()) {
                shares[index] += 1;
            }
        }
        shares
    }

    /// A number that the strategy shows of a member.
    pub(crate) fn inspect<St: Strategy<State = T>>(
        &self,
        strategy: &St,
        index: usize,
        name: &str,
    ) -> f64 {
        let mut found = None;
        strategy.inspect(self.peer(index), &mut |shown, value| {
            if shown == name {
                found = Some(value);
            }
        });
        found.unwrap_or_else(|| panic!("{strategy:?} shows no {name}"))
    }
}

impl<T> View<T> for FakeView<T> {
    fn len(&self) -> usize {
        self.members.len()
    }

    fn load(&self, index: usize) -> Option<u32> {
        let endpoint = &self.members[index].endpoint;
        endpoint
            .gate()
            .is_open(self.now)
            .then(|| endpoint.in_flight())
    }

    fn rank(&self, index: usize) -> f32 {
        self.peer(index).rank()
    }

    fn weight(&self, index: usize) -> f32 {
        self.members[index].endpoint.weight().get() as f32
    }

    fn endpoint(&self, index: usize) -> &Endpoint {
        &self.members[index].endpoint
    }

    fn state(&self, index: usize) -> &T {
        &self.members[index].state
    }

    fn joined(&self, index: usize) -> Timestamp {
        self.members[index].joined
    }

    fn now(&self) -> Timestamp {
        self.now
    }

    fn random(&self, below: usize) -> usize {
        let mut rng = fastrand::Rng::with_seed(self.rng.get());
        let number = rng.usize(..below);
        self.rng.set(rng.get_seed());
        number
    }

    fn version(&self) -> u64 {
        self.version
    }

    fn reopened(&self) -> Timestamp {
        let times = self
            .members
            .iter()
            .map(|member| member.endpoint.reopened_at());
        times.max().unwrap_or(Timestamp::ZERO)
    }

    fn context(&self) -> Option<&Context> {
        self.context.as_ref()
    }

    fn cost(&self) -> &Cost {
        &self.cost
    }

    fn probed(&self) -> &[Probed] {
        &self.probed
    }
}

impl<T: fmt::Debug> fmt::Debug for FakeView<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeView")
            .field("members", &self.members)
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}

mod tests {
    use super::{super::LeastLoaded, *};

    #[test]
    fn counts_and_closes() {
        let mut view = FakeView::new(2);
        let strategy = LeastLoaded::full_scan();
        let first = view.call(&strategy).unwrap();
        let second = view.call(&strategy).unwrap();
        assert_ne!(first.index, second.index);
        view.close(first.index);
        assert_eq!(view.load(first.index), None);
        assert_eq!(view.shares(&strategy, 10)[second.index], 10);
        view.open(first.index);
        view.advance(Duration::from_secs(1));
        view.end(&strategy, &first, Outcome::Success);
        assert_eq!(view.load(first.index), Some(0));
        assert_eq!(view.load(second.index), Some(1));
    }
}
