#!/usr/bin/env python3
"""Write the pruned OCSF table that longshore-validator embeds.

    python3 prune.py compiled.json > ocsf-1.8.0.json

`compiled.json` is OCSF's own export form, made without network access from a
checkout of https://github.com/ocsf/ocsf-schema at tag v1.8.0 with

    pip install ocsf-lib==0.10.4
    python -m ocsf.compile path/to/ocsf-schema > compiled.json

The output is deterministic: keys are sorted and every class, object and type
takes one line, so that a change of version reads as a diff. README.md beside
this file describes the form.
"""

import json
import sys

VERSION = "1.8.0"

CLASSES = [
    "account_change",
    "api_activity",
    "application_error",
    "application_lifecycle",
    "application_security_posture_finding",
    "authentication",
    "authorize_session",
    "cloud_resources_inventory_info",
    "compliance_finding",
    "data_security_finding",
    "datastore_activity",
    "detection_finding",
    "entity_management",
    "file_hosting",
    "group_management",
    "iam_analysis_finding",
    "user_access",
    "user_inventory",
    "web_resources_activity",
]

# Profiles whose attributes stay in the table. `datetime` needs no rows: it adds
# `<name>_dt` beside every timestamp attribute, which `check_datetime` proves.
PROFILES = {"cloud", "host"}

# ocsf-lib 0.10.4 loses `"profile": null`, with which a class declares that an
# attribute of a profile is its own, whatever profiles an event names. Each row
# repeats such a declaration from the class's JSON or its parents' (`iam`,
# `finding`) at v1.8.0.
FINDING = ["confidence", "confidence_id", "confidence_score", "device"]
RISK = ["impact", "impact_id", "impact_score", "is_alert", "risk_details",
        "risk_level", "risk_level_id", "risk_score"]
OWN_ATTRIBUTES = {
    "account_change": ["actor", "policy"],
    "api_activity": ["actor", "api"],
    "application_security_posture_finding": FINDING,
    "authentication": ["actor"],
    "authorize_session": ["actor"],
    "cloud_resources_inventory_info": ["cloud"],
    "compliance_finding": FINDING,
    "data_security_finding": FINDING + RISK + ["actor"],
    "datastore_activity": ["actor"],
    "detection_finding": FINDING + RISK + ["malware", "malware_scan_info"],
    "entity_management": ["actor"],
    "file_hosting": ["actor"],
    "group_management": ["actor"],
    "iam_analysis_finding": FINDING,
    "user_access": ["actor"],
    "user_inventory": ["actor"],
}

# ocsf-lib 0.10.4 gives an object its oldest ancestor's constraints where the
# object declares its own (`{}` lifts them). Each row repeats the nearest
# declaration in the object's JSON or its parents' at v1.8.0.
ENDPOINT = ["ip", "uid", "name", "hostname", "instance_uid", "interface_uid",
            "interface_name"]
NETWORK_ENDPOINT = ["ip", "uid", "name", "hostname", "svc_name", "instance_uid",
                    "interface_uid", "interface_name", "domain"]
CONSTRAINTS = {
    "data_security": {"at_least_one": ["data_lifecycle_state_id", "detection_pattern",
                                       "detection_system_id", "policy"]},
    "device": {"at_least_one": ENDPOINT},
    "file": {},
    "image": {},
    "managed_entity": {"at_least_one": ["name", "uid", "device", "group", "org",
                                        "policy", "user"]},
    "network_endpoint": {"at_least_one": NETWORK_ENDPOINT},
    "network_interface": {"at_least_one": ["ip", "mac", "name", "hostname", "uid"]},
    "network_proxy": {"at_least_one": NETWORK_ENDPOINT},
    "policy": {"at_least_one": ["name", "type", "uid"]},
    "process_entity": {"at_least_one": ["cmd_line", "name", "path", "pid", "uid", "cpid"]},
    "reporter": {"at_least_one": ["hostname", "ip", "name", "uid"]},
    "user": {"at_least_one": ["account", "name", "uid"]},
    "win/win_service": {"at_least_one": ["cmd_line", "service_category_id",
                                         "service_dependencies",
                                         "service_error_control_id",
                                         "service_start_name", "service_start_type_id",
                                         "service_type_id"]},
}

