//! When periods begin and end.

use proptest::prelude::*;

use super::super::period::Schedule;
use super::*;

fn end(period: Period, window: Window, now: &str) -> String {
    let now = moment(now).duration_since(UNIX_EPOCH).unwrap();
    let end = Schedule { period, window }.end(u64::try_from(now.as_nanos()).unwrap());
    humantime::format_rfc3339(UNIX_EPOCH + Duration::from_nanos(end)).to_string()
}

#[test]
fn they_end_with_the_calendars() {
    for (period, now, expected) in [
        (
            Period::Minute,
            "2026-03-10T12:34:56Z",
            "2026-03-10T12:35:00Z",
        ),
        (Period::Hour, "2026-03-10T12:34:56Z", "2026-03-10T13:00:00Z"),
        (Period::Day, "2026-03-10T12:34:56Z", "2026-03-11T00:00:00Z"),
        (Period::Day, "2026-03-10T00:00:00Z", "2026-03-11T00:00:00Z"),
        // A Tuesday, a Sunday and a Monday.
        (Period::Week, "2026-03-10T12:34:56Z", "2026-03-16T00:00:00Z"),
        (Period::Week, "2026-03-15T23:59:59Z", "2026-03-16T00:00:00Z"),
        (Period::Week, "2026-03-16T00:00:00Z", "2026-03-23T00:00:00Z"),
        (Period::Week, "1970-01-01T00:00:00Z", "1970-01-05T00:00:00Z"),
        (
            Period::Month,
            "2026-02-10T12:34:56Z",
            "2026-03-01T00:00:00Z",
        ),
        (
            Period::Month,
            "2024-02-29T00:00:00Z",
            "2024-03-01T00:00:00Z",
        ),
        (
            Period::Month,
            "2026-12-31T23:59:59Z",
            "2027-01-01T00:00:00Z",
        ),
        (
            Period::Month,
            "2000-02-28T00:00:00Z",
            "2000-03-01T00:00:00Z",
        ),
        (
            Period::Month,
            "2100-02-28T23:00:00Z",
            "2100-03-01T00:00:00Z",
        ),
        (
            Period::Every(6 * HOUR),
            "2026-03-10T12:34:56Z",
            "2026-03-10T18:00:00Z",
        ),
    ] {
        assert_eq!(
            end(period, Window::Calendar, now),
            expected,
            "{period} {now}"
        );
    }
}

#[test]
fn they_end_so_long_after_the_first_use() {
    for (period, now, expected) in [
        (
            Period::Minute,
            "2026-03-10T12:34:56Z",
            "2026-03-10T12:35:56Z",
        ),
        (Period::Day, "2026-03-10T12:34:56Z", "2026-03-11T12:34:56Z"),
        (Period::Week, "2026-03-10T12:34:56Z", "2026-03-17T12:34:56Z"),
        (
            Period::Month,
            "2026-03-10T12:34:56Z",
            "2026-04-10T12:34:56Z",
        ),
        (
            Period::Month,
            "2026-01-31T12:34:56Z",
            "2026-02-28T12:34:56Z",
        ),
        (
            Period::Month,
            "2024-01-30T12:34:56Z",
            "2024-02-29T12:34:56Z",
        ),
        (
            Period::Month,
            "2026-12-31T12:34:56Z",
            "2027-01-31T12:34:56Z",
        ),
        (
            Period::Every(90 * SEC),
            "2026-03-10T12:34:56Z",
            "2026-03-10T12:36:26Z",
        ),
    ] {
        assert_eq!(
            end(period, Window::FirstUse, now),
            expected,
            "{period} {now}"
        );
    }
}

