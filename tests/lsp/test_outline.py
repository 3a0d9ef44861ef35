"""The outline of a manifest."""

from lsprotocol import types

from conftest import MANIFEST


async def test_sections_streams_and_steps_are_nested(editor):
    await editor.open(MANIFEST)
    symbols = await editor.client.text_document_document_symbol_async(
        types.DocumentSymbolParams(text_document=types.TextDocumentIdentifier(uri=editor.uri))
    )
    sections = {symbol.name: symbol for symbol in symbols}
    streams = {symbol.name: symbol for symbol in sections["streams"].children}
    assert list(streams) == ["sign_ins", "setup_audit_trail", "event_log", "users"]
    assert [step.name for step in streams["event_log"].children] == ["files", "rows"]
    assert editor.slice(streams["users"].selection_range) == "users"
    assert editor.slice(streams["users"].range).startswith("users:\n    description:")
    assert "login_host" in [symbol.name for symbol in sections["inputs"].children]
