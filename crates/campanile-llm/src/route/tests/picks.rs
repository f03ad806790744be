//! What a pick costs: nothing on the heap, and a bounded look at a large pool.

use std::{cell::Cell, collections::BTreeMap};

use campanile::{
    Context, Cost, Endpoint,
    balance::{LeastLoaded, Peer, Pick, Probed, Strategy, View},
    time::Timestamp,
};
use serde_json::json;

use super::*;
use crate::dialect::Dialect;

/// Members that count how often somebody looks at one.
struct Members<T> {
    members: Vec<(Endpoint, T)>,
    version: u64,
    looks: Cell<usize>,
    random: Cell<u64>,
    cost: Cost,
}

impl<T: Default> Members<T> {
    fn of<St: Strategy<State = T>>(strategy: &St, count: usize) -> Self {
        let members = (0..count).map(|nth| {
            let endpoint = Endpoint::builder(format!("gpu-{nth}")).label("models", "m, n-*");
            (endpoint.label("price", "1").build().unwrap(), T::default())
        });
        let members: Vec<_> = members.collect();
        for (endpoint, state) in &members {
            strategy.join(Peer { endpoint, state }, now());
        }
        Self {
            members,
            version: 1,
            looks: Cell::new(0),
            random: Cell::new(1),
            cost: Cost::default(),
        }
    }
}

fn now() -> Timestamp {
    Timestamp::from_nanos(1_000_000_000)
}

impl<T> View<T> for Members<T> {
    fn len(&self) -> usize {
        self.members.len()
    }

    fn load(&self, index: usize) -> Option<u32> {
        self.looks.set(self.looks.get() + 1);
        let gate = self.members[index].0.gate();
        gate.is_open(now())
            .then(|| self.members[index].0.in_flight())
    }

    fn rank(&self, _: usize) -> f32 {
        0.0
    }

    fn weight(&self, _: usize) -> f32 {
        1.0
    }

    fn endpoint(&self, index: usize) -> &Endpoint {
        &self.members[index].0
    }

    fn state(&self, index: usize) -> &T {
        &self.members[index].1
    }

    fn joined(&self, _: usize) -> Timestamp {
        Timestamp::ZERO
    }

    fn now(&self) -> Timestamp {
        now()
    }

    fn random(&self, below: usize) -> usize {
        let next = self.random.get().wrapping_mul(6_364_136_223_846_793_005);
        self.random
            .set(next.wrapping_add(1_442_695_040_888_963_407));
        (self.random.get() >> 33) as usize % below
    }

    fn version(&self) -> u64 {
        self.version
    }

    fn reopened(&self) -> Timestamp {
        Timestamp::ZERO
    }

    fn context(&self) -> Option<&Context> {
        None
    }

    fn cost(&self) -> &Cost {
        &self.cost
    }

    fn probed(&self) -> &[Probed] {
        &[]
    }
}

fn long() -> Call<ChatRequest> {
    Call::new(ChatRequest::new("m").user(&"word ".repeat(2_000)))
}

/// How many members each of a hundred picks looks at, at most. The first makes what is kept.
fn looks<St: Pick<Call<ChatRequest>>>(strategy: &St, count: usize) -> usize
where
    St::State: Default,
{
    let view = Members::of(strategy, count);
    let call = long();
    strategy.pick(&view, &call).unwrap();
    let mut most = 0;
    let counted = allocation_counter::measure(|| {
        for _ in 0..100 {
            view.looks.set(0);
            strategy.pick(&view, &call).unwrap();
            most = most.max(view.looks.get());
        }
    });
    assert_eq!(counted.count_total, 0, "{strategy:?}");
    most
}

#[test]
fn a_pick_allocates_nothing_and_looks_at_few() {
    for count in [1, 8, 10_000] {
        let catalogue = Catalogue::default();
        let serving = Serving::new(LeastLoaded::default(), &catalogue);
        assert!(looks(&serving, count) <= 16);
        let cheapest = Cheapest::new(CheapestConfig::default()).unwrap();
        assert!(looks(&cheapest, count) <= 16);
        for peers in [0, 3] {
            let config = PrefixConfig::default().with_peers(peers);
            assert!(looks(&PrefixAware::new(config).unwrap(), count) <= 64);
        }
    }
}

