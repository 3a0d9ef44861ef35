"""What can be done about findings."""

from lsprotocol import types

from conftest import MANIFEST


async def actions(editor, at: str, only=None):
    where = editor.at(at)
    found = await editor.client.text_document_code_action_async(
        types.CodeActionParams(
            text_document=where["text_document"],
            range=types.Range(start=where["position"], end=where["position"]),
            context=types.CodeActionContext(diagnostics=[], only=only),
        )
    )
    return found or []


async def test_a_fix_mends_its_finding(editor):
    await editor.open(MANIFEST.replace("      get: /query", "      gte: /query", 1))
    fix, *_ = await actions(editor, "gt|e: /query")
    assert fix.kind == types.CodeActionKind.QuickFix and fix.is_preferred
    assert fix.diagnostics[0].code.startswith("LS01")
    assert editor.applied(fix.edit.changes[editor.uri]) == MANIFEST
    assert await actions(editor, "manif|est:") == []


async def test_all_safe_fixes_at_once(editor):
    broken = MANIFEST.replace("      get: /query", "      gte: /query", 2)
    await editor.open(broken)
    (fix,) = await actions(editor, "manif|est:", [types.CodeActionKind.SourceFixAll])
    assert fix.kind == types.CodeActionKind.SourceFixAll
    assert editor.applied(fix.edit.changes[editor.uri]) == MANIFEST
    await editor.replace(MANIFEST)
    assert await actions(editor, "manif|est:", [types.CodeActionKind.SourceFixAll]) == []


async def test_a_finding_can_be_hidden_with_a_reason(editor):
    unused = "inputs:\n  unused:\n    type: string\n    title: Nothing\n"
    (finding,) = await editor.open(MANIFEST.replace("inputs:\n", unused, 1))
    assert finding.code == "LS0203" and list(finding.tags) == [types.DiagnosticTag.Unnecessary]
    hide = [action for action in await actions(editor, "  unu|sed:") if "comment" in action.title]
    assert await editor.replace(editor.applied(hide[0].edit.changes[editor.uri])) == []


async def test_a_manifest_is_formatted(editor):
    await editor.open(MANIFEST.replace("id: salesforce", "id:    salesforce", 1))
    params = types.DocumentFormattingParams(
        text_document=types.TextDocumentIdentifier(uri=editor.uri),
        options=types.FormattingOptions(tab_size=2, insert_spaces=True),
    )
    edits = await editor.client.text_document_formatting_async(params)
    assert editor.applied(edits) == MANIFEST
    await editor.replace("manifest: [\n")
    assert not await editor.client.text_document_formatting_async(params)
