"""Which stage starts when: after what it reads, the longest way first, as the machine has room."""

from tasks.schedule import Schedule, Step

GRAPH = {"demo": [], "ingest@a": ["demo"], "ingest@b": ["demo"], "vit": ["ingest@a"]}
GRAPH |= {"extract@b": ["ingest@b"], "speech": ["extract@b"], "embed": ["speech", "vit"]}


def steps(stale=(), gpu=(), **seconds) -> list[Step]:
    return [
        Step(name, frozenset(needs), name in stale, seconds.get(name, 3.0), name in gpu)
        for name, needs in GRAPH.items()
    ]


def started(schedule: Schedule) -> list[str]:
    return [step.name for step in schedule.start()]


def test_stages_run_side_by_side_and_the_one_with_the_longest_way_comes_first():
    schedule = Schedule(steps(stale=GRAPH), 2, 2)
    assert started(schedule) == ["demo"]
    assert started(schedule) == [], "nothing before its data"
    schedule.end("demo", True)
    assert started(schedule) == ["ingest@b", "ingest@a"], "three stages wait for b, two for a"
    schedule.end("ingest@a", True)
    assert started(schedule) == ["vit"]
    schedule.end("ingest@b", True)
    assert started(schedule) == ["extract@b"]
    for name in ("extract@b", "vit"):
        schedule.end(name, True)
    assert started(schedule) == ["speech"]
    schedule.end("speech", True)
    assert started(schedule) == ["embed"]
    schedule.end("embed", True)
    assert started(schedule) == schedule.running == schedule.passed_over == []


def test_the_longest_way_is_the_one_that_takes_longest():
    schedule = Schedule(steps(stale=GRAPH, vit=10.0), 2, 2)
    schedule.start()
    schedule.end("demo", True)
    assert started(schedule) == ["ingest@a", "ingest@b"], "10 s of vit against 6 s of extract and speech"


def test_no_more_stages_run_than_there_are_cores():
    schedule = Schedule(steps(stale=GRAPH), 1, 1)
    schedule.start()
    schedule.end("demo", True)
    assert started(schedule) == ["ingest@b"]
    assert started(schedule) == []
    schedule.end("ingest@b", True)
    assert started(schedule) == ["ingest@a"]


def test_stages_on_a_gpu_run_one_by_one():
    schedule = Schedule(steps(stale=GRAPH, gpu=("ingest@a", "ingest@b")), 8, 1)
    schedule.start()
    schedule.end("demo", True)
    assert started(schedule) == ["ingest@b"]


def test_what_is_up_to_date_is_passed_over_unless_something_before_it_ran():
    schedule = Schedule(steps(stale=["ingest@b"]), 2, 2)
    assert started(schedule) == ["ingest@b"]
    assert schedule.passed_over == ["demo", "ingest@a", "vit"]
    schedule.end("ingest@b", ran=False)  # DVC, asked again, holds it for unchanged
    assert started(schedule) == [] and schedule.passed_over[3:] == ["extract@b", "speech", "embed"]

    schedule = Schedule(steps(stale=["ingest@b"]), 2, 2)
    schedule.start()
    schedule.end("ingest@b", ran=True)
    assert started(schedule) == ["extract@b"]


def test_force_passes_nothing_over():
    assert started(Schedule(steps(), 2, 2, force=True)) == ["demo"]
