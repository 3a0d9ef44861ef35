//! Characters that are not seen, or not as what they are.

use longshore_schema::format::format;
use longshore_schema::yaml::parse;
use longshore_validator::{Options, validate};

use super::{GOOD, answered, sane, with};

#[test]
fn characters_that_are_not_what_they_seem() {
    let pieces = [
        "\u{0}",
        "\u{1}",
        "\u{7}",
        "\u{8}",
        "\u{b}",
        "\u{c}",
        "\u{1b}[31m",
        "\u{7f}",
        "\u{85}",
        "\u{9b}",
        "\u{a0}",
        "\u{ad}",
        "\u{61c}",
        "\u{200b}",
        "\u{200d}",
        "\u{200e}",
        "\u{200f}",
        "\u{2028}",
        "\u{2029}",
        "\u{202a}",
        "\u{202e}",
        "\u{2060}",
        "\u{2066}",
        "\u{2069}",
        "\u{feff}",
        "\u{fffd}",
        "\u{fffe}",
        "\u{ffff}",
        "e\u{301}",
        "\u{301}",
        "\u{1f600}",
        "\u{10ffff}",
        "\u{e000}",
        "\t",
        "\r",
        "\r\n",
        "\u{1f468}\u{200d}\u{1f469}",
    ];
    // Before, within and after every kind of token of a short manifest, valid or not.
    let short = "a: [b, \"c\", 'd'] # e\nf: {g: no}\n\"h\": |\n  i\nj:\n- k: {{l}}\n- *m\n";
    for piece in pieces {
        for at in 0..=short.len() {
            let text = format!("{}{piece}{}", &short[..at], &short[at..]);
            let report = validate(&text, &Options::default());
            sane(&text, &text, &report.diagnostics);
            let formatted = format(&text);
            assert!(
                formatted.is_err() || parse(&formatted.unwrap_or_default()).is_ok(),
                "{text:?}"
            );
        }
        for (old, new) in [
            ("manifest:", "{}manifest:"),
            ("id: acme", "id: ac{}me"),
            ("id: acme", "id: \"ac{}me\""),
            ("id: acme", "i{}d: acme"),
            ("id: acme", "id: acme # {}"),
            ("streams:", "str{}eams:"),
            ("\nhttp:", "\n{}\nhttp:"),
            ("records: $.users[*]", "records: \"$.us{}ers[*]\""),
            ("{{page.cursor}}", "{{page.cur{}sor}}"),
            ("client_credentials: {}", "\"{}\": {}"),
            ("  sign_ins:", "  \"{}\":"),
            ("get: /users", "get: /users{}"),
            ("api.acme.test]", "\"api.acme.test{}\"]"),
            ("when: { status: 401 }", "when: { status: \"401{}\" }"),
        ] {
            answered(new, &with(old, &new.replacen("{}", piece, 1)));
        }
        // As an escape the text is YAML, and what it stands for is not to be shown as it is.
        let escape: String =
            piece.chars().map(|character| format!("\\U{:08x}", u32::from(character))).collect();
        answered("escape in a key", &format!("{GOOD}\"a{escape}b\": 1\n"));
        answered("escape in a value", &with("id: acme", &format!("id: \"ac{escape}me\"")));
        answered("escape in a type", &with("type: string", &format!("type: \"str{escape}ing\"")));
        answered(
            "escape in a pattern",
            &with("type: string", &format!("type: string, pattern: \"({escape}\"")),
        );
        answered("escape in a duplicate", &format!("{GOOD}\"a{escape}b\": 1\n\"a{escape}b\": 1\n"));
    }
    // Each line ended in another way.
    for end in ["\r\n", "\r", "\u{85}", "\u{2028}", "\n\r", "\n\n\t", "\0\n", " \t \n"] {
        answered("line ends", &GOOD.replace('\n', end));
    }
    answered("tabs", &GOOD.replace("  ", "\t"));
    answered("tabs between", &GOOD.replace(": ", ":\t"));
    answered("no-break spaces", &GOOD.replace(' ', "\u{a0}"));
}

#[test]
fn a_byte_order_mark_is_no_mistake_at_the_start() {
    let (codes, _) = answered("mark", &format!("\u{feff}{GOOD}"));
    assert_eq!(codes, [""; 0]);
    // Each document may start with one, an empty one too (YAML 1.2.2, section 9.1.1).
    answered("two marks", &format!("\u{feff}\u{feff}{GOOD}"));
    answered("a mark within", &with("app:", "\u{feff}app:"));
    answered("mark alone", "\u{feff}");
    answered("mark and break", "\u{feff}\n");
}
