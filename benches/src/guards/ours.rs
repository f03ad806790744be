use super::Case;

/// Our guards.
pub(super) fn cases() -> Vec<Case> {
    Vec::new()
}
