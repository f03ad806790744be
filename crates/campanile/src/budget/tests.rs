use proptest::prelude::*;

use super::*;

fn budget(deposit: f64, cap: f64, initial: f64) -> Budget {
    let config = BudgetConfig {
        deposit,
        cap,
        initial,
    };
    Budget::new(config.build().unwrap())
}

fn refused(config: BudgetConfig) -> String {
    config.build().unwrap_err().to_string()
}

/// What can be withdrawn now, one by one.
fn drain(budget: &Budget) -> u64 {
    (0..).take_while(|_| budget.withdraw(1)).count() as u64
}

#[test]
fn it_starts_with_one_and_saves_up_three() {
    let budget = Budget::default();
    assert_eq!(drain(&budget), 1);
    budget.deposit(4);
    assert_eq!(drain(&budget), 0);
    budget.deposit(1);
    assert_eq!(drain(&budget), 1);
    for _ in 0..1_000 {
        budget.deposit(1);
    }
    assert_eq!(drain(&budget), 3);
    let snapshot = budget.snapshot();
    assert_eq!((snapshot.balance, snapshot.cap), (0.0, 3.0));
    assert_eq!((snapshot.withdrawn, snapshot.refused), (5, 4));
}

/// tower's `TpsBudget` with a ratio of 0.6 grants 100 retries for 100 deposits, since it counts in whole tokens.
#[test]
fn a_hundred_deposits_of_0_6_grant_60_retries_and_not_100() {
    let budget = budget(0.6, 1_000.0, 0.0);
    let mut granted = 0;
    for _ in 0..100 {
        budget.deposit(1);
        granted += drain(&budget);
    }
    assert_eq!(granted, 60);
}

/// There is no allowance by the second, which grows with the number of clients and the length of an outage: nothing but
/// a success earns anything. The budget has no clock at all.
#[test]
fn an_outage_earns_nothing() {
    let budget = Budget::default();
    let granted = (0..1_000_000).filter(|_| budget.withdraw(1)).count();
    assert_eq!(granted, 1);
}

#[test]
fn what_is_given_back_can_be_withdrawn_again_and_never_exceeds_the_cap() {
    let budget = budget(0.2, 3.0, 3.0);
    assert!(budget.withdraw(2) && !budget.withdraw(2));
    budget.give_back(2);
    assert!(budget.withdraw(3));
    budget.deposit(10);
    budget.give_back(3);
    assert_eq!(drain(&budget), 3);
    assert_eq!(budget.snapshot().withdrawn, 3);
}

/// Tasks that deposit and withdraw at once: not one attempt more than was paid for.
#[test]
fn threads_that_contend_never_overspend() {
    const SUCCESSES: u64 = 50_000;
    let budget = budget(0.3, 1e6, 5.0);
    let granted: u64 = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    let mut granted = 0;
                    for _ in 0..SUCCESSES {
                        budget.deposit(1);
                        granted += u64::from(budget.withdraw(1));
                    }
                    granted
                })
            })
            .collect();
        threads.into_iter().map(|t| t.join().unwrap()).sum()
    });
    let earned = 8 * SUCCESSES * 3 / 10 + 5;
    assert_eq!(granted + drain(&budget), earned);
}

#[test]
fn leave_is_taken_from_both_or_neither() {
    let budget = budget(0.2, 3.0, 2.0);
    let trail = Trail::with_attempts(3);

    let first = Extra::ask(Some(&trail), Some((&budget, 1))).unwrap();
    assert_eq!((trail.left(), budget.snapshot().balance), (Some(1), 1.0));
    drop(first);
    assert_eq!((trail.left(), budget.snapshot().balance), (Some(2), 2.0));

    Extra::ask(Some(&trail), Some((&budget, 2)))
        .unwrap()
        .begin();
    assert_eq!((trail.left(), budget.snapshot().balance), (Some(1), 0.0));
    assert!(
        Extra::ask(Some(&trail), Some((&budget, 1))).is_none(),
        "the budget is empty"
    );
    assert_eq!(trail.left(), Some(1), "so the call keeps its attempt");

    Extra::ask(Some(&trail), None).unwrap().begin();
    budget.deposit(5);
    assert!(
        Extra::ask(Some(&trail), Some((&budget, 1))).is_none(),
        "the call has none left"
    );
    assert_eq!(
        budget.snapshot().balance,
        1.0,
        "so the budget keeps its own"
    );
    Extra::ask(None, None).unwrap().begin();
}

