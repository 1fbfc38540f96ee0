"""Messages in place of a file that Slack did not take, and the word for a reply with a gap."""

from typing import Final

from contract.language import Language
from worker.render import rich_text, texts
from worker.render.model import MAX_FALLBACK_UNITS, MAX_MESSAGE_WEIGHT, CodeBlock, Message, Snippet
from worker.render.paginate import paginate_pieces
from worker.render.sanitize import escape_fallback

MAX_FILE_MESSAGES: Final = 90
"""Messages of one file. The longest reply that is kept fills about 30."""


def compose_file_messages(snippet: Snippet, language: Language) -> list[Message]:
    """Return a file's content as code, in messages that say why it is no file."""
    code = CodeBlock(snippet.content.rstrip("\n"))
    pages = paginate_pieces(
        [code], MAX_MESSAGE_WEIGHT, keep_whole=False, max_messages=MAX_FILE_MESSAGES - 1
    )
    # Slack rejects a code block of white space alone.
    visible = [page for page in pages if any(piece.text.strip() for piece in page)]
    return [
        Message(
            escape_fallback(page[0].text[:MAX_FALLBACK_UNITS]),
            rich_text.render_blocks(page)
            + texts.context_blocks(
                texts.describe_file_message(snippet.filename, number, len(visible)).translate(
                    language
                )
            ),
        )
        for number, page in enumerate(visible, 1)
    ]


def mark_incomplete(message: Message, language: Language) -> Message:
    """Return the first message of a reply with a note that later parts are missing."""
    note = texts.context_blocks(texts.REPLY_INCOMPLETE.translate(language))
    return Message(message.text, [*message.blocks, *note])
