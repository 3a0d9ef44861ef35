//! LS05: quotas and schedule.

codes! {
    QUOTA_COUNTS = "LS0501" "quota-counts" Error "A quota cannot be counted as it says.";
    NO_QUOTA = "LS0502" "no-quota" Warning "No quota is declared.";
    NO_RESERVE = "LS0503" "no-reserve" Warning "A quota leaves nothing for others.";
    SCHEDULE_OVER_QUOTA = "LS0504" "schedule-over-quota" Error "The schedule alone needs more than the quota leaves.";
    POLLED_OFTEN = "LS0505" "polled-often" Warning "A stream is polled more than once a minute.";
    NO_INTERVAL = "LS0506" "no-interval" Error "A stream is polled without a pause.";
    QUOTA_RESET = "LS0507" "quota-reset" Error "A quota's period and its reset do not belong together.";
    QUOTA_STREAM = "LS0508" "quota-stream" Error "A quota is for a stream that is not declared.";
}
