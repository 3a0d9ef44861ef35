"""A Singer target takes what the tap writes, and the tap goes on from the state that it gives out."""

import json
import os
import subprocess

from conftest import MANIFEST, PROGRAM, SECRET


def sync(folder, *options):
    """Runs tap and target; gives the last state. What the target wrote is in `folder`."""
    folder.mkdir()
    (folder / "target.json").write_text(json.dumps({"destination_path": str(folder)}))
    command = [PROGRAM, "protocol", "singer", "--manifest", MANIFEST, *options]
    tap = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    target = subprocess.run(
        [os.environ["TARGET"], "--config", folder / "target.json"],
        stdin=tap.stdout,
        capture_output=True,
        check=True,
    )
    said = tap.stderr.read().decode()
    assert tap.wait() == 0, said
    assert SECRET not in said + target.stdout.decode() + target.stderr.decode()
    return json.loads(target.stdout.decode().splitlines()[-1])


def rows(folder):
    """What the target wrote, by stream."""
    rows = {}
    for file in folder.glob("*-*.jsonl"):
        lines = file.read_text().splitlines()
        rows[file.name.rsplit("-", 1)[0]] = [json.loads(line) for line in lines]
    return rows


def test_a_target_is_filled_twice(org, tmp_path):
    config, state = tmp_path / "config.json", tmp_path / "state.json"
    config.write_text(json.dumps(org.config()))
    state.write_text(json.dumps(sync(tmp_path / "first", "--config", config)))
    all_rows = rows(tmp_path / "first")
    org.holds(all_rows)

    org.more(7, 3, 5)
    last = sync(tmp_path / "second", "--config", config, "--state", state)
    more = rows(tmp_path / "second")
    assert {name: len(rows) for name, rows in more.items() if name != "users"} == {
        "sign_ins": 7,
        "setup_audit_trail": 3,
        "event_log": 5,
    }
    assert set(last["bookmarks"]) == set(all_rows) - {"users"}
    # Users are read whole each time.
    del all_rows["users"]
    org.holds({name: all_rows.get(name, []) + more[name] for name in more})
