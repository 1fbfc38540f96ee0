"""Finished replies with the verdicts of the real parsers, which run in this process."""

from contract.code_verdicts import CodeVerdict, VerdictKind
from worker.checks.parsers import check_code
from worker.render import ReplyFacts, list_checkable, parse_reply
from worker.render.compose import compose_reply
from worker.render.model import CodeBlock, ComposedReply


def check_block(block: CodeBlock) -> CodeVerdict:
    """Return the verdict on one block."""
    found = check_code(block.language.name, block.text)
    return CodeVerdict(
        kind=VerdictKind(found.kind), code=found.code, line=found.line, why=found.why
    )


def compose_checked(text: str, *, facts: ReplyFacts) -> ComposedReply:
    """Return the finished reply as the worker composes it."""
    reply = parse_reply(text, facts=facts)
    verdicts = {block: check_block(block) for block in list_checkable(reply.pieces)}
    return compose_reply(reply, verdicts, facts=facts)
