"""Generator with a real engine."""

import time

from contract.conversation import Speaker, Turn
from testing.checkpoints import memorizing_checkpoint
from testing.memorizing_model import ANSWERS, MUTEX
from worker.answering.generator import GeneratedText, GenerationSettings, Generator
from worker.engine import FinishReason
from worker.engine.client import EngineClient
from worker.engine.protocol import EngineConfig

CONVERSATION = (Turn(speaker=Speaker.USER, text=MUTEX, ts="1.0"),)


async def test_generation_stops_at_its_deadline_only() -> None:
    """An expired deadline yields no text; a later one yields all of it, with drafts."""
    options = EngineConfig(
        model=str(memorizing_checkpoint()), slots=1, threads=1, num_speculative_tokens=8
    )
    engine = EngineClient(options)
    wishes = GenerationSettings(
        max_new_tokens=100, temperature=0, top_k=0, top_p=1, system_prompt=""
    )
    generation = Generator(engine, wishes)
    readings = [
        GeneratedText(deadline=time.monotonic()),
        GeneratedText(deadline=time.monotonic() + 3600),
    ]
    try:
        room = await generation.wait_for_model()
        prompt = await generation.build_prompt(room, CONVERSATION)
        for reading in readings:
            async for _ in generation.stream_text(room, "a", prompt, "T1", reading):
                pass
        following = Turn(speaker=Speaker.USER, text="And then?", ts="2.0")
        told = Turn(speaker=Speaker.ASSISTANT, text=readings[1].text, ts="1.5", in_reply_to="1.0")
        spelled = {readings[1].text: readings[1].token_ids}
        second = await generation.build_prompt(room, (*CONVERSATION, told, following), spelled)
    finally:
        await engine.shut_down()

    read = (*prompt.token_ids, *readings[1].token_ids)
    assert len(read) > len(prompt.token_ids)
    assert second.token_ids[: len(read)] == read
    assert [reading.finish_reason for reading in readings] == [
        FinishReason.TIMEOUT,
        FinishReason.STOP,
    ]
    assert [reading.text.strip() for reading in readings] == ["", ANSWERS[MUTEX]]
