"""The configuration: a TOML file and the environment, read into typed values. (deploy/liaison.toml is its manual)

A configuration is whole or refused: everything that is wrong is named at once, with the place where it stands, what is
allowed there, and the nearest name for a misspelt one.
"""

import difflib
import tomllib
import zoneinfo
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar
from urllib.parse import parse_qs, urlsplit

import msgspec
from msgspec import Meta, Struct

from liaison.core.duty_roster import Hours
from liaison.core.identifiers import DelegationId, parse_delegation
from liaison.core.line_check_schedule import Schedule, is_time
from liaison.core.profile import Delegation, Granularity, OfficeProfile
from liaison.protocol import limits

# LIAISON_SERVER__PORT is server.port; names without the double underscore are somebody else's, such as LIAISON_TOKEN.
ENVIRONMENT_PREFIX: Final = "LIAISON_"
_SEPARATOR: Final = "__"


class ConfigError(Exception):
    """The configuration can't be used; each line of the message says where and what to change."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Secret:
    """A text that no `repr` and no log shows. No dataclass, which msgspec would read without asking us."""

    __slots__ = ("value",)

    def __init__(self, value: str = "") -> None:
        self.value: Final = value

    def __repr__(self) -> str:
        return "Secret('***')" if self.value else "Secret('')"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other.value == self.value

    def __hash__(self) -> int:
        return hash(self.value)


Title = Annotated[str, Meta(min_length=1, max_length=64)]
Colour = Annotated[str, Meta(pattern=r"^#[0-9a-fA-F]{6}$")]
_LAST_PORT: Final = 65535
Port = Annotated[int, Meta(ge=0, le=_LAST_PORT)]
Positive = Annotated[float, Meta(gt=0)]
NotNegative = Annotated[float, Meta(ge=0)]
Count = Annotated[int, Meta(ge=1)]
OfficeName = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]
NodeName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{0,64}$")]


class _Section(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the file."""


class OfficeSection(_Section, frozen=True):
    """What the office is called, and how finely one side sees the other's presence."""

    id: OfficeName = "office"
    title_ko: Title = "공동연락사무소"
    title_en: Title = "Joint liaison office"
    time_zone: str = "Asia/Seoul"
    granularity: Literal["named", "count", "staffed"] = "named"


class DelegationSection(_Section, frozen=True):
    """One side, for people; its id is the name of the table."""

    title_ko: Title
    title_en: Title
    colour: Colour
    time_zone: str


class ServerSection(_Section, frozen=True):
    """Where the server listens, and whom it trusts."""

    host: Annotated[str, Meta(min_length=1)] = "127.0.0.1"
    port: Port = 8000
    allowed_origins: tuple[str, ...] = ()
    uses_tls: bool = False
    trusted_proxies: tuple[str, ...] = ()
    node: NodeName = ""
    workers: Annotated[int, Meta(ge=1, le=64)] = 1
    reuse_port: bool = False


class DataSection(_Section, frozen=True):
    """Where everything is stored."""

    directory: Annotated[str, Meta(min_length=1)] = "data"


class RedisSection(_Section, frozen=True):
    """The Redis between several nodes: a server, a primary that Sentinels name, or a cluster; all empty for none."""

    url: str = ""
    sentinels: tuple[str, ...] = ()
    primary_name: Annotated[str, Meta(min_length=1)] = "mymaster"
    cluster: tuple[str, ...] = ()
    username: str = ""
    password: Secret = Secret()
    password_file: str = ""
    sentinel_username: str = ""
    sentinel_password: Secret = Secret()
    sentinel_password_file: str = ""
    tls: bool = False
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""

    @property
    def is_used(self) -> bool:
        """Whether there is one."""
        return bool(self.url or self.sentinels or self.cluster)


