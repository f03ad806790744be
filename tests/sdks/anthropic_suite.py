"""Anthropic's SDK for Python, unchanged but for the base URL."""

import asyncio

import anthropic
from checks import GATEWAY, QUESTION, SAID, Attempts, check, counts, each_fate, fresh, is_counted, patiently, raises, run, until

client = anthropic.Anthropic(base_url=GATEWAY, api_key="key-of-app")
ask = {"messages": [{"role": "user", "content": QUESTION}], "max_tokens": 24, "extra_body": {"temperature": 0}}
tools = [
    {
        "name": "get_weather",
        "description": "The weather of a city",
        "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    }
]


def counting(**options):
    """A client, and how often it sends."""
    attempts = Attempts()
    http = anthropic.DefaultHttpxClient(event_hooks=attempts.hooks())
    options = {"api_key": "key-of-app", **options}
    return anthropic.Anthropic(base_url=GATEWAY, http_client=http, **options), attempts


def read(usage):
    """Tokens of a prompt: what llama.cpp has read before is told apart."""
    return usage.input_tokens + (usage.cache_read_input_tokens or 0)


def text_of(message):
    return "".join(block.text for block in message.content if block.type == "text")


@check
def chat():
    for model in ["smollm2", "smollm2-messages"]:
        answer = client.messages.create(model=model, **ask)
        assert "Paris" in text_of(answer), answer
        assert answer.type == "message" and answer.role == "assistant" and answer.id, answer
        assert answer.stop_reason in ("end_turn", "max_tokens"), answer
        assert read(answer.usage) > 5 and answer.usage.output_tokens > 2, answer.usage


@check
def streaming_with_usage():
    for model in ["smollm2", "smollm2-messages"]:
        with client.messages.stream(model=model, **ask) as stream:
            said = "".join(stream.text_stream)
            final = stream.get_final_message()
        assert "Paris" in said and text_of(final) == said, (said, final)
        assert read(final.usage) > 5 and final.usage.output_tokens > 2, final.usage
        assert final.stop_reason in ("end_turn", "max_tokens"), final
        kinds = [event.type for event in client.messages.create(model=model, stream=True, **ask)]
        assert kinds[0] == "message_start" and kinds[-2:] == ["message_delta", "message_stop"], kinds
        assert kinds.count("content_block_start") == kinds.count("content_block_stop") >= 1, kinds


@check
def tools_whole():
    for model in ["tools", "claude-tools"]:
        answer = client.messages.create(model=model, tools=tools, **ask)
        assert answer.stop_reason == "tool_use", answer
        call = next(block for block in answer.content if block.type == "tool_use")
        assert call.id and call.name == "get_weather" and call.input["city"], answer
        result = {"type": "tool_result", "tool_use_id": call.id, "content": "sunny"}
        turns = [*ask["messages"], {"role": "assistant", "content": answer.content}, {"role": "user", "content": [result]}]
        again = client.messages.create(model=model.replace("tools", "text"), messages=turns, max_tokens=24, tools=tools)
        assert text_of(again), again


@check
def tools_streamed():
    for model in ["tools", "claude-tools", "full", "claude-full"]:
        with client.messages.stream(model=model, tools=tools, **ask) as stream:
            final = stream.get_final_message()
        calls = [block for block in final.content if block.type == "tool_use"]
        assert calls and all(call.name == "get_weather" and call.input["city"] for call in calls), (model, final)
        if model.endswith("full"):
            assert [call.input["city"] for call in calls] == ["Rome", "Oslo"], final
            assert text_of(final) == SAID, final
        assert final.stop_reason == "tool_use", final


@check
def model_list():
    models = {model.id: model for model in client.models.list()}
    assert {"smollm2", "smollm2-messages", "claude-text"} <= set(models), models
    assert models["smollm2"].type == "model" and models["smollm2"].display_name, models["smollm2"]


@check
def both_headers_of_keys():
    bearer = anthropic.Anthropic(base_url=GATEWAY, auth_token="key-of-app", api_key=None)
    assert text_of(bearer.messages.create(model="text", **ask))


@check
def wrong_key():
    stranger, attempts = counting(api_key="key-of-nobody")
    with raises(anthropic.AuthenticationError, status_code=401) as error:
        stranger.messages.create(model="smollm2", **ask)
    assert len(attempts) == 1
    assert error[0].body["type"] == "error" and error[0].body["error"]["type"] == "authentication_error", error[0].body


@check
def unknown_model():
    with raises(anthropic.NotFoundError, status_code=404) as error:
        client.with_options(api_key="key-of-few").messages.create(model="smolm2", **ask)
    assert error[0].body["error"]["type"] == "not_found_error", error[0].body
    assert "smollm2" in error[0].body["error"]["message"], error[0].body


@check
def bad_requests():
    counted, attempts = counting()
    for options in [
        {"model": "smollm2", "messages": "nothing like messages", "max_tokens": 5},
        {"model": "claude-status-400", **ask},
        {"model": "status-400", **ask},
    ]:
        with raises(anthropic.BadRequestError, status_code=400) as error:
            counted.messages.create(**options)
        assert error[0].body["type"] == "error", error[0].body
        assert error[0].body["error"]["type"] == "invalid_request_error", error[0].body
    assert len(attempts) == 3, "none is sent again"


@check
def too_large():
    counted, attempts = counting()
    with raises(anthropic.ContentTooLargeError, status_code=413) as error:
        counted.messages.create(model="smollm2", max_tokens=5, messages=[{"role": "user", "content": "x" * 200_000}])
    assert len(attempts) == 1 and error[0].body["error"]["type"] == "request_too_large", error[0].body


@check
def providers_errors_are_sent_once():
    for model, kind, status in [
        ("status-500", anthropic.InternalServerError, 502),
        ("status-529", anthropic.InternalServerError, 529),
        ("silent", anthropic.InternalServerError, 504),
        ("rate", anthropic.RateLimitError, 429),
    ]:
        for name in ["rate.anthropic-py"] if model == "rate" else [fresh(model), "claude-" + model]:
            before = counts(model).get("requests", 0)
            counted, attempts = counting()
            with raises(kind) as error:
                counted.messages.create(model=name, **ask)
            # 529 is Anthropic's word for 503.
            assert error[0].status_code in (status, 503 if status == 529 else status), error[0].status_code
            assert len(attempts) == 1, (model, len(attempts))
            assert error[0].response.headers["x-should-retry"] == "false", (model, error[0].response.headers)
            assert error[0].body["type"] == "error" and error[0].body["error"]["message"], error[0].body
            tried = counts(model)["requests"] - before if name.startswith("claude-") else counts(name)["requests"]
            assert tried > 1 or model == "rate", (name, tried)


@check
def own_limits_are_waited_for():
    counted, attempts = counting(api_key="key-of-slow")
    for _ in range(6):
        before = len(attempts)
        assert text_of(counted.messages.create(model="text", **ask))
        if len(attempts) > before + 1:
            waited = attempts.times[-1] - attempts.times[-2]
            assert waited > 0.05, waited
            return
    raise AssertionError("it was never refused")


@check
def broken_streams_raise():
    for model in ["cut", "cut-reset", "cut-terminated", "broken", "garbage", "stall"]:
        for name in [model, "claude-" + model]:
            said, stopped = "", False
            with raises(anthropic.APIError):
                for event in client.messages.create(model=name, stream=True, **ask):
                    if event.type == "content_block_delta" and event.delta.type == "text_delta":
                        said += event.delta.text
                    stopped |= event.type in ("message_delta", "message_stop")
            assert said and SAID.startswith(said) and not stopped, (name, said, stopped)
            with raises(anthropic.APIError):
                with client.messages.stream(model=name, **ask) as stream:
                    stream.get_final_message()


@check
def leaving_cancels():
    name = fresh("slower")
    with client.messages.stream(model=name, **ask) as stream:
        for _ in stream.text_stream:
            break
    until(lambda: counts(name)["cancelled"] == 1)
    assert counts(name) == {"requests": 1, "whole": 0, "cut": 0, "cancelled": 1, "active": 0}, counts(name)


@check
def its_own_time_limit():
    name = fresh("silent")
    hurried, attempts = counting(timeout=0.4, max_retries=1)
    with raises((anthropic.APITimeoutError, anthropic.InternalServerError)) as error:
        hurried.messages.create(model=name, **ask)
    # It tells the gateway how long it waits, which may be the first to give up; and then nobody asks again.
    assert len(attempts) == 2 or error[0].status_code == 504, (len(attempts), error)
    until(lambda: counts(name)["cancelled"] == len(attempts))


@check
def many_at_once():
    async def all_of_them():
        async with anthropic.AsyncAnthropic(base_url=GATEWAY, api_key="key-of-app") as client:

            async def one():
                async with client.messages.stream(model="slow", **ask) as stream:
                    return text_of(await stream.get_final_message())

            return await asyncio.gather(*(one() for _ in range(50)))

    assert asyncio.run(all_of_them()) == [SAID] * 50


@check
def fates():
    """Whatever a provider does: a whole answer, or an error of the right class; never a clean end of what was cut."""
    counted, attempts = counting()

    def ask_for(model, streamed):
        answer = counted.messages.create(model=model, stream=streamed, **ask)
        if not streamed:
            yield text_of(answer), bool(answer.stop_reason)
            return
        for event in answer:
            text = event.delta.text if event.type == "content_block_delta" and event.delta.type == "text_delta" else ""
            yield text, event.type in ("message_delta", "message_stop")

    calls = each_fate("anthropic-py", anthropic, ask_for)
    assert len(attempts) == calls, "none is sent again"


@check
def llmock():
    """A mock of others, that breaks its answers at random: see what it says of its callers at its end."""

    def final(**options):
        with client.messages.stream(**options) as stream:
            message = stream.get_final_message()
        assert message.stop_reason, message
        return message

    for number in range(8):
        question = [{"role": "user", "content": f"Question {number} of the weather, by Anthropic's SDK for Python?"}]
        for model in ["llmock", "llmock-messages"]:
            options = {"messages": question, "max_tokens": 60}
            streamed = options | {"model": model + "-streams"}
            for answer in [
                client.messages.create(model=model, **options),
                patiently(lambda: final(**streamed), anthropic.APIError),
            ]:
                assert text_of(answer) and answer.usage.output_tokens > 0, answer
            for answer in [
                client.messages.create(model=model, tools=tools, **options),
                patiently(lambda: final(tools=tools, **streamed), anthropic.APIError),
            ]:
                call = next(block for block in answer.content if block.type == "tool_use")
                assert call.name == "get_weather" and call.input["city"], answer


@check
def counted():
    def ask_for(key, model, streamed):
        own = client.with_options(api_key=key)
        try:
            if streamed:
                with own.messages.stream(model=model, **ask) as stream:
                    usage = stream.get_final_message().usage
            else:
                usage = own.messages.create(model=model, **ask).usage
        except (anthropic.BadRequestError, anthropic.InternalServerError):
            return None
        # What was cached is a part of the prompt.
        return read(usage) + (usage.cache_creation_input_tokens or 0), usage.output_tokens

    is_counted("anthropic-py", ask_for)


run("anthropic, Python")
