"""Details of a reply as lines of plain text, which Slack shows literally."""

from typing import Any, Final

from contract.code_verdicts import describe_verdicts
from contract.language import JoinedPhrases, Language, Phrase, PluralPhrase, Translatable
from contract.reply_controls import ReplyAddress, build_rework_button, build_withdraw_button
from contract.reply_details import MAX_SCORE, MS_PER_SECOND, ReplyDetails, derive_seed
from contract.rework import ReworkKind
from contract.texts import LIST_COMMA

TITLE: Final = Phrase("Details of this reply")
NOT_CHECKED: Final = Phrase(
    "Not checked: facts, addresses, and whether code runs or does what was asked"
)
REPLAY_PROMISE: Final = Phrase(
    "Replay generates this reply once more with the same seed and says whether it is the same. In "
    "our tests, this number format on a CPU gives the same text beside any other replies."
)
NO_REPLAY: Final = Phrase(
    "No replay: on this device, or for a reply that was cut by hand or continued, the same seed "
    "may give another text."
)


def build_detail_blocks(
    address: ReplyAddress,
    details: ReplyDetails,
    language: Language,
    *,
    can_withdraw: bool = False,
) -> list[dict[str, Any]]:
    """
    Return the details as blocks. Nothing in them can mention, link or format.

    With `can_withdraw`, a button takes the question out of what others are linked to.
    """
    can_replay = details.is_reproducible and bool(details.reply_id)
    advice = REPLAY_PROMISE if can_replay else NO_REPLAY
    lines = [*(line.translate(language) for line in describe_details(details)), ""]
    text = "\n".join([*lines, advice.translate(language)])
    words = {"type": "plain_text", "text": text, "emoji": False}
    title = {"type": "plain_text", "text": TITLE.translate(language)}
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": title},
        {"type": "section", "text": words},
    ]
    buttons = []
    if can_replay:
        kind = ReworkKind.REPLAY
        buttons.append(build_rework_button(kind, address, details.reply_id, language))
    if can_withdraw:
        buttons.append(build_withdraw_button(address, language))
    return [*blocks, {"type": "actions", "elements": buttons}] if buttons else blocks


def describe_details(details: ReplyDetails) -> list[Translatable]:
    """Return one line for each group of facts."""
    return [
        _describe_model(details),
        Phrase(
            "Engine: {device}, {dtype}",
            device=details.device or Phrase("unknown device"),
            dtype=details.dtype or Phrase("unknown number format"),
        ),
        Phrase("Seed: {seed}", seed=details.seed),
        Phrase(
            "Sampling: {sampling}, at most {count:,} tokens",
            sampling=_describe_sampling(details),
            count=details.max_new_tokens,
        ),
        Phrase(
            "Tokens: {prompt:,} in, {reply:,} out",
            prompt=details.prompt_tokens,
            reply=details.new_tokens,
        ),
        *_describe_sharing(details),
        Phrase("Context: {parts}", parts=_describe_context(details)),
        Phrase("Time: {times}", times=_describe_times(details)),
        Phrase("Checks: {verdicts}", verdicts=_describe_checks(details)),
        *_describe_hints(details),
        *_describe_candidates(details),
        NOT_CHECKED,
        Phrase("Id: {id}", id=details.reply_id or Phrase("none")),
    ]


def _describe_model(details: ReplyDetails) -> Translatable:
    model = details.model or Phrase("unknown")
    if not details.revision:
        return Phrase("Model: {model}", model=model)
    return Phrase("Model: {model}, revision {revision}", model=model, revision=details.revision)


def _describe_checks(details: ReplyDetails) -> Translatable:
    if not details.verdicts:
        return Phrase("no code to check")
    return describe_verdicts(details.verdicts, details.verdicts_left_out)


def _describe_hints(details: ReplyDetails) -> list[Translatable]:
    lines: list[Translatable] = []
    if details.verdicts:
        lines.append(
            Phrase(
                "Hints: {count:,}. They know few mistakes: code without a hint isn't safe.",
                count=details.hints,
            )
        )
    if details.hidden_secrets:
        lines.append(Phrase("Secrets hidden: {count:,}", count=details.hidden_secrets))
    return lines


def _describe_sharing(details: ReplyDetails) -> list[Translatable]:
    if not details.shared_tokens:
        return []
    return [
        PluralPhrase(
            "Shared: {count} token was generated once for several replies. Its GPU time counts for "
            "another one.",
            "Shared: {count:,} tokens were generated once for several replies. Their GPU time "
            "counts for another one.",
            details.shared_tokens,
        )
    ]


def _describe_candidates(details: ReplyDetails) -> list[Translatable]:
    """Return one line about all candidates, with seed and score of each; none for a single one."""
    if not details.scores:
        return []
    entries = [
        Phrase(
            "seed {seed}: {score}",
            seed=derive_seed(details.seed, number - details.candidate),
            score=Phrase("left out") if score is None else f"{score}/{MAX_SCORE}",
        )
        for number, score in enumerate(details.scores)
    ]
    return [
        Phrase(
            "Candidates: {count} ({entries}). The checks chose {chosen}, and you see {shown}.",
            count=len(details.scores),
            entries=JoinedPhrases(entries, LIST_COMMA),
            chosen=details.chosen + 1,
            shown=details.candidate + 1,
        )
    ]


def _describe_sampling(details: ReplyDetails) -> Translatable:
    if not details.temperature:
        return Phrase("greedy")
    return Phrase(
        "temperature {temperature}, top_k {top_k}, top_p {top_p}",
        temperature=f"{details.temperature:g}",
        top_k=details.top_k,
        top_p=f"{details.top_p:g}",
    )


def _describe_context(details: ReplyDetails) -> Translatable:
    turns, shortened = details.left_out_turns, details.shortened_turns
    read, unread = details.files_read, details.files_left_out
    parts = [
        PluralPhrase("{count} message left out", "{count:,} messages left out", turns),
        PluralPhrase("{count} message shortened", "{count:,} messages shortened", shortened),
        PluralPhrase("{count} file read", "{count:,} files read", read),
        PluralPhrase("{count} file left out", "{count:,} files left out", unread),
    ]
    shown = [part for part in parts if part.count]
    return JoinedPhrases(shown, LIST_COMMA) if shown else Phrase("all messages, no files")


def _describe_times(details: ReplyDetails) -> Translatable:
    seconds = details.total_ms / MS_PER_SECOND
    times = Phrase(
        "waited {wait:,.1f} s in line, first words after {first:,.1f} s",
        wait=details.wait_ms / MS_PER_SECOND,
        first=details.first_text_ms / MS_PER_SECOND,
    )
    shown: Translatable = times
    if seconds and not details.shared_tokens:
        rate = details.new_tokens / seconds
        shown = Phrase("{times}, {rate:,.1f} tokens a second", times=shown, rate=rate)
    if details.gpu_ms:
        used = details.gpu_ms / MS_PER_SECOND
        shown = Phrase("{times}, {used:,.1f} s of the engine's time", times=shown, used=used)
    return shown
