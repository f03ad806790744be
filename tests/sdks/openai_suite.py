"""OpenAI's SDK for Python, unchanged but for the base URL."""

import asyncio
import json

import openai
from checks import FAULTS, GATEWAY, QUESTION, SAID, Attempts, check, counts, each_fate, fresh, is_counted, patiently, raises, run, until

BASE = GATEWAY + "/v1"
client = openai.OpenAI(base_url=BASE, api_key="key-of-app")
ask = [{"role": "user", "content": QUESTION}]
tools = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "The weather of a city",
            # What may be said is bounded: so small a model does not end a text by itself.
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string", "enum": ["Rome", "Oslo"]}},
                "required": ["city"],
            },
        },
    }
]


def counting(**options):
    """A client, and how often it sends."""
    attempts = Attempts()
    http = openai.DefaultHttpxClient(event_hooks=attempts.hooks())
    options = {"api_key": "key-of-app", **options}
    return openai.OpenAI(base_url=BASE, http_client=http, **options), attempts


def text_of(chunks):
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


@check
def chat():
    for model in ["smollm2", "smollm2-messages"]:
        answer = client.chat.completions.create(model=model, messages=ask, max_tokens=24, temperature=0)
        assert "Paris" in answer.choices[0].message.content, answer
        assert answer.object == "chat.completion" and answer.id, answer
        assert answer.choices[0].finish_reason in ("stop", "length"), answer
        usage = answer.usage
        assert usage.prompt_tokens > 5 and usage.completion_tokens > 2, usage
        assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens, usage


@check
def streaming_with_usage():
    for model in ["smollm2", "smollm2-messages"]:
        stream = client.chat.completions.create(
            model=model, messages=ask, max_tokens=24, temperature=0, stream=True, stream_options={"include_usage": True}
        )
        chunks = list(stream)
        assert "Paris" in text_of(chunks), chunks
        assert sum(chunk.usage is not None for chunk in chunks) == 1, chunks
        assert not chunks[-1].choices and chunks[-1].usage.completion_tokens > 2, chunks[-1]
        finish = [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices and chunk.choices[0].finish_reason]
        assert len(finish) == 1, finish


@check
def streaming_without_usage():
    """Who does not ask for usage gets no chunk without choices, which many programs do not expect."""
    chunks = list(client.chat.completions.create(model="smollm2", messages=ask, max_tokens=8, stream=True))
    assert text_of(chunks)
    assert all(chunk.choices for chunk in chunks), chunks
    assert all(chunk.usage is None for chunk in chunks), chunks


@check
def stream_helper():
    with client.chat.completions.stream(model="full", messages=ask) as stream:
        for _ in stream:
            pass
        final = stream.get_final_completion()
    assert final.choices[0].message.content == SAID, final
    calls = final.choices[0].message.tool_calls
    assert [json.loads(call.function.arguments)["city"] for call in calls] == ["Rome", "Oslo"], final


@check
def tools_whole():
    answer = client.chat.completions.create(
        model="smollm2", messages=ask, max_tokens=60, tools=tools, tool_choice="required",
        # The tokens that begin a call, and that end the answer.
        extra_body={"logit_bias": [[13, 50], [2, 100]]},
    )
    call = answer.choices[0].message.tool_calls[0]
    assert answer.choices[0].finish_reason == "tool_calls", answer
    assert call.id and call.function.name == "get_weather", answer
    assert "city" in json.loads(call.function.arguments), answer
    # By the other interface, too; and the answer of the tool goes back.
    for model in ["tools", "claude-tools"]:
        message = client.chat.completions.create(model=model, messages=ask, tools=tools).choices[0].message
        call = message.tool_calls[0]
        assert call.id and call.function.name == "get_weather" and json.loads(call.function.arguments), message
        result = {"role": "tool", "tool_call_id": call.id, "content": "sunny"}
        again = model.replace("tools", "text")
        answer = client.chat.completions.create(model=again, messages=[*ask, message, result], tools=tools)
        assert answer.choices[0].message.content, answer


