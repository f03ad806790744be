//! The contracts of the layer. Each is a test, by subject.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::time::Instant;
use tower::{Service, ServiceExt};
use tower_layer::Layer;

use super::*;
use crate::{BoxError, Call, Context, Rejection, rejection::RejectionKind};

mod collecting;

const MS: Duration = Duration::from_millis(1);
const SEC: Duration = Duration::from_secs(1);