#[test]
fn what_a_request_needs_is_read_once_and_allocates_nothing() {
    let fields = json!({
        "model": "m",
        "messages": [{"role": "user", "content": "hi"}],
        "tools": [{"type": "function"}],
        "response_format": {"type": "json_schema", "json_schema": {}},
        "reasoning_effort": "none",
        "reasoning": {"effort": "low"},
        "thinking": {"type": "enabled"},
    });
    let request = ChatRequest::parse(Dialect::OpenAi, fields.to_string()).unwrap();
    let counted = allocation_counter::measure(|| {
        let needs = Needs::of(&request);
        assert!(needs.tools && needs.json_schema && needs.reasoning);
    });
    assert_eq!(counted.count_total, 0);
    // Images are looked for in the messages, by who asks first.
    let image = json!([{"role": "user", "content": [{"type": "image_url"}]}]);
    let request = request.field("messages", &image);
    assert!(Needs::of(&request).vision);
    let clone = request.clone();
    let counted = allocation_counter::measure(|| assert!(Needs::of(&clone).vision));
    assert_eq!(counted.count_total, 0);
    // Another name changes nothing; another field does.
    let renamed = clone.with_model("n");
    let counted = allocation_counter::measure(|| assert!(Needs::of(&renamed).vision));
    assert_eq!(counted.count_total, 0);
    let text = json!([{"role": "user", "content": "hi"}]);
    assert!(!Needs::of(&renamed.field("messages", &text)).vision);
}

/// Ten of a thousand serve a model, side by side. Drawn at random, hardly any would be found, and the first of them by walking
/// on from where the others end.
#[test]
fn the_few_that_serve_a_model_share_it() {
    let catalogue = Catalogue::default();
    let serving = Serving::new(LeastLoaded::default(), &catalogue);
    let view = Members::of(&serving, 1_000);
    for nth in 500..510 {
        catalogue.set_endpoint(format!("gpu-{nth}"), Offer::models(["m", "rare"]));
    }
    for (model, most) in [("rare", 200), ("m", 20)] {
        let call = ask(model);
        let mut counts = BTreeMap::new();
        for _ in 0..1_000 {
            view.looks.set(0);
            let picked = serving.pick(&view, &call).unwrap();
            assert!(view.looks.get() <= 16);
            *counts.entry(picked).or_insert(0) += 1;
        }
        assert!(model == "m" || counts.keys().all(|index| (500..510).contains(index)));
        assert!(counts.values().all(|count| *count <= most), "{counts:?}");
    }
    // One more, and one less.
    catalogue.set_endpoint("gpu-7", Offer::models(["rare"]));
    catalogue.set_endpoint("gpu-500", Offer::models(["m"]));
    let picks = |_| serving.pick(&view, &ask("rare")).unwrap();
    let picked: std::collections::BTreeSet<_> = (0..1_000).map(picks).collect();
    assert!(
        picked.iter().copied().eq([7].into_iter().chain(501..510)),
        "{picked:?}"
    );
}

/// Clones are of other pools, and so are those of one strategy whose members are as new.
#[test]
fn pools_of_one_strategy_lead_each_other_nowhere() {
    let catalogue = Catalogue::default();
    let serving = Serving::new(LeastLoaded::default(), &catalogue);
    let large = Members::of(&serving, 1_000);
    let small = Members::of(&serving, 20);
    catalogue.set_endpoint("gpu-999", Offer::models(["rare"]));
    let call = ask("rare");
    for _ in 0..3 {
        assert_eq!(serving.pick(&large, &call), Some(999));
        assert_eq!(serving.pick(&small, &call), None);
        assert_eq!(serving.clone().pick(&small, &call), None);
    }
}

/// Those behind a member that leaves move, and are found where they are.
#[test]
fn a_member_that_leaves_costs_no_other_what_it_holds() {
    let strategy = PrefixAware::new(PrefixConfig::default()).unwrap();
    let mut view = Members::of(&strategy, 8);
    let call = long();
    let home = strategy.pick(&view, &call).unwrap();
    let key = view.endpoint(home).key().to_owned();
    assert_ne!(home, 0, "another seed");
    view.members.remove(0);
    view.version += 1;
    for _ in 0..20 {
        let again = strategy.pick(&view, &call).unwrap();
        assert_eq!(view.endpoint(again).key(), key);
    }
}

/// A price that is no number wins nothing, wherever it stands.
#[test]
fn a_price_that_is_no_number_is_not_known() {
    struct Odd;

    impl crate::route::cheapest::Prices<Call<ChatRequest>> for Odd {
        fn price(
            &self,
            endpoint: &Endpoint,
            _: Option<f64>,
            _: &Call<ChatRequest>,
            _: &Cost,
        ) -> f64 {
            if endpoint.key() == "gpu-2" {
                1.0
            } else {
                f64::NAN
            }
        }
    }

    let strategy = Cheapest::by(Odd, CheapestConfig::default()).unwrap();
    let view = Members::of(&strategy, 4);
    for _ in 0..20 {
        assert_eq!(strategy.pick(&view, &long()), Some(2));
    }
}
