"""Jobs: one after another, each with its end on disk, whatever becomes of the process that asked for them."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from qfin.exceptions import InputError
from qfin.experiments.jobs import Job, JobQueue

LIST = ("data", "list")
LONG = ("run", "--preset", "quick")


def wait_for(queue: JobQueue, job_id: str, condition: Callable[[Job], bool]) -> Job:
    end = time.monotonic() + 60
    while not condition(job := queue.job(job_id)):
        assert time.monotonic() < end, f"{job}\n{queue.log(job_id)}"
        time.sleep(0.05)
    return job


def test_a_job_runs_its_command_and_keeps_what_it_printed(tmp_path: Path) -> None:
    queue = JobQueue(tmp_path)
    job = wait_for(queue, queue.submit("list", LIST), lambda job: job.is_over)
    assert (job.state, job.title, job.arguments) == ("done", "list", LIST)
    assert job.started is not None
    assert job.ended is not None
    assert "fx-usd" in queue.log(job.job_id)


def test_a_command_that_fails_is_a_failed_job_with_its_sentence(tmp_path: Path) -> None:
    queue = JobQueue(tmp_path)
    job = wait_for(queue, queue.submit("bad", ("data", "describe", "nothing")), lambda job: job.is_over)
    assert job.state == "failed"
    assert "expected" in queue.log(job.job_id)


def test_jobs_wait_for_their_turn_and_cancelling_one_starts_the_next(tmp_path: Path) -> None:
    queue = JobQueue(tmp_path)
    first = queue.submit("first", (*LONG, "--out", str(tmp_path / "run")))
    second = queue.submit("second", LIST)
    third = queue.submit("third", LIST)
    assert [queue.job(i).state for i in (first, second, third)] == ["running", "queued", "queued"]
    queue.cancel(second)
    # another object, as after a restart of the server, sees and steers the same jobs
    other = JobQueue(tmp_path)
    wait_for(other, first, lambda job: bool(job.progress))
    assert other.job(first).progress["description"]
    other.cancel(first)
    assert other.job(first).state == "cancelled"
    assert not (tmp_path / "run" / "record.json").exists()
    assert wait_for(other, third, lambda job: job.is_over).state == "done"
    assert other.job(second).state == "cancelled"
    assert [job.title for job in other.jobs()] == ["third", "second", "first"]


def test_a_job_outlives_the_process_that_asked_for_it(tmp_path: Path) -> None:
    code = f"from qfin.experiments.jobs import JobQueue; print(JobQueue({str(tmp_path)!r}).submit('list', {LIST!r}))"
    asked = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert wait_for(JobQueue(tmp_path), asked.stdout.strip(), lambda job: job.is_over).state == "done"


def test_a_lost_process_is_seen_and_its_job_can_be_started_again(tmp_path: Path) -> None:
    queue = JobQueue(tmp_path)
    lost = queue.submit("lost", (*LONG, "--out", str(tmp_path / "run")))
    os.killpg(json.loads((tmp_path / lost / "state.json").read_text())["pid"], signal.SIGKILL)
    wait_for(queue, lost, lambda job: job.state == "interrupted")
    again = queue.restart(lost)
    assert queue.job(again).arguments == queue.job(lost).arguments
    queue.cancel(again)
    queue.cancel(lost)
    assert queue.job(lost).state == "interrupted"


@pytest.mark.parametrize("job_id", ["", "..", "../secret", "20260101-000000-000000-abcd", "/etc/passwd"])
def test_an_id_that_is_none_is_refused(tmp_path: Path, job_id: str) -> None:
    with pytest.raises(InputError, match="id of a job"):
        JobQueue(tmp_path).job(job_id)
    with pytest.raises(InputError, match="id of a job"):
        JobQueue(tmp_path).cancel(job_id)
