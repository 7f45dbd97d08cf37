"""Every saved query, run at home over the lines of real jobs, says what the job table and the clients know to be so."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from jobs.job import Job, Status, seconds_between
from stacks.saved_queries import of_api, of_jobs, of_workers
from tests.observability.conftest import GPU_WORKER_ID, Scene

MADE = 7
# Times are logged in milliseconds, and the record's own are taken a moment later.
CLOSE = 0.02
Rows = list[dict[str, Any]]


def total_seconds(job: Job) -> float:
    assert job.finished_at is not None
    return seconds_between(job.created_at, job.finished_at)


def total(rows: Rows, column: str) -> float:
    return float(sum(row[column] for row in rows))


def lines_where(scene: Scene, condition: Callable[[dict[str, Any]], bool]) -> Rows:
    return [line for line in scene.events if condition(line)]


def with_event(scene: Scene, *events: str) -> Rows:
    return lines_where(scene, lambda line: line.get("event") in events)


def test_the_jobs_ended_as_they_were_meant_to(scene: Scene) -> None:
    statuses = Counter(job.status for job in scene.jobs.values())
    assert statuses == {Status.SUCCEEDED: MADE, Status.FAILED: 1, Status.CANCELED: 2}


@pytest.mark.parametrize("name", ["local 0", "failed", "canceled while it was queued", "handed back", "lost"])
def test_a_jobs_story_is_all_that_was_written_about_it_in_order(scene: Scene, name: str) -> None:
    job = scene.jobs[scene.ids[name]]
    for identifier in (job.job_id, job.correlation_id):
        rows = scene.ask(of_jobs.STORY, identifier)
        wanted = [line for line in scene.events if identifier in (line.get("job_id"), line.get("correlation_id"))]
        assert Counter((row["event"], row["message"]) for row in rows) == Counter(
            (line["event"], line["message"]) for line in wanted
        )
        times = [row["@timestamp"] for row in rows]
        assert times == sorted(times)
    # By the correlation id, the request that made it is there too.
    events = [row["event"] for row in rows]
    assert {"request", "job_accepted", f"job_{job.status}"} <= set(events)
    assert {row["caller"] for row in rows if row["event"] == "job_accepted"} == {job.owner}


def test_the_slowest_jobs_come_first_with_their_phases(scene: Scene) -> None:
    rows = scene.ask(of_jobs.SLOWEST)
    ended = scene.of(Status.SUCCEEDED, Status.FAILED)
    assert {row["job_id"] for row in rows} == {job.job_id for job in ended}
    seconds = [row["total_seconds"] for row in rows]
    assert seconds == sorted(seconds, reverse=True)
    for row in rows:
        job = scene.jobs[row["job_id"]]
        assert row["total_seconds"] == pytest.approx(total_seconds(job), abs=CLOSE)
        assert row["queue_wait_seconds"] + row["run_seconds"] == pytest.approx(row["total_seconds"], abs=CLOSE)
        assert row["generate_seconds"] + row["store_seconds"] <= row["run_seconds"] + CLOSE
        assert (row["caller"], row["attempts"], row["images"]) == (job.owner, job.attempts, len(job.images))
        assert row["pixel_steps"] == job.request.pixel_steps


def test_percentiles_lie_where_they_should(scene: Scene) -> None:
    rows = scene.ask(of_jobs.PERCENTILES)
    assert total(rows, "jobs") == MADE
    seconds = sorted(map(total_seconds, scene.of(Status.SUCCEEDED)))
    for row in rows:
        for phase in ("wait", "run", "total"):
            assert row[f"{phase}_p50"] <= row[f"{phase}_p90"] <= row[f"{phase}_p99"]
        assert seconds[0] - CLOSE <= row["total_p50"]
        assert row["total_p99"] <= seconds[-1] + CLOSE
    if len(rows) == 1:
        assert seconds[MADE // 2 - 1] - CLOSE <= rows[0]["total_p50"] <= seconds[MADE // 2 + 1] + CLOSE


def test_failed_and_repeated_jobs_are_told_with_their_cause(scene: Scene) -> None:
    rows = scene.ask(of_jobs.FAILURES)
    failed = scene.jobs[scene.ids["failed"]]
    assert failed.error is not None
    assert Counter((row["event"], row["job_id"], row["cause"]) for row in rows) == Counter(
        [
            ("job_failed", failed.job_id, failed.error.code),
            ("job_handed_back", scene.ids["handed back"], "told to stop"),
            ("job_handed_back", scene.ids["reclaimed"], "spot notice"),
            # Its first worker was killed, and could say nothing.
            ("job_succeeded", scene.ids["lost"], None),
        ]
    )
    assert {row["attempts"] for row in rows if row["event"] == "job_succeeded"} == {2}


def test_throughput_counts_each_job_and_picture_once(scene: Scene) -> None:
    rows = scene.ask(of_jobs.THROUGHPUT)
    made = scene.of(Status.SUCCEEDED)
    assert (total(rows, "jobs"), total(rows, "pictures")) == (MADE, sum(len(job.images) for job in made))
    assert total(rows, "pixel_steps_done") == sum(job.request.pixel_steps for job in made)
    once = [job for job in made if job.job_id not in (scene.ids["handed back"], scene.ids["reclaimed"])]
    used, used_by_all = (sum(job.device_seconds or 0 for job in jobs) for jobs in (once, made))
    assert used <= total(rows, "device_seconds_used") + CLOSE <= used_by_all + 2 * CLOSE
    for row in rows:
        assert row["device_seconds_a_picture"] == pytest.approx(row["device_seconds_used"] / row["pictures"])


def test_the_cost_of_a_key_is_that_of_all_attempts_at_its_jobs(scene: Scene) -> None:
    rows = scene.ask(of_jobs.COST)
    # Attempts that ended by themselves: a killed worker writes no line.
    tries = {"local": 3 + 1 + 2, "artist": 1 + 1 + 2 + 1}
    for caller, wanted in tries.items():
        own = [row for row in rows if row["caller"] == caller]
        jobs = [job for job in scene.jobs.values() if job.owner == caller and job.device_seconds is not None]
        assert total(own, "tries") == wanted
        assert total(own, "jobs") == len(jobs)
        assert total(own, "pictures") == sum(len(job.images) for job in jobs)
        assert total(own, "device_seconds_used") == pytest.approx(
            sum(job.device_seconds or 0 for job in jobs), abs=1e-4
        )
        assert total(own, "dollars") == pytest.approx(sum(job.cost_dollars or 0 for job in jobs), abs=1e-6)
        assert total(own, "dollars") > 0
    assert {row["caller"] for row in rows} == set(tries)


def test_errors_are_those_that_clients_got(scene: Scene) -> None:
    rows = scene.ask(of_api.ERRORS)
    found = {(row["status"], row["error_code"]): row["requests"] for row in rows}
    got: Counter[int] = Counter()
    for (_, _, status), count in scene.answers.items():
        got[status] += count
    assert found == {(404, "job-not-found"): 3, (422, "invalid-request"): 1, (429, "request-limit"): got[429]}
    assert {row["route"] for row in rows if row["status"] == 404} == {"/v1/generations/{job_id}"}
    for row in rows:
        story = scene.ask(of_jobs.STORY, row["example"])
        assert [line["status"] for line in story if line["event"] == "request"] == [row["status"]]


def test_refusals_are_counted_by_key(scene: Scene) -> None:
    found: Counter[tuple[str, int]] = Counter()
    for row in scene.ask(of_api.REFUSALS):
        found[(row["caller"], row["status"])] += row["requests"]
    got: Counter[tuple[str, int]] = Counter()
    for (caller, _, status), count in scene.answers.items():
        if 400 <= status < 500:
            got[(caller, status)] += count
    assert found == got
    assert got[("hasty", 429)] >= 1


def test_latency_counts_every_request(scene: Scene) -> None:
    rows = scene.ask(of_api.LATENCY)
    assert total(rows, "requests") == scene.answers.total()
    assert all(0 < row["p50"] <= row["p95"] <= row["slowest"] for row in rows)
    assert all(row["longest_wait"] == 0 for row in rows)


def test_cold_starts_are_told_by_phase(scene: Scene) -> None:
    rows = scene.ask(of_workers.COLD_STARTS)
    # Four workers did a first step: told to stop, reclaimed, killed, and the last.
    assert len({row["worker_id"] for row in rows}) == len(rows) == 4
    phases = ("process", "fetch", "plan", "weights", "compile", "first_step")
    for row in rows:
        assert row["total"] == pytest.approx(sum(row[f"{phase}_seconds"] for phase in phases), abs=CLOSE)
        assert row["process_seconds"] > 0


def test_memory_that_ran_out_and_a_gpu_of_no_use_are_told(scene: Scene) -> None:
    rows = {row["event"]: row for row in scene.ask(of_workers.MEMORY)}
    assert rows.keys() == {"rung_lowered", "gpu_unusable"}
    lowered = rows["rung_lowered"]
    assert (lowered["rung_before"], lowered["rung"], lowered["out_of_memory_count"]) == ("resident", "slicing", 1)
    assert "CUDA out of memory" in lowered["cause"]
    assert "driver version is insufficient" in rows["gpu_unusable"]["message"]
    assert {row["instance_type"] for row in rows.values()} == {"g4dn.xlarge"}


def test_interruptions_are_told_with_what_was_handed_back(scene: Scene) -> None:
    rows = scene.ask(of_workers.INTERRUPTIONS)
    assert Counter(row["event"] for row in rows) == {
        "spot_notice": 1,
        "stop_requested": 2,
        "job_handed_back": 2,
        "worker_stopped": 2,
    }
    assert {row["job_id"] for row in rows if row["event"] == "job_handed_back"} == {
        scene.ids["handed back"],
        scene.ids["reclaimed"],
    }


def test_workers_are_told_with_the_time_that_they_worked(scene: Scene) -> None:
    rows = {row["worker_id"]: row for row in scene.ask(of_workers.WORKERS)}
    stopped = {line["worker_id"] for line in with_event(scene, "worker_stopped")}
    assert len(stopped) == 2
    assert stopped | {GPU_WORKER_ID} <= rows.keys()
    ends = with_event(scene, "job_succeeded", "job_failed", "job_canceled", "job_handed_back")
    for worker_id in stopped:
        row = rows[worker_id]
        used = sum(line["device_seconds"] for line in ends if line.get("worker_id") == worker_id)
        assert row["busy"] == pytest.approx(used, abs=CLOSE)
        assert row["alive"] == pytest.approx(row["busy"] + row["idle"], abs=CLOSE)
        assert row["busy_percent"] == pytest.approx(100 * row["busy"] / row["alive"])
        assert 0 < row["dollars_for_nothing"] < row["dollars"]
        assert row["instance_type"] == "local"


def test_idle_time_by_hour_is_that_of_the_workers(scene: Scene) -> None:
    by_hour, by_worker = scene.ask(of_workers.IDLE), scene.ask(of_workers.WORKERS)
    for column in ("alive", "idle", "dollars", "dollars_for_nothing"):
        assert total(by_hour, column) == pytest.approx(total(by_worker, column), abs=1e-6)
    assert max(row["workers"] for row in by_hour) <= len(by_worker) <= total(by_hour, "workers")


def test_the_backlog_is_what_the_sweep_saw(scene: Scene) -> None:
    rows = scene.ask(of_workers.BACKLOG)
    swept = with_event(scene, "swept")
    assert len(rows) == len({int(datetime.fromisoformat(line["timestamp"]).timestamp()) // 300 for line in swept})
    assert total(rows, "queued_again") == sum(line["jobs"] for line in swept)
    for column, field in (("depth", "queue_depth"), ("longest_wait", "oldest_job_seconds")):
        assert max(row[column] for row in rows) == max(line[field] for line in swept)
    assert min(row["workers"] for row in rows) == min(line["live_workers"] for line in swept)


def test_warnings_are_counted_by_what_happened(scene: Scene) -> None:
    found = {(row["service"], row["event"]): row["lines"] for row in scene.ask(of_workers.WARNINGS)}
    odd = lines_where(scene, lambda line: line.get("level") in ("WARNING", "ERROR", "CRITICAL"))
    assert found == Counter((line.get("service"), line.get("event")) for line in odd)
    assert found[("worker", "job_failed")] == 1


def test_a_line_is_there_once(scene: Scene) -> None:
    """What would count twice in every sum."""
    ends = with_event(scene, "job_succeeded", "job_failed", "job_canceled")
    assert Counter(line["job_id"] for line in ends) == dict.fromkeys(scene.jobs, 1)
    requests = Counter(line["correlation_id"] for line in with_event(scene, "request"))
    assert set(requests.values()) == {1}
