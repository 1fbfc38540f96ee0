"""Spare slots: candidates use free slots, and give them up to questions."""

import asyncio

from worker.answering.spare_slots import SpareSlots


async def test_candidates_take_free_slots_only() -> None:
    """None waits, and a slot that was given back twice is free once."""
    slots, stopped = asyncio.Semaphore(2), list[str]()
    spare = SpareSlots(slots, stopped.append)

    assert [await spare.take_slot(name) for name in "abc"] == [True, True, False]
    spare.release_slot("a")
    spare.release_slot("a")
    assert len(spare) == 1
    assert await spare.take_slot("d")
    assert not await spare.take_slot("e")
    assert stopped == []


async def test_newest_candidate_is_given_up_for_a_question() -> None:
    """Each question gets one slot, at once; with a free slot, none is given up."""
    slots, stopped = asyncio.Semaphore(3), list[str]()
    spare = SpareSlots(slots, stopped.append)
    await spare.take_slot("a")
    spare.give_up_one()
    await spare.take_slot("b")
    await spare.take_slot("c")
    for _ in range(4):
        spare.give_up_one()
        if not slots.locked():
            await slots.acquire()
    spare.release_slot("b")

    assert stopped == ["c", "b", "a"]
    assert (len(spare), slots.locked()) == (0, True)
