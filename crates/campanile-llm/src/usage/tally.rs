use campanile::Usage;

/// What a call has taken so far: what was reported, and for what passed since, an estimate from its bytes.
///
/// Some providers report early and often, such as one token of output before the first: a report counts for what passed
/// before it. So of a frame that both says and reports something, tell what it [says](Self::said) first.
///
/// ```
/// use campanile_llm::usage::Tally;
/// use campanile::Usage;
///
/// let mut tally = Tally::new(100, 4.0);
/// tally.said(10);
/// assert_eq!(tally.usage().output_tokens, Some(3), "2.5 tokens, rounded up");
/// assert!(!tally.is_reported());
///
/// tally.report(&Usage { input_tokens: Some(90), output_tokens: Some(2), ..Usage::default() });
/// assert_eq!(tally.usage().total_tokens(), Some(92));
///
/// tally.said(4);
/// assert_eq!(tally.usage().output_tokens, Some(3), "and what passed since");
/// assert!(!tally.is_reported());
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Tally {
    input: u64,
    bytes: u64,
    /// How many of them the last report of output counted.
    reported_bytes: u64,
    bytes_per_token: f32,
    reported: Usage,
}

// ===== impl Tally =====

impl Tally {
    /// Begins with an estimate of the prompt in tokens, and of how many bytes of text are a token of the answer.
    #[must_use]
    pub const fn new(input_tokens: u64, bytes_per_token: f32) -> Self {
        Self {
            input: input_tokens,
            bytes: 0,
            reported_bytes: 0,
            bytes_per_token,
            reported: Usage {
                input_tokens: None,
                output_tokens: None,
                cached_tokens: None,
                cache_write_tokens: None,
                cache_write_long_tokens: None,
                reasoning_tokens: None,
                nano_dollars: None,
            },
        }
    }

    /// So many bytes of the answer have passed: text, reasoning, or arguments of tool calls.
    #[inline]
    pub const fn said(&mut self, bytes: u64) {
        self.bytes += bytes;
    }

    /// The provider reported, each part by its last report that had it. Reports are cumulative: they replace.
    pub fn report(&mut self, usage: &Usage) {
        if usage.output_tokens.is_some() {
            self.reported_bytes = self.bytes;
        }
        let said = &mut self.reported;
        said.input_tokens = usage.input_tokens.or(said.input_tokens);
        said.output_tokens = usage.output_tokens.or(said.output_tokens);
        said.cached_tokens = usage.cached_tokens.or(said.cached_tokens);
        said.cache_write_tokens = usage.cache_write_tokens.or(said.cache_write_tokens);
        let long = usage.cache_write_long_tokens;
        said.cache_write_long_tokens = long.or(said.cache_write_long_tokens);
        said.reasoning_tokens = usage.reasoning_tokens.or(said.reasoning_tokens);
        said.nano_dollars = usage.nano_dollars.or(said.nano_dollars);
    }

    /// Whether the provider has reported both input and output, and nothing passed since.
    #[must_use]
    pub const fn is_reported(&self) -> bool {
        self.reported.input_tokens.is_some()
            && self.reported.output_tokens.is_some()
            && self.reported_bytes == self.bytes
    }

    /// Bytes of the answer that have passed.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What the answer's bytes are estimated to be in tokens, whatever was reported.
    #[must_use]
    pub fn estimate(&self) -> u64 {
        self.tokens(self.bytes)
    }

    /// What the call has taken so far.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let since = self.tokens(self.bytes - self.reported_bytes);
        let output = self.reported.output_tokens.unwrap_or(0);
        Usage {
            input_tokens: self.reported.input_tokens.or(Some(self.input)),
            output_tokens: Some(output.saturating_add(since)),
            ..self.reported
        }
    }

    fn tokens(&self, bytes: u64) -> u64 {
        (bytes as f32 / self.bytes_per_token).ceil() as u64
    }
}
