"""Generator with a real engine."""

import time

from contract.conversation import Speaker, Turn
from testing.checkpoints import memorizing_checkpoint
from testing.memorizing_model import ANSWERS, MUTEX
from worker.answering.generated_text import GeneratedText
from worker.answering.generator import GenerationSettings, Generator
from worker.engine import FinishReason, Request
from worker.engine.client import EngineClient
from worker.engine.protocol import EngineConfig
from worker.prompt.builder import PromptSources

CONVERSATION = (Turn(speaker=Speaker.USER, text=MUTEX, ts="1.0"),)


async def test_generation_stops_at_its_deadline_only(forked_engines: None) -> None:
    """An expired deadline yields no text; a later one yields all of it, with drafts."""
    config = EngineConfig(
        model=str(memorizing_checkpoint()), slots=1, threads=1, num_speculative_tokens=8
    )
    engine = EngineClient(config)
    settings = GenerationSettings(
        max_new_tokens=100, temperature=0, top_k=0, top_p=1, system_prompt=""
    )
    generator = Generator(engine, settings)
    texts = [
        GeneratedText(deadline=time.monotonic()),
        GeneratedText(deadline=time.monotonic() + 3600),
    ]
    try:
        loaded = await generator.wait_for_model()
        prompt = await generator.build_prompt(loaded, CONVERSATION)
        stop_ids = loaded.chat_encoder.stop_token_ids
        for text in texts:
            sampling = generator.build_sampling(prompt, seed=1)
            request = Request(
                "a", prompt.token_ids, sampling, stop_ids, scope="T1", deadline=text.deadline
            )
            async for _ in generator.stream_text(loaded, request, text):
                pass
        follow_up = Turn(speaker=Speaker.USER, text="And then?", ts="2.0")
        answer = Turn(speaker=Speaker.ASSISTANT, text=texts[1].text, ts="1.5", in_reply_to="1.0")
        sources = PromptSources({texts[1].text: texts[1].token_ids})
        second = await generator.build_prompt(loaded, (*CONVERSATION, answer, follow_up), sources)
    finally:
        await engine.shut_down()

    computed_ids = (*prompt.token_ids, *texts[1].token_ids)
    assert len(computed_ids) > len(prompt.token_ids)
    assert second.token_ids[: len(computed_ids)] == computed_ids
    assert [text.finish_reason for text in texts] == [
        FinishReason.TIMEOUT,
        FinishReason.STOP,
    ]
    assert [text.text.strip() for text in texts] == ["", ANSWERS[MUTEX]]
