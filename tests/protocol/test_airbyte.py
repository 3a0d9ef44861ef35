"""PyAirbyte reads a source into its cache, and goes on from there."""

import json

import airbyte
import pytest
from airbyte.caches import DuckDBCache

from conftest import MANIFEST, PROGRAM, SECRET, STREAMS


@pytest.fixture
def source(org, tmp_path):
    """A source as PyAirbyte has it, made anew each time as a new process would."""
    script = tmp_path / "source-salesforce"
    script.write_text(
        f'#!/bin/sh\nexec "{PROGRAM}" protocol airbyte --manifest "{MANIFEST}" "$@"\n'
    )
    script.chmod(0o755)

    def source(**changes):
        return airbyte.get_source(
            "source-salesforce",
            local_executable=script,
            config=org.config() | changes,
            install_if_missing=False,
        )

    return source


def read(source, folder):
    """Reads into the cache of a folder; gives what was read, and the rows that the cache has."""
    cache = DuckDBCache(db_path=folder / "cache.duckdb", cache_dir=folder / "files")
    source.select_all_streams()
    result = source.read(cache=cache)
    # A row's columns, without those that the cache adds.
    rows = {
        name: [{key: row[key] for key in row} for row in dataset]
        for name, dataset in result.streams.items()
    }
    cache.close()
    return result.processed_records, rows


def test_a_source_is_read_twice(org, source, tmp_path):
    one = source()
    one.check()
    assert set(one.get_available_streams()) == STREAMS
    processed, rows = read(one, tmp_path)
    assert processed == sum(map(len, rows.values()))
    org.holds(rows)

    # Another process, which has the cache alone to go on from.
    org.more(7, 3, 5)
    processed, rows = read(source(), tmp_path)
    assert processed == 7 + 3 + 5 + len(rows["users"])
    org.holds(rows)

    # Nothing happened since.
    processed, rows = read(source(), tmp_path)
    assert processed == len(rows["users"])
    org.holds(rows)


def test_what_is_wrong_is_told(source):
    spec = source().config_spec
    assert spec["properties"]["client_secret"]["airbyte_secret"] is True
    with pytest.raises(Exception) as refused:
        source(client_secret="simulated-wrong-secret").check()
    told = json.dumps([str(refused.value), str(vars(refused.value))])
    assert "AUTH_" in told and "simulated-wrong-secret" not in told and SECRET not in told
