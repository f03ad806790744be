//! Members that come and go, and do as they please, beside what must hold whatever happens.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

#[derive(Debug, Clone)]
enum Step {
    /// Joins, or is inserted once more.
    Insert(usize),
    Remove(usize),
    Behave(usize, Behaviour),
    Disable(usize, bool),
    Ask(usize),
    Pass(u64),
}

#[derive(Debug, Clone, Copy)]
enum Behaviour {
    Well,
    Sick,
    Vague,
    Slow(u64, bool),
    Hung,
    Panics,
}

fn step() -> impl Strategy<Value = Step> {
    let who = 0..NAMES.len();
    prop_oneof![
        3 => who.clone().prop_map(Step::Insert),
        1 => who.clone().prop_map(Step::Remove),
        3 => (who.clone(), behaviour()).prop_map(|(who, behaviour)| Step::Behave(who, behaviour)),
        1 => (who.clone(), any::<bool>()).prop_map(|(who, off)| Step::Disable(who, off)),
        1 => who.prop_map(Step::Ask),
        5 => (0u64..200).prop_map(Step::Pass),
    ]
}

fn behaviour() -> impl Strategy<Value = Behaviour> {
    prop_oneof![
        2 => Just(Behaviour::Well),
        3 => Just(Behaviour::Sick),
        1 => Just(Behaviour::Vague),
        2 => (0u64..15, any::<bool>()).prop_map(|(time, well)| Behaviour::Slow(time, well)),
        1 => Just(Behaviour::Hung),
        1 => Just(Behaviour::Panics),
    ]
}

impl Behaviour {
    fn act(self) -> Act {
        match self {
            Self::Well => Act::Say(Report::healthy()),
            Self::Sick => Act::Say(Report::unhealthy("sick")),
            Self::Vague => Act::Say(Report::unknown("")),
            Self::Slow(time, well) => Act::After(Duration::from_secs(time), well.into()),
            Self::Hung => Act::Never,
            Self::Panics => Act::Panic,
        }
    }
}

async fn run(steps: Vec<Step>, config: HealthConfig) {
    let mut scene = Scene::new(config);
    let mut members = BTreeMap::new();
    for step in steps {
        match step {
            Step::Insert(who) => {
                let endpoint = scene.join(NAMES[who]);
                members.insert(NAMES[who], endpoint);
            }
            Step::Remove(who) => {
                scene.remove(NAMES[who]);
                if let Some(endpoint) = members.remove(NAMES[who]) {
                    assert!(!is_out(&endpoint));
                }
            }
            Step::Behave(who, behaviour) => scene.probe.set(NAMES[who], behaviour.act()),
            Step::Disable(who, off) => {
                if let Some(endpoint) = members.get(NAMES[who]) {
                    match off {
                        true => endpoint.gate().close(Reason::Disabled),
                        false => endpoint.gate().open(Reason::Disabled),
                    }
                }
            }
            Step::Ask(who) => {
                // A check that is over in its time, and two others before it.
                let asked = scene.health.check_now(NAMES[who]);
                let asked = tokio::time::timeout(31 * SEC, asked).await;
                asked.expect("nobody answers");
            }
            Step::Pass(seconds) => pass(Duration::from_secs(seconds)).await,
        }
        settle().await;
        holds(&scene, &members);
    }
    let Scene {
        probe, discover, ..
    } = scene;
    drop(discover);
    settle().await;
    assert_eq!(probe.running(), 0);
    assert!(members.values().all(|endpoint| !is_out(endpoint)));
}

/// What must hold whatever happens.
fn holds(scene: &Scene, members: &BTreeMap<&'static str, Endpoint>) {
    let snapshot = scene.health.snapshot();
    let known: Vec<_> = snapshot
        .endpoints
        .iter()
        .map(|status| &*status.endpoint)
        .collect();
    assert_eq!(known, members.keys().copied().collect::<Vec<_>>());
    for (status, endpoint) in snapshot.endpoints.iter().zip(members.values()) {
        assert_eq!(is_out(endpoint), status.state == HealthState::Unhealthy);
        assert_eq!(status.checking, status.next_check.is_none());
        assert!(status.last_check.is_some() == (status.checks > 0));
    }
    let count = |state| {
        snapshot
            .endpoints
            .iter()
            .filter(|status| status.state == state)
            .count()
    };
    let mut summary = snapshot.summary.clone();
    for state in HealthState::ALL {
        assert_eq!(*summary.count(state), count(state));
    }
    let checking = snapshot
        .endpoints
        .iter()
        .filter(|status| status.checking)
        .count();
    assert_eq!(
        (scene.probe.running(), snapshot.checking),
        (checking, checking)
    );
    assert!(checking <= scene.health.config().max_concurrent);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn it_holds_whatever_members_do(
        steps in prop::collection::vec(step(), 1..60),
        unhealthy_after in 1u32..4,
        healthy_after in 1u32..4,
        max_concurrent in 2usize..4,
        seed in any::<u64>(),
    ) {
        let config = HealthConfig::default()
            .with_unhealthy_after(unhealthy_after)
            .with_healthy_after(healthy_after)
            .with_max_concurrent(max_concurrent)
            .with_panic_threshold(PanicThreshold(0.0))
            .with_seed(Some(seed));
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap()
            .block_on(run(steps, config));
    }
}
