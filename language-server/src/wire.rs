//! Messages on the wire: a header with `Content-Length`, an empty line, JSON-RPC 2.0 (base protocol
//! of the LSP specification).

use std::io::{self, BufRead, Read, Write};

use serde_json::{Value, json};

/// Longest accepted message, in bytes. A manifest is at most a megabyte; JSON may double it.
const MAX_MESSAGE_BYTES: u64 = 16 << 20;
/// Longest accepted header line, in bytes.
const MAX_HEADER_BYTES: u64 = 4096;

/// The message with this body could not be read; the stream goes on behind it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Malformed(pub(crate) String);

/// Reads the next message; `None` at the end of the stream.
///
/// # Errors
/// The stream fails, ends within a message, or has a header from which the next message cannot be
/// found.
pub(crate) fn read(input: &mut impl BufRead) -> io::Result<Option<Result<Value, Malformed>>> {
    let Some(length) = header(input)? else { return Ok(None) };
    if length > MAX_MESSAGE_BYTES {
        let skipped = io::copy(&mut input.take(length), &mut io::sink())?;
        if skipped < length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let message = format!("a message of {length} bytes is longer than {MAX_MESSAGE_BYTES}");
        return Ok(Some(Err(Malformed(message))));
    }
    let mut body = Vec::new();
    input.take(length).read_to_end(&mut body)?;
    if (body.len() as u64) < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(Some(serde_json::from_slice(&body).map_err(|error| Malformed(error.to_string()))))
}

/// The length of the body that follows; `None` at the end of the stream.
fn header(input: &mut impl BufRead) -> io::Result<Option<u64>> {
    let invalid = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
    let mut length = None;
    let mut first = true;
    loop {
        let mut line = Vec::new();
        input.take(MAX_HEADER_BYTES).read_until(b'\n', &mut line)?;
        if line.is_empty() && first {
            return Ok(None);
        }
        if line.last() != Some(&b'\n') {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        first = false;
        let line = String::from_utf8_lossy(&line);
        let line = line.trim_end();
        if line.is_empty() {
            return match length {
                Some(length) => Ok(Some(length)),
                None => Err(invalid("a message has no Content-Length".to_owned())),
            };
        }
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        if name.eq_ignore_ascii_case("content-length") {
            let number = value.trim().parse::<u64>();
            length =
                Some(number.map_err(|_| invalid("Content-Length is not a number".to_owned()))?);
        }
    }
}

/// Writes one message.
pub(crate) fn write(output: &mut impl Write, message: &Value) -> io::Result<()> {
    let body = message.to_string();
    write!(output, "Content-Length: {}\r\n\r\n{body}", body.len())?;
    output.flush()
}

/// An answer to a request.
pub(crate) fn answer(id: &Value, result: Result<Value, Failure>) -> Value {
    match result {
        Ok(result) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
        Err(Failure { code, message }) => {
            json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } })
        }
    }
}

/// Why a request has no result.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// A code of JSON-RPC or of the protocol.
    pub(crate) code: i32,
    /// What is wrong, for the person at the editor.
    pub(crate) message: String,
}

impl Failure {
    /// The message is not JSON.
    pub(crate) const PARSE: i32 = -32700;
    /// The message is no request, or may not come now.
    pub(crate) const INVALID: i32 = -32600;
    /// There is no such request.
    pub(crate) const UNKNOWN: i32 = -32601;
    /// The request has other parameters.
    pub(crate) const PARAMETERS: i32 = -32602;
    /// `initialize` has not come yet.
    pub(crate) const NOT_INITIALIZED: i32 = -32002;
    /// The client no longer wants the answer.
    pub(crate) const CANCELLED: i32 = -32800;
    /// What was asked for cannot be done.
    pub(crate) const REFUSED: i32 = -32803;

    pub(crate) fn new(code: i32, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn messages_are_read_one_after_the_other() {
        let mut bytes = Vec::new();
        write(&mut bytes, &json!({ "a": "ö" })).unwrap();
        bytes.extend(b"content-length: 1\r\nContent-Type: x\r\n\r\n{");
        write(&mut bytes, &json!(2)).unwrap();
        let mut input = bytes.as_slice();
        assert_eq!(read(&mut input).unwrap(), Some(Ok(json!({ "a": "ö" }))));
        assert!(matches!(read(&mut input).unwrap(), Some(Err(Malformed(_)))));
        assert_eq!(read(&mut input).unwrap(), Some(Ok(json!(2))));
        assert_eq!(read(&mut input).unwrap(), None);
    }

    #[test]
    fn what_a_header_announces_is_not_allocated() {
        let mut input = &b"Content-Length: 99999999999999\r\n\r\n{}"[..];
        assert_eq!(read(&mut input).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        let mut input = &b"Content-Length: 16000000\r\n\r\n{}"[..];
        assert_eq!(read(&mut input).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    proptest! {
        #[test]
        fn any_bytes_come_to_an_end(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut input = bytes.as_slice();
            while let Ok(Some(_)) = read(&mut input) {}
        }
    }
}
