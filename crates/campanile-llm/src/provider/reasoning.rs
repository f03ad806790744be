use serde::{Deserialize, Serialize};

/// What a server of OpenAI's interface is sent of the reasoning of earlier answers, which a caller of Anthropic's dialect sends
/// back as blocks of `thinking`. The interface itself has no place for it: OpenAI refuses fields that it does not know, and so
/// do other strict servers. What a caller of OpenAI's dialect writes is passed on as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PastReasoning {
    /// Nothing.
    #[default]
    LeftOut,
    /// The text, as `reasoning_content` of its message: for servers whose templates put it back before the model.
    Text,
    /// That, and the provider's seal as `reasoning_signature`: for servers that pass both on to Anthropic, as one made of this
    /// library does.
    Sealed,
}
