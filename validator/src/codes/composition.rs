//! LS14: places, snapshots, parts, steps and details: streams that are put together.

codes! {
    PLACE_NOT_SENT = "LS1401" "place-not-sent" Error "The place to go on from is never sent.";
    PLACE = "LS1402" "place" Error "The place that an app keeps cannot be gone on from.";
    CHANGES = "LS1403" "changes" Error "What changed in a record can never be seen.";
    PARTITION_NOT_SENT = "LS1404" "partition-not-sent" Error "A partition is never asked for.";
    PARTITION_VALUES = "LS1405" "partition-values" Error "The values of partitions cannot be read one by one.";
    DETAIL = "LS1406" "detail" Error "A detail is not one of the record that it is for.";
    BATCH = "LS1407" "batch" Error "Items do not fit into requests together.";
    WAIT = "LS1408" "wait" Error "What is waited for never ends, or ends in two ways.";
    NEVER_DONE = "LS1409" "never-done" Warning "No recorded answer is what is waited for.";
    CLEANUP = "LS1410" "cleanup" Error "A cleanup does not say what it clears away, or nothing was made.";
    DETAIL_GONE = "LS1411" "detail-gone" Warning "A record whose detail is not there stops the stream.";
}
