//! Under every interleaving of two or three threads, with a bounded number of preemptions.

use std::{
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use ::loom::{model::Builder, thread};

use super::{
    account::{Account, Seen},
    accounts::{Absent, Store},
    period::Schedule,
    purse::{Held, Purse},
    spending::{Reserved, Spending},
    terms::Asked,
    *,
};
use crate::{
    context::Payer,
    cost::Cost,
    lane::{Lanes, Share},
    sync::AtomicU64,
    time::Timestamp,
};

const SCHEDULE: Schedule = Schedule {
    period: Period::Every(Duration::from_nanos(1_024)),
    window: Window::Calendar,
};

type Shared = Arc<Account<AtomicU64>>;

fn model(run: impl Fn() + Send + Sync + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(run);
}

fn account() -> Shared {
    Arc::new(Account::default())
}

/// In which period it was taken, by its end.
fn take(account: &Shared, now: u64, cost: u64, limit: u64) -> Option<account::Admitted> {
    account.reserve(&SCHEDULE, now, cost, |taken| taken + cost <= limit)
}

/// Two take at once: of two units each gets both or none, and there is no third.
#[test]
fn no_more_is_taken_than_there_is() {
    model(|| {
        let account = account();
        let other = {
            let account = Arc::clone(&account);
            thread::spawn(move || take(&account, 1, 2, 2).is_some())
        };
        let one = take(&account, 1, 1, 2).is_some();
        let two = other.join().unwrap();
        assert!(one != two, "one of them, and only one");
    });
}

/// A period ends: one has read the time before, the other after. Each period admits one, whoever opens it.
#[test]
fn each_period_admits_as_much_as_its_limit() {
    model(|| {
        let account = account();
        let first = take(&account, 1, 1, 1).unwrap();
        let other = {
            let account = Arc::clone(&account);
            thread::spawn(move || [take(&account, 1_023, 1, 1), take(&account, 1_025, 1, 1)])
        };
        let mut all = vec![take(&account, 1_024, 1, 1)];
        all.extend(other.join().unwrap());
        let admitted: Vec<_> = all.into_iter().flatten().collect();
        assert_eq!(
            admitted.len(),
            1,
            "one in the second period, and none more in the first"
        );
        assert_eq!((first.end(), admitted[0].end()), (1_024, 2_048));
        let seen = account.look(1_030);
        assert_eq!((seen.taken, seen.end), (1, Some(2_048)));
    });
}

/// A call is settled while its period ends: what it gives back is not given to the next, and what is taken there stays.
#[test]
fn what_is_given_back_late_goes_with_its_period() {
    model(|| {
        let account = account();
        let period = take(&account, 1, 2, 2).unwrap();
        let other = {
            let account = Arc::clone(&account);
            thread::spawn(move || {
                if account.replace(period, 2, 1) {
                    account.spend(period, 1);
                }
            })
        };
        assert!(take(&account, 1_024, 2, 2).is_some());
        other.join().unwrap();
        let seen = account.look(1_030);
        assert_eq!((seen.taken, seen.spent), (2, 0));
        assert!(take(&account, 1_030, 1, 2).is_none());
    });
}

/// Two settle and one asks: what is spent adds up, and nothing is reserved in the end.
#[test]
fn what_is_spent_adds_up() {
    model(|| {
        let account = account();
        let both = [
            take(&account, 1, 2, 4).unwrap(),
            take(&account, 1, 2, 4).unwrap(),
        ];
        let other = {
            let account = Arc::clone(&account);
            thread::spawn(move || {
                assert!(account.replace(both[0], 2, 1));
                account.spend(both[0], 1).unwrap().after
            })
        };
        assert!(account.replace(both[1], 2, 2));
        let one = account.spend(both[1], 2).unwrap().after;
        let two = other.join().unwrap();
        assert_eq!(one.max(two), 3);
        let seen = account.look(1);
        assert_eq!((seen.taken, seen.spent), (3, 3));
    });
}

/// A reset while a call is settled forgets what is spent, once, and not what is reserved.
#[test]
fn a_reset_forgets_only_what_is_spent() {
    model(|| {
        let account = account();
        let done = take(&account, 1, 2, 9).unwrap();
        let under_way = take(&account, 1, 4, 9).unwrap();
        let other = {
            let account = Arc::clone(&account);
            thread::spawn(move || {
                assert!(account.replace(done, 2, 2));
                account.spend(done, 2);
            })
        };
        account.reset();
        other.join().unwrap();
        let seen = account.look(1);
        assert_eq!(seen.taken - seen.spent, 4, "what is reserved");
        assert!(seen.spent == 0 || seen.spent == 2);
        assert!(account.replace(under_way, 4, 0));
    });
}

/// One budget without an end.
fn spending(limit: u64) -> Lanes<Spending<Single>> {
    let budget = SpendBudget::tokens(limit, Period::Forever).with_warn_at([]);
    Lanes::new(Arc::new(Spending::new(
        SpendLimitConfig::new(budget),
        UNIX_EPOCH,
    )))
}

fn reserve(spending: &Share<Spending<Single>>, tokens: u64) -> Option<Reserved> {
    let cost = Cost::tokens(tokens);
    let asked = Asked {
        likely: cost,
        most: cost,
    };
    spending.reserve(&(), &asked, Timestamp::now()).ok()
}

fn look(spending: &Share<Spending<Single>>) -> Seen {
    let account = |holder: accounts::Holder<'_, AtomicU64>| holder.accounts[0].look(1);
    let seen = spending.accounts.visit(&(), None, Absent::Leave, account);
    seen.unwrap()
}

/// A call that reserved 60 for its first attempt.
fn purse(spending: &Share<Spending<Single>>) -> (Reserved, Arc<Purse<Single>>) {
    let first = reserve(spending, 60).unwrap();
    let purse = Purse::new(Held {
        spending: spending.clone(),
        key: (),
        reserved: first,
    });
    (first, Arc::new(purse))
}

/// A call is settled for which more was reserved: meanwhile what it took and what it holds are never counted both, so that
/// there is room for another, which there was before.
#[test]
fn there_is_room_for_what_there_is_room_for() {
    model(|| {
        let lanes = spending(100);
        let spending = lanes.share();
        let (first, purse) = purse(&spending);
        assert!(purse.affords(Cost::tokens(30), false));
        assert_eq!(look(&spending).taken, 90);
        let other = {
            let spending = spending.clone();
            thread::spawn(move || reserve(&spending, 10).is_some())
        };
        spending.settle(&(), &first, &purse.close(), |_, _| 80);
        assert!(other.join().unwrap());
        let seen = look(&spending);
        assert_eq!((seen.taken, seen.spent), (90, 80));
    });
}

/// A call ends while two more attempts of it are asked for: no budget is exceeded, and nothing is reserved in the end.
#[test]
fn nothing_is_reserved_for_a_call_that_has_ended() {
    for took in [0, 50] {
        model(move || {
            let lanes = spending(150);
            let spending = lanes.share();
            let (first, purse) = purse(&spending);
            let others = [false, true].map(|beside| {
                let purse = Arc::clone(&purse);
                thread::spawn(move || purse.affords(Cost::tokens(30), beside))
            });
            spending.settle(&(), &first, &purse.close(), |_, _| took);
            assert!(look(&spending).taken <= 150);
            for other in others {
                other.join().unwrap();
            }
            let seen = look(&spending);
            assert_eq!((seen.taken, seen.spent), (took, took));
        });
    }
}
