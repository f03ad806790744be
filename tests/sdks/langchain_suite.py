"""langchain's chat models of OpenAI and Anthropic, unchanged but for the base URL."""

import anthropic
import openai
from checks import GATEWAY, QUESTION, SAID, check, each_fate, is_counted, patiently, raises, run
from langchain_anthropic import ChatAnthropic
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings


@tool
def get_weather(city: str) -> str:
    """The weather of a city."""
    return f"sunny in {city}"


def openai_chat(model, key="key-of-app", **options):
    return ChatOpenAI(model=model, base_url=GATEWAY + "/v1", api_key=key, max_tokens=24, **options)


def anthropic_chat(model, key="key-of-app", **options):
    return ChatAnthropic(model_name=model, base_url=GATEWAY, api_key=key, max_tokens=24, **options)


BOTH = [(openai_chat, openai), (anthropic_chat, anthropic)]


@check
def chat():
    for make, _ in BOTH:
        answer = make("smollm2", temperature=0).invoke(QUESTION)
        assert "Paris" in answer.text, answer
        assert answer.usage_metadata["output_tokens"] > 2, answer


@check
def streaming():
    for make, _ in BOTH:
        options = {"stream_usage": True}
        chunks = list(make("smollm2", temperature=0, **options).stream(QUESTION))
        whole = chunks[0]
        for chunk in chunks[1:]:
            whole += chunk
        assert len(chunks) > 2 and "Paris" in whole.text, whole
        assert whole.usage_metadata["input_tokens"] > 5 and whole.usage_metadata["output_tokens"] > 2, whole


@check
def calls_of_tools():
    for make, _ in BOTH:
        question = HumanMessage(QUESTION)
        answer = make("tools").bind_tools([get_weather]).invoke([question])
        call = answer.tool_calls[0]
        assert call["name"] == "get_weather" and call["args"]["city"] and call["id"], answer
        result = get_weather.invoke(call)
        assert isinstance(result, ToolMessage), result
        assert make("text").bind_tools([get_weather]).invoke([question, answer, result]).text


@check
def calls_of_tools_streamed():
    for make, _ in BOTH:
        whole = None
        for chunk in make("full").bind_tools([get_weather]).stream(QUESTION):
            whole = chunk if whole is None else whole + chunk
        assert [call["args"]["city"] for call in whole.tool_calls] == ["Rome", "Oslo"], whole
        assert SAID in whole.text, whole


@check
def embeddings():
    model = OpenAIEmbeddings(
        model="multilingual-e5-small",
        base_url=GATEWAY + "/v1",
        api_key="key-of-app",
        # Otherwise it sends numbers of OpenAI's own tokens.
        check_embedding_ctx_length=False,
    )
    assert [len(vector) for vector in model.embed_documents(["a dog", "a puppy"])] == [384, 384]
    assert len(model.embed_query("a dog")) == 384


@check
def failures():
    for make, sdk in BOTH:
        with raises(sdk.NotFoundError, status_code=404):
            make("smolm2").invoke(QUESTION)
        with raises(sdk.InternalServerError):
            make("status-500").invoke(QUESTION)
        for model in ["cut", "cut-terminated", "broken"]:
            with raises(sdk.APIError):
                list(make(model).stream(QUESTION))


def is_complete(message):
    """Whether it says that it is."""
    return any(message.response_metadata.get(name) for name in ["finish_reason", "stop_reason"])


@check
def fates():
    """Whatever a provider does: a whole answer, or an error of the right class; never a clean end of what was cut."""
    for number, (make, sdk) in enumerate(BOTH):

        def ask_for(model, streamed, make=make):
            chat = make(model)
            for message in chat.stream(QUESTION) if streamed else [chat.invoke(QUESTION)]:
                yield message.text, is_complete(message)

        each_fate(f"langchain-{number}", sdk, ask_for)


@check
def llmock():
    """A mock of others, that breaks its answers at random: see what it says of its callers at its end."""

    def all_of_it(chat, question):
        first, *chunks = chat.stream(question)
        whole = sum(chunks, first)
        assert is_complete(whole), whole
        return whole

    for make, sdk in BOTH:
        for number in range(4):
            question = f"Question {number} of the weather, by langchain's {make.__name__}?"
            for model in ["llmock", "llmock-messages"]:
                chat, streams = make(model), make(model + "-streams")
                for answer in [chat.invoke(question), patiently(lambda: all_of_it(streams, question), sdk.APIError)]:
                    assert answer.text, answer
                chat, streams = chat.bind_tools([get_weather]), streams.bind_tools([get_weather])
                for answer in [chat.invoke(question), patiently(lambda: all_of_it(streams, question), sdk.APIError)]:
                    assert answer.tool_calls[0]["name"] == "get_weather", answer
                    assert "city" in answer.tool_calls[0]["args"], answer


@check
def counted():
    for make, sdk in BOTH:

        def ask_for(key, model, streamed, make=make, sdk=sdk):
            chat = make(model, key, **({"stream_usage": True} if streamed else {}))
            try:
                if streamed:
                    first, *chunks = chat.stream(QUESTION)
                    usage = sum(chunks, first).usage_metadata
                else:
                    usage = chat.invoke(QUESTION).usage_metadata
            except (sdk.BadRequestError, sdk.InternalServerError):
                return None
            return usage["input_tokens"], usage["output_tokens"]

        # Of the tokens that Anthropic tells at the begin and again at the end of a stream langchain makes its own sum.
        is_counted("langchain", ask_for, streams=("full", "full" if make is anthropic_chat else "claude-full"))


run("langchain")
