"""What may be typed at the cursor, in documents that are not complete."""

import pytest
from lsprotocol import types

from conftest import MANIFEST

# The manifest up to the place where somebody types; what stands behind the mark is there already.
STREAM = MANIFEST[: MANIFEST.index("streams:\n")]


async def complete(editor, marked: str):
    """Opens a text with `‸` at the cursor, and gives the completions by their labels."""
    at = marked.index("‸")
    await editor.open(marked.replace("‸", "", 1))
    found = await editor.client.text_document_completion_async(
        types.CompletionParams(
            text_document=types.TextDocumentIdentifier(uri=editor.uri),
            position=editor.position(at),
        )
    )
    return {item.label: item for item in found.items}


def ordered(items):
    return sorted(items, key=lambda label: items[label].sort_text or label)


async def test_keys_of_an_empty_manifest(editor):
    items = await complete(editor, "‸")
    assert ordered(items)[:3] == ["manifest", "id", "version"]
    assert "catalogs" in items["id"].documentation.value
    assert items["inputs"].detail == "object" and items["id"].detail.startswith("required")
    assert editor.applied([items["id"].text_edit]).startswith("id: ")


async def test_keys_that_are_there_are_not_offered_again(editor):
    items = await complete(editor, STREAM + "streams:\n  users:\n    every: 1h\n    re‸\n    key: $.id\n")
    assert {"request", "records", "remember", "provides"} <= set(items)
    assert not {"every", "key"} & set(items)
    assert "request:" in editor.applied([items["request"].text_edit])
    # Required keys come first.
    assert ordered(items).index("provides") < ordered(items).index("remember")


async def test_a_choice_is_made_once(editor):
    items = await complete(editor, STREAM + "streams:\n  users:\n    pages:\n      ‸\n")
    assert {"next_url", "cursor", "number", "offset"} <= set(items)
    items = await complete(editor, STREAM + "streams:\n  users:\n    pages: { cursor: $.c, ‸ }\n")
    assert items == {}


async def test_values_of_an_enum(editor):
    items = await complete(editor, STREAM + "streams:\n  users:\n    provides: ‸\n")
    assert {"users", "sign_ins", "groups"} <= set(items)
    assert items["sign_ins"].documentation.value == "Who signed in, from where."
    items = await complete(editor, STREAM + "streams:\n  users:\n    window: { bounds: ‸")
    assert '"[)"' in editor.applied([items["[)"].text_edit])


@pytest.mark.parametrize(
    "typed",
    [
        '    window: {}\n    request:\n      get: /x/{{‸',
        '    window: {}\n    request:\n      get: /x/{{‸}}\n    every: 1h\n',
        '    window: {}\n    request:\n      get: "{{‸\n    every: 1h\n',
        '    window: {}\n    request:\n      query:\n        q: >-\n          SELECT a\n          WHERE b > {{‸\n',
        '    window: {}\n    request: { get: /x, query: { q: "{{‸',
    ],
)
async def test_variables_in_scope(editor, typed):
    items = await complete(editor, STREAM + "streams:\n  users:\n" + typed)
    assert {"inputs", "auth", "facts", "window", "date", "urlencode"} <= set(items)
    assert not {"record", "page"} & set(items)
    items = await complete(editor, STREAM + "streams:\n  users:\n" + typed.replace("‸", "window.st‸"))
    assert set(items) == {"window.start", "window.end"}
    assert "{{window.start" in editor.applied([items["window.start"].text_edit])
    items = await complete(editor, STREAM + "streams:\n  users:\n" + typed.replace("‸", "inputs.‸"))
    assert "inputs.login_host" in items
    assert items["inputs.login_host"].detail


async def test_scope_ends_where_the_language_says(editor):
    items = await complete(editor, MANIFEST.replace("token_url: https://{{inputs.login_host}}", "token_url: https://{{‸", 1))
    assert "inputs" in items and "auth" not in items and "facts" not in items
    items = await complete(editor, MANIFEST.replace("{{files.Id}}", "{{‸}}", 1))
    assert {"files", "window"} <= set(items) and "record" not in items
    items = await complete(editor, MANIFEST.replace("              FROM EventLogFile", "              FROM {{‸}}", 1))
    assert "window" in items and "files" not in items
    items = await complete(editor, MANIFEST.replace("user.name: $.Username", 'user.name: "{{‸', 1))
    assert {"record", "default"} <= set(items) and "inputs" not in items


async def test_classes_activities_attributes_and_captions(editor):
    stream = STREAM + "streams:\n  users:\n    map:\n      "
    assert "authentication" in await complete(editor, stream + "to: ‸\n")
    stream += "to: authentication\n      "
    assert {"Logon", "Logoff", "Other"} <= set(await complete(editor, stream + "activity: ‸\n"))
    assert {"Logon"} <= set(await complete(editor, stream + "activity: { from: $.a, when: { x: ‸"))
    items = await complete(editor, stream + "‸\n")
    assert {"activity", "user", "src_endpoint", "status"} <= set(items)
    assert editor.applied([items["src_endpoint"].text_edit]).rstrip().endswith("src_endpoint.")
    items = await complete(editor, stream + "src_endpoint.‸\n")
    assert {"src_endpoint.ip", "src_endpoint.location"} <= set(items)
    assert "ip_t" in items["src_endpoint.ip"].detail
    assert "src_endpoint.ip: " in editor.applied([items["src_endpoint.ip"].text_edit])
    assert "src_endpoint.location.city" in await complete(editor, stream + "src_endpoint.location.c‸\n")
    assert {"Success", "Failure"} <= set(await complete(editor, stream + "status: ‸\n"))
    items = await complete(editor, stream + "status: { from: $.s, when: { ok: ‸ } }\n")
    assert {"Success", "Failure"} <= set(items)


async def test_names_of_the_manifest(editor):
    text = "actions:\n  suspend:\n    revert: ‸\n  unsuspend: { title: Back }\npermissions:\n  p: {}\n"
    assert set(await complete(editor, "manifest: longshore/v1\n" + text)) == {"suspend", "unsuspend"}
    text = "manifest: longshore/v1\nactions:\n  a:\n    permissions: [‸\npermissions:\n  p: {}\n"
    assert "p" in await complete(editor, text)
    text = "manifest: longshore/v1\ninputs:\n  a:\n    grants: [‸]\n"
    assert "jwt_bearer" in await complete(editor, text)


async def test_snippets_only_for_clients_that_know_them(editor):
    items = await complete(editor, STREAM + "streams:\n  users:\n    ‸\n")
    capabilities = editor.client.capabilities.text_document.completion.completion_item
    edit = items["request"].text_edit.new_text
    assert ("$0" in edit) == bool(capabilities.snippet_support)


async def test_nothing_in_comments_and_plain_text(editor):
    assert await complete(editor, MANIFEST + "# comm‸ent\n") == {}
    assert await complete(editor, STREAM + "streams:\n  users:\n    description: Some te‸xt\n") == {}


async def test_every_keystroke_of_a_manifest_is_survived(editor):
    """Types the start of a manifest, and asks for completions as an editor would."""
    text = MANIFEST[:1500]
    await editor.open("manifest: longshore/v1\n")
    for end in range(1, len(text), 7):
        editor.text = text[:end]
        editor.change(types.TextDocumentContentChangeWholeDocument(text=editor.text))
        await editor.client.text_document_completion_async(
            types.CompletionParams(
                text_document=types.TextDocumentIdentifier(uri=editor.uri),
                position=editor.position(end),
            )
        )
