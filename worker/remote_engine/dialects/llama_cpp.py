"""The `/completion` of llama.cpp's server."""

from worker.engine import FinishReason
from worker.remote_engine.dialects.base import (
    DialectError,
    EncodableText,
    FetchJson,
    HttpPost,
    Json,
    Piece,
    RemoteCall,
    ServedModel,
    choose_model,
    read_count,
    read_ids,
    read_object,
)


class LlamaCppDialect:
    """
    Completion by token ids.

    The server can't keep the prefix caches of teams apart, so its cache is off. It knows no stop
    ids, so the client watches for them and closes the stream. Its defaults differ in every sampling
    parameter, and in their order.

    A token that ends within a character has no event: the next event has the text of both, but only
    the last id. The server encodes such a text.
    """

    product = "llama.cpp"
    proves_prompt_first = False

    async def find_served_model(self, fetch_json: FetchJson, wanted: str) -> ServedModel:
        """See `Dialect.find_served_model`. A slot's window counts, not the model's."""
        entry = choose_model((await fetch_json("/v1/models")).get("data"), wanted)
        defaults = (await fetch_json("/props")).get("default_generation_settings")
        return ServedModel(entry["id"], read_count(read_object(defaults).get("n_ctx")))

    def build_call(self, call: RemoteCall) -> HttpPost:
        """See `Dialect.build_call`."""
        sampling = call.request.sampling
        body: Json = {
            "prompt": list(call.request.prompt),
            "n_predict": sampling.max_new_tokens,
            "temperature": sampling.temperature,
            "top_k": sampling.top_k,
            "top_p": sampling.top_p,
            "min_p": 0.0,
            "typical_p": 1.0,
            "repeat_penalty": 1.0,
            "presence_penalty": 0.0,
            "frequency_penalty": 0.0,
            "dry_multiplier": 0.0,
            "dynatemp_range": 0.0,
            "mirostat": 0,
            "ignore_eos": False,
            "samplers": ["temperature", "top_k", "top_p"],
            "seed": sampling.seed,
            "stream": True,
            "return_tokens": True,
            "cache_prompt": False,
        }
        return HttpPost("/completion", body)

    def build_abort(self, name: str) -> HttpPost | None:  # noqa: ARG002
        """See `Dialect.build_abort`."""
        return None

    def read_piece(self, event: Json) -> Piece:
        """See `Dialect.read_piece`."""
        if "error" in event:
            raise DialectError("the server failed at this request")
        ids = read_ids(event.get("tokens") or [])
        if event.get("stop") is not True:
            return Piece(ids=ids, text=_read_text(event))
        is_cut = event.get("stop_type") == "limit"
        return Piece(
            ids=ids,
            reason=FinishReason.LENGTH if is_cut else FinishReason.STOP,
            prompt_tokens=read_count(event.get("tokens_evaluated")),
        )


def _read_text(event: Json) -> EncodableText | None:
    total, text = read_count(event.get("tokens_predicted")), event.get("content")
    if total is None or not isinstance(text, str):
        return None
    # Text that spells a control token becomes no control token.
    body = {"content": text, "add_special": False, "parse_special": False}
    return EncodableText(total, HttpPost("/tokenize", body))