@check
def tools_streamed():
    for model, options in [
        ("smollm2", {"tool_choice": "required", "max_tokens": 60, "extra_body": {"logit_bias": [[13, 50], [2, 100]]}}),
        ("tools", {}),
        ("claude-tools", {}),
    ]:
        calls = {}
        for chunk in client.chat.completions.create(model=model, messages=ask, tools=tools, stream=True, **options):
            for call in (chunk.choices[0].delta.tool_calls or []) if chunk.choices else []:
                id, name, arguments = calls.get(call.index, ("", "", ""))
                function = call.function
                calls[call.index] = (id + (call.id or ""), name + (function.name or ""), arguments + (function.arguments or ""))
        assert calls and list(calls) == list(range(len(calls))), (model, calls)
        for id, name, arguments in calls.values():
            assert id and name == "get_weather" and json.loads(arguments)["city"] in ("Rome", "Oslo"), (model, calls)


@check
def embeddings():
    model = "multilingual-e5-small"
    # The SDK asks for base64 unless it is told otherwise.
    for options in [{}, {"encoding_format": "float"}]:
        answer = client.embeddings.create(model=model, input=["a dog", "a puppy", "tax law"], **options)
        vectors = [item.embedding for item in sorted(answer.data, key=lambda item: item.index)]
        assert [len(vector) for vector in vectors] == [384] * 3, answer
        near, far = (sum(a * b for a, b in zip(vectors[0], other)) for other in vectors[1:])
        assert near > far, (near, far)
        assert answer.usage.prompt_tokens > 0, answer.usage
    assert len(client.embeddings.create(model=model, input="one text").data[0].embedding) == 384


@check
def model_list():
    models = {model.id: model for model in client.models.list()}
    assert {"smollm2", "smollm2-messages", "multilingual-e5-small", "claude-text"} <= set(models), models
    assert models["smollm2"].object == "model", models["smollm2"]


@check
def wrong_key():
    stranger, attempts = counting(api_key="key-of-nobody")
    with raises(openai.AuthenticationError, status_code=401) as error:
        stranger.chat.completions.create(model="smollm2", messages=ask)
    assert len(attempts) == 1
    assert "key-of-nobody" not in str(error[0]), error
    with raises(openai.AuthenticationError, status_code=401):
        list(stranger.models.list())
    with raises(openai.AuthenticationError, status_code=401):
        stranger.embeddings.create(model="multilingual-e5-small", input="one text")


@check
def unknown_model():
    counted, attempts = counting(api_key="key-of-few")
    with raises(openai.NotFoundError, status_code=404) as error:
        counted.chat.completions.create(model="smolm2", messages=ask)
    assert len(attempts) == 1
    assert "smollm2" in error[0].message and "smolm2" in error[0].message, error[0].message
    assert error[0].code == "model_not_found" and error[0].param == "model", error[0].body


@check
def bad_requests():
    counted, attempts = counting()
    with raises(openai.BadRequestError, status_code=400, param="messages"):
        counted.chat.completions.create(model="smollm2", messages="nothing like messages")
    with raises(openai.BadRequestError, status_code=400):
        counted.chat.completions.create(model="smollm2", messages=ask, extra_body={"stream": "maybe"})
    # What the provider finds wrong keeps its status and words.
    with raises(openai.BadRequestError, status_code=400) as error:
        counted.chat.completions.create(model="status-400", messages=ask)
    assert "This is what was asked for" in error[0].message, error
    with raises(openai.UnprocessableEntityError, status_code=422):
        counted.chat.completions.create(model="status-422", messages=ask)
    assert len(attempts) == 4, "none is sent again"


@check
def too_large():
    counted, attempts = counting()
    with raises(openai.APIStatusError, status_code=413) as error:
        counted.chat.completions.create(model="smollm2", messages=[{"role": "user", "content": "x" * 200_000}])
    assert len(attempts) == 1 and error[0].body["message"], error[0].body


