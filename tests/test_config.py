"""A configuration is whole or refused, and its manual describes exactly the settings there are."""

import json
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from liaison.config import Config, ConfigError, Secret, effective, load_config, warnings
from liaison.core.profile import Granularity

MANUAL = Path(__file__).parents[1] / "deploy" / "liaison.toml"

SIDES = """
[delegations.east]
title_ko = "동측"
title_en = "East side"
colour = "#6d28d9"
time_zone = "Asia/Seoul"
[delegations.west]
title_ko = "서측"
title_en = "West side"
colour = "#0f766e"
time_zone = "Asia/Seoul"
"""


def written(folder: Path, text: str) -> Path:
    file = folder / "liaison.toml"
    file.write_text(text, "utf-8")
    return file


def problems_of(folder: Path, text: str, environment: Mapping[str, str] = {}) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        load_config(written(folder, text), environment)
    return refused.value.problems


def settings_of(table: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[str]:
    for name, value in table.items():
        if isinstance(value, dict):
            yield from settings_of(value, (*path, name))
        else:
            yield ".".join((*path, name))


class TestManual:
    def test_describes_every_setting_and_no_other(self) -> None:
        described = set(settings_of(tomllib.loads(MANUAL.read_text("utf-8"))))
        assert described == set(settings_of(effective(Config())))

    def test_shows_the_defaults(self) -> None:
        assert load_config(MANUAL, {}) == Config() == load_config(None, {})

    def test_says_something_about_every_section(self) -> None:
        lines = MANUAL.read_text("utf-8").splitlines()
        for number, line in enumerate(lines):
            if line.startswith("[") and not line.startswith("[delegations."):
                assert lines[number + 1].startswith("#"), line


class TestSources:
    def test_a_file_changes_what_it_names_and_nothing_else(self, tmp_path: Path) -> None:
        config = load_config(written(tmp_path, "[server]\nport = 9000\n"), {})
        assert config == msgspec.structs.replace(Config(), server=msgspec.structs.replace(Config().server, port=9000))

    def test_the_environment_wins_over_the_file_and_an_option_over_both(self, tmp_path: Path) -> None:
        file = written(tmp_path, '[server]\nport = 1\nhost = "::1"\nnode = "file"\n')
        environment = {"LIAISON_SERVER__PORT": "2", "LIAISON_SERVER__HOST": "127.0.0.2"}
        server = load_config(file, environment, {"server.port": 3}).server
        assert (server.port, server.host, server.node) == (3, "127.0.0.2", "file")

    @pytest.mark.parametrize(
        ("variable", "text", "section", "key", "value"),
        [
            ("LIAISON_SERVER__PORT", "9000", "server", "port", 9000),
            ("LIAISON_SERVER__USES_TLS", "false", "server", "uses_tls", False),
            ("LIAISON_LIMITS__POLL_INTERVAL_S", "0.5", "limits", "poll_interval_s", 0.5),
            ("LIAISON_SERVER__NODE", "42", "server", "node", "42"),
            ("LIAISON_OFFICE__TITLE_EN", "true", "office", "title_en", "true"),
            ("LIAISON_SERVER__TRUSTED_PROXIES", "10.0.0.0/8, ::1", "server", "trusted_proxies", ("10.0.0.0/8", "::1")),
            ("LIAISON_SERVER__TRUSTED_PROXIES", "", "server", "trusted_proxies", ()),
            ("LIAISON_METRICS__TOKEN", "12345", "metrics", "token", Secret("12345")),
        ],
    )
    def test_a_variable_is_read_as_what_its_setting_is(
        self, variable: str, text: str, section: str, key: str, value: object
    ) -> None:
        assert getattr(getattr(load_config(None, {variable: text}), section), key) == value

    def test_a_variable_reaches_one_setting_of_one_side(self) -> None:
        config = load_config(None, {"LIAISON_DELEGATIONS__NORTH__COLOUR": "#000000"})
        assert [side.colour for side in config.delegations.values()] == ["#6d28d9", "#000000"]

    def test_variables_without_a_section_are_somebody_elses(self) -> None:
        assert load_config(None, {"LIAISON_TOKEN": "lsn_x", "LIAISON_URL": "http://x", "PORT": "1"}) == Config()

    def test_sides_in_a_file_take_the_place_of_the_usual_ones(self, tmp_path: Path) -> None:
        assert list(load_config(written(tmp_path, SIDES), {}).delegations) == ["east", "west"]

    def test_the_profile_is_what_the_core_knows_of_the_office(self, tmp_path: Path) -> None:
        profile = load_config(written(tmp_path, '[office]\ngranularity = "count"\n' + SIDES), {}).profile
        assert profile.granularity is Granularity.COUNT
        assert [(side.id, side.title_ko) for side in profile.delegations] == [("east", "동측"), ("west", "서측")]


ONE_SIDE = SIDES[: SIDES.index("[delegations.west]")]

REFUSALS = [
    ("[server]\nprot = 1", "server.prot: there is no such setting; did you mean 'port'? here are: host, port,"),
    ("[servr]\nport = 1", "servr: there is no such setting; did you mean 'server'? here are: office,"),
    ("[queue]\nurl = 'x'", "queue: there is no such setting; here are: office, delegations, server,"),
    ("[postgresql]", "postgresql: there is no such setting"),
    ("server = 3", "server: expected a table, got a whole number"),
    ("[server]\nport = 'x'", "server.port: expected a whole number, got a text"),
    ("[server]\nport = 65536", "server.port: expected a whole number <= 65535"),
    ("[server]\nport = -1", "server.port: expected a whole number >= 0"),
    ("[server]\nuses_tls = 1", "server.uses_tls: expected true or false, got a whole number"),
    ("[server]\nuses_tls = true", "server.allowed_origins: name the address that browsers use"),
    ("[server]\nhost = ''", "server.host: expected a text of length >= 1"),
    ("[server]\nnode = 'a b'", "server.node: expected a text of up to 64 letters, digits, '.', '_' or '-'"),
    ("[server]\nallowed_origins = 'http://a'", "server.allowed_origins: expected a list, got a text"),
    ("[server]\nallowed_origins = ['*']", "server.allowed_origins: '*' is no origin; one looks like https://"),
    ("[server]\nallowed_origins = ['null']", "server.allowed_origins: 'null' is no origin"),
    ("[server]\nallowed_origins = ['https://a/']", "'https://a/' is never sent by a browser; write 'https://a'"),
    ("[server]\nallowed_origins = ['https://A.example']", "write 'https://a.example'"),
    ("[server]\nallowed_origins = ['https://a:443']", "write 'https://a'"),
    ("[server]\nallowed_origins = ['http://u@a:80']", "write 'http://a'"),
    ("[server]\nallowed_origins = ['http://a:x']", "server.allowed_origins: 'http://a:x' is no origin"),
    ("[server]\ntrusted_proxies = ['proxy']", "server.trusted_proxies: expected addresses or networks such as"),
    ("[server]\ntrusted_proxies = ['10.0.0.1/8']", "10.0.0.1/8 has host bits set"),
    ("[office]\ntime_zone = 'Seoul'", "office.time_zone: 'Seoul' is no time zone; one looks like 'Asia/Seoul'"),
    ("[office]\ntime_zone = '../etc/passwd'", "office.time_zone: '../etc/passwd' is no time zone"),
    ("[office]\ngranularity = 'all'", "office.granularity: it can't be 'all'; choose among: count, named, staffed"),
    ("[office]\ntitle_ko = ''", "office.title_ko: expected a text of length >= 1"),
    ("[delegations]", "delegations: an office has exactly two delegations, here are: none"),
    (ONE_SIDE, "delegations: an office has exactly two delegations, here are: east"),
    (SIDES.replace("east", "joint"), "delegations.joint: a delegation id is"),
    (SIDES.replace("east", "East"), "delegations.East: a delegation id is"),
    (SIDES.replace("#0f766e", "teal"), "delegations.west.colour: expected a text such as #0f766e"),
    (SIDES.replace('colour = "#0f766e"', ""), "delegations.west: it needs the setting `colour`"),
    (SIDES.replace("title_en", "title"), "delegations.east.title: there is no such setting; did you mean 'title_ko'?"),
    (SIDES.replace("Asia/Seoul", "Asia"), "delegations.east.time_zone: 'Asia' is no time zone"),
    ("[limits]\nsessions_per_user = 0", "limits.sessions_per_user: expected a whole number >= 1"),
    ("[limits]\ncommands_per_s = 0", "limits.commands_per_s: expected a number > 0"),
    ("[limits]\ncommands_per_s = nan", "limits.commands_per_s: expected a number > 0"),
    ("[limits]\npoll_interval_s = 0.001", "limits.poll_interval_s: expected a number >= 0.05"),
    ("[metrics]\ntoken = 3", "metrics.token: expected a text"),
    ("[metrics]\ntoken = 'x'\ntoken_file = 'y'", "metrics.token_file: give metrics.token or metrics.token_file"),
    ("[metrics]\ntoken_file = 'nowhere'", "nowhere cannot be read"),
    ("[metrics]\nhost = '127.0.0.1'", "metrics.port: metrics.host needs a port of its own"),
    ("[log]\nlevel = 'loud'", "log.level: it can't be 'loud'; choose among: debug, error, info, warning"),
    ("port 8000", "is not TOML"),
]


class TestRefusals:
    @pytest.mark.parametrize(("text", "problem"), REFUSALS)
    def test_says_where_what_and_what_is_allowed(self, tmp_path: Path, text: str, problem: str) -> None:
        problems = problems_of(tmp_path, text)
        assert all(line.startswith(str(tmp_path / "liaison.toml")) for line in problems)
        assert any(problem in line for line in problems), problems

    def test_names_all_that_is_wrong_at_once(self, tmp_path: Path) -> None:
        problems = problems_of(tmp_path, "[server]\nprot = 1\nport = 'x'\n[log]\nlevel = 1\n")
        assert len(problems) == 3

    @pytest.mark.parametrize(
        ("variable", "text", "problem"),
        [
            ("LIAISON_SERVER__PROT", "1", "there is no such setting; did you mean 'port'?"),
            ("LIAISON_SERVER__PORT", "many", "expected a whole number, got a text"),
            ("LIAISON_SERVER__USES_TLS", "yes", "expected true or false, got a text"),
            ("LIAISON_LOG__LEVEL", "loud", "it can't be 'loud'"),
            ("LIAISON_NOWHERE__X", "1", "there is no such setting"),
        ],
    )
    def test_names_the_variable_that_is_wrong(self, variable: str, text: str, problem: str) -> None:
        with pytest.raises(ConfigError) as refused:
            load_config(None, {variable: text})
        (line,) = refused.value.problems
        assert problem in line
        assert line.startswith(f"{variable}: ")

    def test_a_missing_file_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"nothing\.toml: cannot be read: No such file"):
            load_config(tmp_path / "nothing.toml", {})

    def test_a_file_in_another_encoding_is_named(self, tmp_path: Path) -> None:
        file = tmp_path / "liaison.toml"
        file.write_bytes('[office]\ntitle_ko = "연락"'.encode("euc-kr"))
        with pytest.raises(ConfigError, match="is not UTF-8"):
            load_config(file, {})


