"""Texts of a voted reply, which the database keeps with the workspace's consent."""

import json
from dataclasses import dataclass

from bot.messages.conversation import join_parts
from bot.messages.message import BotIdentity, Message
from bot.messages.votes.stored_conversation import describe_conversation
from bot.store.stored_answers import StoredAnswers
from bot.store.thread_cache import ThreadCache
from contract.job import Thread


@dataclass(frozen=True, slots=True)
class VoteTexts:
    """Reader of the texts. Raises `CALL_ERRORS` and `RedisError`."""

    identity: BotIdentity
    thread_cache: ThreadCache
    answers: StoredAnswers

    def read_texts(
        self, thread: Thread, question_ts: str, version: str
    ) -> tuple[str, str] | tuple[None, None]:
        """
        Return the conversation up to the question as JSON, and the text of the reply.

        Returns neither if the whole text is not known any more, or if readers see a cover.
        """
        reply = self._read_reply(thread, question_ts, version)
        if reply is None:
            return None, None
        messages = self.thread_cache.load_messages(thread) or ()
        turns = describe_conversation(messages, until=question_ts, identity=self.identity)
        return json.dumps(turns), reply.replace("\0", "\N{REPLACEMENT CHARACTER}")

    def _read_reply(self, thread: Thread, question_ts: str, version: str) -> str | None:
        answer, _ = self.answers.read_versions(thread, question_ts)
        if answer is not None and version and answer.reply_id == version:
            return None if answer.is_covered else answer.text
        own = self.thread_cache.find_whole_reply(thread, question_ts, frozenset())
        if any(raw.get("files") for raw in own):
            # The code of the reply is in the file, and not in the messages.
            return None
        parts = (Message.from_slack(raw, self.identity) for raw in own)
        return join_parts(part.text for part in parts if part is not None)
