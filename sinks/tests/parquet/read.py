"""Read what the sink wrote with DuckDB and with pyarrow, and hold it against the events given.

    python read.py PLACE EVENTS.jsonl [ENDPOINT]

PLACE is a folder, or s3://bucket/prefix at ENDPOINT. Every event must be there exactly once, with each
of its values. Events whose uid begins with `odd-` have something that no column takes: they must be
there as a whole, and no others may be. Says what differs, and ends with 1 then.
"""

import collections
import datetime
import json
import pathlib
import sys
import tempfile

import duckdb
import pyarrow.dataset
import pyarrow.fs

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
MILLISECOND = datetime.timedelta(milliseconds=1)
PARTITIONS = ("class_uid", "connection", "stream")


def is_same(given, read):
    if isinstance(read, datetime.datetime):
        return type(given) is int and (read - EPOCH) // MILLISECOND == given
    if isinstance(read, dict):
        return isinstance(given, dict) and are_members_same(given, read)
    if isinstance(read, list):
        return (
            isinstance(given, list)
            and len(given) == len(read)
            and all(is_same(*both) for both in zip(given, read))
        )
    if isinstance(read, str):
        return given == read or is_json_of(given, read)
    if isinstance(read, bool) or isinstance(given, bool):
        return given is read
    return given == read


def is_json_of(given, read):
    try:
        return json.loads(read) == given
    except ValueError:
        return False


def are_members_same(given, read):
    given = {name: value for name, value in given.items() if value is not None}
    read = {name: value for name, value in read.items() if value is not None}
    return given.keys() == read.keys() and all(is_same(given[name], read[name]) for name in given)


def check(reader, rows, given, known):
    """What is wrong with rows."""
    found = collections.Counter()
    for row in rows:
        whole = row.pop("event_json")
        partition = {name: row.pop(name) for name in PARTITIONS}
        event = json.loads(whole) if whole is not None else None
        uid = (event or row)["metadata"]["uid"]
        found[uid] += 1
        if uid not in given:
            yield f"{reader}: {uid} was never given"
            continue
        text = given[uid]
        class_uid = text.get("class_uid")
        if partition["class_uid"] != (class_uid if class_uid in known else 0):
            yield f"{reader}: {uid} of class {class_uid} is in {partition}"
        if uid.startswith("odd-") != (event is not None):
            yield f"{reader}: {uid} is {'not ' if event is None else ''}there as a whole"
        if event is not None:
            if event != text:
                yield f"{reader}: {uid} is there as {whole}"
            continue
        text = {name: value for name, value in text.items() if name not in PARTITIONS}
        if not are_members_same(text, row):
            differs = [name for name in text if not is_same(text[name], row.get(name))]
            name = differs[0] if differs else None
            yield f"{reader}: {uid} differs in {name}: {text.get(name)} is {row.get(name)}"
    for uid in given:
        if found[uid] != 1:
            yield f"{reader}: {uid} is there {found[uid]} times"


def downloaded(place, endpoint):
    """The objects of a bucket as files of a folder."""
    import boto3

    bucket, _, prefix = place.removeprefix("s3://").partition("/")
    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="simulated",
        aws_secret_access_key="simulated",
    )
    folder = pathlib.Path(tempfile.mkdtemp())
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    for page in pages:
        for item in page.get("Contents", []):
            path = folder / item["Key"].removeprefix(prefix).lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            client.download_file(bucket, item["Key"], str(path))
    return folder


def main():
    place, events, *endpoint = sys.argv[1:]
    with open(events, encoding="utf-8") as lines:
        given = {event["metadata"]["uid"]: event for event in map(json.loads, lines)}
    if endpoint:
        folder = downloaded(place, endpoint[0])
        remote = pyarrow.fs.S3FileSystem(
            access_key="simulated",
            secret_key="simulated",
            region="us-east-1",
            endpoint_override=endpoint[0],
        )
        at, system = place.removeprefix("s3://"), remote
    else:
        folder = pathlib.Path(place)
        at, system = place, pyarrow.fs.LocalFileSystem()
    others = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".parquet"]
    wrong = [f"{path} is left over" for path in others]

    database = duckdb.connect()
    # The last files of a class may have been removed.
    classes = sorted({path.relative_to(folder).parts[0] for path in folder.rglob("*.parquet")})
    known = {int(name.removeprefix("class_uid=")) for name in classes} - {0}
    readers = {"duckdb": [], "pyarrow": []}
    for name in classes:
        files = f"read_parquet('{folder}/{name}/**/*.parquet', hive_partitioning = true)"
        table = database.sql(f"SELECT * FROM {files}")
        types = dict(zip(table.columns, map(str, table.types)))
        expected = {"time": "TIMESTAMP WITH TIME ZONE", "severity_id": "INTEGER", "event_json": "VARCHAR"}
        for column, type_ in expected.items():
            if types[column] != type_:
                wrong.append(f"{name}: {column} is {types[column]}")
        readers["duckdb"] += table.to_arrow_table().to_pylist()
        dataset = pyarrow.dataset.dataset(
            f"{at}/{name}", format="parquet", partitioning="hive", filesystem=system
        )
        number = int(name.removeprefix("class_uid="))
        for row in dataset.to_table().to_pylist():
            readers["pyarrow"].append({"class_uid": number} | row)
    for reader, rows in readers.items():
        wrong += check(reader, rows, given, known)
    print(f"{len(given)} events given, {len(wrong)} faults")
    for fault in wrong[:20]:
        print(fault)
    sys.exit(1 if wrong else 0)


main()
