#include "collector/sinks/sink.h"

void sink_request_done(struct sink *s, struct sink_request *q, const struct sink_result *result)
{
    s->request_done(s, q, result);
}

static const struct opt_word on_full_words[] = {
    {"spool", SINK_FULL_SPOOL},
    {"drop_oldest", SINK_FULL_DROP_OLDEST},
    {"drop_newest", SINK_FULL_DROP_NEWEST},
    {"block", SINK_FULL_BLOCK},
    {NULL, 0},
};

static const struct opt_word sync_words[] = {
    {"never", SINK_SYNC_NEVER},
    {"interval", SINK_SYNC_INTERVAL},
    {"always", SINK_SYNC_ALWAYS},
    {NULL, 0},
};

#define MS UINT64_C(1000000)
#define S (1000 * MS)
#define HOUR (3600 * S)

const struct opt sink_delivery_opts[] = {
    OPT_NUM_(OPT_UINT, struct sink_delivery, batch_size, "batch_size", "1000", 1, 100000, OPT_LIVE,
             "Records in one request, at most."),
    OPT_NUM_(OPT_SIZE, struct sink_delivery, batch_bytes, "batch_bytes", "1 MB", 1024, 64 << 20, OPT_LIVE,
             "Bytes of records in one request, at most; a longer record goes alone."),
    OPT_NUM_ALIAS_(OPT_DURATION, struct sink_delivery, batch_interval_ns, "batch_interval", "batch_timeout_seconds",
                   "1s", 0, HOUR, OPT_LIVE, "A record waits no longer for others."),
    OPT_NUM_ALIAS_(OPT_DURATION, struct sink_delivery, timeout_ns, "timeout", "timeout_seconds", "10s", 10 * MS, HOUR,
                   OPT_LIVE, "Time for one request, its answer included."),
    OPT_NUM_(OPT_UINT, struct sink_delivery, max_in_flight, "max_in_flight", "4", 1, 64, OPT_LIVE,
             "Requests under way at once, at most; fewer while answers get slower."),
    OPT_NUM_ALIAS_(OPT_UINT, struct sink_delivery, retry_max_attempts, "retry_max_attempts", "max_retries", "none", 1,
                   1000000, OPT_LIVE, "Attempts before a record becomes a dead letter; none: until it is delivered."),
    OPT_NUM_ALIAS_(OPT_DURATION, struct sink_delivery, retry_base_delay_ns, "retry_base_delay", "retry_backoff_seconds",
                   "500ms", MS, HOUR, OPT_LIVE, "Longest pause before the second attempt; it doubles each time."),
    OPT_NUM_(OPT_DURATION, struct sink_delivery, retry_max_delay_ns, "retry_max_delay", "30s", MS, 24 * HOUR, OPT_LIVE,
             "Longest pause between two attempts."),
    OPT_NUM_(OPT_DURATION, struct sink_delivery, retry_deadline_ns, "retry_deadline", "none", MS, 8760 * HOUR,
             OPT_LIVE, "Time after which an undelivered record becomes a dead letter; none: never."),
    OPT_BOOL_ALIAS_(struct sink_delivery, breaker_enabled, "breaker_enabled", "circuit_breaker_enabled", "true",
                    OPT_LIVE, "Stop sending for a while when requests keep failing."),
    OPT_NUM_ALIAS_(OPT_UINT, struct sink_delivery, breaker_threshold, "breaker_threshold", "circuit_breaker_threshold",
                   "5", 1, 1000000, OPT_LIVE, "Requests that must fail in a row for that."),
    OPT_NUM_(OPT_DURATION, struct sink_delivery, breaker_recovery_ns, "breaker_recovery", "30s", MS, 24 * HOUR,
             OPT_LIVE, "Time until one request is let through to see whether it works again."),
    OPT_NUM_(OPT_UINT, struct sink_delivery, queue_records, "queue_records", "100000", 1, 100000000, OPT_LIVE,
             "Records that wait in memory, at most."),
    OPT_NUM_(OPT_SIZE, struct sink_delivery, queue_bytes, "queue_bytes", "32 MB", 64 << 10, 64ull << 30, OPT_LIVE,
             "Bytes of records that wait in memory, at most."),
    OPT_WORD_(struct sink_delivery, on_full, "on_full", "spool", on_full_words, 0,
              "What becomes of records when more wait than memory may hold; see docs/delivery.md."),
    OPT_TEXT_(struct sink_delivery, spool_dir, "spool_dir", NULL, 0,
              "Directory of this sink's spool; without: spool/NAME in the state directory."),
    OPT_NUM_(OPT_SIZE, struct sink_delivery, spool_max_bytes, "spool_max_bytes", "1 GB", 1 << 20, 1ull << 46, OPT_LIVE,
             "Bytes on disk; beyond them the oldest records are given up and counted."),
    OPT_NUM_(OPT_DURATION, struct sink_delivery, spool_max_age_ns, "spool_max_age", "none", S, 87600 * HOUR,
             OPT_LIVE, "Age at which spooled records are given up and counted; none: never."),
    OPT_NUM_(OPT_SIZE, struct sink_delivery, spool_segment_bytes, "spool_segment_bytes", "16 MB", 64 << 10,
             1ull << 30, OPT_LIVE, "Size of one file of the spool."),
    OPT_WORD_(struct sink_delivery, spool_sync, "spool_sync", "interval", sync_words, OPT_LIVE,
              "When spooled records are forced to disk, for the case that the machine dies."),
    OPT_NUM_(OPT_DURATION, struct sink_delivery, spool_sync_interval_ns, "spool_sync_interval", "1s", MS, HOUR,
             OPT_LIVE, "How often, with spool_sync=interval."),
    OPT_NUM_(OPT_UINT, struct sink_delivery, spool_rate, "spool_rate", "none", 1, 1000000000, OPT_LIVE,
             "Spooled records sent per second while fresh ones arrive; none: as many as the sink takes."),
    OPT_BOOL_(struct sink_delivery, dead_letters, "dead_letters", "true", 0,
              "Keep what is refused for good, in dead/NAME in the state directory; false: count and drop it."),
    OPT_NUM_(OPT_SIZE, struct sink_delivery, dead_letter_max_bytes, "dead_letter_max_bytes", "256 MB", 64 << 10,
             1ull << 46, OPT_LIVE, "Bytes of dead letters on disk; beyond them the oldest are given up and counted."),
    OPT_END,
};
