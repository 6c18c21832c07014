"""Settings of an installation: ``catchment.toml``, and ``CATCHMENT_…`` in the environment above it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from tasks.site.surfaces import Flower, Mail, Web


class Conveyor(BaseModel, extra="forbid"):
    """How much the belt carries at once, and how patient it is."""

    lanes: int = Field(
        16, ge=1, le=256, description="Lanes that objects are spread over. Change it only on an empty ledger."
    )
    batch: int = Field(500, ge=1, le=5000, description="Events that a stage works on in one transaction, at the most.")
    fanout: int = Field(
        2, ge=1, le=64, description="Chains that a large batch is split into, so that workers share it."
    )
    attempts: int = Field(
        6, ge=1, description="Tries of one event at one stage before it goes to the dead-letter desk."
    )
    backoff_seconds: float = Field(
        2.0, gt=0, description="Pause after the first failed try; doubles with each further one."
    )
    backoff_limit_seconds: float = Field(300.0, gt=0, description="The longest pause between two tries.")
    depth: int = Field(5, ge=1, le=50, description="How deep raised events may raise events.")
    sweep_grace_seconds: float = Field(
        3.0, gt=0, description="Work that is due this long and does not move is started again."
    )
    fuse: Literal["never", "backlog", "always"] = Field(
        "backlog",
        description="When one turn carries its batch through all the stages that are left: with a backlog "
        "of `fuse_from` events, always, or never.",
    )
    fuse_from: int = Field(10, ge=1, description="A batch of so many events counts as a backlog.")
    fuse_within_seconds: float = Field(
        1.0, ge=0, description="So do batches of any size that follow each other faster than this in one worker."
    )

    @field_validator("fuse", mode="before")
    @classmethod
    def _yes_or_no(cls, value: Any) -> Any:
        """Earlier sites say yes or no."""
        words = {"true": "always", "1": "always", "false": "never", "0": "never"}
        return words.get(str(value).lower(), value)


class Catch(BaseModel, extra="forbid"):
    """What one catch takes from a provider."""

    batch: int = Field(500, ge=1, le=5000, description="Notifications stored in one transaction, at the most.")
    backlog: int = Field(
        50_000,
        ge=1,
        description="While more events than this wait in the ledger, catchers hold back: what is not caught "
        "stays with its source.",
    )
    seconds: float = Field(15.0, gt=0, description="How long one catch goes on while the provider has more waiting.")
    patience_seconds: float = Field(
        70.0, gt=0, le=200, description="A monitor that does not come back for so long is given up until it does."
    )
    gap_seconds: float = Field(
        60.0,
        ge=0,
        description="Where a notification bus was not listened to for longer, what came meanwhile is looked for in "
        "the provider's event API.",
    )
    body_limit_bytes: int = Field(
        2_097_152, ge=1024, description="A larger notification is quarantined, cut to this size."
    )


class Effects(BaseModel, extra="forbid"):
    """How effects are tried."""

    attempts: int = Field(8, ge=1, description="Tries of one effect before it goes to the dead-letter desk.")
    backoff_seconds: float = Field(
        2.0, gt=0, description="Pause after the first failed try; doubles with each further one."
    )
    backoff_limit_seconds: float = Field(600.0, gt=0, description="The longest pause between two tries.")
    lease_seconds: float = Field(
        15.0, gt=1, description="After this silence of its worker an effect is tried by another one."
    )


class Actions(BaseModel, extra="forbid"):
    """What rules may do to the world, and how often."""

    destructive: bool = Field(
        False, description="Whether actions may be asked for that end or move work: stop_server, migrate_server, ..."
    )
    dry_run: bool = Field(
        False, description="With true every effect is noted as done and none is tried: a site is watched first."
    )
    undecided: Literal["prevent", "allow"] = Field(
        "prevent", description="What becomes of an operation when a policy that guards it cannot be judged."
    )
    per_rule: int = Field(20, ge=1, description="So many actions of one rule on a cloud are tried within the window.")
    per_target: int = Field(3, ge=1, description="So many of them on one object.")
    window_seconds: float = Field(
        3600.0, gt=0, le=604_800, description="The window in which they are counted. A rule's own `limit` replaces it."
    )


class Refresh(BaseModel, extra="forbid"):
    """How inventory is read."""

    parallel: int = Field(4, ge=1, le=32, description="Objects read from one provider at the same time.")
    settle_seconds: float = Field(
        0.5, ge=0, description="Pause before a target is read, so that a burst costs one read."
    )
    list_settle_seconds: float = Field(
        5.0, ge=0, description="Pause before all objects of a kind are read because an event named none."
    )
    reads_per_second: float = Field(
        0.0,
        ge=0,
        description="So many reads of one provider a second at the most, by all workers together. 0: no limit.",
    )
    escalate: int = Field(
        100, ge=2, description="So many objects of one kind waiting to be read are read by their list instead."
    )
    full_every_seconds: float = Field(
        86_400.0, ge=0, description="A full refresh of each provider so often. 0: at the start and by hand only."
    )
    attempts: int = Field(12, ge=1, description="Tries of one target before it goes to the dead-letter desk.")
    backoff_seconds: float = Field(
        2.0, gt=0, description="Pause after the first failed read; doubles with each further one."
    )
    backoff_limit_seconds: float = Field(600.0, gt=0, description="The longest pause between two reads.")
    lease_seconds: float = Field(
        60.0, gt=1, description="After this silence of its worker a target is read by another one."
    )
    events: bool = Field(
        True, description="Whether changes of inventory raise internal events: vm_create, object_created, ..."
    )
    patience_seconds: float = Field(
        300.0, ge=0, description="How long a new provider's events wait for its first full refresh."
    )


class Requests(BaseModel, extra="forbid"):
    """How requests wait for their approval."""

    expire_seconds: float = Field(
        604_800.0, gt=0, description="A request that nobody decided on for so long is denied: a week."
    )


class Rules(BaseModel, extra="forbid"):
    """How rule events are looked at."""

    sweep_seconds: float = Field(
        30.0, ge=1, le=3600, description="How often all rule events are looked at on all objects."
    )
    debounce_seconds: float = Field(
        1.0, ge=0, le=60, description="Pause after a fact has changed, so that what changes with it is seen together."
    )
    timezone: str = Field("UTC", description="Time zone of dates in rules that name none, such as Europe/Berlin.")

    @field_validator("timezone")
    @classmethod
    def _known(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError("this is no time zone; write one such as Europe/Berlin") from None
        return value


class Agent(BaseModel, extra="forbid"):
    """The agents of worker hosts."""

    name: str = Field("", max_length=200, description="Name of this host as a resource. Empty: its host name.")
    interval_seconds: float = Field(10.0, ge=0.1, le=300, description="How often an agent reports.")
    grace_seconds: float = Field(
        35.0, ge=0.5, le=3600, description="An agent that was not heard for so long is taken for gone."
    )
    settle_seconds: float = Field(
        5.0, ge=0, le=300, description="An agent that says goodbye and is back within this was never away."
    )
    oldest_version: str = Field(
        "", description="Agents of an older version get no work, such as 0.1.0. Empty: every version is good."
    )


class Jobs(BaseModel, extra="forbid"):
    """How jobs are run."""

    lease_seconds: float = Field(
        15.0, gt=1, description="After this silence of its agent a handler is called by another one."
    )
    backoff_seconds: float = Field(
        2.0, gt=0, description="Pause after the first failed try of a job; doubles with each further one."
    )
    backoff_limit_seconds: float = Field(300.0, gt=0, description="The longest pause between two tries.")
    events_a_minute: int = Field(60, ge=1, description="External events that one token may fire in a minute.")


class Settings(BaseSettings):
    """Everything an operator can set. Any key can be given as CATCHMENT_SECTION__KEY in the environment."""

    model_config = SettingsConfigDict(env_prefix="CATCHMENT_", env_nested_delimiter="__", extra="forbid")

    database: SecretStr = Field(SecretStr(""), description="SQLAlchemy URL of the ledger. Empty: SQLite in var/.")
    broker: SecretStr = Field(
        SecretStr(""), description="URL of the broker. Empty: a Redis of Catchment's own in var/."
    )
    visibility_seconds: float = Field(
        1800.0,
        ge=1,
        description="On Redis a message that nobody acknowledged for so long is given to another worker.",
    )
    var: Path = Field(Path("var"), description="Folder for what Catchment itself writes, relative to the site.")
    task_events: bool = Field(True, description="Send task events, which Flower shows.")
    log_json: bool = Field(False, description="Write logs as JSON, one object a line.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="The least level that is logged."
    )
    retention_days: int = Field(180, ge=1, description="Finished events older than this are deleted.")
    conveyor: Conveyor = Conveyor()
    catch: Catch = Catch()
    effects: Effects = Effects()
    actions: Actions = Actions()
    refresh: Refresh = Refresh()
    requests: Requests = Requests()
    rules: Rules = Rules()
    agent: Agent = Agent()
    jobs: Jobs = Jobs()
    web: Web = Web()
    flower: Flower = Flower()
    mail: Mail = Mail()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment stands above the file; nothing else is read."""
        return env_settings, init_settings


def read_settings(toml: dict[str, Any]) -> Settings:
    """Settings from the parsed ``catchment.toml`` under the environment.

    Raises ``pydantic.ValidationError`` naming each key that is wrong.
    """
    return Settings(**toml)
