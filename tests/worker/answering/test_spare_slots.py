"""Spare slots: candidates use free slots, and give them up to questions."""

import asyncio

from worker.aio import cancel_and_wait
from worker.answering.spare_slots import SpareSlots


async def test_candidates_take_free_slots_only() -> None:
    """None waits, and a slot that was given back twice is free once."""
    spare = SpareSlots(asyncio.Semaphore(2))

    assert [await spare.take_slot(name) for name in "abc"] == [True, True, False]
    spare.release_slot("a")
    spare.release_slot("a")
    assert len(spare) == 1
    assert await spare.take_slot("d")
    assert not await spare.take_slot("e")


async def test_newest_candidate_is_given_up_for_a_question() -> None:
    """Each question gets one slot, at once; with a free slot, none is given up."""
    slots, begun = asyncio.Semaphore(3), list[str]()
    spare, tasks = SpareSlots(slots), dict[str, asyncio.Task[None]]()

    async def generate(name: str) -> None:
        begun.append(name)
        await asyncio.Event().wait()

    async def start(name: str) -> None:
        assert await spare.take_slot(name)
        tasks[name] = asyncio.create_task(generate(name))
        spare.assign_task(name, tasks[name])

    await start("a")
    await spare.give_up_one()
    await asyncio.sleep(0)
    await start("b")
    await asyncio.sleep(0)
    await start("c")
    for _ in range(4):
        await spare.give_up_one()
        if not slots.locked():
            await slots.acquire()
    spare.release_slot("b")
    await cancel_and_wait(tasks.values())

    assert begun == ["a", "b"], "a candidate ran that was given up before it began"
    assert all(task.cancelled() for task in tasks.values())
    assert (len(spare), slots.locked()) == (0, True)
