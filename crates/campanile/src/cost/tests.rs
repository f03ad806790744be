use proptest::prelude::*;

use super::*;

fn cost() -> impl Strategy<Value = Cost> {
    (any::<u32>(), any::<u64>(), any::<u64>()).prop_map(|(requests, tokens, nano_dollars)| Cost {
        requests,
        tokens,
        nano_dollars,
    })
}

fn usage() -> impl Strategy<Value = Usage> {
    (
        any::<Option<u64>>(),
        any::<Option<u64>>(),
        any::<Option<u64>>(),
        any::<Option<u64>>(),
    )
        .prop_map(
            |(input_tokens, output_tokens, cached_tokens, nano_dollars)| Usage {
                input_tokens,
                output_tokens,
                cached_tokens,
                nano_dollars,
                ..Usage::default()
            },
        )
}

proptest! {
    #[test]
    fn a_refund_is_never_more_than_was_reserved(cost in cost(), usage in usage()) {
        let refund = cost.refund(&usage);
        prop_assert_eq!(refund.requests, 0, "a request that was made is not given back");
        prop_assert!(refund.tokens <= cost.tokens);
        prop_assert!(refund.nano_dollars <= cost.nano_dollars);
    }

    #[test]
    fn what_was_used_and_what_is_refunded_make_up_what_was_reserved(cost in cost(), usage in usage()) {
        let refund = cost.refund(&usage);
        match usage.total_tokens() {
            Some(used) => prop_assert_eq!(refund.tokens + used.min(cost.tokens), cost.tokens),
            None => prop_assert_eq!(refund.tokens, 0, "nobody reported, so nothing is refunded"),
        }
        match usage.nano_dollars {
            Some(used) => prop_assert_eq!(refund.nano_dollars + used.min(cost.nano_dollars), cost.nano_dollars),
            None => prop_assert_eq!(refund.nano_dollars, 0),
        }
    }

    #[test]
    fn sums_neither_overflow_nor_fall_below_zero(a in cost(), b in cost()) {
        let mut sum = a;
        sum += b;
        prop_assert!(sum.requests >= a.requests && sum.tokens >= a.tokens && sum.nano_dollars >= a.nano_dollars);
        let rest = a - b;
        prop_assert!(rest.requests <= a.requests && rest.tokens <= a.tokens && rest.nano_dollars <= a.nano_dollars);
        prop_assert_eq!(a - a, Cost::ZERO);
    }

    #[test]
    fn costs_and_usages_survive_serialisation(cost in cost(), usage in usage()) {
        let text = serde_json::to_string(&(cost, usage)).unwrap();
        prop_assert_eq!(serde_json::from_str::<(Cost, Usage)>(&text).unwrap(), (cost, usage));
    }
}

#[test]
fn the_default_is_one_request_of_unknown_size() {
    assert_eq!(Cost::default(), Cost::tokens(0));
    assert_eq!(serde_json::from_str::<Cost>("{}").unwrap(), Cost::default());
    assert!(
        serde_json::from_str::<Cost>(r#"{ "token": 1 }"#).is_err(),
        "an unknown field"
    );
}

#[test]
fn input_and_output_are_counted_together() {
    let usage = |input_tokens, output_tokens| Usage {
        input_tokens,
        output_tokens,
        ..Usage::default()
    };
    assert_eq!(usage(None, None).total_tokens(), None);
    assert_eq!(usage(Some(3), None).total_tokens(), Some(3));
    assert_eq!(usage(Some(3), Some(4)).total_tokens(), Some(7));
    assert_eq!(
        usage(Some(u64::MAX), Some(1)).total_tokens(),
        Some(u64::MAX)
    );
    let cached = Usage {
        cached_tokens: Some(9),
        ..usage(Some(10), Some(1))
    };
    assert_eq!(
        cached.total_tokens(),
        Some(11),
        "cached tokens are part of the input"
    );
}
