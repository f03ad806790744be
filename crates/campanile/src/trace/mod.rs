//! Spans for call, attempt and endpoint, and one line in the log for each call that failed.