class PostgresSection(_Section, frozen=True):
    """The PostgreSQL that holds the office instead of the data directory; an empty url for none."""

    url: str = ""
    password: Secret = Secret()
    password_file: str = ""
    readers: Annotated[int, Meta(ge=1, le=64)] = 4
    connect_timeout_s: Annotated[int, Meta(ge=2)] = 5
    statement_timeout_s: Positive = 10.0

    @property
    def is_used(self) -> bool:
        """Whether there is one."""
        return bool(self.url)


class LimitsSection(_Section, frozen=True):
    """Bounds of what one client, user or address may ask of the server."""

    connects_per_address_per_s: NotNegative = limits.CONNECTS_PER_ADDRESS_PER_S
    commands_per_s: Positive = limits.COMMANDS_PER_SESSION_PER_S
    commands_burst: Positive = limits.COMMANDS_PER_SESSION_BURST
    user_publishes_per_s: Positive = limits.COMMANDS_PER_SESSION_PER_S
    user_publishes_burst: Positive = limits.COMMANDS_PER_SESSION_BURST
    sessions_per_user: Count = limits.MAX_SESSIONS_PER_USER
    poll_interval_s: Annotated[float, Meta(ge=0.05, le=60)] = 1.0
    drain_reconnects_per_s: Positive = 200.0
    drain_notice_s: NotNegative = 0.0
    drain_timeout_s: Positive = 8.0


class DispatchesSection(_Section, frozen=True):
    """How dispatches are brought to people's notice."""

    repeat_every_s: Annotated[float, Meta(ge=10, le=86_400)] = 300.0


# Nobody can take offence at these, and each is read out and heard in a moment. Both languages, as both sides read them.
_TEST_TEXTS: Final = (
    "시험 통신 — 하나 둘 셋 넷 다섯 · Test message: one two three four five",
    "시험 통신 — 봄 여름 가을 겨울 · Test message: spring, summer, autumn, winter",
    "시험 통신 — 소나무 느티나무 은행나무 · Test message: pine, zelkova, ginkgo",
    "시험 통신 — 해 달 별 · Test message: sun, moon, stars",
    "시험 통신 — 물 바람 산 들 · Test message: water, wind, mountain, field",
)


class LineChecksSection(_Section, frozen=True):
    """When the two duty desks call each other, and who first."""

    times: tuple[str, ...] = ("09:00", "17:00")
    odd_days: str = ""
    texts: Annotated[tuple[Annotated[str, Meta(min_length=1, max_length=200)], ...], Meta(min_length=1)] = _TEST_TEXTS
    answer_within_s: Annotated[float, Meta(ge=30, le=3600)] = 180.0


class DutySection(_Section, frozen=True):
    """When a desk must have an officer, by the clock of its own side, and how soon an empty one is told of."""

    weekday_hours: str = "09:00-18:00"
    weekend_hours: str = "09:00-18:00"
    alarm_after_s: Annotated[float, Meta(ge=15, le=3600)] = 60.0


class AttachmentsSection(_Section, frozen=True):
    """What may be attached to messages and dispatches, and how long what nothing names is kept."""

    enabled: bool = True
    max_mib: Annotated[int, Meta(ge=1, le=1024)] = 10
    side_quota_mib: Count = 10_240
    # An hour at least: a message that names it may be on its way.
    keep_unused_h: Count = 168


class MetricsSection(_Section, frozen=True):
    """Who may read /metrics, and where."""

    enabled: bool = True
    token: Secret = Secret()
    token_file: str = ""
    host: str = ""
    port: Port = 0


