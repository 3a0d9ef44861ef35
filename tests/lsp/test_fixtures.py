"""What recorded responses beside a manifest give."""

import asyncio
import json
import shutil

import pytest
from lsprotocol import types

from conftest import ROOT, Editor


@pytest.fixture
def folder(tmp_path):
    return shutil.copytree(ROOT / "manifests/github", tmp_path / "git hub")


async def opened(client, folder):
    editor = Editor(client, (folder / "manifest.yaml").as_uri())
    assert await editor.open((folder / "manifest.yaml").read_text()) == []
    return editor


async def completions(editor, at):
    params = types.CompletionParams(**editor.at(at))
    found = await editor.client.text_document_completion_async(params)
    return {item.label: item for item in found.items}


async def test_a_path_that_finds_nothing_is_told(client, folder):
    editor = await opened(client, folder)
    (finding,) = await editor.type("$._document_id", "$._document_idd")
    assert finding.code.startswith("LS")
    assert "_document_idd" in editor.slice(finding.range)
    assert await editor.type("$._document_idd", "$._document_id") == []


async def test_findings_in_fixtures_come_and_go_with_their_files(client, folder):
    editor = await opened(client, folder)
    path = folder / "fixtures/members/page.json"
    fixture = Editor(client, path.as_uri())
    fixture.text = path.read_text()
    recorded = json.loads(fixture.text)
    # An address that somebody may have.
    recorded["body"][0]["login"] = "bo@" + "quay-office.com"
    fixture.text = json.dumps(recorded, indent=2)
    path.write_text(fixture.text)
    await editor.type("id: ", "id:  ")
    assert client.published.empty(), "files are not read while one types"
    save = types.DidSaveTextDocumentParams(
        text_document=types.TextDocumentIdentifier(uri=editor.uri)
    )
    client.text_document_did_save(save)
    (finding,) = await fixture.diagnostics()
    assert fixture.slice(finding.range) == "bo@" + "quay-office.com"

    recorded["body"][0]["login"] = "bo-quay"
    path.write_text(json.dumps(recorded, indent=2))
    changed = types.FileEvent(uri=fixture.uri, type=types.FileChangeType.Changed)
    client.workspace_did_change_watched_files(
        types.DidChangeWatchedFilesParams(changes=[changed])
    )
    assert await fixture.diagnostics() == []


async def test_paths_are_completed_from_what_was_recorded(client, folder):
    editor = await opened(client, folder)
    await editor.type("original_event_uid: $._document_id", "original_event_uid: $.")
    found = await completions(editor, "original_event_uid: $.|")
    assert found["$._document_id"].detail.startswith("string, such as ")
    assert found["$['@timestamp']"].detail.startswith("integer")
    await editor.type("original_event_uid: $.", "original_event_uid: $.actor_location.")
    found = await completions(editor, "original_event_uid: $.actor_location.|")
    assert "$.actor_location.country_code" in found


async def test_a_path_is_explained_by_what_was_recorded(client, folder):
    editor = await opened(client, folder)
    hover = await client.text_document_hover_async(
        types.HoverParams(**editor.at("metadata.original_event_uid: $._docu|ment_id"))
    )
    assert "`$._document_id`: string, in " in hover.contents.value


async def test_closing_takes_the_findings_in_fixtures_away(client, folder):
    path = folder / "fixtures/members/page.json"
    path.write_text("{")
    editor = Editor(client, (folder / "manifest.yaml").as_uri())
    fixture = Editor(client, path.as_uri())
    await editor.open((folder / "manifest.yaml").read_text())
    assert len(await fixture.diagnostics()) == 1
    client.text_document_did_close(
        types.DidCloseTextDocumentParams(
            text_document=types.TextDocumentIdentifier(uri=editor.uri)
        )
    )
    assert await asyncio.wait_for(fixture.diagnostics(), 10) == []
