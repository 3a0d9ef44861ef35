"""Findings while one types."""

from lsprotocol import types

from conftest import MANIFEST, Editor


async def test_a_good_manifest_has_no_findings(editor):
    assert await editor.open(MANIFEST) == []


async def test_a_finding_comes_with_a_keystroke_and_goes_with_the_next(editor):
    await editor.open(MANIFEST)
    (finding,) = await editor.type("      get: /query", "      gte: /query")
    assert editor.slice(finding.range) == "gte"
    assert finding.severity == types.DiagnosticSeverity.Error
    assert finding.code.startswith("LS01") and finding.source == "longshore"
    assert "`gte`" in finding.message and "get" in finding.message
    assert await editor.type("      gte: /query", "      get: /query") == []


async def test_columns_behind_wide_characters_are_right(editor):
    wide = 'inputs:\n  wide: { title: "\U0001F680 é", tpye: string }\n'
    findings = await editor.open(MANIFEST.replace("inputs:\n", wide, 1))
    assert "tpye" in [editor.slice(finding.range) for finding in findings]


async def test_second_places_are_shown(editor):
    first = MANIFEST.index("id: ")
    text = MANIFEST.replace("id: ", "id: a\nid: ", 1)
    findings = await editor.open(text)
    (related,) = findings[0].related_information
    assert related.location.uri == editor.uri
    assert editor.offset(related.location.range.start) == first


async def test_fast_typing_is_answered_for_the_newest_version(editor):
    await editor.open(MANIFEST)
    start = MANIFEST.index("      get: /query") + len("      get: /query")
    for count in range(200):
        at = editor.range(start + count, start + count)
        editor.text = editor.text[: start + count] + "x" + editor.text[start + count :]
        editor.change(types.TextDocumentContentChangePartial(range=at, text="x"))
    symbols = await editor.client.text_document_document_symbol_async(
        types.DocumentSymbolParams(
            text_document=types.TextDocumentIdentifier(uri=editor.uri)
        )
    )
    assert symbols
    broken = await editor.replace("manifest: [\n")
    assert [finding.code for finding in broken] == ["LS0001"]


async def test_closing_takes_the_findings_away(editor):
    assert await editor.open("manifest: longshore/v0\n")
    editor.client.text_document_did_close(
        types.DidCloseTextDocumentParams(
            text_document=types.TextDocumentIdentifier(uri=editor.uri)
        )
    )
    assert await editor.diagnostics() == []


async def test_other_yaml_is_left_alone(client, editor):
    other = Editor(client, "file:///connectors/docker-compose.yaml")
    item = types.TextDocumentItem(uri=other.uri, language_id="yaml", version=1, text="a: [\n")
    client.text_document_did_open(types.DidOpenTextDocumentParams(text_document=item))
    assert await editor.open("manifest: longshore/v0\n")
    assert client.published.empty()