class LogSection(_Section, frozen=True):
    """What the server writes about itself."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "console", "json"] = "auto"


DEFAULT_DELEGATIONS: Final[Mapping[str, Mapping[str, str]]] = {
    "south": {"title_ko": "남측", "title_en": "South side", "colour": "#6d28d9", "time_zone": "Asia/Seoul"},
    "north": {"title_ko": "북측", "title_en": "North side", "colour": "#0f766e", "time_zone": "Asia/Pyongyang"},
}


class Config(_Section, frozen=True):
    """Everything, with the defaults for what was not said."""

    office: OfficeSection = OfficeSection()
    delegations: dict[str, DelegationSection] = msgspec.field(
        default_factory=lambda: msgspec.convert(DEFAULT_DELEGATIONS, dict[str, DelegationSection])
    )
    server: ServerSection = ServerSection()
    data: DataSection = DataSection()
    postgres: PostgresSection = PostgresSection()
    redis: RedisSection = RedisSection()
    limits: LimitsSection = LimitsSection()
    dispatches: DispatchesSection = DispatchesSection()
    line_checks: LineChecksSection = LineChecksSection()
    duty: DutySection = DutySection()
    attachments: AttachmentsSection = AttachmentsSection()
    metrics: MetricsSection = MetricsSection()
    log: LogSection = LogSection()

    @property
    def profile(self) -> OfficeProfile:
        """The office as the core knows it."""
        first, second = (
            Delegation(DelegationId(name), side.title_ko, side.title_en, side.colour, side.time_zone)
            for name, side in self.delegations.items()
        )
        office = self.office
        granularity = Granularity(office.granularity)
        return OfficeProfile(office.title_ko, office.title_en, office.time_zone, (first, second), granularity)

    @property
    def line_check_schedule(self) -> Schedule:
        """When line checks are due, and who calls; where nothing is said, the side named first does on odd days."""
        first, second = map(DelegationId, self.delegations)
        odd_days = DelegationId(self.line_checks.odd_days) or first
        even_days = second if odd_days == first else first
        return Schedule(tuple(sorted(self.line_checks.times)), self.office.time_zone, odd_days, even_days)

    @property
    def desk_hours(self) -> Hours:
        """When a desk must have an officer, the same for both sides."""
        return Hours(_hours(self.duty.weekday_hours), _hours(self.duty.weekend_hours))

    @property
    def data_directory(self) -> Path:
        """The folder of everything stored; with PostgreSQL, of the marks and of uploads that are on their way."""
        return Path(self.data.directory)

    @property
    def storage(self) -> str:
        """Where the office is stored, for people."""
        return f"PostgreSQL (office {self.office.id})" if self.postgres.is_used else str(self.data_directory)


# ------------------------------------------------------------------------------------------------------------- reading

_Path = tuple[str, ...]
Table = dict[str, Any]


@dataclass(slots=True)
class _Source:
    """The settings as they came, where each came from, and what is wrong so far."""

    table: Table
    name: str
    origins: dict[_Path, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def complain(self, path: _Path, problem: str) -> None:
        key = ".".join(path)
        origin = self.origins.get(path, self.name)
        # A variable's name says the key already.
        self.problems.append(f"{origin}: {problem}" if path in self.origins else f"{origin}: {key}: {problem}")


def load_config(file: Path | None, environment: Mapping[str, str], overrides: Mapping[str, object] = {}) -> Config:
    """Read the file (None for none), then the environment's LIAISON_SECTION__KEY, then `overrides` by "section.key".

    The later wins. Secrets named by a `…_file` setting are read from there, relative to the configuration file.

    Raises ConfigError.
    """
    source = _Source(_read(file), "defaults" if file is None else str(file))
    # By default the two sides are there; who names one names both, so that no half of another office is left.
    source.table.setdefault("delegations", {name: dict(side) for name, side in DEFAULT_DELEGATIONS.items()})
    _override_by_environment(source, environment)
    for name, value in overrides.items():
        section, _, key = name.partition(".")
        _put(source, (section, key), value, f"--{key}")
    _check_names(source, source.table, Config, ())
    config = _convert(source)
    if config is not None:
        config = _with_secrets(source, config, Path() if file is None else file.parent)
        _check_values(source, config)
    if source.problems or config is None:
        raise ConfigError(source.problems)
    return config


def _read(file: Path | None) -> Table:
    if file is None:
        return {}
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        raise ConfigError([f"{file}: cannot be read: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise ConfigError([f"{file}: is not UTF-8; save it as such"]) from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([f"{file}: is not TOML: {error}"]) from error


def _put(source: _Source, path: _Path, value: object, origin: str) -> None:
    table = source.table
    for depth, name in enumerate(path[:-1], 1):
        if name not in table:
            source.origins[path[:depth]] = origin
        inner = table.setdefault(name, {})
        if not isinstance(inner, dict):
            return  # The file has something else there, and is told so.
        table = inner
    table[path[-1]] = value
    source.origins[path] = origin


def _override_by_environment(source: _Source, environment: Mapping[str, str]) -> None:
    for variable in sorted(environment):
        if not variable.startswith(ENVIRONMENT_PREFIX) or _SEPARATOR not in variable:
            continue
        path = tuple(variable.removeprefix(ENVIRONMENT_PREFIX).lower().split(_SEPARATOR))
        _put(source, path, _value_of(environment[variable], _type_at(path)), variable)


def _type_at(path: _Path) -> Any:
    """Give the type of a setting; None where there is none."""
    found: Any = Config
    for name in path:
        fields = _fields(found)
        if name in fields:
            found = fields[name]
        elif isinstance(found, msgspec.inspect.DictType):
            found = found.value_type
        else:
            return None
    return found


def _fields(of: Any) -> dict[str, Any]:
    described = msgspec.inspect.type_info(of) if isinstance(of, type) else of
    if isinstance(described, msgspec.inspect.StructType):
        return {item.name: item.type for item in described.fields}
    return {}


def _value_of(text: str, wanted: Any) -> object:
    """Read a variable as what its setting is; what doesn't fit stays text, and is complained of like in a file."""
    if isinstance(wanted, msgspec.inspect.VarTupleType):
        return [part.strip() for part in text.split(",") if part.strip()]
    if isinstance(wanted, msgspec.inspect.BoolType | msgspec.inspect.IntType | msgspec.inspect.FloatType):
        try:
            return tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            return text
    return text


