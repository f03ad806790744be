//! Answers a failed call from elsewhere.
