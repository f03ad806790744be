//! Providers as services: requests out, answers and streams in, over any HTTP client that is a service.
