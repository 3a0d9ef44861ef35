"""Platforms as they are: PyAirbyte and a Singer target, with a simulated Salesforce org behind.

The program is target/release/longshore, or what LONGSHORE names. The target is what TARGET names.
"""

import collections
import datetime
import json
import os
import pathlib
import subprocess
import tempfile
import urllib.request

import pytest

# Before PyAirbyte is imported: it asks nobody, and writes nowhere else.
HOME = tempfile.TemporaryDirectory(prefix="longshore-airbyte-")
os.environ["DO_NOT_TRACK"] = "1"
os.environ["AIRBYTE_OFFLINE_MODE"] = "1"
os.environ["HOME"] = os.environ["AIRBYTE_LOGGING_ROOT"] = HOME.name

ROOT = pathlib.Path(__file__).parents[2]
PROGRAM = os.environ.get("LONGSHORE", str(ROOT / "target/release/longshore"))
MANIFEST = ROOT / "manifests/salesforce/manifest.yaml"
SECRET = "simulated-client-secret"
STREAMS = {"sign_ins", "setup_audit_trail", "event_log", "users"}


class Org:
    """A simulated org that stopped two minutes ago."""

    def __init__(self):
        now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
        self.now = now - datetime.timedelta(minutes=2)
        command = [PROGRAM, "simulate", "salesforce", "--listen", "127.0.0.1:0"]
        command += ["--now", self.now.isoformat(), "--frozen"]
        command += ["--days", "4", "--sign-ins-per-day", "60"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.url = self.process.stdout.readline().split()[-1]

    def ask(self, path, body=None):
        data = json.dumps(body).encode() if body is not None else None
        with urllib.request.urlopen(f"{self.url}/simulator/{path}", data) as answer:
            return json.load(answer)

    def truth(self):
        """Ids of the records of each stream; of the log the number of rows."""
        truth = self.ask("truth")
        return {
            "sign_ins": sorted(truth["sign_ins"]["ids"]),
            "setup_audit_trail": sorted(truth["setup_audit"]["ids"]),
            "users": sorted(truth["users"]["ids"]),
            "event_log": truth["log"]["hourly_rows"],
        }

    def more(self, sign_ins, changes, rows):
        """Lets things happen that show late."""
        time = lambda minutes: (self.now - datetime.timedelta(minutes=minutes)).isoformat()
        added = self.ask(
            "events",
            {
                "sign_ins": [{"time": time(1), "count": sign_ins}],
                "setup_audit": [{"time": time(2), "count": changes}],
                "log_rows": [{"event_type": "Login", "time": time(120), "rows": rows}],
            },
        )
        assert len(added["sign_ins"]) == sign_ins

    def config(self):
        return {
            "grant": "client_credentials",
            "login_host": "demo.my.salesforce.com",
            "client_id": "simulated-client-id",
            "client_secret": SECRET,
            "backfill": "6d",
            "connect_to": self.url.removeprefix("http://"),
        }

    def holds(self, records):
        """Each record of the org is there once, and nothing else is. `records` are rows by stream."""
        assert set(records) == STREAMS
        truth = self.truth()
        for stream, rows in records.items():
            metadata = [row["metadata"] for row in rows]
            metadata = [json.loads(one) if isinstance(one, str) else one for one in metadata]
            keys = collections.Counter(row["event_uid"] for row in rows)
            assert keys.most_common(1)[0][1] == 1, stream
            assert all(row["event_uid"] == one["uid"] for row, one in zip(rows, metadata))
            if stream == "event_log":
                assert len(rows) == truth[stream]
            else:
                assert sorted(one["original_event_uid"] for one in metadata) == truth[stream]


@pytest.fixture
def org():
    org = Org()
    # So late that the next read asks for them again.
    org.more(3, 1, 2)
    yield org
    org.process.kill()
    org.process.wait()
