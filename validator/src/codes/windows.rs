//! LS04: pages and windows.

codes! {
    PAGE_NOT_SENT = "LS0401" "page-not-sent" Error "What asks for the next page is never sent.";
    PAGE_SIZE = "LS0402" "page-size" Error "A page has no records.";
    PAGE_SIZE_NOT_SENT = "LS0403" "page-size-not-sent" Warning "The app is not asked for pages of the declared size.";
    EMPTY_PROMISE = "LS0404" "empty-promise" Error "A promise promises nothing.";
    STEPS = "LS0405" "steps" Error "The steps of a stream do not fit together.";
    RECORDS = "LS0406" "records" Error "A response does not say where its records are, or says so where it cannot.";
    WINDOW_NOT_SENT = "LS0407" "window-not-sent" Error "The request does not ask for the window.";
    WINDOW_OPEN_END = "LS0408" "window-open-end" Warning "The request has the window's start and no end.";
    WINDOW_LENGTHS = "LS0409" "window-lengths" Error "The lengths of a window do not fit together.";
    BACKFILL = "LS0410" "backfill" Error "The backfill is not a duration.";
    RETENTION = "LS0411" "retention" Error "The backfill reaches further back than the app keeps records.";
    COARSE_TIME = "LS0412" "coarse-time" Error "A time format is too coarse for the window.";
    BOUNDS_RESOLUTION = "LS0413" "bounds-resolution" Error "Records on the start of a window may never be fetched.";
    BOUNDARY_REPEATS = "LS0414" "boundary-repeats" Info "Records on a boundary come twice.";
    LATE_RECORDS = "LS0415" "late-records" Warning "Records that the app shows late are never fetched.";
    FORGOTTEN_KEYS = "LS0416" "forgotten-keys" Error "Keys are forgotten while their records still come again.";
    KEY_IS_TIME = "LS0417" "key-is-time" Error "The time of a record is all of its key.";
    MOVING_SET = "LS0418" "moving-set" Warning "Pages are counted over records that come and go.";
    SINGLE_PAGE = "LS0419" "single-page" Warning "The request asks for a page, and nothing for the next.";
    FULL_AGAIN = "LS0420" "full-again" Warning "Everything is read again on a short schedule.";
    WINDOW_FILTER = "LS0421" "window-filter" Warning "The engine is to leave out what the app leaves out already.";
    ONE_PAGE_ORDER = "LS0422" "one-page-order" Warning "Reading is to stop early where there is one page.";
    CANNOT_SPLIT = "LS0423" "cannot-split" Error "A window that shows too little cannot be read in halves.";
    ZONE = "LS0424" "zone" Error "A zone is declared for times that have their own.";
    OPEN_SCROLL = "LS0425" "open-scroll" Info "A scroll is never freed.";
    ORDER_ELSE = "LS0426" "order-else" Error ignorable "Recorded records do not come in the declared order.";
    UNKNOWN_ZONE = "LS0427" "unknown-zone" Error "A time zone has a name that nobody knows.";
}
