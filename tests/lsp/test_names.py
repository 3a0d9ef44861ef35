"""From names to their definitions and uses, and other names for them."""

import pytest
from lsprotocol import types
from pygls.exceptions import JsonRpcException

from conftest import MANIFEST


async def test_from_a_use_to_its_definition_and_back(editor):
    await editor.open(MANIFEST)
    found = await editor.client.text_document_definition_async(
        types.DefinitionParams(**editor.at("facts.event_log_inter|val"))
    )
    start = editor.offset(found.range.start)
    assert start > MANIFEST.index("\nfacts:\n") and editor.slice(found.range) == "event_log_interval"
    uses = await editor.client.text_document_references_async(
        types.ReferenceParams(
            context=types.ReferenceContext(include_declaration=True),
            **editor.at("facts.event_log_inter|val"),
        )
    )
    assert len(uses) == MANIFEST.count("facts.event_log_interval") + 1
    assert {editor.slice(use.range) for use in uses} == {"event_log_interval"}


@pytest.mark.parametrize(
    "at, name",
    [
        ("{{inputs.login_|host}}", "login_host"),
        ("  event_log_inter|val:\n", "event_log_interval"),
        ("{{fi|les.Id}}", "files"),
        ("auth.b|ase", "base_url"),
    ],
)
async def test_a_name_is_changed_everywhere(editor, at, name):
    await editor.open(MANIFEST)
    where = editor.at(at)
    prepared = await editor.client.text_document_prepare_rename_async(
        types.PrepareRenameParams(**where)
    )
    assert editor.slice(prepared) == name
    edit = await editor.client.text_document_rename_async(
        types.RenameParams(new_name="other_name", **where)
    )
    renamed = editor.applied(edit.changes[editor.uri])
    assert renamed != MANIFEST
    # What was right before is right with the new name, and nothing refers to the old one.
    assert await editor.replace(renamed) == []


async def test_names_that_are_none_are_refused(editor):
    await editor.open(MANIFEST)
    where = editor.at("{{inputs.login_|host}}")
    with pytest.raises(JsonRpcException, match="cannot be a name"):
        await editor.client.text_document_rename_async(
            types.RenameParams(new_name="No Name", **where)
        )
    with pytest.raises(JsonRpcException, match="already"):
        await editor.client.text_document_rename_async(
            types.RenameParams(new_name="client_id", **where)
        )
    with pytest.raises(JsonRpcException, match="nothing here"):
        await editor.client.text_document_prepare_rename_async(
            types.PrepareRenameParams(**editor.at("manif|est: longshore/v1"))
        )