# ------------------------------------------------------------------------------------------------------------ checking


def _check_names(source: _Source, table: Table, of: Any, path: _Path) -> None:
    """Complain of names that aren't settings and take them out, so that the values of the others are checked too."""
    fields = _fields(of)
    for name in list(table):
        here = (*path, name)
        if isinstance(of, msgspec.inspect.DictType):
            inner = of.value_type
        elif name in fields:
            inner = fields[name]
        else:
            source.complain(here, _unknown(name, fields))
            del table[name]
            continue
        is_table = isinstance(inner, msgspec.inspect.StructType | msgspec.inspect.DictType)
        if is_table and isinstance(table[name], dict):
            _check_names(source, table[name], inner, here)


def _unknown(name: str, known: Mapping[str, object]) -> str:
    near = difflib.get_close_matches(name, known, 1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"there is no such setting; {hint}here are: {', '.join(known)}"


Value = TypeVar("Value")


def _convert(source: _Source) -> Config | None:
    """Check the types section by section, so that each says what is wrong with it."""
    sections: dict[str, Any] = {}
    fields = {item.name: item.type for item in msgspec.structs.fields(Config)}
    for name, value in source.table.items():
        try:
            sections[name] = msgspec.convert(value, fields[name], dec_hook=_decode)
        except msgspec.ValidationError as error:
            problem, _, place = str(error).partition(" - at `$")
            path = tuple(part for part in place.rstrip("`").replace("[...]", ".*").split(".") if part)
            if path and path[0] == "*" and isinstance(value, dict):
                # msgspec doesn't name the key of a mapping, only that it is one.
                path = (_bad_key(value, fields[name]), *path[1:])
            path = (name, *(part for part in path if part != "*"))
            source.complain(path, _in_words(problem) + _choices(path))
    return None if source.problems else Config(**sections)


def _bad_key(table: Table, of: Any) -> str:
    for key, value in table.items():
        try:
            msgspec.convert({key: value}, of)
        except msgspec.ValidationError:
            return str(key)
    raise AssertionError("every entry of the refused table is fine by itself")


def _choices(path: _Path) -> str:
    wanted = _type_at(path)
    if isinstance(wanted, msgspec.inspect.LiteralType):
        return f"; choose among: {', '.join(map(str, wanted.values))}"
    return ""


def _in_words(problem: str) -> str:
    for technical, plain in (
        ("Expected", "expected"),
        ("Object missing required field", "it needs the setting"),
        ("matching regex '^#[0-9a-fA-F]{6}$'", "such as #0f766e"),
        ("matching regex '^[A-Za-z0-9._-]{0,64}$'", "of up to 64 letters, digits, '.', '_' or '-'"),
        ("matching regex '^[a-z0-9][a-z0-9-]{0,31}$'", "of 1 to 32 of a-z, 0-9 and '-'"),
        ("`array`", "a list"),
        ("`str`", "a text"),
        ("`int`", "a whole number"),
        ("`float`", "a number"),
        ("`bool`", "true or false"),
        ("`object`", "a table"),
        ("Invalid enum value", "it can't be"),
    ):
        problem = problem.replace(technical, plain)
    return problem


def _decode(wanted: type, value: object) -> object:
    if wanted is Secret and isinstance(value, str):
        return Secret(value)
    # msgspec makes its own error of this, with the place where it is.
    raise TypeError("expected a text")


# Secrets that can also be in a file, which NAME_file names.
_SECRETS: Final = (
    ("metrics", "token"),
    ("postgres", "password"),
    ("redis", "password"),
    ("redis", "sentinel_password"),
)


def _with_secrets(source: _Source, config: Config, folder: Path) -> Config:
    for section, key in _SECRETS:
        settings = getattr(config, section)
        secret = _secret_in_file(source, (section, key), settings, folder)
        if secret is not None:
            settings = msgspec.structs.replace(settings, **{key: secret})
            config = msgspec.structs.replace(config, **{section: settings})
    return config


def _secret_in_file(source: _Source, path: tuple[str, str], settings: Any, folder: Path) -> Secret | None:
    section, key = path
    named = getattr(settings, f"{key}_file")
    if not named:
        return None
    where = (section, f"{key}_file")
    if getattr(settings, key).value:
        source.complain(where, f"give {section}.{key} or {section}.{key}_file, not both")
        return None
    file = folder / named
    try:
        secret = file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        source.complain(where, f"{file} cannot be read: {error}")
        return None
    if not secret:
        source.complain(where, f"{file} is empty")
    return Secret(secret)


def _check_values(source: _Source, config: Config) -> None:
    for path, problem in _problems(config):
        source.complain(path, problem)


def _problems(config: Config) -> Iterator[tuple[_Path, str]]:
    if len(config.delegations) != 2:
        names = ", ".join(config.delegations) or "none"
        yield ("delegations",), f"an office has exactly two delegations, here are: {names}"
    for name, side in config.delegations.items():
        try:
            parse_delegation(name)
        except ValueError as error:
            yield ("delegations", name), str(error)
        if not _is_time_zone(side.time_zone):
            yield ("delegations", name, "time_zone"), _no_time_zone(side.time_zone)
    if not _is_time_zone(config.office.time_zone):
        yield ("office", "time_zone"), _no_time_zone(config.office.time_zone)
    yield from _server_problems(config.server)
    yield from _workers_problems(config)
    if config.postgres.is_used:
        problem = _postgres_url_problem(config.postgres.url)
        if problem:
            yield ("postgres", "url"), problem
    yield from _redis_problems(config.redis)
    yield from _line_check_problems(config)
    for name in ("weekday_hours", "weekend_hours"):
        text = getattr(config.duty, name)
        if text and not all(map(is_time, _hours(text) or ("",))):
            yield ("duty", name), f"{text!r} are no hours; they look like '09:00-18:00', or are empty for none"
    if config.metrics.host and not config.metrics.port:
        yield ("metrics", "port"), "metrics.host needs a port of its own"


def _hours(text: str) -> tuple[str, str] | None:
    begins, _, ends = text.partition("-")
    return (begins, ends) if text else None


def _line_check_problems(config: Config) -> Iterator[tuple[_Path, str]]:
    checks = config.line_checks
    for text in checks.times:
        if not is_time(text):
            yield ("line_checks", "times"), f"{text!r} is no time of day; one looks like '09:00'"
    if len(set(checks.times)) < len(checks.times):
        yield ("line_checks", "times"), "a time stands there twice"
    if checks.odd_days and checks.odd_days not in config.delegations:
        names = " and ".join(config.delegations)
        yield ("line_checks", "odd_days"), f"{checks.odd_days!r} is no delegation of this office, which has {names}"
    for text in checks.texts:
        if not text.strip() or not text.isprintable():
            yield ("line_checks", "texts"), f"{text!r} is not one line that can be read"


def _workers_problems(config: Config) -> Iterator[tuple[_Path, str]]:
    workers, metrics = config.server.workers, config.metrics
    if workers == 1:
        return
    missing = [f"{name}.url" for name in ("redis", "postgres") if not getattr(config, name).is_used]
    if missing:
        problem = f"several workers share a Redis and a PostgreSQL: set {' and '.join(missing)}, or use one worker"
        yield ("server", "workers"), problem
    if metrics.port and metrics.port + workers - 1 > _LAST_PORT:
        yield ("metrics", "port"), f"each of {workers} workers takes a port from here on, and the last is {_LAST_PORT}"


def _server_problems(server: ServerSection) -> Iterator[tuple[_Path, str]]:
    if server.uses_tls and not server.allowed_origins:
        problem = (
            "name the address that browsers use, such as https://office.example: TLS ends elsewhere, so it isn't ours"
        )
        yield ("server", "allowed_origins"), problem
    for origin in server.allowed_origins:
        problem = _origin_problem(origin)
        if problem:
            yield ("server", "allowed_origins"), f"{origin!r} {problem}"
    for network in server.trusted_proxies:
        try:
            ip_network(network)
        except ValueError as error:
            yield ("server", "trusted_proxies"), f"expected addresses or networks such as 10.0.0.0/8: {error}"


def _postgres_url_problem(url: str) -> str:
    try:
        parts = urlsplit(url)
        has_password = parts.password is not None or "password" in parse_qs(parts.query)
    except ValueError:
        return "is no address; one looks like 'postgresql://liaison@127.0.0.1:5432/liaison'"
    if has_password:
        return "holds a password; use postgres.password_file"
    if parts.scheme not in ("postgresql", "postgres"):
        return "is no address; one looks like 'postgresql://liaison@127.0.0.1:5432/liaison'"
    return ""


def _redis_problems(redis: RedisSection) -> Iterator[tuple[_Path, str]]:
    forms = [name for name in ("url", "sentinels", "cluster") if getattr(redis, name)]
    if len(forms) > 1:
        yield ("redis", forms[1]), f"give one of redis.{' and redis.'.join(forms)}"
    if redis.url:
        problem = _redis_url_problem(redis.url)
        if problem:
            yield ("redis", "url"), problem
    for name in ("sentinels", "cluster"):
        for address in getattr(redis, name):
            if not is_host_and_port(address):
                yield ("redis", name), f"{address!r} is no address; one looks like 'redis-1.example:6379'"
    if bool(redis.cert_file) != bool(redis.key_file):
        yield ("redis", "key_file"), "redis.cert_file and redis.key_file go together"
    if redis.ca_file and not redis.tls:
        yield ("redis", "tls"), "redis.ca_file needs redis.tls"


def _redis_url_problem(url: str) -> str:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        return f"is no address: {error}"
    if parts.username is not None or parts.password is not None:
        return "holds a user or password; use redis.username and redis.password_file"
    if parts.scheme == "rediss":
        return "write redis:// and set redis.tls"
    database = parts.path.removeprefix("/")
    if parts.scheme != "redis" or not host or parts.query or (database and not database.isdecimal()):
        return "is no address; one looks like 'redis://127.0.0.1:6379/0'"
    return ""


def is_host_and_port(text: str) -> bool:
    """Whether this is HOST:PORT, or [IPv6]:PORT."""
    try:
        parts = urlsplit(f"//{text}")
        return bool(parts.hostname) and parts.port is not None and parts.netloc == text and parts.username is None
    except ValueError:
        return False


def _origin_problem(origin: str) -> str:
    try:
        parts = urlsplit(origin)
        port = parts.port
    except ValueError as error:
        return f"is no origin: {error}"
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return "is no origin; one looks like https://office.example or http://127.0.0.1:8000"
    default_port = 443 if parts.scheme == "https" else 80
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    browsers_own = f"{parts.scheme}://{host}" + (f":{port}" if port not in (None, default_port) else "")
    return "" if origin == browsers_own else f"is never sent by a browser; write {browsers_own!r}"


def _is_time_zone(name: str) -> bool:
    return _is_known_zone(name) or (name != "" and not _is_known_zone("Etc/UTC"))  # no table here to look it up in


def _is_known_zone(name: str) -> bool:
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _no_time_zone(name: str) -> str:
    return f"{name!r} is no time zone; one looks like 'Asia/Seoul'"


# ----------------------------------------------------------------------------------------------------------- reporting


def warnings(config: Config) -> list[str]:
    """Say what is allowed but seldom meant."""
    server, metrics = config.server, config.metrics
    found = []
    if not is_loopback(server.host):
        if not server.uses_tls:
            found.append(
                f"server.host {server.host} is reached from other machines without TLS, so passwords can be read on"
                " the way; put a proxy with TLS in front and set server.uses_tls"
            )
        if not server.allowed_origins:
            found.append("server.allowed_origins is empty: browsers on other machines may be refused")
    found += _postgres_warnings(config)
    found += _redis_warnings(config.redis)
    metrics_host = (metrics.host or "127.0.0.1") if metrics.port else server.host
    if metrics.enabled and not metrics.port and server.workers > 1:
        found.append("metrics.port is 0: each reading of /metrics and /readyz asks one worker, whichever it is")
    if metrics.enabled and not metrics.token.value and not is_loopback(metrics_host):
        found.append("metrics.token is empty: everybody who reaches the server can read /metrics")
    return found


def _postgres_warnings(config: Config) -> Iterator[str]:
    parts = urlsplit(config.postgres.url)
    # Several addresses may stand there; a folder of the local socket is none.
    hosts = [urlsplit(f"//{host}").hostname or "" for host in parts.netloc.rpartition("@")[2].split(",")]
    is_far = any(host and not is_loopback(host) for host in hosts)
    if is_far and parse_qs(parts.query).get("sslmode") != ["verify-full"]:
        yield "postgres.url has no sslmode=verify-full: whoever is on the way can read messages and change them"


def _redis_warnings(redis: RedisSection) -> Iterator[str]:
    addresses = (f"//{address}" for address in (*redis.sentinels, *redis.cluster))
    hosts = [urlsplit(address).hostname or "" for address in (redis.url, *addresses) if address]
    if all(map(is_loopback, hosts)):
        return
    if not redis.tls:
        yield "redis.tls is off: whoever is on the way to Redis can read messages and forge them"
    if not redis.password.value:
        yield "redis has no password: whoever reaches it can read messages and forge them"


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what listens there."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def effective(config: Config) -> dict[str, Any]:
    """Give all settings as plain values, secrets masked."""
    plain: dict[str, Any] = msgspec.to_builtins(config, enc_hook=lambda secret: "***" if secret.value else "")
    return plain
