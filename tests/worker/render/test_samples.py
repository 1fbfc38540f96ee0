"""Samples that worker and bot share."""

import pytest

from testing.rich_text_samples import SAMPLES, RichTextSample
from worker.render import Message, ReplyFacts, compose_final


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_reply_becomes_the_sample_s_blocks(sample: RichTextSample) -> None:
    """A whole reply is one rich text block with exactly the sample's elements."""
    (message,) = compose_final(
        sample.markdown, facts=ReplyFacts("m", "stop", 256, sample.known_texts)
    )

    assert isinstance(message, Message)
    assert message.blocks[0] == {"type": "rich_text", "elements": sample.elements}
    assert {block["type"] for block in message.blocks[1:]} == {"context"}


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_recovered_markdown_gives_the_same_blocks(sample: RichTextSample) -> None:
    """Reading a reply back and rendering it again changes nothing."""
    (message,) = compose_final(
        sample.recovered, facts=ReplyFacts("m", "stop", 256, sample.known_texts)
    )

    assert isinstance(message, Message)
    assert message.blocks[0]["elements"] == sample.elements