@check
def providers_errors_are_sent_once():
    """They were tried again here, so that the SDK does not multiply it."""
    for model, kind, status in [
        ("status-500", openai.InternalServerError, 502),
        ("status-503", openai.InternalServerError, 503),
        ("reset", openai.InternalServerError, 502),
        ("silent", openai.InternalServerError, 504),
        ("rate", openai.RateLimitError, 429),
        # It is not the caller's, so it is no 429.
        ("quota", openai.InternalServerError, 503),
        ("status-401", openai.InternalServerError, 502),
    ]:
        # These close the provider for a while.
        closes = model in ("rate", "quota", "status-401")
        for streamed in [False] if closes else [False, True]:
            name = model + ".openai-py" if closes else fresh(model)
            counted, attempts = counting()
            with raises(kind, status_code=status) as error:
                counted.chat.completions.create(model=name, messages=ask, stream=streamed)
            headers = error[0].response.headers
            assert len(attempts) == 1, (model, len(attempts))
            assert headers["x-should-retry"] == "false", (model, headers)
            assert ("retry-after" in headers) == (model == "rate"), (model, headers)
            if model == "rate":
                assert 1 <= int(headers["retry-after"]) <= 7, headers
            assert error[0].body["message"] and "key-of-faults" not in str(error[0].body), error[0].body
            # What passes is tried again here; what stays so is not.
            tried = counts(name)["requests"]
            assert tried == 1 if model in ("quota", "status-401") else tried >= 1 + (not closes), (model, tried)


@check
def own_limits_are_waited_for():
    """The SDK comes back by itself when it is told to."""
    counted, attempts = counting(api_key="key-of-slow")
    for _ in range(6):
        before = len(attempts)
        assert counted.chat.completions.create(model="text", messages=ask).choices[0].message.content
        if len(attempts) > before + 1:
            waited = attempts.times[-1] - attempts.times[-2]
            assert waited > 0.05, waited
            break
    else:
        raise AssertionError("it was never refused")
    # And who does not come back is told.
    once, attempts = counting(api_key="key-of-slow", max_retries=0)
    with raises(openai.RateLimitError, status_code=429) as error:
        for _ in range(6):
            once.chat.completions.create(model="text", messages=ask)
    headers = error[0].response.headers
    assert headers["x-should-retry"] == "true" and 1 <= int(headers["retry-after"]) <= 2, headers
    assert 0 < int(headers["retry-after-ms"]) <= 1000, headers


@check
def budgets_end():
    """A budget of a day: nobody comes back for that."""
    counted, attempts = counting(api_key="key-of-poor")
    sent = 0
    with raises(openai.RateLimitError, status_code=429) as error:
        for _ in range(20):
            counted.chat.completions.create(model="text", messages=ask, max_tokens=20)
            sent += 1
    assert len(attempts) == sent + 1 and sent >= 1, (len(attempts), sent)
    assert error[0].response.headers["x-should-retry"] == "false", error[0].response.headers


@check
def broken_streams_raise():
    for model in ["cut", "cut-reset", "cut-terminated", "broken", "garbage", "stall"]:
        for prefix in ["", "claude-"]:
            name = prefix + model
            said = ""
            with raises(openai.APIError):
                for chunk in client.chat.completions.create(model=name, messages=ask, stream=True):
                    said += text_of([chunk])
                    assert not (chunk.choices and chunk.choices[0].finish_reason), (name, "a false end")
            assert said and SAID.startswith(said), (name, said)


@check
def leaving_cancels():
    """Who leaves in the middle of a stream ends the call at the provider."""
    name = fresh("slower")
    with client.chat.completions.create(model=name, messages=ask, stream=True) as stream:
        for chunk in stream:
            if chunk.choices and chunk.choices[0].delta.content:
                break
    until(lambda: counts(name)["cancelled"] == 1)
    assert counts(name) == {"requests": 1, "whole": 0, "cut": 0, "cancelled": 1, "active": 0}, counts(name)

    name = fresh("silent")

    async def give_up():
        async with openai.AsyncOpenAI(base_url=BASE, api_key="key-of-app") as client:
            call = asyncio.create_task(client.chat.completions.create(model=name, messages=ask))
            await asyncio.to_thread(until, lambda: counts(name).get("active"))
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)
            assert call.cancelled()
            await asyncio.to_thread(until, lambda: not counts(name)["active"])

    asyncio.run(give_up())
    assert counts(name)["requests"] == counts(name)["cancelled"] == 1, counts(name)


