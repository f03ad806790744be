use std::time::Duration;

use campanile_llm::dialect::Api;
use serde_json::{Value, json};

use super::{Answer, Cut, Exchange, Hint, recorded};

// ===== impl Exchange =====

impl Exchange {
    /// The model that is asked for, with an empty name where none is.
    #[must_use]
    pub fn model(&self) -> String {
        self.field("model")
            .and_then(|model| Some(model.as_str()?.to_owned()))
            .unwrap_or_default()
    }

    /// What the name of the model says, in OpenAI's interface or Anthropic's, streamed where that is asked for:
    ///
    /// | name | answer |
    /// |---|---|
    /// | `text` | a sentence |
    /// | `tools` | a call of a tool |
    /// | `full` | reasoning, text, and calls of tools |
    /// | `slow`, `slower` | as `full`, a piece every 50 ms, or 200 |
    /// | `status-500` | an error of this status |
    /// | `flood` | 4 MB of text |
    /// | `rate` | 429, for 7 s |
    /// | `quota` | 429, for good |
    /// | `reset` | none: the connection is reset |
    /// | `silent` | none: no head comes |
    /// | `stall`, `cut`, `cut-reset`, `cut-terminated`, `broken`, `garbage` | a beginning of `full`, and then this |
    ///
    /// What follows a `.` is not looked at, so that calls can be told apart. `None` for other names.
    #[must_use]
    pub fn named(&self) -> Option<Answer> {
        let model = self.model();
        let name = model.split('.').next().unwrap_or_default();
        let api = if self.target.ends_with("/messages") {
            Api::Anthropic
        } else {
            Api::OpenAi
        };
        let streamed = self.field("stream") == Some(Value::Bool(true));
        let answer = |name: &str| {
            if streamed {
                Answer::stream(api, recorded(api, &format!("{name}.sse")))
            } else {
                Answer::whole(200, recorded(api, &format!("{name}.json")))
            }
        };
        let full = || Answer::stream(api, recorded(api, "composed_full.sse"));
        // Behind some of the text.
        let body = full().bytes();
        let said = body.windows(5).position(|bytes| bytes == b"I ask");
        let said = said.unwrap_or_default();
        let ends = body[said..].windows(2).position(|bytes| bytes == b"\n\n");
        let late = said + ends.unwrap_or_default() + 2;
        Some(match name {
            "text" => answer("aimock_text"),
            "tools" => answer("aimock_tools"),
            "full" => full(),
            "slow" => full().paced(Duration::from_millis(50)),
            "slower" => full().paced(Duration::from_millis(200)),
            "flood" => {
                let choice = json!({"index": 0, "delta": {"content": "x".repeat(4 << 10)}});
                let word = format!("data: {}\n\n", json!({"choices": [choice]}));
                let body = word.repeat(1_000) + "data: [DONE]\n\n";
                Answer::stream(Api::OpenAi, body.into())
            }
            "rate" => Answer::rate_limited(api, Hint::Seconds(7)),
            "quota" => Answer::error(api, 429, "insufficient_quota", "You exceeded your quota"),
            "reset" => Answer::reset(),
            "silent" => full().no_head(),
            "stall" => full().stall_at(late),
            "cut" => full().cut_at(late, Cut::Fin),
            "cut-reset" => full()
                .slow_first(Duration::from_millis(20))
                .cut_at(late, Cut::Reset),
            "cut-terminated" => full().cut_at(late, Cut::Terminated),
            "broken" => full().insert(late, Answer::error_frame(api)),
            "garbage" => full().insert(late, "data: {\"choices\": [{{{]\n\n"),
            _ => {
                let status = name.strip_prefix("status-")?.parse().ok()?;
                Answer::error(api, status, "said_by_name", "This is what was asked for")
            }
        })
    }

    fn field(&self, name: &str) -> Option<Value> {
        let mut body: Value = serde_json::from_slice(&self.body).ok()?;
        Some(body.get_mut(name)?.take())
    }
}