proptest! {
    /// A period ends later than it begins, and the next begins where it ends.
    #[test]
    fn periods_follow_each_other(
        now in 0_u64..8_000_000_000_000_000_000,
        period in prop_oneof![Just(Period::Minute), Just(Period::Day), Just(Period::Week), Just(Period::Month)],
    ) {
        let calendar = Schedule { period, window: Window::Calendar };
        let end = calendar.end(now);
        prop_assert!(end > now);
        prop_assert_eq!(calendar.end(end - 1), end);
        prop_assert!(calendar.end(end) > end);
        let text = humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_nanos(end)).to_string();
        match period {
            Period::Month => prop_assert!(text.ends_with("-01T00:00:00Z"), "{}", text),
            Period::Minute => prop_assert!(text.ends_with(":00Z"), "{}", text),
            _ => prop_assert!(text.ends_with("T00:00:00Z"), "{}", text),
        }
        let used = Schedule { period, window: Window::FirstUse };
        prop_assert!(used.end(now) > now);
        if period == Period::Month {
            let days = (used.end(now) - now) / 86_400_000_000_000;
            prop_assert!((28..=31).contains(&days), "{} days", days);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_budget_is_full_again_when_its_period_ends_and_not_before() {
    let (_, service) = limited(tokens_a_day(100));
    let call = |cost| service.clone().oneshot(tokens(cost));
    call(100).await.unwrap();
    assert_eq!(refused(call(1).await).retry_after(), Some(12 * HOUR));
    tokio::time::advance(12 * HOUR - MS).await;
    assert_eq!(refused(call(1).await).retry_after(), Some(MS));
    tokio::time::advance(MS).await;
    call(100).await.unwrap();
    assert_eq!(refused(call(1).await).retry_after(), Some(24 * HOUR));
}

#[tokio::test(start_paused = true)]
async fn a_period_from_the_first_use_begins_with_the_first_call_after_the_last() {
    let budget = SpendBudget::tokens(10, Period::Hour).with_window(Window::FirstUse);
    let (_, service) = limited(SpendLimitConfig::new(budget));
    let call = || service.clone().oneshot(tokens(10));
    call().await.unwrap();
    assert_eq!(refused(call().await).retry_after(), Some(HOUR));
    tokio::time::advance(5 * HOUR / 2).await;
    assert_eq!(service.handle().snapshot()[0].until, None);
    call().await.unwrap();
    assert_eq!(refused(call().await).retry_after(), Some(HOUR));
}

/// The wall clock is read when the budgets are made. One that is set meanwhile is not looked at.
#[tokio::test(start_paused = true)]
async fn a_wall_clock_that_jumps_does_not_open_a_budget_that_is_spent() {
    let (_, service) = limited(tokens_a_day(10));
    service.clone().oneshot(tokens(10)).await.unwrap();
    let handle = service.handle();
    let state = handle.export();
    refused(service.clone().oneshot(tokens(1)).await);
    // Nor does a new process, whose clock was set back by two days: the period of the state is in its future.
    let again = SpendLimitHandle::begin(tokens_a_day(10), moment("2026-03-08T12:00:00Z")).unwrap();
    assert_eq!(again.import(&state), 1);
    let script = Script::answering("hello");
    let service = SpendLimitLayer::shared(&again)
        .calls()
        .layer(script.service());
    let rejection = refused(service.oneshot(tokens(1)).await);
    assert_eq!(
        rejection.retry_after(),
        Some(12 * HOUR),
        "the present day, and no more"
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_over_after_its_period_is_charged_to_the_present_one_beyond_what_was_reserved() {
    let (script, service) = super::settling::streamed(
        tokens_a_day(100).with_budget(SpendBudget::tokens(1_000, Period::Forever)),
    );
    for (took, charged) in [(40, 0), (90, 50)] {
        script.push(Step::answer(super::settling::reporting(took, 0)));
        let answer = service.clone().oneshot(tokens(40)).await.unwrap();
        assert_eq!(seen(&service.handle(), 0), [0, 40, 60]);
        tokio::time::advance(24 * HOUR).await;
        futures_util::StreamExt::collect::<Vec<_>>(answer).await;
        assert_eq!(
            seen(&service.handle(), 0),
            [charged, 0, 100 - charged],
            "{took}"
        );
        tokio::time::advance(24 * HOUR).await;
    }
    assert_eq!(
        seen(&service.handle(), 1),
        [130, 0, 870],
        "in the period that never ends"
    );
}

/// Neither end of what nanoseconds since 1970 can say is one of the budget, whatever its period.
#[tokio::test(start_paused = true)]
async fn a_wall_clock_beyond_all_calendars_is_one_like_any_other() {
    let days = |days: u64| Duration::from_secs(days * 86_400);
    let walls = [
        UNIX_EPOCH - days(400),
        UNIX_EPOCH,
        UNIX_EPOCH + Duration::from_nanos(u64::MAX) - 30 * SEC,
        UNIX_EPOCH + Duration::from_nanos(u64::MAX),
        UNIX_EPOCH + days(365 * 5_000),
    ];
    let periods = [
        Period::Minute,
        Period::Week,
        Period::Month,
        Period::Every(days(365)),
        Period::Forever,
    ];
    for (wall, period) in walls
        .into_iter()
        .flat_map(|wall| periods.map(|period| (wall, period)))
    {
        for window in [Window::Calendar, Window::FirstUse] {
            let budget = SpendBudget::tokens(10, period).with_window(window);
            let handle = SpendLimitHandle::begin(SpendLimitConfig::new(budget), wall).unwrap();
            let script = Script::answering("hello");
            let service = SpendLimitLayer::shared(&handle)
                .calls()
                .layer(script.service());
            let call = || service.clone().oneshot(tokens(10));
            for _ in 0..3 {
                call().await.unwrap();
                let of = format!("{wall:?} {period} {window:?}");
                let after = refused(call().await).retry_after();
                assert_eq!(seen(&handle, 0), [10, 0, 0], "{of}");
                let Some(after) = after else {
                    assert_eq!(period, Period::Forever, "{of}");
                    break;
                };
                assert!(after <= days(366), "{of}: {after:?}");
                tokio::time::advance(after).await;
            }
        }
    }
}
