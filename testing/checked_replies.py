"""Finished replies with the verdicts of the real parsers, which run in this process."""

import json

from contract.code_verdicts import CodeVerdict
from worker.checks import block as block_checks
from worker.render import ReplyFacts, list_checkable, parse_reply
from worker.render.compose import compose_reply
from worker.render.model import BlockFindings, CodeBlock, ComposedReply


def check_block(block: CodeBlock) -> CodeVerdict:
    """Return the verdict on one block."""
    return find_in_block(block).verdict


def find_in_block(block: CodeBlock) -> BlockFindings:
    """Return all that the checks find in one block."""
    answer = block_checks.check_block(block.language.name, block.text)
    return BlockFindings.model_validate_json(json.dumps(answer))


def compose_checked(text: str, *, facts: ReplyFacts) -> ComposedReply:
    """Return the finished reply as the worker composes it."""
    reply = parse_reply(text, facts=facts)
    findings = {block: find_in_block(block) for block in list_checkable(reply.pieces)}
    return compose_reply(reply, findings, facts=facts)
