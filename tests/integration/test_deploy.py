"""What stands in deploy/ is read by the tools that read such files, and says the same as the Procfile."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tasks.ledger import duty
from workers.processes import SOURCE, procfile

DEPLOY = SOURCE / "deploy"
#: The broker is Redis or RabbitMQ there, and Flower is left to choice.
ROLES = sorted(set(procfile()) - {"broker", "flower"})


def command(role: str) -> list[str]:
    return ["python", *procfile()[role][1:]]


def documents(name: str) -> list[Any]:
    return list(yaml.safe_load_all((DEPLOY / name).read_text()))


def run(*vector: str | Path) -> None:
    done = subprocess.run([str(v) for v in vector], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def tool(name: str) -> str:
    """A validator, on the path or beside this Python; skips with the reason where there is none."""
    found = shutil.which(name) or shutil.which(name, path=str(Path(sys.executable).parent))
    if found is None:
        pytest.skip(f"there is no {name} here")
    return found


@pytest.mark.parametrize("role", ROLES)
def test_every_role_runs_the_same_command_everywhere(role: str) -> None:
    compose = documents("compose.yaml")[0]["services"][role]
    assert compose["command"] == command(role)
    [deployment] = documents(f"kubernetes/{role}.yaml")
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    assert container["command"] == command(role)
    unit = (DEPLOY / "systemd" / f"catchment-{role}.service").read_text()
    [started] = re.findall(r"^ExecStart=/opt/catchment/.venv/bin/(.+)$", unit, re.MULTILINE)
    assert shlex.split(started.replace("%%", "%")) == command(role)
    assert f"catchment-{role}.service" in (DEPLOY / "systemd" / "catchment.target").read_text()


@pytest.mark.parametrize("role", sorted(set(ROLES) - {"web"}))
def test_every_worker_is_asked_for_work_done(role: str) -> None:
    assert role in duty.roles()
    assert documents("compose.yaml")[0]["services"][role]["environment"]["CATCHMENT_ROLE"] == role
    [container] = documents(f"kubernetes/{role}.yaml")[0]["spec"]["template"]["spec"]["containers"]
    assert container["livenessProbe"]["exec"]["command"] == ["catchment", "health", role]


def test_compose_has_no_secret_and_no_service_without_a_health_check() -> None:
    [compose] = documents("compose.yaml")
    for name, service in compose["services"].items():
        assert "healthcheck" in service or service["environment"].get("CATCHMENT_ROLE"), name
        for key, value in service.get("environment", {}).items():
            if "PASSWORD" in key or "DATABASE" in key or "BROKER" in key:
                assert ":?" in str(value) or "PASSWORD" not in str(value).upper().replace("_PASSWORD:?", ""), key


def test_alarms_and_dashboard_name_metrics_that_there_are() -> None:
    source = (SOURCE / "workers" / "web" / "metrics.py").read_text()
    there = set(re.findall(r'"(catchment_[a-z_]+)"', source))
    there |= {f"catchment_{n}_total" for n in ("received", "stored", "duplicate", "rejected", "finished")}
    there |= {"catchment_pending", "catchment_dead"}
    texts = [(DEPLOY / "grafana" / "catchment.json").read_text(), (DEPLOY / "kubernetes" / "scale.yaml").read_text()]
    rules = documents("prometheus/rules.yaml")[0]["groups"][0]["rules"]
    texts += [rule["expr"] for rule in rules]
    named = set(re.findall(r"catchment_[a-z_]+", "\n".join(texts)))
    assert named - there == set()
    book = (DEPLOY / "README.md").read_text()
    assert [rule["alert"] for rule in rules if f"### {rule['alert']}" not in book] == []
    assert json.loads(texts[0])["panels"]


def test_prometheus_takes_the_rules_and_they_fire_when_they_should() -> None:
    promtool = tool("promtool")
    run(promtool, "check", "rules", DEPLOY / "prometheus" / "rules.yaml")
    run(promtool, "test", "rules", DEPLOY / "prometheus" / "rules.test.yaml")


def test_kubernetes_takes_the_manifests() -> None:
    validate = tool("kubernetes-validate")
    for manifest in sorted((DEPLOY / "kubernetes").glob("*.yaml")):
        run(validate, "-k", "1.29", "--strict", manifest)


def test_hadolint_has_nothing_against_the_image() -> None:
    run(tool("hadolint"), DEPLOY / "Dockerfile")


def test_systemd_takes_the_units(tmp_path: Path) -> None:
    analyze = tool("systemd-analyze")
    for unit in sorted((DEPLOY / "systemd").iterdir()):
        # The program stands elsewhere here; all the rest is as it is.
        text = unit.read_text().replace("/opt/catchment/.venv/bin/", f"{Path(sys.executable).parent}/")
        (tmp_path / unit.name).write_text(text)
    run(analyze, "verify", *sorted(tmp_path.iterdir()))
