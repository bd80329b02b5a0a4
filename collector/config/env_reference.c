#include "collector/config/env_reference.h"

#include <string.h>
#include <strings.h>

#define OF_SERVICES "is the services' own here: "
#define IN_RINGS "records wait in rings; their size is that of FAPILOG_LANE_SIZE and FAPILOG_LANES of the services"
#define ONE_THREAD "the collector has one thread, which waits for no sink; there is no number of workers to choose"
#define NO_FALLBACK "there is no fallback output; records wait in their rings and spools, redacted"
#define PROTECTED "protected levels have room of their own in each ring, and are never shed"
#define NO_REDACTOR "no redactor is configured whose option it would be"
#define NO_REMOTE "no sink is configured that speaks to a server"

const struct env_reference env_references[] = {
    /* taken, but for somebody who is not there */
    {"CORE__REDACTION_FAIL_MODE", NO_REDACTOR},
    {"CORE__REDACTION_MAX_DEPTH", NO_REDACTOR},
    {"CORE__REDACTION_MAX_KEYS_SCANNED", NO_REDACTOR},
    {"CORE__SINK_CIRCUIT_BREAKER_ENABLED", NO_REMOTE},
    {"CORE__SINK_CIRCUIT_BREAKER_FAILURE_THRESHOLD", NO_REMOTE},
    {"CORE__SINK_CIRCUIT_BREAKER_RECOVERY_TIMEOUT_SECONDS", NO_REMOTE},
    /* of the process that logs */
    {"CORE__APP_NAME", OF_SERVICES "FAPILOG_SERVICE"},
    {"CORE__DROP_ON_FULL", OF_SERVICES "FAPILOG_ON_FULL=discard, overwrite or block"},
    {"CORE__BACKPRESSURE_WAIT_MS", OF_SERVICES "FAPILOG_ON_FULL=block"},
    {"CORE__CONTEXT_BINDING_ENABLED", OF_SERVICES "what a thread binds travels with its records"},
    {"CORE__DEFAULT_BOUND_CONTEXT", OF_SERVICES "fields of a logger; or use the stage static"},
    {"CORE__EXCEPTIONS_ENABLED", OF_SERVICES "an error has a stack where FL_STACK gives one"},
    {"CORE__EXCEPTIONS_MAX_FRAMES", OF_SERVICES "an error has a stack where FL_STACK gives one"},
    {"CORE__EXCEPTIONS_MAX_STACK_CHARS", OF_SERVICES "use the stage string_truncate for long texts"},
    {"CORE__CAPTURE_UNHANDLED_ENABLED", OF_SERVICES "what a process logged before it died is in its ring"},
    {"CORE__ATEXIT_DRAIN_ENABLED", OF_SERVICES "there is nothing to drain; records are in shared memory"},
    {"CORE__ATEXIT_DRAIN_TIMEOUT_SECONDS", OF_SERVICES "there is nothing to drain; records are in shared memory"},
    {"CORE__FLUSH_ON_CRITICAL", OF_SERVICES "fapilog_flush(); a killed process loses nothing"},
    /* another way of the same */
    {"CORE__MAX_QUEUE_SIZE", IN_RINGS},
    {"CORE__PROTECTED_QUEUE_SIZE", IN_RINGS "; errors have an eighth of each for themselves"},
    {"CORE__BATCH_MAX_SIZE", "use batch_size of a sink, FAPILOG_SINK_CONFIG__TYPE__BATCH_SIZE"},
    {"CORE__WORKER_COUNT", ONE_THREAD},
    {"CORE__SINK_PARALLEL_WRITES", "sinks do not wait for each other; see FAPILOG_WINDOW_BATCHES"},
    {"CORE__SINK_CONCURRENCY", "use max_in_flight of a sink"},
    {"CORE__SERIALIZE_IN_FLUSH", "each record is written once for each format"},
    {"CORE__STRICT_ENVELOPE_MODE", "a record that breaks the format is never written"},
    {"CORE__ENABLE_METRICS", "metrics are there with FAPILOG_ADMIN"},
    {"CORE__INTERNAL_LOGGING_ENABLED", "use FAPILOG_DIAGNOSTICS=none, stderr, records or both"},
    {"CORE__DIAGNOSTICS_OUTPUT", "use FAPILOG_DIAGNOSTICS=none, stderr, records or both"},
    {"CORE__ERROR_DEDUPE_WINDOW_SECONDS", "use the stage dedupe, FAPILOG_FILTER_CONFIG__DEDUPE__WINDOW"},
    {"CORE__ERROR_DEDUPE_MAX_ENTRIES", "use the stage dedupe, FAPILOG_FILTER_CONFIG__DEDUPE__MAX_KEYS"},
    {"CORE__ERROR_DEDUPE_TTL_MULTIPLIER", "use the stage dedupe; a window ends by the clock"},
    {"CORE__EMIT_DROP_SUMMARY", "what was dropped is always reported, as a record"},
    {"CORE__DROP_SUMMARY_WINDOW_SECONDS", "what was dropped is always reported, as a record"},
    {"CORE__SIGNAL_HANDLER_ENABLED", "SIGTERM and SIGINT drain; see FAPILOG_SHUTDOWN_TIMEOUT"},
    {"CORE__SENSITIVE_FIELDS_POLICY", "it masked nothing; use fields of the stage redact"},
    {"CORE__ENABLE_REDACTORS", "redactors are those of the configuration; `- KIND: false` takes one out of a preset"},
    {"CORE__REDACTORS_ORDER", "redactors run in the order of the configuration"},
    {"CORE__FALLBACK_REDACT_MODE", NO_FALLBACK},
    {"CORE__FALLBACK_SCRUB_RAW", NO_FALLBACK},
    {"CORE__FALLBACK_RAW_MAX_BYTES", NO_FALLBACK},
    {"CORE__SINK_CIRCUIT_BREAKER_FALLBACK_SINK", "records of an open breaker wait in the sink's spool"},
    {"CORE__RESOURCE_POOL_MAX_SIZE", "use max_in_flight, or max_pool_size of postgresql"},
    {"CORE__RESOURCE_POOL_ACQUIRE_TIMEOUT_SECONDS", "use timeout of a sink"},
    {"ADAPTIVE__WORKER_SCALING", ONE_THREAD},
    {"ADAPTIVE__MAX_WORKERS", ONE_THREAD},
    {"ADAPTIVE__PROTECTED_SHED_THRESHOLD", PROTECTED},
    {"ADAPTIVE__PROTECTED_RECOVER_THRESHOLD", PROTECTED},
    {"OBSERVABILITY__", "see FAPILOG_ADMIN for metrics, and the stages sampling and level"},
    {"PLUGINS__", "use FAPILOG_PLUGINS, a list of files and directories"},
    {"STRICT_PLUGIN_COMPAT", "a plug-in of another version is always refused"},
    {"SECURITY__", "permissions of files, rings and sockets say who may do what; see docs/operations.md"},
    {"POSTGRES__MIN_POOL_SIZE", "connections are opened when there is work; see FAPILOG_POSTGRES__MAX_POOL_SIZE"},
    {"POSTGRES__POOL_ACQUIRE_TIMEOUT", "a request is begun when there is a connection for it"},
    {"SINK_CONFIG__STDOUT_JSON__CAPTURE_MODE", "records for tests come from fapilog_capture_start()"},
    {"SINK_CONFIG__STDOUT_JSON__STRICT_ENVELOPE_MODE", "a record that breaks the format is never written"},
    {"SINK_CONFIG__ROTATING_FILE__STRICT_ENVELOPE_MODE", "a record that breaks the format is never written"},
    {"SINK_CONFIG__WEBHOOK__REPLAY_TOLERANCE_SECONDS", "how late a request may be is for the receiver to say"},
    {"FASTAPI__", "belongs to a library of another language"},
    {"TAMPER_KEY", "there is no sealing of files"},
    {"AUDIT__", "the levels AUDIT and SECURITY are protected; send them to sinks of their own with routes"},
    {NULL, NULL},
};

const char *env_reference(const char *name)
{
    for (const struct env_reference *r = env_references; r->name; r++) {
        const size_t len = strlen(r->name);
        const size_t more = len > 2 && strcmp(r->name + len - 2, "__") == 0 ? len : len + 1;
        if (strncasecmp(r->name, name, more) == 0)
            return r->instead;
    }
    return NULL;
}
