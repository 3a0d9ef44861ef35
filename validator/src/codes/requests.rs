//! LS15: requests, pages and answers.

codes! {
    GRAPHQL_VARIABLES = "LS1501" "graphql-variables" Error "A GraphQL query and its variables do not fit.";
    UNUSED_TABLE = "LS1502" "unused-table" Warning "A table is declared in which nothing is looked up.";
    PAGE_REACTION = "LS1503" "page-reaction" Error "An error rule asks for another page than there can be.";
    WAIT_UNCLEAR = "LS1504" "wait-unclear" Error "An error rule does not say how long to wait.";
    PACE = "LS1505" "pace" Error "A rate or a number of requests at once cannot be kept.";
    UNKNOWN_COST = "LS1506" "unknown-cost" Error "A request costs of a quota that is not declared.";
    TEXT_WITHOUT_TYPE = "LS1507" "text-without-type" Warning "A body of plain text does not say what it is.";
    NO_ANSWER_BODY = "LS1508" "no-answer-body" Error "An answer without a body is read.";
    HEADER_NAME = "LS1509" "header-name" Error "The name of a header cannot be sent.";
}
