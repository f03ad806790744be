use std::fmt;

/// What is accepted, though it does nothing or may not be meant so.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Warning {
    /// Which setting: `workflow.parallel_processing.stages.qa.min_workers`.
    pub setting: String,
    /// In which line of the file; 0 where it is in none.
    pub line: usize,
    /// What is to be said of it.
    pub message: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.line, self.setting.as_str()) {
            (0, "") => f.write_str(&self.message),
            (0, setting) => write!(f, "{setting}: {}", self.message),
            (line, setting) => write!(f, "line {line}: {setting}: {}", self.message),
        }
    }
}
