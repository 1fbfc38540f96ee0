"""Finished replies with the verdicts of the real parsers, which run in this process."""

from dataclasses import asdict

from contract.code_verdicts import CodeVerdict, VerdictKind
from worker.checks.names.hints import find_name_hints
from worker.checks.names.name_lists import load_name_lists
from worker.checks.parsers import check_code
from worker.checks.safety.hints import find_safety_hints
from worker.render import ReplyFacts, list_checkable, parse_reply
from worker.render.compose import compose_reply
from worker.render.model import BlockFindings, CodeBlock, ComposedReply


def check_block(block: CodeBlock) -> CodeVerdict:
    """Return the verdict on one block."""
    return find_in_block(block).verdict


def find_in_block(block: CodeBlock) -> BlockFindings:
    """Return all that the checks find in one block."""
    found = check_code(block.language.name, block.text)
    verdict = CodeVerdict(
        kind=VerdictKind(found.kind), code=found.code, line=found.line, why=found.why
    )
    risks = find_safety_hints(block.language.name, block.text)
    names = find_name_hints(block.language.name, block.text, load_name_lists())
    return BlockFindings.model_validate(
        {
            "verdict": verdict,
            "risks": [asdict(hint) for hint in risks],
            "names": [asdict(hint) for hint in names],
        }
    )


def compose_checked(text: str, *, facts: ReplyFacts) -> ComposedReply:
    """Return the finished reply as the worker composes it."""
    reply = parse_reply(text, facts=facts)
    findings = {block: find_in_block(block) for block in list_checkable(reply.pieces)}
    return compose_reply(reply, findings, facts=facts)
