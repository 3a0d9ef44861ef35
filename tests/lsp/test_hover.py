"""What something is."""

import pytest
from lsprotocol import types

from conftest import MANIFEST


@pytest.mark.parametrize(
    "at, words",
    [
        ("\n    eve|ry: 15m", ["every", "How often it is polled", "duration"]),
        ("provides: sign|_ins", ["Who signed in, from where."]),
        ("{{inputs.login_|host}}", ["input `login_host`: host"]),
        ("src_endpoint.i|p:", ["ip_t", "`authentication`"]),
        ("stat|us: { from: $.Status", ["`Success` (1)", "`Failure` (2)"]),
        ("to: authen|tication", ["Authentication", "3002"]),
        ("(e|q facts.", ["eq A B"]),
    ],
)
async def test_what_stands_at_a_place(editor, at, words):
    await editor.open(MANIFEST)
    hover = await editor.client.text_document_hover_async(types.HoverParams(**editor.at(at)))
    for word in words:
        assert word in hover.contents.value
    assert editor.slice(hover.range)


async def test_a_finding_is_explained(editor):
    await editor.open(MANIFEST.replace("every: 15m", "every: 15 parsecs", 1))
    at = editor.at("every: 15 |parsecs")
    hover = await editor.client.text_document_hover_async(types.HoverParams(**at))
    assert "**LS01" in hover.contents.value
