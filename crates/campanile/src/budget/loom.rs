//! The budget under every interleaving of two threads.

use ::loom::thread;

use super::*;

/// One unit is there: two who want it do not both get it, also while one gives back and one deposits.
#[test]
fn one_unit_is_granted_once() {
    ::loom::model(|| {
        let budget = Budget::new(BudgetConfig::default());
        let other = {
            let budget = budget.clone();
            thread::spawn(move || u64::from(budget.withdraw(1)))
        };
        let mine = u64::from(budget.withdraw(1));
        let theirs = other.join().unwrap();
        assert_eq!(mine + theirs, 1);
        assert_eq!(budget.snapshot().balance, 0.0);
    });
}

#[test]
fn nothing_is_lost_between_deposit_and_withdrawal() {
    ::loom::model(|| {
        let budget = Budget::new(BudgetConfig::default().with_cap(2.0));
        let other = {
            let budget = budget.clone();
            thread::spawn(move || budget.deposit(1))
        };
        let granted = budget.withdraw(1);
        other.join().unwrap();
        assert!(granted);
        assert_eq!(budget.snapshot().balance, 0.2);
    });
}
