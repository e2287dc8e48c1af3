"""What compose.yaml says is what runs: every command is started here on PostgreSQL and Redis."""

import os
import re
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psycopg2
import pytest
import yaml

from tests import servers
from tests.processes import ROOT, Installation, Process, Processes, wait_until

COMPOSE = ROOT / "docker" / "compose.yaml"
TEXT = COMPOSE.read_text()
SERVICES = yaml.safe_load(TEXT)["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
REFERENCE = re.compile(r"(?<!\$)\$\{(\w+)(?::([-?])([^}]*))?\}")
WEB_PORT, SEARCH_PORT = "8000", "8701"


def interpolated(text: str, values: dict[str, str]) -> str:
    """Fill in ``${NAME}`` as compose does; raise KeyError for a value that must be given."""

    def value(match: re.Match[str]) -> str:
        name, kind, default = match.groups()
        return values.get(name, default) if kind == "-" else values[name]

    return REFERENCE.sub(value, text).replace("$$", "$")


@dataclass
class Deployment:
    """Starts services of the compose file as plain processes."""

    processes: Processes
    installation: Installation

    def start(self, service: str) -> Process:
        """Start the service with the command and the variables of the file."""
        return self.processes.start(service, self.command(service), self.with_variables(service))

    def command(self, service: str) -> list[str]:
        """Return the command of the file, on the search port of this test."""
        port = str(self.installation.search_port)
        return [port if word == SEARCH_PORT else word for word in OURS[service]["command"]]

    def with_variables(self, service: str) -> Installation:
        """Return the installation with the service's variables; addresses are this test's."""
        given = {
            "POSTGRES_PASSWORD": "unused",
            "REDIS_PASSWORD": "unused",
            "SECRET_KEY": "k" * 60,
            "SEARCH_SECRET": "s" * 60,
            "ALLOWED_HOSTS": "registry.example",
            "CSRF_TRUSTED_ORIGINS": "https://registry.example",
        }
        variables = {
            name: interpolated(str(text), given)
            for name, text in OURS[service]["environment"].items()
        }
        ports = ((WEB_PORT, self.installation.port), (SEARCH_PORT, self.installation.search_port))
        for name in ("SEARCH_URL", "GUNICORN_CMD_ARGS"):
            for written, used in ports:
                variables[name] = variables.get(name, "").replace(f":{written}", f":{used}")
        variables["GUNICORN_CMD_ARGS"] = variables["GUNICORN_CMD_ARGS"].replace(
            "0.0.0.0", "127.0.0.1"
        )
        # Names of other containers; here they are sockets.
        for name in ("DATABASE_URL", "CELERY_BROKER_URL", "REGISTRY_DATA_DIR"):
            variables[name] = self.installation.environment[name]
        environment = {
            **self.installation.environment,
            **variables,
            "HOSTNAME": socket.gethostname(),
            "SWEEP_EVERY_S": "1",
        }
        return Installation(self.installation.folder, environment)

    def is_healthy(self, service: str) -> bool:
        """Run the service's health check as its container would."""
        kind, *check = OURS[service]["healthcheck"]["test"]
        ports = {WEB_PORT: self.installation.port, SEARCH_PORT: self.installation.search_port}
        check = [str(ports.get(word, word)).replace("$$", "$") for word in check]
        if kind == "CMD-SHELL":
            check = ["/bin/sh", "-c", *check]
        environment = self.with_variables(service).environment
        return subprocess.run(check, cwd=ROOT, env=environment, capture_output=True).returncode == 0


@pytest.fixture
def deployment(processes: Processes, full: Installation) -> Deployment:
    return Deployment(processes, full)


@pytest.mark.process
@pytest.mark.parametrize("service", ["web", "search"])
def test_a_listening_service_starts_and_its_health_check_knows(deployment, service):
    assert not deployment.is_healthy(service)
    process = deployment.start(service)
    wait_until(
        lambda: not process.is_running() or deployment.is_healthy(service),
        timeout_s=60,
        what=f"{service} to be healthy",
    )
    assert process.is_running(), process.output()
    assert process.terminate() == 0


@pytest.mark.process
def test_the_scheduler_asks_and_the_control_worker_sweeps(deployment):
    scheduler, worker = deployment.start("scheduler"), deployment.start("worker-control")
    wait_until(
        lambda: "Task sweep" in worker.output() and "succeeded" in worker.output(),
        timeout_s=60,
        what="a sweep",
    )
    assert deployment.is_healthy("worker-control")
    assert scheduler.terminate() == 0
    assert worker.terminate() == 0


@pytest.mark.process
def test_the_compute_worker_starts_and_answers(deployment):
    assert not deployment.is_healthy("worker-compute")
    worker = deployment.start("worker-compute")
    wait_until(lambda: "ready." in worker.output(), timeout_s=60, what="the worker")
    assert deployment.is_healthy("worker-compute")
    assert worker.terminate() == 0


@pytest.mark.process
def test_the_migration_fills_an_empty_database_and_restores_what_it_lost(
    processes, postgres_folder
):
    url = servers.create_database(postgres_folder, f"empty_{os.urandom(6).hex()}")
    empty = Installation.full(processes.log_folder.with_name("empty"), url, "memory://")
    deployment = Deployment(processes, empty)
    assert deployment.start("migrate").popen.wait(timeout=60) == 0
    empty.manage("check", "--database", "default")

    connection = psycopg2.connect(host=str(postgres_folder), user="registry", dbname=database(url))
    with connection, connection.cursor() as cursor:
        cursor.execute("DROP TRIGGER audit_ledgerentry_no_change ON audit_ledgerentry")
    connection.close()
    assert deployment.start("migrate").popen.wait(timeout=60) == 0
    empty.manage("check", "--database", "default")


def database(url: str) -> str:
    return urlsplit(url).path.removeprefix("/")


def test_every_queue_has_a_worker():
    queues = {
        word.removeprefix("--queues=")
        for service in OURS.values()
        for word in service["command"]
        if word.startswith("--queues=")
    }
    from registry.core.dispatch import TaskName, queue_of

    assert {queue_of(name) for name in TaskName} <= queues


def test_the_gpu_worker_differs_from_the_other_in_image_and_device_alone():
    gpu, cpu = dict(OURS["worker-compute-gpu"]), dict(OURS["worker-compute"])
    assert gpu.pop("profiles") == ["gpu"]
    assert gpu.pop("deploy")["resources"]["reservations"]["devices"][0]["driver"] == "nvidia"
    assert gpu.pop("image") != cpu.pop("image")
    assert gpu.pop("build") == {**cpu.pop("build"), "args": {"TORCH_BACKEND": "cu130"}}
    assert gpu == cpu


def test_no_secret_has_a_default():
    for name, kind, _ in REFERENCE.findall(TEXT):
        if re.search("PASSWORD|SECRET|KEY", name):
            assert kind == "?", f"{name} must be given"
    for line in (COMPOSE.parent / "example.env").read_text().splitlines():
        if re.match(r"\w*(PASSWORD|SECRET|KEY)", line):
            assert line.endswith("="), line


def test_a_forgotten_secret_stops_the_start():
    with pytest.raises(KeyError):
        interpolated("${SECRET_KEY:?}", {})


def test_every_variable_given_is_read_by_the_settings():
    settings = (ROOT / "registry" / "settings.py").read_text()
    for service in OURS.values():
        for name in service["environment"]:
            assert f'"{name}"' in settings or name == "GUNICORN_CMD_ARGS", name


def test_every_lasting_service_of_ours_is_confined_and_watched():
    for name, service in OURS.items():
        assert service["cap_drop"] == ["ALL"], name
        assert service["read_only"] is True, name
        assert "no-new-privileges:true" in service["security_opt"], name
        assert "healthcheck" in service or name in {"migrate", "scheduler"}, name


def test_only_the_web_service_is_reached_from_outside_and_only_from_this_machine():
    ports = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert list(ports) == ["web"]
    assert all(port.startswith("127.0.0.1:") for port in ports["web"])


def test_every_named_volume_is_declared():
    declared = set(yaml.safe_load(TEXT)["volumes"])
    mounted = {
        volume.partition(":")[0]
        for service in SERVICES.values()
        for volume in service.get("volumes", [])
    }
    assert mounted == declared
    assert (ROOT / Path(OURS["web"]["build"]["dockerfile"])).exists()
