"""Details of a reply as people read them."""

from bot.messages.detail_lines import (
    NO_REPLAY,
    REPLAY_PROMISE,
    build_detail_blocks,
    describe_details,
)
from contract.code_verdicts import CodeVerdict, VerdictKind
from contract.language import Language
from contract.reply_controls import ReplyAddress
from contract.reply_details import ReplyDetails

ADDRESS = ReplyAddress(thread_ts="1.0", ts="2.0", asker="U1")


def test_details_are_lines_of_plain_text() -> None:
    """Each fact has its unit."""
    details = ReplyDetails(
        reply_id="0a1b",
        model="starchat-beta",
        revision="b1bcda6",
        device="cuda",
        dtype="bfloat16",
        seed=41,
        temperature=0.2,
        top_k=50,
        top_p=0.95,
        max_new_tokens=1024,
        prompt_tokens=1234,
        new_tokens=84,
        left_out_turns=3,
        shortened_turns=1,
        files_read=2,
        files_left_out=1,
        wait_ms=400,
        first_text_ms=1300,
        total_ms=2000,
        gpu_ms=600,
        verdicts=(CodeVerdict(kind=VerdictKind.PARSES, code="python"),),
        hints=2,
        hidden_secrets=1,
    )

    assert [str(line) for line in describe_details(details)] == [
        "Model: starchat-beta, revision b1bcda6",
        "Engine: cuda, bfloat16",
        "Seed: 41",
        "Sampling: temperature 0.2, top_k 50, top_p 0.95, at most 1,024 tokens",
        "Tokens: 1,234 in, 84 out",
        "Context: 3 messages left out, 1 message shortened, 2 files read, 1 file left out",
        (
            "Time: waited 0.4 s in line, first words after 1.3 s, 42.0 tokens a second, "
            "0.6 s of the engine's time"
        ),
        "Checks: python: parses",
        "Hints: 2. They know few mistakes: code without a hint isn't safe.",
        "Secrets hidden: 1",
        "Not checked: facts, addresses, and whether code runs or does what was asked",
        "Id: 0a1b",
    ]


def test_details_without_facts_say_so() -> None:
    """A reply of an older worker has few."""
    lines = "\n".join(map(str, describe_details(ReplyDetails())))
    for words in ("unknown", "greedy", "all messages, no files", "no code to check"):
        assert words in lines


def test_shared_generation_is_told() -> None:
    """Not that another person has asked the same, nor how fast: but why little time was used."""
    details = ReplyDetails(new_tokens=84, shared_tokens=80, total_ms=1, gpu_ms=4)

    lines = [str(line) for line in describe_details(details)]
    assert lines[5] == (
        "Shared: 80 tokens were generated once for several replies. "
        "Their GPU time counts for another one."
    )
    assert "tokens a second" not in "\n".join(lines)


def test_candidates_have_seed_and_score() -> None:
    """All seeds follow from that of the version that is shown."""
    details = ReplyDetails(seed=42, scores=(1, 3, None), candidate=1, chosen=1)

    [line] = [line for line in map(str, describe_details(details)) if "Candidates" in line]
    assert line == (
        "Candidates: 3 (seed 41: 1/3, seed 42: 3/3, seed 43: left out). "
        "The checks chose 2, and you see 2."
    )


def test_engine_is_named_as_it_is() -> None:
    """An inference server is no part of this product."""
    details = ReplyDetails(device="vLLM server", dtype="as served")
    assert "Engine: vLLM server, as served" in [str(line) for line in describe_details(details)]


def test_forged_words_stay_words() -> None:
    """A mention or a link in them is plain text."""
    details = ReplyDetails(model="<!channel> <https://evil.example|docs> *x*")
    _, section = build_detail_blocks(ADDRESS, details, Language.ENGLISH)
    assert section["text"]["type"] == "plain_text"
    assert details.model in section["text"]["text"]


def test_replay_is_offered_where_it_is_promised() -> None:
    """Elsewhere, a sentence says why not."""
    _, section, actions = build_detail_blocks(
        ADDRESS, ReplyDetails(reply_id="0a", is_reproducible=True), Language.ENGLISH
    )
    assert str(REPLAY_PROMISE) in section["text"]["text"]
    [button] = actions["elements"]
    assert (button["text"]["text"], button["value"]) == ("Replay", "1.0 2.0 U1 0a")
    _, section = build_detail_blocks(ADDRESS, ReplyDetails(reply_id="0a"), Language.ENGLISH)
    assert str(NO_REPLAY) in section["text"]["text"]


def test_question_can_be_withdrawn_where_others_may_be_linked() -> None:
    """The button is beside that of a replay, or alone."""
    for details, num_buttons in (
        (ReplyDetails(reply_id="0a", is_reproducible=True), 2),
        (ReplyDetails(reply_id="0a"), 1),
    ):
        *_, actions = build_detail_blocks(ADDRESS, details, Language.ENGLISH, can_withdraw=True)
        assert len(actions["elements"]) == num_buttons
        button = actions["elements"][-1]
        assert (button["action_id"], button["value"]) == ("withdraw_question", "1.0 2.0 U1")
