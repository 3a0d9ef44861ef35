//! Names at a receiver that may differ by stream: topics, subjects, indexes.

/// A name in which `{stream}` stands for the stream's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PerStream {
    /// What is between the places of the stream's name.
    parts: Vec<String>,
}

impl PerStream {
    /// Reads a template; `None` if it has other placeholders than `{stream}`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let parts: Vec<_> = text.split("{stream}").map(str::to_owned).collect();
        let whole = parts.iter().all(|part| !part.contains(['{', '}']));
        whole.then_some(Self { parts })
    }

    /// The name for a stream.
    pub(crate) fn name(&self, stream: &str) -> String {
        self.parts.join(stream)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_stands_wherever_it_is_named() {
        let name = |text: &str| PerStream::parse(text).unwrap().name("sign_ins");
        assert_eq!(name("events"), "events");
        assert_eq!(name("events.{stream}"), "events.sign_ins");
        assert_eq!(name("{stream}{stream}-x"), "sign_inssign_ins-x");
        for wrong in ["{streams}", "{", "a}b", "{{stream}}", "{connection}.{stream}"] {
            assert_eq!(PerStream::parse(wrong), None, "{wrong}");
        }
    }
}
