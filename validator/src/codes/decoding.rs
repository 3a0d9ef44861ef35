//! LS13: how responses are written, and what is packed into records.

codes! {
    DECODE = "LS1301" "decode" Error "Settings of `decode` do not fit together.";
    COLUMNS = "LS1302" "columns" Error "The columns of a table have no names, or the same.";
    UNPACK = "LS1303" "unpack" Error "A member cannot be opened as `unpack` says.";
    XML_PATH = "LS1304" "xml-path" Error "A path leads to no elements of an XML response.";
}