#[test]
fn the_default_is_valid_and_a_mistake_names_field_value_and_rule() {
    let default = BudgetConfig::default();
    assert_eq!(default.build().unwrap(), default);
    assert!(default.with_deposit(0.0).with_initial(0.0).build().is_ok());
    assert_eq!(
        refused(default.with_deposit(1.5)),
        "budget.deposit is 1.5: it must be 0, or from 0.001 to 1"
    );
    assert_eq!(
        refused(default.with_deposit(0.0004)),
        "budget.deposit is 0.0004: it must be 0, or from 0.001 to 1"
    );
    assert!(refused(default.with_deposit(f64::NAN)).starts_with("budget.deposit is NaN"));
    assert_eq!(
        refused(default.with_cap(0.5)),
        "budget.cap is 0.5: it must be from 1 to 1e12"
    );
    assert_eq!(
        refused(default.with_initial(4.0)),
        "budget.initial is 4.0: it must be from 0 to cap"
    );
}

#[test]
fn it_is_read_as_people_write_it() {
    let config: BudgetConfig = serde_json::from_str(r#"{ "cap": 10 }"#).unwrap();
    assert_eq!(config, BudgetConfig::default().with_cap(10.0));
    assert!(serde_json::from_str::<BudgetConfig>(r#"{ "ratio": 1 }"#).is_err());
    let text = serde_json::to_string(&config).unwrap();
    assert_eq!(serde_json::from_str::<BudgetConfig>(&text).unwrap(), config);
}

#[derive(Debug, Clone)]
enum Act {
    Deposit(u64),
    Withdraw(u64),
    GiveBack,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        (0_u64..4).prop_map(Act::Deposit),
        (1_u64..3).prop_map(Act::Withdraw),
        Just(Act::GiveBack),
    ];
    prop::collection::vec(act, 1..200)
}

proptest! {
    /// The budget against the plainest model of it: an integer.
    #[test]
    fn it_does_what_its_model_does(
        deposit in 0_u64..=1_000, cap in 1_000_u64..20_000, initial in 0_u64..1_000, acts in acts(),
    ) {
        let milli = |n: u64| n as f64 / 1_000.0;
        let budget = Budget::new(BudgetConfig {
            deposit: milli(deposit), cap: milli(cap), initial: milli(initial),
        });
        let (mut model, mut taken) = (initial, vec![]);
        for act in acts {
            match act {
                Act::Deposit(n) => {
                    budget.deposit(n);
                    model = (model + n * deposit).min(cap);
                }
                Act::Withdraw(n) => {
                    let enough = model >= n * 1_000;
                    prop_assert_eq!(budget.withdraw(n), enough);
                    if enough {
                        model -= n * 1_000;
                        taken.push(n);
                    }
                }
                Act::GiveBack => if let Some(n) = taken.pop() {
                    budget.give_back(n);
                    model = (model + n * 1_000).min(cap);
                }
            }
            prop_assert_eq!(budget.snapshot().balance, milli(model));
            prop_assert_eq!(budget.snapshot().withdrawn, taken.iter().sum::<u64>());
        }
    }
}

/// What is given back is told apart, since a counter that falls looks like a restart.
#[test]
fn it_tells_counters_that_only_grow() {
    use crate::collect::tests::Told;

    let budget = budget(0.5, 10.0, 4.0);
    assert!(budget.withdraw(3) && !budget.withdraw(2));
    budget.give_back(1);
    let told = Told::by(&budget);
    assert_eq!(told.get("budget_withdrawn"), 3.0);
    assert_eq!(told.get("budget_given_back"), 1.0);
    assert_eq!(told.get("budget_refused"), 1.0);
    assert_eq!(told.get("budget_balance"), 2.0);
    assert_eq!(told.get("budget_cap"), 10.0);
    assert_eq!(budget.snapshot().withdrawn, 2);
}
