"""SGLang's `/generate`."""

from worker.remote_engine.dialects.base import (
    DialectError,
    FetchJson,
    HttpPost,
    Json,
    Piece,
    RemoteCall,
    ServedModel,
    find_listed_model,
    read_count,
    read_ids,
    read_object,
    read_reason,
)

ALL_TOKENS = -1
"""SGLang's `top_k` that takes all tokens."""


class SglangDialect:
    """
    Generation by token ids.

    An event repeats the ids so far, unless the server streams increments. SGLang looks for closed
    streams every few seconds, so a request is also aborted by its name.
    """

    product = "SGLang"
    proves_prompt_first = True

    async def find_served_model(self, fetch_json: FetchJson, wanted: str) -> ServedModel:
        """See `Dialect.find_served_model`."""
        return await find_listed_model(fetch_json, wanted)

    def build_call(self, call: RemoteCall) -> HttpPost:
        """See `Dialect.build_call`."""
        sampling = call.request.sampling
        body: Json = {
            "input_ids": list(call.request.prompt),
            "sampling_params": {
                "max_new_tokens": sampling.max_new_tokens,
                "temperature": sampling.temperature,
                "top_k": sampling.top_k or ALL_TOKENS,
                "top_p": sampling.top_p,
                "min_p": 0.0,
                "repetition_penalty": 1.0,
                "presence_penalty": 0.0,
                "frequency_penalty": 0.0,
                "sampling_seed": sampling.seed,
                "stop_token_ids": list(call.request.stop_ids),
                "ignore_eos": True,
            },
            "stream": True,
            "rid": call.name,
            "cache_salt": call.salt,
            "session_id": call.session,
        }
        return HttpPost("/generate", body, {"X-Session-ID": call.session})

    def build_abort(self, name: str) -> HttpPost | None:
        """See `Dialect.build_abort`."""
        return HttpPost("/abort_request", {"rid": name})

    def read_piece(self, event: Json) -> Piece:
        """See `Dialect.read_piece`."""
        if "error" in event:
            raise DialectError("the server failed at this request")
        facts = read_object(event.get("meta_info"))
        reason = facts.get("finish_reason")
        return Piece(
            ids=read_ids(event.get("output_ids") or []),
            total=read_count(facts.get("completion_tokens")),
            reason=read_reason(reason.get("type") if isinstance(reason, dict) else reason),
            prompt_tokens=read_count(facts.get("prompt_tokens")),
        )
