//! Processors that make up what they answer.
