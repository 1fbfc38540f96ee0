"""Classifier and rates: an answer in bounded time, or none."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from worker.render.wording import FalseRate, Wording
from worker.wording import classifier
from worker.wording.classifier import Classifier
from worker.wording.word_list import WordList
from worker.wording.wording_check import WordingCheck, load_innocent_texts


@asynccontextmanager
async def serve(*answers: web.Response | None) -> AsyncIterator[tuple[str, list[object]]]:
    """Serve these answers in turn, and then the last one; `None` never answers."""
    requests: list[object] = []
    is_over = asyncio.Event()

    async def answer(request: web.Request) -> web.Response:
        requests.append(await request.json())
        response = answers[min(len(requests), len(answers)) - 1]
        if response is None:
            await is_over.wait()
            return web.Response()
        body = response.body
        return web.Response(body=body, status=response.status, headers=response.headers.copy())

    app = web.Application()
    app.router.add_post("/score", answer)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0]
    try:
        yield f"http://{host}:{port}/score", requests
    finally:
        is_over.set()
        await runner.cleanup()


async def test_score_decides_from_the_threshold_on() -> None:
    """The endpoint gets the text alone."""
    scores = (web.json_response({"score": score}) for score in (0.8, 0.79, 1, 0))
    async with serve(*scores) as (url, requests):
        found = [await Classifier(url, 0.8).flags_text("words") for _ in range(4)]

    assert found == [True, False, True, False]
    assert requests == [{"text": "words"}] * 4


@pytest.mark.parametrize(
    "answer",
    [
        *(web.Response(body=body) for body in (b"", b"[]", b"{", b'{"score": "1"}')),
        *(
            web.Response(body=b'{"score": %s}' % one)
            for one in (b"NaN", b"2", b"-1", b"true", b"1" * 400)
        ),
        web.Response(body=b'{"score": 1}' + b" " * 5_000),
        web.Response(body=b"[" * 4_000),
        web.Response(body=b'{"score": 1}', status=500),
        web.Response(status=302, headers={"Location": "/score"}),
        None,
    ],
)
async def test_anything_else_is_no_answer(
    answer: web.Response | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wording then counts as not checked, and the list is asked all the same."""
    monkeypatch.setattr(classifier, "TIMEOUT_SECONDS", 0.2 if answer is None else 20.0)
    async with serve(answer) as (url, _):
        check = WordingCheck(WordList(["word"]), Classifier(url, 0.5))
        found = await check.check_wording("a word")

    assert found == Wording(in_list=True, is_unanswered=True)


async def test_endpoint_that_is_away_is_no_answer() -> None:
    """Its port is closed."""
    async with serve() as (url, _):
        pass
    found = await WordingCheck(None, Classifier(url, 0.5)).check_wording("a word")
    assert found == Wording(is_unanswered=True)


async def test_rates_are_measured_on_the_innocent_texts() -> None:
    """Two lines have the word; the endpoint flags each text, and then gives one no answer."""
    texts = load_innocent_texts()
    check = WordingCheck(WordList(["kills", "杀死"]), None)
    await check.measure_rates()
    assert (await check.check_wording("x")).list_rate == FalseRate(2, len(texts))

    async with serve(web.json_response({"score": 1})) as (url, requests):
        async with WordingCheck(None, Classifier(url, 0.5)) as check:
            await check.measure_rates()
        assert len(requests) >= len(texts)
        assert (await check.check_wording("x")).classifier_rate == FalseRate(len(texts), len(texts))
    gone = WordingCheck(None, Classifier(url, 0.5))
    await gone.measure_rates()
    assert (await gone.check_wording("x")).classifier_rate is None


def test_innocent_texts_are_many_and_in_both_languages() -> None:
    """Each is one line."""
    texts = load_innocent_texts()
    chinese = [text for text in texts if not text.isascii()]
    assert len(set(texts)) == len(texts) >= 150
    assert len(chinese) >= 50


async def test_checks_that_are_off_find_nothing() -> None:
    """A workspace that wants none has none."""
    assert await WordingCheck(None, None).check_wording("a word") == Wording()
    assert not WordingCheck(None, None).has_listed_words("a word")