class TestSecrets:
    def test_come_from_a_file_beside_the_configuration(self, tmp_path: Path) -> None:
        (tmp_path / "token").write_text("s3cret\n")
        config = load_config(written(tmp_path, "[metrics]\ntoken_file = 'token'\n"), {})
        assert config.metrics.token == Secret("s3cret")

    def test_an_empty_file_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "token").write_text("\n")
        assert "is empty" in problems_of(tmp_path, "[metrics]\ntoken_file = 'token'\n")[0]

    def test_are_never_shown(self) -> None:
        config = load_config(None, {"LIAISON_METRICS__TOKEN": "s3cret"})
        assert "s3cret" not in repr(config) + str(config.metrics.token) + json.dumps(effective(config))
        assert effective(config)["metrics"]["token"] == "***"

    def test_are_not_shown_when_they_are_what_is_wrong(self, tmp_path: Path) -> None:
        problems = problems_of(tmp_path, "[metrics]\ntoken = 's3cret'\ntoken_file = 'x'\n")
        assert "s3cret" not in "".join(problems)


class TestWarnings:
    def test_there_are_none_by_default(self) -> None:
        assert warnings(Config()) == []

    @pytest.mark.parametrize("host", ["localhost", "127.0.0.2", "::1"])
    def test_there_are_none_on_loopback(self, host: str) -> None:
        assert warnings(load_config(None, {"LIAISON_SERVER__HOST": host})) == []

    def test_tell_what_is_open_to_other_machines(self) -> None:
        text = " ".join(warnings(load_config(None, {"LIAISON_SERVER__HOST": "0.0.0.0"})))
        for setting in ("server.uses_tls", "server.allowed_origins", "metrics.token"):
            assert setting in text

    def test_end_when_each_is_seen_to(self) -> None:
        environment = {
            "LIAISON_SERVER__HOST": "0.0.0.0",
            "LIAISON_SERVER__USES_TLS": "true",
            "LIAISON_SERVER__ALLOWED_ORIGINS": "https://office.example",
            "LIAISON_METRICS__PORT": "9100",
        }
        assert warnings(load_config(None, environment)) == []
