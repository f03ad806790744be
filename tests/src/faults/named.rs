use std::time::Duration;

use bytes::Bytes;
use campanile_llm::dialect::Api;
use serde_json::{Value, json};

use super::{Answer, Cut, Exchange, Hint, Step, recorded};

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
    /// | `bytes` | as it is, each byte alone |
    /// | `status-500` | an error of this status |
    /// | `page-500` | a page of HTML of this status, as proxies have |
    /// | `page`, `page-streamed` | a page of HTML with 200; the same, said to be events |
    /// | `empty` | 200, and nothing |
    /// | `flood` | 4 MB of text |
    /// | `rate` | 429, for 7 s |
    /// | `rate-none`, `rate-float`, `rate-date`, `rate-millis`, `rate-reset` | the same, without a hint, or with this one |
    /// | `quota` | 429, for good |
    /// | `reset` | none: the connection is reset |
    /// | `silent` | none: no head comes |
    /// | `head` | a head, and then nothing comes |
    /// | `wordless` | `full` up to its first content, and then nothing comes |
    /// | `early`, `early-reset`, `early-terminated` | the same, and then it is cut |
    /// | `stall`, `cut`, `cut-reset`, `cut-terminated`, `broken`, `garbage`, `endless` | a beginning of `full`, and then this |
    /// | `broken-first`, `garbage-first`, `endless-first` | this, and then nothing comes |
    ///
    /// What breaks does so in the middle of a sentence where no stream is asked for. `broken` is an error event, `endless` a
    /// line of 2 MB.
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
        let it = || {
            if streamed {
                full()
            } else {
                answer("aimock_text")
            }
        };
        let body = it().bytes();
        let find = |from: usize, wanted: &[u8]| {
            let mut windows = body[from..].windows(wanted.len());
            Some(from + windows.position(|bytes| bytes == wanted)?)
        };
        // In the frame with the first content, and behind some of it.
        let (early, late) = if streamed {
            let said = find(0, b"I ask")?;
            (find(0, b"Two cities")?, find(said, b"\n\n")? + 2)
        } else {
            (0, body.len() / 2)
        };
        // What is sent just before a reset may be lost with it: so there is time to read it.
        let reset_at = |at| {
            let mut answer = it().cut_at(at, Cut::Reset);
            answer.body.push(Step::Wait(Duration::from_millis(20)));
            answer
        };
        let garbage = || Bytes::from_static(b"data: {\"choices\": [{{{]\n\n");
        let endless = || Bytes::from(vec![b'x'; 2 << 20]);
        let first = |bytes: Bytes| {
            let length = bytes.len();
            it().insert(0, bytes).stall_at(length)
        };
        let html = "<html>\n<body>Welcome</body>\n</html>\n\n";
        let page = |status| Answer::whole(status, html).header("content-type", "text/html");
        Some(match name {
            "text" => answer("aimock_text"),
            "tools" => answer("aimock_tools"),
            "full" => full(),
            "slow" => full().paced(Duration::from_millis(50)),
            "slower" => full().paced(Duration::from_millis(200)),
            "bytes" => it().byte_by_byte(),
            "flood" => {
                let choice = json!({"index": 0, "delta": {"content": "x".repeat(4 << 10)}});
                let word = format!("data: {}\n\n", json!({"choices": [choice]}));
                let body = word.repeat(1_000) + "data: [DONE]\n\n";
                Answer::stream(Api::OpenAi, body.into())
            }
            "page" => page(200),
            "page-streamed" => Answer::stream(api, html.into()),
            "empty" => it().cut_at(0, Cut::Terminated),
            "rate" => Answer::rate_limited(api, Hint::Seconds(7)),
            "rate-none" => Answer::rate_limited(api, Hint::None),
            "rate-float" => Answer::rate_limited(api, Hint::Float(700)),
            "rate-date" => Answer::rate_limited(api, Hint::Date(7)),
            "rate-millis" => Answer::rate_limited(api, Hint::Millis(7_000)),
            "rate-reset" => Answer::rate_limited(api, Hint::Reset(7)),
            "quota" => Answer::error(api, 429, "insufficient_quota", "You exceeded your quota"),
            "reset" => Answer::reset(),
            "silent" => full().no_head(),
            "head" => it().stall_at(0),
            "wordless" => it().stall_at(early),
            "early" => it().cut_at(early, Cut::Fin),
            "early-reset" => reset_at(early),
            "early-terminated" => it().cut_at(early, Cut::Terminated),
            "stall" => it().stall_at(late),
            "cut" => it().cut_at(late, Cut::Fin),
            "cut-reset" => reset_at(late),
            "cut-terminated" => it().cut_at(late, Cut::Terminated),
            "broken" => it().insert(late, Answer::error_frame(api)),
            "broken-first" => first(Answer::error_frame(api).into()),
            "garbage" => it().insert(late, garbage()),
            "garbage-first" => first(garbage()),
            "endless" => {
                let line = endless();
                let end = late + line.len();
                it().insert(late, line).stall_at(end)
            }
            "endless-first" => first(endless()),
            _ => {
                let (kind, status) = name.split_once('-')?;
                let status = status.parse().ok()?;
                match kind {
                    "status" => {
                        Answer::error(api, status, "said_by_name", "This is what was asked for")
                    }
                    "page" => page(status),
                    _ => return None,
                }
            }
        })
    }

    fn field(&self, name: &str) -> Option<Value> {
        let mut body: Value = serde_json::from_slice(&self.body).ok()?;
        Some(body.get_mut(name)?.take())
    }
}
