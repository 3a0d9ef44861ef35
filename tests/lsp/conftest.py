"""An independent client of the language server: pygls, as pytest-lsp drives it.

The program is target/release/longshore, or what LONGSHORE names.
"""

import asyncio
import os
import pathlib

import pytest
import pytest_lsp
from lsprotocol import types
from pygls.protocol import default_converter
from pytest_lsp import ClientServerConfig, LanguageClient, client_capabilities

ROOT = pathlib.Path(__file__).parents[2]
PROGRAM = os.environ.get("LONGSHORE", str(ROOT / "target/release/longshore"))
MANIFEST = (ROOT / "manifests/salesforce/manifest.yaml").read_text()
URI = "file:///connectors/acme/manifest.yaml"


def keeping_findings() -> LanguageClient:
    """A client that keeps all findings that it is told, in order."""
    client = LanguageClient(converter_factory=default_converter)
    client.published = asyncio.Queue()

    @client.feature(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
    def publish(client: LanguageClient, params: types.PublishDiagnosticsParams):
        client.published.put_nowait(params)

    @client.feature(types.CLIENT_REGISTER_CAPABILITY)
    def register(client: LanguageClient, params: types.RegistrationParams):
        client.registered = params.registrations

    return client


@pytest_lsp.fixture(
    config=ClientServerConfig(
        server_command=[PROGRAM, "lsp"], client_factory=keeping_findings
    ),
    params=["visual-studio-code", "neovim"],
)
async def client(request, lsp_client: LanguageClient):
    params = types.InitializeParams(capabilities=client_capabilities(request.param))
    lsp_client.agreed = await lsp_client.initialize_session(params)
    yield
    await lsp_client.shutdown_session()


class Editor:
    """A document as an editor holds it: text, version, and what the server said of it."""

    def __init__(self, client: LanguageClient, uri: str = URI):
        self.client, self.uri, self.version, self.text = client, uri, 0, ""

    async def open(self, text: str):
        self.text, self.version = text, 1
        item = types.TextDocumentItem(
            uri=self.uri, language_id="yaml", version=self.version, text=text
        )
        self.client.text_document_did_open(types.DidOpenTextDocumentParams(text_document=item))
        return await self.diagnostics()

    async def diagnostics(self):
        """The findings that come next; those of older versions are passed by."""
        while True:
            found = await asyncio.wait_for(self.client.published.get(), 10)
            if found.uri == self.uri and found.version in (self.version, None):
                return list(found.diagnostics)

    def change(self, *changes):
        self.version += 1
        self.client.text_document_did_change(
            types.DidChangeTextDocumentParams(
                text_document=types.VersionedTextDocumentIdentifier(
                    uri=self.uri, version=self.version
                ),
                content_changes=list(changes),
            )
        )

    async def replace(self, text: str):
        """The whole text anew."""
        self.text = text
        self.change(types.TextDocumentContentChangeWholeDocument(text=text))
        return await self.diagnostics()

    async def type(self, old: str, new: str):
        """Puts `new` in place of the first `old`, as an incremental change."""
        start = self.text.index(old)
        change = types.TextDocumentContentChangePartial(
            range=self.range(start, start + len(old)), text=new
        )
        self.text = self.text.replace(old, new, 1)
        self.change(change)
        return await self.diagnostics()

    def position(self, offset: int) -> types.Position:
        """The position of a character, in the units that were agreed on."""
        before = self.text[:offset]
        column = before[before.rfind("\n") + 1 :]
        return types.Position(line=before.count("\n"), character=self.units(column))

    def units(self, text: str) -> int:
        encoding = self.client.agreed.capabilities.position_encoding
        if encoding == types.PositionEncodingKind.Utf8:
            return len(text.encode())
        return len(text.encode("utf-16-le")) // 2

    def range(self, start: int, end: int) -> types.Range:
        return types.Range(start=self.position(start), end=self.position(end))

    def slice(self, range: types.Range) -> str:
        """The text at a range."""
        return self.text[self.offset(range.start) : self.offset(range.end)]

    def offset(self, position: types.Position) -> int:
        lines = self.text.splitlines(keepends=True) + [""]
        line = lines[position.line]
        start = sum(len(line) for line in lines[: position.line])
        for at in range(len(line) + 1):
            if self.units(line[:at]) >= position.character:
                return start + at
        return start + len(line)

    def applied(self, edits) -> str:
        """The text after edits."""
        text = self.text
        for edit in sorted(edits, key=lambda edit: -self.offset(edit.range.start)):
            start, end = self.offset(edit.range.start), self.offset(edit.range.end)
            text = text[:start] + edit.new_text + text[end:]
        return text

    def at(self, marked: str) -> dict:
        """The parameters for a position: `marked` is a part of the text with `|` in it."""
        before, after = marked.split("|")
        assert self.text.count(before + after) >= 1, marked
        offset = self.text.index(before + after) + len(before)
        return {
            "text_document": types.TextDocumentIdentifier(uri=self.uri),
            "position": self.position(offset),
        }


@pytest.fixture
def editor(client):
    return Editor(client)
