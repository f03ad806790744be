use std::fs;

use anyhow::{Context, bail, ensure};

/// What the command line says.
pub(crate) struct Options {
    pub(crate) urls: Vec<String>,
    pub(crate) model: String,
    pub(crate) prompts: Vec<String>,
    /// Tokens.
    pub(crate) budget: u64,
    pub(crate) at_once: usize,
}

const USAGE: &str = "usage: prompts --url URL [--url URL...] [--model NAME] [--prompts FILE] [--count N] \
                     [--budget TOKENS] [--at-once N]";

impl Options {
    pub(crate) fn read() -> anyhow::Result<Self> {
        let mut options = Self {
            urls: Vec::new(),
            model: "any".to_owned(),
            prompts: Vec::new(),
            budget: 1_000_000,
            at_once: 64,
        };
        let mut count = 1000;
        let mut arguments = std::env::args().skip(1);
        while let Some(name) = arguments.next() {
            let value = arguments
                .next()
                .with_context(|| format!("{name} wants a value; {USAGE}"))?;
            match name.as_str() {
                "--url" => options.urls.push(value),
                "--model" => options.model = value,
                "--prompts" => {
                    let text = fs::read_to_string(&value).with_context(|| value.clone())?;
                    options.prompts.extend(text.lines().map(str::to_owned));
                }
                "--count" => count = value.parse().context("--count")?,
                "--budget" => options.budget = value.parse().context("--budget")?,
                "--at-once" => options.at_once = value.parse().context("--at-once")?,
                _ => bail!("{name} is not known; {USAGE}"),
            }
        }
        ensure!(!options.urls.is_empty(), USAGE);
        ensure!(options.at_once > 0, "--at-once is at least 1");
        if options.prompts.is_empty() {
            let prompt = |number| format!("Write one short sentence about the number {number}.");
            options.prompts = (1..=count).map(prompt).collect();
        }
        Ok(options)
    }
}
