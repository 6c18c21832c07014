"""The clock: what runs how often. Names and seconds only; ``workers`` reads it and nothing here imports."""

#: Each entry expires with its period, so that a worker that wakes up finds one tick and not a thousand.
BEAT_SCHEDULE = {
    "ask every provider for its events": {"task": "catch.tick", "schedule": 20.0, "options": {"expires": 20}},
    "start again what is due and does not move": {"task": "conveyor.sweep", "schedule": 2.0, "options": {"expires": 2}},
    "refresh inventory as a whole where its time has come": {
        "task": "refresh.tick",
        "schedule": 60.0,
        "options": {"expires": 60},
    },
    "start requests that are due, and end those that nobody decided on": {
        "task": "requests.tick",
        "schedule": 10.0,
        "options": {"expires": 10},
    },
    "have objects checked whose newest compliance check is too old": {
        "task": "policy.tick",
        "schedule": 60.0,
        "options": {"expires": 60},
    },
    "ask alerts with a period about the next objects of their kind": {
        "task": "alert.tick",
        "schedule": 60.0,
        "options": {"expires": 60},
    },
    "ask alerts about the readings that have come": {
        "task": "alert.receive",
        "schedule": 10.0,
        "options": {"expires": 10},
    },
    "ask rule events about facts that have changed": {
        "task": "rules.tick",
        "schedule": 1.0,
        "options": {"expires": 1},
    },
    "start jobs that are due, and let in those that wait": {
        "task": "jobs.tick",
        "schedule": 2.0,
        "options": {"expires": 2},
    },
    "fold counts and delete what is beyond its retention": {
        "task": "conveyor.prune",
        "schedule": 600.0,
        "options": {"expires": 600},
    },
}
