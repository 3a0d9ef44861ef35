"""Apps that are shipped and need no person to sign in: what one read gave out as its state keeps
the next from giving any event of an incremental stream again.
"""

import json
import subprocess
import time

import pytest
import yaml

from conftest import PROGRAM, ROOT

APPS = sorted(path.parent.name for path in ROOT.glob("manifests/*/manifest.yaml"))
PERSON = {"dropbox", "github", "slack", "zendesk"}
# AWS is asked so gently, as its manifest says, that this would take a minute.
SLOW = {"aws"}


@pytest.fixture
def app(request, tmp_path):
    """A simulated app, and a configuration that reads from it."""
    manifest = ROOT / "manifests" / request.param / "manifest.yaml"
    file = tmp_path / "connection.yaml"
    command = [PROGRAM, "simulate", manifest, "--listen", "127.0.0.1:0"]
    command += ["--connection", file, "--days", "3", "--records", "20"]
    if request.param == "salesforce":
        command += ["--grant", "client_credentials"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 20
    while not (file.exists() and file.read_text().endswith("\n")):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    connection = yaml.safe_load(file.read_text())
    inputs = connection["inputs"]
    for name, value in inputs.items():
        if isinstance(value, dict):
            inputs[name] = (tmp_path / value["file"]).read_text()
    config = inputs | {"connect_to": connection["connect_to"]}
    if "grant" in connection:
        config["grant"] = connection["grant"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    yield manifest
    process.kill()
    process.wait()


def ask(manifest, folder, *arguments):
    """The messages of a step that must end well."""
    command = [PROGRAM, "protocol", "airbyte", "--manifest", manifest, *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("app", sorted(set(APPS) - PERSON - SLOW), indirect=True)
def test_nothing_comes_twice(app, tmp_path):
    assert ask(app, tmp_path, "check", "--config", "config.json")[-1]["connectionStatus"] == {
        "status": "SUCCEEDED"
    }
    [catalog] = ask(app, tmp_path, "discover", "--config", "config.json")
    streams = catalog["catalog"]["streams"]
    configured = [{"stream": stream, "sync_mode": "incremental"} for stream in streams]
    (tmp_path / "catalog.json").write_text(json.dumps({"streams": configured}))
    known, states = set(), {}
    for _ in range(2):
        (tmp_path / "state.json").write_text(json.dumps(list(states.values())))
        files = ["--config", "config.json", "--catalog", "catalog.json", "--state", "state.json"]
        for message in ask(app, tmp_path, "read", *files):
            if message["type"] == "RECORD":
                record = message["record"]
                event = (record["stream"], record["data"]["event_uid"])
                assert event not in known or record["stream"] not in states
                known.add(event)
            elif message["type"] == "STATE":
                name = message["state"]["stream"]["stream_descriptor"]["name"]
                states[name] = message["state"]
    incremental = {s["name"] for s in streams if "incremental" in s["supported_sync_modes"]}
    assert set(states) == incremental
    # There was something to repeat.
    assert incremental & {stream for stream, _ in known}
