"""What is deployed in containers: the image's recipe, the compose file and the Kubernetes manifests."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from liaison.config import Config, load_config, warnings

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"


def instructions() -> list[list[str]]:
    """Give the Containerfile's instructions as words, continued lines joined."""
    text = re.sub(r"^#.*\n", "", (DEPLOY / "Containerfile").read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    return [line.split() for line in text.splitlines() if line]


def stages() -> list[list[list[str]]]:
    found: list[list[list[str]]] = []
    for words in instructions():
        if words[0] == "FROM":
            found.append([])
        found[-1].append(words)
    return found


def only_file(*secrets: str, folder: Path) -> dict[str, str]:
    for name in secrets:
        (folder / name).write_text("correct horse\n")
    return {name: str(folder / name) for name in secrets}


class TestImage:
    def test_all_that_is_copied_is_there(self) -> None:
        copied = [
            word for words in instructions() if words[0] == "COPY" and "--from" not in words[1] for word in words[1:-1]
        ]
        assert "server" in copied
        assert [name for name in copied if not (ROOT / name).exists()] == []

    def test_whatever_comes_from_a_registry_is_checked_by_its_hash(self) -> None:
        commands = [
            command for words in instructions() if words[0] == "RUN" for command in " ".join(words[1:]).split("&&")
        ]
        installs = [command for command in commands if re.search(r"\bpip\b.* (install|wheel)\b", command)]
        assert len(installs) == 4
        for command in installs:
            assert "--require-hashes" in command or "--no-deps" in command, command

    def test_what_runs_is_no_root_and_has_no_build_tool(self) -> None:
        last = stages()[-1]
        assert last[-1] == ["CMD", '["serve"]']
        [user] = [words[1] for words in last if words[0] == "USER"]
        assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", user)
        assert [words[1] for words in last if words[0] == "COPY"] == ["--from=install"]
        assert not any(
            tool in " ".join(words) for words in last for tool in ("apt-get", "pip install", "node", "hatch")
        )
        assert any(words[:3] == ["RUN", "pip", "uninstall"] for words in last)

    def test_all_stages_are_of_one_named_release(self) -> None:
        bases = {stage[0][1] for stage in stages()}
        assert len(bases) == 1
        assert re.fullmatch(r"\S+/python:3\.\d+-slim-\w+", bases.pop())

    def test_its_environment_is_settings_that_there_are(self) -> None:
        text = " ".join(" ".join(words[1:]) for words in stages()[-1] if words[0] == "ENV")
        settings = dict(re.findall(r"(LIAISON_\w+)=(\S+)", text))
        config = load_config(None, settings)
        assert (config.server.host, str(config.data_directory)) == ("0.0.0.0", "/var/lib/liaison")


class TestCompose:
    @pytest.fixture
    def compose(self) -> dict[str, Any]:
        loaded = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
        assert isinstance(loaded, dict)
        return loaded

    def test_there_are_two_nodes_and_all_they_need(self, compose: dict[str, Any]) -> None:
        assert set(compose["services"]) == {"liaison-1", "liaison-2", "nginx", "redis", "postgres"}
        for name, service in compose["services"].items():
            assert service["restart"] == "on-failure", name
            assert "build" in service or re.search(r":\d", service["image"]), name
            assert set(service.get("secrets", ())) <= set(compose["secrets"])

    def test_what_is_mounted_is_there_or_a_secret_of_the_operators_own(self, compose: dict[str, Any]) -> None:
        mounted = [
            volume.partition(":")[0]
            for service in compose["services"].values()
            for volume in service.get("volumes", ())
        ]
        files = [name for name in mounted if name.startswith("./") and not name.startswith("./secrets/")]
        assert {"./nginx.conf", "./redis.conf", "./postgresql.conf"} == set(files)
        assert [name for name in files if not (DEPLOY / name).is_file()] == []
        assert (DEPLOY / compose["services"]["liaison-1"]["build"]["dockerfile"].removeprefix("deploy/")).is_file()

    def test_only_nginx_can_be_reached_from_outside(self, compose: dict[str, Any]) -> None:
        assert [name for name, service in compose["services"].items() if "ports" in service] == ["nginx"]

    def test_nodes_may_do_little_and_have_time_to_drain(self, compose: dict[str, Any]) -> None:
        for name in ("liaison-1", "liaison-2"):
            node = compose["services"][name]
            assert (node["read_only"], node["cap_drop"]) == (True, ["ALL"])
            assert "no-new-privileges:true" in node["security_opt"]
            limits = Config().limits
            assert (
                int(node["stop_grace_period"].removesuffix("s")) >= limits.drain_notice_s + limits.drain_timeout_s + 4
            )

    def test_its_settings_are_those_of_nodes_that_trust_nginx(self, compose: dict[str, Any], tmp_path: Path) -> None:
        given = dict(compose["services"]["liaison-2"]["environment"])
        assert given["LIAISON_SERVER__ALLOWED_ORIGINS"].startswith("${LIAISON_ORIGIN:?")
        given["LIAISON_SERVER__ALLOWED_ORIGINS"] = "https://office.example"
        for name, value in given.items():
            if name.endswith("_FILE"):
                secret = value.removeprefix("/run/secrets/")
                assert secret in compose["secrets"]
                given[name] = only_file(secret, folder=tmp_path)[secret]
        config = load_config(None, {"LIAISON_SERVER__HOST": "0.0.0.0", **given})
        assert config.server.node == "node-2"
        assert (config.redis.is_used, config.postgres.is_used, config.redis.password.value) == (
            True,
            True,
            "correct horse",
        )
        [subnet] = compose["networks"]["office"]["ipam"]["config"]
        assert config.server.trusted_proxies == (subnet["subnet"],)
        # Redis and PostgreSQL are reached by no other way than the network that nobody else is on.
        assert [text for text in warnings(config) if "on the way" not in text] == []


class TestKubernetes:
    @pytest.fixture
    def manifests(self) -> dict[str, Any]:
        return {
            manifest["kind"]: manifest
            for manifest in yaml.safe_load_all((DEPLOY / "kubernetes/liaison.yaml").read_text())
        }

    def test_everything_there_is_to_it_is_there_once_and_in_one_namespace(self, manifests: dict[str, Any]) -> None:
        kinds = {"ConfigMap", "Deployment", "PodDisruptionBudget", "Service", "NetworkPolicy", "Ingress"}
        assert manifests.keys() == kinds
        assert {manifest["metadata"]["namespace"] for manifest in manifests.values()} == {"liaison"}

    def test_selectors_fit_the_pods(self, manifests: dict[str, Any]) -> None:
        labels = manifests["Deployment"]["spec"]["template"]["metadata"]["labels"]
        assert manifests["Deployment"]["spec"]["selector"]["matchLabels"] == labels
        assert manifests["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
        assert manifests["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"] == labels
        assert manifests["Service"]["spec"]["selector"] == labels

    def test_probes_ask_for_what_there_is(self, manifests: dict[str, Any]) -> None:
        [container] = manifests["Deployment"]["spec"]["template"]["spec"]["containers"]
        ports = {port["name"] for port in container["ports"]}
        paths = {}
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            paths[probe] = container[probe]["httpGet"]["path"]
            assert container[probe]["httpGet"]["port"] in ports
        assert paths == {"startupProbe": "/livez", "readinessProbe": "/readyz", "livenessProbe": "/livez"}

    def test_a_pod_has_time_to_drain_and_others_are_there_meanwhile(self, manifests: dict[str, Any]) -> None:
        spec = manifests["Deployment"]["spec"]
        pod = spec["template"]["spec"]
        [before] = [int(word) for word in pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][1:]]
        assert pod["terminationGracePeriodSeconds"] >= before + Config().limits.drain_timeout_s + 4
        assert spec["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
        assert 0 < manifests["PodDisruptionBudget"]["spec"]["minAvailable"] < spec["replicas"]

    def test_pods_may_do_little(self, manifests: dict[str, Any]) -> None:
        pod = manifests["Deployment"]["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"] is True
        # The user that the image has.
        assert [f"{pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}"] == [
            words[1] for words in instructions() if words[0] == "USER"
        ]
        own = pod["containers"][0]["securityContext"]
        assert (own["readOnlyRootFilesystem"], own["allowPrivilegeEscalation"]) == (True, False)
        assert own["capabilities"] == {"drop": ["ALL"]}
        assert pod["automountServiceAccountToken"] is False

    def test_its_configuration_is_one_of_several_nodes(self, manifests: dict[str, Any], tmp_path: Path) -> None:
        text = manifests["ConfigMap"]["data"]["liaison.toml"]
        for name, file in only_file("redis-password", "postgres-password", "metrics-token", folder=tmp_path).items():
            assert f"/run/secrets/liaison/{name}" in text
            text = text.replace(f"/run/secrets/liaison/{name}", file)
        (tmp_path / "liaison.toml").write_text(text)
        config = load_config(tmp_path / "liaison.toml", {"LIAISON_SERVER__NODE": "liaison-7d9f-x2x"})
        assert (config.redis.is_used, config.postgres.is_used, config.server.uses_tls) == (True, True, True)
        ports = {port["name"]: port["containerPort"] for port in self._container(manifests)["ports"]}
        assert ports == {"http": config.server.port, "metrics": config.metrics.port}

    def test_the_ingress_takes_as_long_as_heartbeats_need_and_buffers_nothing(self, manifests: dict[str, Any]) -> None:
        notes = {
            name.rpartition("/")[2]: value for name, value in manifests["Ingress"]["metadata"]["annotations"].items()
        }
        assert int(notes["proxy-read-timeout"]) > 2 * 15
        assert (notes["proxy-buffering"], notes["proxy-next-upstream"]) == ("off", "error timeout http_503")

    @staticmethod
    def _container(manifests: dict[str, Any]) -> dict[str, Any]:
        [container] = manifests["Deployment"]["spec"]["template"]["spec"]["containers"]
        assert isinstance(container, dict)
        return container
