//! Streams as the interface sends them: thinking, text and a tool, with its pings and its fields that are not known here.

/// Text after thinking, then a call of a tool.
pub(super) const TOOL: &str = r#"event: message_start
data: {"type":"message_start","message":{"model":"claude-haiku-4-5","id":"msg_01","type":"message","role":"assistant","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":30,"cache_creation_input_tokens":200,"cache_read_input_tokens":1000,"cache_creation":{"ephemeral_5m_input_tokens":200,"ephemeral_1h_input_tokens":0},"output_tokens":7,"service_tier":"standard"}}     }

event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}       }

event: ping
data: {"type": "ping"}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"The user wants \"weather\"."}      }

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"EqQBCg=="}    }

event: content_block_stop
data: {"type":"content_block_stop","index":0             }

event: content_block_start
data: {"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}  }

event: content_block_delta
data: {"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"Let me look"}    }

event: content_block_delta
data: {"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":" \u00e0 Paris \ud83d\ude00.\n"}   }

event: content_block_stop
data: {"type":"content_block_stop","index":1  }

event: content_block_start
data: {"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"toolu_01","name":"get_weather","input":{},"caller":{"type":"direct"}}  }

event: content_block_delta
data: {"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":""}           }

event: content_block_delta
data: {"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{\"city\": \"Par"}  }

event: content_block_delta
data: {"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"is\"}"}          }

event: content_block_stop
data: {"type":"content_block_stop","index":2        }

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"input_tokens":30,"cache_creation_input_tokens":200,"cache_read_input_tokens":1000,"output_tokens":58,"output_tokens_details":{"thinking_tokens":12}}      }

event: message_stop
data: {"type":"message_stop"      }

"#;

/// A search by the provider itself, with citations, and a text around it.
pub(super) const SEARCH: &str = r#"event: message_start
data: {"type":"message_start","message":{"id":"msg_02","type":"message","role":"assistant","model":"claude-opus-5-5","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":2679,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":3}}}

event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"redacted_thinking","data":"EmwKAhgBEgy"}}

event: content_block_stop
data: {"type":"content_block_stop","index":0}

event: content_block_start
data: {"type":"content_block_start","index":1,"content_block":{"type":"server_tool_use","id":"srvtoolu_01","name":"web_search","input":{}}}

event: content_block_delta
data: {"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"query\":\"x\"}"}}

event: content_block_stop
data: {"type":"content_block_stop","index":1}

event: content_block_start
data: {"type":"content_block_start","index":2,"content_block":{"type":"web_search_tool_result","tool_use_id":"srvtoolu_01","content":[{"type":"web_search_result","title":"T","url":"https://example.org","encrypted_content":"Es"}]}}

event: content_block_stop
data: {"type":"content_block_stop","index":2}

event: content_block_start
data: {"type":"content_block_start","index":3,"content_block":{"citations":[],"type":"text","text":""}}

event: content_block_delta
data: {"type":"content_block_delta","index":3,"delta":{"type":"text_delta","text":"It is so."}}

event: content_block_delta
data: {"type":"content_block_delta","index":3,"delta":{"type":"citations_delta","citation":{"type":"web_search_result_location","cited_text":"so","url":"https://example.org"}}}

event: content_block_delta
data: {"type":"content_block_delta","index":3,"delta":{"type":"not_known_yet","text":"what"}}

event: content_block_stop
data: {"type":"content_block_stop","index":3}

event: news_of_tomorrow
data: {"type":"news_of_tomorrow","index":"three"}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"input_tokens":10682,"output_tokens":510,"server_tool_use":{"web_search_requests":1}}}

event: message_stop
data: {"type":"message_stop"}

"#;

/// A server that answers in the same dialect without counts at the start, without names of events, and with overlapping blocks.
pub(super) const SLOPPY: &str = r#"data: {"type": "message_start", "message": {"id": "m", "type": "message", "role": "assistant", "content": [], "model": "local", "usage": {"input_tokens": 0, "output_tokens": 0}}}

data: {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "Hi"}}

data: {"type": "content_block_start", "index": 1, "content_block": {"type": "tool_use", "id": "a", "name": "now", "input": { }}}

data: {"type": "content_block_start", "index": 2, "content_block": {"type": "tool_use", "id": "b", "name": "at", "input": {"zone": "CET"}}}

data: {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "!"}}

data: {"type": "content_block_stop", "index": 0}

data: {"type": "content_block_stop", "index": 1}

data: {"type": "content_block_stop", "index": 2}

data: {"type": "message_delta", "delta": {"stop_reason": "max_tokens"}, "usage": {"input_tokens": 21, "output_tokens": 4}}

data: {"type": "message_stop"}

"#;

pub(super) const ALL: [&str; 3] = [TOOL, SEARCH, SLOPPY];
