"""Code reader: a thread as the turns from which its code is put together."""

from collections.abc import Mapping
from dataclasses import dataclass

from bot.current_code.blocks import scan_blocks
from bot.current_code.model import CodeTurn, MissingCode, PostedFile
from bot.current_code.summary import Question
from bot.messages import mrkdwn
from bot.messages.conversation import build_replies
from bot.messages.message import AuthorKind, BotIdentity, Message
from bot.slack.users import UserDirectory
from bot.store.file_texts import FileTexts
from bot.store.stored_answers import StoredAnswers
from bot.store.thread_cache import ThreadCache
from contract.job import Thread


@dataclass(frozen=True, slots=True)
class ThreadCode:
    """Turns of a thread in order, its questions by `ts`, and what is not in the turns."""

    turns: tuple[CodeTurn, ...]
    questions: Mapping[str, Question]
    missing: MissingCode


@dataclass(frozen=True, slots=True)
class CodeReader:
    """Reads threads. Methods raise `RedisError`, and `CALL_ERRORS` if Slack fails a call."""

    identity: BotIdentity
    thread_cache: ThreadCache
    answers: StoredAnswers
    file_texts: FileTexts
    users: UserDirectory

    def read_thread(self, thread: Thread) -> ThreadCode | None:
        """Read a thread, with replies as the workers wrote them; `None` if it is unreadable."""
        messages = self.thread_cache.load_messages(thread)
        if messages is None:
            return None
        posts = [message for message in messages if message.kind is not AuthorKind.REPLY]
        replies = {turn.in_reply_to or "": turn.text for turn in build_replies(messages)}
        answers = self.answers.read_answers(thread)
        covered = {ts: answer.text for ts, answer in answers.items() if answer.is_covered}
        lost = replies.keys() - answers.keys()
        if lost:
            lost &= self.thread_cache.find_replies_with_files(thread)
        replies |= {ts: answer.text for ts, answer in answers.items() if ts not in covered}
        files, num_unread = self._read_files(thread, posts)
        turns: list[CodeTurn] = []
        for post in posts:
            text = mrkdwn.to_plain_text(post.text, {})
            turns.append(CodeTurn(post.ts, post.author, text, files=files[post.ts]))
            if post.ts in replies.keys() - covered.keys():
                turns.append(CodeTurn(post.ts, post.author, replies[post.ts], is_reply=True))
        with_code = [text for text in covered.values() if any(scan_blocks(text))]
        missing = MissingCode(num_unread, num_lost=len(lost), num_covered=len(with_code))
        return ThreadCode(tuple(turns), self._describe_questions(thread.team, posts), missing)

    def _read_files(
        self, thread: Thread, posts: list[Message]
    ) -> tuple[dict[str, tuple[PostedFile, ...]], int]:
        """Return the texts of posted files by message, and the number of unknown ones."""
        shares = [
            (file.id, post.ts) for post in posts for file in post.references if file.may_be_text
        ]
        found = self.file_texts.read_files(thread, shares)
        files = {
            post.ts: tuple(
                PostedFile(file.name or file.title, kept.text or "", kept.is_recoded)
                for file in post.references
                if (kept := found.get((file.id, post.ts))) is not None
            )
            for post in posts
        }
        return files, len(shares) - len(found)

    def _describe_questions(self, team: str, posts: list[Message]) -> dict[str, Question]:
        people = {post.author for post in posts if post.kind is AuthorKind.PERSON}
        users = self.users.lookup_users(team, sorted(people))
        return {
            post.ts: Question(
                users[post.author].name if post.author in users else post.name or post.author,
                mrkdwn.to_plain_text(
                    mrkdwn.strip_leading_mention(post.text, self.identity.user_id), {}
                ),
            )
            for post in posts
        }
