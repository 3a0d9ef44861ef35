//! LS00: text that is not the YAML that manifests are written in, and comments that hide findings.

codes! {
    YAML_SYNTAX = "LS0001" "yaml-syntax" Error "The text is not YAML.";
    UNQUOTED_TEMPLATE = "LS0002" "unquoted-template" Error "A value that starts with `{{` stands without quotes.";
    DUPLICATE_KEY = "LS0003" "duplicate-key" Error "A key is set twice in one mapping.";
    AMBIGUOUS_SCALAR = "LS0004" "ambiguous-scalar" Error "YAML readers disagree about what a value is.";
    UNSUPPORTED_YAML = "LS0005" "unsupported-yaml" Error "An anchor, alias, tag, directive or merge key.";
    TOO_LARGE = "LS0006" "too-large" Error "The manifest is larger or deeper than is read.";
    ONE_DOCUMENT = "LS0007" "one-document" Error "The file is empty or holds a second document.";
    MALFORMED_IGNORE = "LS0008" "malformed-ignore" Warning "A comment looks like an ignore and is none.";
    IGNORE_WITHOUT_REASON = "LS0009" "ignore-without-reason" Warning "An ignore does not say why.";
    IGNORE_UNKNOWN = "LS0010" "ignore-unknown" Warning "An ignore names a rule that does not exist.";
    UNUSED_IGNORE = "LS0011" "unused-ignore" Warning "An ignore hides nothing.";
    FORBIDDEN_IGNORE = "LS0012" "forbidden-ignore" Error "An ignore is for a mistake that the engine cannot run with.";
}
