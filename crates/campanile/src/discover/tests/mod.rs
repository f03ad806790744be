use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{FutureExt, StreamExt};
use tokio::task::yield_now;
use tower::discover::Change;

use super::*;
use crate::{
    endpoint::{InvalidEndpoint, Reason, Weight},
    outcome::Outcome,
    time::Timestamp,
};

mod drains;
mod known;
mod members;
mod per_endpoint;

/// What a reader of a roster is told, as text: `+a=1` or `-a`.
fn read<T: Clone + std::fmt::Display>(changes: &mut RosterChanges<T>) -> Vec<String> {
    let mut told = Vec::new();
    while let Some(Some(Ok(change))) = changes.next().now_or_never() {
        told.push(match change {
            Change::Insert(endpoint, target) => format!("+{endpoint}={target}"),
            Change::Remove(endpoint) => format!("-{endpoint}"),
        });
    }
    told
}

fn is_open(endpoint: &Endpoint) -> bool {
    endpoint.gate().is_open(Timestamp::now())
}
