"""The engine of this machine keeps the promises that a remote one must keep."""

from testing.checkpoints import wide_bigcode
from tests.worker.remote_engine.engine_contract import CHECKS
from worker.engine.client import EngineClient
from worker.engine.protocol import EngineConfig


async def test_own_engine_keeps_the_promises(forked_engines: None) -> None:
    """One process serves all checks: its start takes longer than they do."""
    engine = EngineClient(EngineConfig(model=str(wide_bigcode()), device="cpu", threads=1))
    try:
        for check in CHECKS:
            await check(engine)
    finally:
        await engine.shut_down()
