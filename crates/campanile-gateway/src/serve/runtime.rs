use std::{io, num::NonZero, thread};

use tokio::runtime::{Builder, Runtime};

/// A runtime for a gateway: a thread for each core, and where there is only one, a runtime that hands nothing from thread to
/// thread.
///
/// # Errors
///
/// When the system gives no threads.
pub fn runtime() -> io::Result<Runtime> {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let mut builder = match cores {
        1 => Builder::new_current_thread(),
        cores => {
            let mut builder = Builder::new_multi_thread();
            builder.worker_threads(cores);
            builder
        }
    };
    builder.enable_all().build()
}
