"""The engine of this machine keeps the promises that a remote one must keep."""

from testing.checkpoints import wide_bigcode
from tests.worker.remote_engine.engine_contract import CHECKS, collect_reply, start_candidates
from worker.engine import Request, SamplingParams
from worker.engine.client import EngineClient
from worker.engine.protocol import EngineConfig


async def test_own_engine_keeps_the_promises(forked_engines: None) -> None:
    """One process serves all checks: its start takes longer than they do."""
    engine = EngineClient(EngineConfig(model=str(wide_bigcode()), device="cpu", threads=1))
    try:
        for check in CHECKS:
            await check(engine)
        before = engine.read_stats().prefilled_tokens
        prompt = tuple(range(20, 60))
        replies = await start_candidates(engine, prompt, 4)
        # Three candidates copy the first one's KV, and compute the last token of the prompt.
        assert engine.read_stats().prefilled_tokens - before == len(prompt) + 3
        assert len({tuple(ids) for ids in replies}) == 4
        engine.clear_scope("T1")
        for seed in range(4):
            sampling = SamplingParams(12, temperature=1.5, seed=seed)
            alone, _ = await collect_reply(engine, Request("alone", prompt, sampling))
            assert alone == replies[seed]
    finally:
        await engine.shut_down()