# These enums say again what the class's uid, category and activities say.
DERIVED_ENUMS = {"category_uid", "class_uid", "type_uid"}


def kept(entity, own):
    """The attributes of a class or object outside of left-out profiles."""
    for name, source in sorted(entity["attributes"].items()):
        profile = None if name in own else source["profile"]
        if profile is None or profile in PROFILES:
            yield name, source, profile


def attribute(export, name, source, profile, derived):
    kind = source["type"]
    declared = export["types"].get(kind) or export["objects"][kind]
    observable = source["observable"] or declared["observable"]
    out = {"type": kind}
    if source["requirement"] != "optional":
        out["requirement"] = source["requirement"]
    if source["is_array"]:
        out["is_array"] = True
    if source["enum"] and name not in derived:
        out["enum"] = {key: value["caption"] for key, value in source["enum"].items()}
    if source["sibling"]:
        out["sibling"] = source["sibling"]
    if observable:
        out["observable"] = observable
    if profile:
        out["profile"] = profile
    return out


def entity(export, source, own=(), constraints=None, derived=frozenset()):
    out = {
        "caption": source["caption"],
        "attributes": {
            name: attribute(export, name, value, profile, derived)
            for name, value, profile in kept(source, own)
        },
    }
    constraints = source["constraints"] if constraints is None else constraints
    if constraints:
        out["constraints"] = constraints
    return out


def check_datetime(where, source):
    """Fail unless `<name>_dt` attributes are what `datetime` adds, and nothing else."""
    for name, value in source["attributes"].items():
        if value["profile"] != "datetime":
            continue
        base = source["attributes"].get(name.removesuffix("_dt"))
        if value["type"] != "datetime_t" or base is None or base["type"] != "timestamp_t":
            sys.exit(f"{where}.{name}: not the datetime form of a timestamp attribute")


def prune(export):
    if export["version"] != VERSION:
        sys.exit(f"this script's corrections are for OCSF {VERSION}, not {export['version']}")

    classes = {}
    waiting = []
    for name in CLASSES:
        source = export["classes"][name]
        own = OWN_ATTRIBUTES.get(name, ())
        check_datetime(name, source)
        category = export["categories"][source["category"]]
        classes[name] = entity(export, source, own, derived=DERIVED_ENUMS) | {
            "uid": source["uid"],
            "category_uid": category["uid"],
            "category_name": category["caption"],
        }
        waiting += [value["type"] for _, value, _ in kept(source, own)]

    objects = {}
    while waiting:
        name = waiting.pop()
        if name in export["types"] or name in objects:
            continue
        source = export["objects"][name]
        check_datetime(name, source)
        objects[name] = entity(export, source, constraints=CONSTRAINTS.get(name))
        waiting += [value["type"] for _, value, _ in kept(source, ())]

    types = {}
    for name, source in export["types"].items():
        rules = {key: source[key] for key in ("max_len", "range", "regex") if source[key]}
        types[name] = rules | {"caption": source["caption"]}

    return {
        "about": "OCSF (https://schema.ocsf.io), Apache-2.0, Copyright OCSF a Series of LF "
        "Projects, LLC; pruned by prune.py",
        "classes": classes,
        "objects": objects,
        "types": types,
        "version": VERSION,
    }


def compact(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def write(table, out):
    """One line for each class, object and type."""
    parts = []
    for key, value in sorted(table.items()):
        if isinstance(value, dict):
            rows = ",\n".join(f"{compact(k)}:{compact(v)}" for k, v in sorted(value.items()))
            parts.append(f"{compact(key)}:{{\n{rows}\n}}")
        else:
            parts.append(f"{compact(key)}:{compact(value)}")
    out.write("{" + ",\n".join(parts) + "}\n")


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    with open(sys.argv[1], encoding="utf-8") as file:
        write(prune(json.load(file)), sys.stdout)


if __name__ == "__main__":
    main()
