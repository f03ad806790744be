use std::{
    borrow::Cow,
    fmt,
    future::{Future, poll_fn},
    sync::Arc,
    task::Poll,
    time::Duration,
};

use super::{BoxProbe, Check, Probe, Report, Verdict};

mod running;

use running::{Running, merge};

/// How long a member may take unless it has a limit of its own: a little less than a health layer allows a whole check by
/// default, so that the report of a check that takes too long comes from here, and says who kept it.
const LIMIT: Duration = Duration::from_secs(9);

/// Several probes at once: healthy when all are.
///
/// They look at the same time, each under its name, and all are waited for. It is unhealthy when one of them is; those that
/// cannot tell ([`Unknown`](Verdict::Unknown)) are left out, and if none can tell, neither can this. The message has what
/// each said, as `name: message`, and the metrics have the name before theirs: `http_status`.
///
/// A member that panics is unhealthy, and so is one that takes longer than its limit: 9 s, or what
/// [`with_limit`](Self::with_limit) or [`within`](Self::within) say. Where the health layer's own limit is the shorter one,
/// set these below it, or the report will not say who took too long.
///
/// It is paid for if one of its members is.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use campanile::{Endpoint, health::{All, Check, Probe, Report}};
/// use std::time::Duration;
///
/// let probe = All::new()
///     .with("queue", |_: Check<u32>| async { Report::unhealthy("full").with_metric("depth", 9.0) })
///     .within("disk", Duration::from_millis(5), |_: Check<u32>| std::future::pending::<bool>());
/// let report = probe.check(Check::new(Endpoint::new("one"), 0)).await;
/// assert_eq!(report.message, "queue: full; disk: took longer than 5ms");
/// assert_eq!(report.metrics, [("queue_depth".into(), 9.0)]);
/// # }
/// ```
pub struct All<T> {
    group: Group<T>,
}

/// Several probes at once: healthy when one of them is.
///
/// They look at the same time, each under its name; the first that finds the endpoint healthy ends the check, and the
/// others are given up. It is unhealthy when one of them is and none is healthy; those that cannot tell
/// ([`Unknown`](Verdict::Unknown)) are left out, and if none can tell, neither can this. Messages, metrics, limits, panics
/// and whether it is paid for are as with [`All`].
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use campanile::{Endpoint, health::{Any, Check, Probe}};
///
/// let probe = Any::new()
///     .with("first", |_: Check<u32>| async { Err::<(), _>("no route") })
///     .with("second", |_: Check<u32>| async { true });
/// let report = probe.check(Check::new(Endpoint::new("one"), 0)).await;
/// assert!(report.is_healthy());
/// assert_eq!(report.message, "first: no route");
/// # }
/// ```
pub struct Any<T> {
    group: Group<T>,
}

struct Group<T> {
    members: Arc<Vec<Member<T>>>,
    limit: Duration,
}

struct Member<T> {
    name: Cow<'static, str>,
    probe: BoxProbe<T>,
    limit: Option<Duration>,
}

macro_rules! group {
    ($name:ident, $text:literal) => {
        impl<T> $name<T> {
            /// Without members: it cannot tell.
            #[must_use]
            pub fn new() -> Self {
                Self {
                    group: Group::new(),
                }
            }

            /// Adds a probe.
            #[must_use]
            pub fn with(
                mut self,
                name: impl Into<Cow<'static, str>>,
                probe: impl Probe<T>,
            ) -> Self {
                self.group.add(name.into(), BoxProbe::new(probe), None);
                self
            }

            /// Adds a probe that may take so long.
            #[must_use]
            pub fn within(
                mut self,
                name: impl Into<Cow<'static, str>>,
                limit: Duration,
                probe: impl Probe<T>,
            ) -> Self {
                self.group
                    .add(name.into(), BoxProbe::new(probe), Some(limit));
                self
            }

            /// How long each member may take that has no limit of its own; 9 s by default.
            #[must_use]
            pub fn with_limit(mut self, limit: Duration) -> Self {
                self.group.limit = limit;
                self
            }
        }

        impl<T> Default for $name<T> {
            fn default() -> Self {
                Self::new()
            }
        }

        impl<T> Clone for $name<T> {
            fn clone(&self) -> Self {
                Self {
                    group: self.group.clone(),
                }
            }
        }

        impl<T> fmt::Debug for $name<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.group.fmt(f, $text)
            }
        }
    };
}

group!(All, "All");
group!(Any, "Any");

// ===== impl All =====

impl<T: Clone + Send + 'static> Probe<T> for All<T> {
    fn check(&self, check: Check<T>) -> impl Future<Output = Report> + Send + 'static {
        let mut running = self.group.start(&check);
        poll_fn(move |cx| {
            let mut pending = false;
            for member in &mut running {
                pending |= member.poll(cx).is_none();
            }
            if pending {
                return Poll::Pending;
            }
            Poll::Ready(merge(&mut running, Verdict::Unhealthy, Verdict::Healthy))
        })
    }

    fn is_paid(&self) -> bool {
        self.group.is_paid()
    }
}

// ===== impl Any =====

impl<T: Clone + Send + 'static> Probe<T> for Any<T> {
    fn check(&self, check: Check<T>) -> impl Future<Output = Report> + Send + 'static {
        let mut running = self.group.start(&check);
        poll_fn(move |cx| {
            let (mut pending, mut healthy) = (false, false);
            for member in &mut running {
                match member.poll(cx) {
                    Some(verdict) => healthy |= verdict == Verdict::Healthy,
                    None => pending = true,
                }
            }
            if pending && !healthy {
                return Poll::Pending;
            }
            Poll::Ready(merge(&mut running, Verdict::Healthy, Verdict::Unhealthy))
        })
    }

    fn is_paid(&self) -> bool {
        self.group.is_paid()
    }
}

// ===== impl Group =====

impl<T> Group<T> {
    fn new() -> Self {
        Self {
            members: Arc::default(),
            limit: LIMIT,
        }
    }

    fn add(&mut self, name: Cow<'static, str>, probe: BoxProbe<T>, limit: Option<Duration>) {
        Arc::make_mut(&mut self.members).push(Member { name, probe, limit });
    }

    fn is_paid(&self) -> bool
    where
        T: 'static,
    {
        self.members.iter().any(|member| member.probe.is_paid())
    }

    fn start(&self, check: &Check<T>) -> Vec<Running>
    where
        T: Clone + Send + 'static,
    {
        let running = self.members.iter().map(|member| {
            let (probe, check) = (member.probe.clone(), check.clone());
            let limit = member.limit.unwrap_or(self.limit);
            // In a block, so that a probe that panics before its future does so where it is caught.
            let checking = async move {
                match tokio::time::timeout(limit, probe.check(check)).await {
                    Ok(report) => report,
                    Err(_) => Report::unhealthy(format!("took longer than {limit:?}")),
                }
            };
            Running::new(member.name.clone(), Box::pin(checking))
        });
        running.collect()
    }

    fn fmt(&self, f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
        let members: Vec<_> = self.members.iter().map(|member| &*member.name).collect();
        f.debug_struct(name)
            .field("members", &members)
            .field("limit", &self.limit)
            .finish()
    }
}

impl<T> Clone for Group<T> {
    fn clone(&self) -> Self {
        Self {
            members: Arc::clone(&self.members),
            limit: self.limit,
        }
    }
}

impl<T> Clone for Member<T> {
    fn clone(&self) -> Self {
        Self {
            name: self.name.clone(),
            probe: self.probe.clone(),
            limit: self.limit,
        }
    }
}
