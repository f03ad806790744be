//! What must not be left of a call.

use campanile_tests::faults::Upstream;

use crate::llm::site::Guards;

/// Nothing is left of the call.
pub(crate) async fn nothing_leaks(of: &str, upstream: &Upstream, guards: &Guards) {
    upstream.until(|counts, _| counts.active == 0).await;
    assert_eq!(guards.limit.in_use(), 0, "{of}: permits are back");
    assert_eq!(upstream.counts().requests, 1, "{of}: it was asked once");
}
