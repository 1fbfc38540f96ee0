"""Keys of requests: which questions share a generation."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from contract.conversation import Speaker, Turn
from contract.job import Job, Thread
from worker.answering.shared_generations import ShareKey, name_audience
from worker.engine import Request, SamplingParams


def make_job(team: str, channel: str, *, is_public: bool, text: str = "?", ts: str = "1.0") -> Job:
    """Return a question's job."""
    return Job(
        thread=Thread(team=team, channel=channel, ts=ts),
        ts=ts,
        user="U1",
        user_team=team,
        turns=(Turn(speaker=Speaker.USER, text=text, ts=ts),),
        is_public=is_public,
    )


JOBS = st.builds(
    make_job,
    team=st.sampled_from(["T1", "T2"]),
    channel=st.sampled_from(["C1", "C2", "D1"]),
    is_public=st.booleans(),
    ts=st.sampled_from(["1.0", "2.0"]),
)
REQUESTS = st.builds(
    Request,
    id=st.sampled_from(["a", "b"]),
    prompt=st.sampled_from([(1, 2), (1, 3)]),
    sampling=st.builds(
        SamplingParams,
        max_new_tokens=st.sampled_from([16, 32]),
        temperature=st.sampled_from([0.0, 0.2]),
        top_k=st.sampled_from([0, 50]),
        top_p=st.sampled_from([0.9, 1.0]),
        seed=st.sampled_from([1, 2]),
    ),
    stop_ids=st.sampled_from([(0,), (0, 9)]),
    deadline=st.sampled_from([1.0, 2.0]),
)


@given(one=JOBS, other=JOBS, asked=REQUESTS, also=REQUESTS)
def test_only_the_same_prompt_and_rules_before_the_same_people_share(
    one: Job, other: Job, asked: Request, also: Request
) -> None:
    """Any seed, thread and deadline; never across workspaces, nor with a channel not public."""
    are_public = one.is_public and other.is_public
    same_channel = one.thread.channel == other.thread.channel and one.is_public == other.is_public
    may_share = (
        one.thread.team == other.thread.team
        and (are_public or same_channel)
        and asked.prompt == also.prompt
        and asked.stop_ids == also.stop_ids
        and replace(asked.sampling, seed=0) == replace(also.sampling, seed=0)
    )
    keys = [
        ShareKey.from_request(request, name_audience(job))
        for job, request in ((one, asked), (other, also))
    ]
    assert (keys[0] == keys[1]) is may_share