@check
def its_own_time_limit():
    name = fresh("silent")
    hurried, attempts = counting(timeout=0.4, max_retries=1)
    with raises((openai.APITimeoutError, openai.InternalServerError)) as error:
        hurried.chat.completions.create(model=name, messages=ask)
    # It tells the gateway how long it waits, which may be the first to give up; and then nobody asks again.
    assert len(attempts) == 2 or error[0].status_code == 504, (len(attempts), error)
    until(lambda: counts(name)["cancelled"] == len(attempts))


@check
def many_at_once():
    async def all_of_them():
        async with openai.AsyncOpenAI(base_url=BASE, api_key="key-of-app") as client:

            async def one():
                stream = await client.chat.completions.create(model="slow", messages=ask, stream=True)
                return text_of([chunk async for chunk in stream])

            return await asyncio.gather(*(one() for _ in range(50)))

    assert asyncio.run(all_of_them()) == [SAID] * 50


@check
def fates():
    """Whatever a provider does: a whole answer, or an error of the right class; never a clean end of what was cut."""
    counted, attempts = counting()

    def ask_for(model, streamed):
        answer = counted.chat.completions.create(model=model, messages=ask, stream=streamed)
        if not streamed:
            yield answer.choices[0].message.content, bool(answer.choices[0].finish_reason)
            return
        for chunk in answer:
            yield text_of([chunk]), bool(chunk.choices and chunk.choices[0].finish_reason)

    calls = each_fate("openai-py", openai, ask_for)
    assert len(attempts) == calls, "none is sent again"


@check
def llmock():
    """A mock of others, that breaks its answers at random: see what it says of its callers at its end."""

    def all_of_it(chunks):
        chunks = list(chunks)
        assert any(chunk.choices and chunk.choices[0].finish_reason for chunk in chunks), chunks
        return chunks

    for number in range(8):
        question = [{"role": "user", "content": f"Question {number} of the weather, by OpenAI's SDK for Python?"}]
        for model in ["llmock", "llmock-messages"]:
            answer = client.chat.completions.create(model=model, messages=question, max_tokens=60)
            assert answer.choices[0].message.content and answer.usage.completion_tokens > 0, answer
            answer = client.chat.completions.create(model=model, messages=question, max_tokens=60, tools=tools)
            call = answer.choices[0].message.tool_calls[0].function
            assert call.name == "get_weather" and json.loads(call.arguments)["city"] in ("Rome", "Oslo"), answer
            model += "-streams"
            options = {"model": model, "messages": question, "max_tokens": 60, "stream": True}
            assert text_of(patiently(lambda: all_of_it(client.chat.completions.create(**options)), openai.APIError))
            chunks = patiently(lambda: all_of_it(client.chat.completions.create(tools=tools, **options)), openai.APIError)
            calls = [call for chunk in chunks if chunk.choices for call in chunk.choices[0].delta.tool_calls or []]
            assert calls[0].function.name == "get_weather", chunks
            assert "city" in json.loads("".join(call.function.arguments or "" for call in calls)), chunks


@check
def counted():
    def ask_for(key, model, streamed):
        options = {"stream": True, "stream_options": {"include_usage": True}} if streamed else {}
        try:
            answer = client.with_options(api_key=key).chat.completions.create(model=model, messages=ask, **options)
        except (openai.BadRequestError, openai.InternalServerError):
            return None
        usage = (list(answer)[-1] if streamed else answer).usage
        return usage.prompt_tokens, usage.completion_tokens

    is_counted("openai-py", ask_for)


assert FAULTS
run("openai, Python")
