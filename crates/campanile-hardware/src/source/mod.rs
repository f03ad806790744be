use crate::hardware::Hardware;

mod groups;
pub(crate) mod parse;
mod search;
mod system;

pub use system::System;

/// Where readings come from: the [`System`], or a script in tests.
///
/// A closure is a source:
///
/// ```
/// use campanile_hardware::{Hardware, Source};
///
/// let mut script = || Hardware::default();
/// assert_eq!(Source::read(&mut script).cores.usable(), 1.0);
/// ```
pub trait Source {
    /// Reads what there is now. Called once an interval, off the path of calls; it must not block for long.
    fn read(&mut self) -> Hardware;
}

impl<F> Source for F
where
    F: FnMut() -> Hardware,
{
    fn read(&mut self) -> Hardware {
        self()
    }
}
