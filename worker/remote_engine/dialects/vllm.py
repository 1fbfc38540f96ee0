"""vLLM's `/v1/completions`, which also Ray Serve LLM, KServe and llm-d offer."""

from worker.remote_engine.dialects.base import (
    DialectError,
    FetchJson,
    HttpPost,
    Json,
    Piece,
    RemoteCall,
    ServedModel,
    find_listed_model,
    read_ids,
    read_object,
    read_reason,
)


class VllmDialect:
    """
    Completions by token ids.

    The checkpoint's sampling defaults would fill each gap, so every parameter is sent. Closing the
    stream ends a request.
    """

    product = "vLLM"
    proves_prompt_first = True

    async def find_served_model(self, fetch_json: FetchJson, wanted: str) -> ServedModel:
        """See `Dialect.find_served_model`."""
        return await find_listed_model(fetch_json, wanted)

    def build_call(self, call: RemoteCall) -> HttpPost:
        """See `Dialect.build_call`. A `top_k` of 0 takes all tokens, as here."""
        sampling = call.request.sampling
        body: Json = {
            "model": call.model,
            "prompt": list(call.request.prompt),
            "max_tokens": sampling.max_new_tokens,
            "temperature": sampling.temperature,
            "top_k": sampling.top_k,
            "top_p": sampling.top_p,
            "min_p": 0.0,
            "repetition_penalty": 1.0,
            "presence_penalty": 0.0,
            "frequency_penalty": 0.0,
            "seed": sampling.seed,
            "stop_token_ids": list(call.request.stop_ids),
            "ignore_eos": True,
            "n": 1,
            "stream": True,
            "return_token_ids": True,
            "cache_salt": call.salt,
        }
        headers = {"X-Request-Id": call.name, "X-Session-ID": call.session}
        return HttpPost("/v1/completions", body, headers)

    def build_abort(self, name: str) -> HttpPost | None:  # noqa: ARG002
        """See `Dialect.build_abort`."""
        return None

    def read_piece(self, event: Json) -> Piece:
        """See `Dialect.read_piece`."""
        choices = event.get("choices")
        if "error" in event or not isinstance(choices, list):
            raise DialectError("the server failed at this request")
        if not choices:
            return Piece()
        choice = read_object(choices[0])
        prompt_ids = choice.get("prompt_token_ids")
        return Piece(
            ids=read_ids(choice.get("token_ids") or []),
            reason=read_reason(choice.get("finish_reason")),
            prompt_ids=None if prompt_ids is None else read_ids(prompt_ids),
        )
