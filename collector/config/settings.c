#include "collector/config/settings.h"

#include "collector/io/io.h"

static const struct opt_word io_words[] = {
    { "auto", IO_AUTO }, { "uring", IO_URING }, { "plain", IO_PLAIN }, { NULL, 0 },
};

static const struct opt_word diagnostics_words[] = {
    { "none", DIAGNOSTICS_NONE }, { "stderr", DIAGNOSTICS_STDERR }, { "records", DIAGNOSTICS_RECORDS },
    { "both", DIAGNOSTICS_BOTH }, { NULL, 0 },
};

const struct opt settings_opts[] = {
    OPT_TEXT_(struct settings, rings, "rings", NULL, 0,
              "Ring directory; without: $FAPILOG_RING_DIR, /run/fapilog/UID, $XDG_RUNTIME_DIR/fapilog, "
              "/tmp/fapilog-UID."),
    OPT_NUM_ALIAS_(OPT_DURATION, struct settings, ingest.flush_interval_ns, "flush_interval", "batch_timeout_seconds",
                   "100ms", 1000 * 1000, 60ull * 1000 * 1000 * 1000, 0,
                       "Longest time that a record waits in its ring."),
    OPT_NUM_(OPT_DURATION, struct settings, ingest.merge_window_ns, "merge_window", "2ms", 0,
             1000ull * 1000 * 1000, 0, "Younger records wait for the other threads', so that files are in order."),
    OPT_NUM_(OPT_SIZE, struct settings, ingest.lane_budget_bytes, "lane_budget", "256 KB", 4096, 1ull << 30, 0,
             "Bytes taken from one thread before the others have their turn; of its lane at most a quarter or 64 KB."),
    OPT_NUM_ALIAS_(OPT_DURATION, struct settings, shutdown_timeout_ns, "shutdown_timeout", "shutdown_timeout_seconds",
                   "5s", 0, 3600ull * 1000 * 1000 * 1000, 0, "Time that SIGTERM leaves for draining the rings."),
    OPT_NUM_(OPT_UINT, struct settings, delivery.window, "window_batches", "8", WINDOW_MIN, WINDOW_MAX, 0,
             "Batches under way at once: how far one sink may be ahead of another."),
    OPT_TEXT_(struct settings, delivery.state_dir, "state_dir", NULL, 0,
              "Directory of spools and dead letters; without: $FAPILOG_STATE_DIR, $STATE_DIRECTORY, /var/lib/fapilog "
              "for root, $XDG_STATE_HOME/fapilog, ~/.local/state/fapilog."),
    OPT_NUM_(OPT_UINT, struct settings, ingest.keep_dead, "keep_dead", "0", 0, 100000, 0,
             "Rings of dead processes kept (as .dead) after they are drained."),
    OPT_NUM_(OPT_UINT, struct settings, ingest.segments_max, "segments_max", "16384", 1, 1u << 20, 0,
             "Rings accepted from one user."),
    OPT_NUM_(OPT_UINT, struct settings, ingest.lanes_max, "lanes_max", "262144", 1, 1u << 24, 0,
             "Thread lanes accepted from one user."),
    OPT_NUM_(OPT_SIZE, struct settings, ingest.bytes_max, "bytes_max", "256 GB", 1 << 20, 1ull << 46, 0,
             "Bytes of rings accepted from one user."),
    OPT_TEXT_(struct settings, admin, "admin", "unix", 0,
              "Where metrics, status and live tail are served: unix (collector.sock beside the rings), unix:PATH, "
              "HOST:PORT or none."),
    OPT_BOOL_(struct settings, admin_allow_remote, "admin_allow_remote", "false", 0,
              "Let admin be an address that other machines reach; there is no authentication."),
    OPT_TEXT_(struct settings, user, "user", NULL, 0,
              "When root starts the collector, as whom it goes on: NAME, NAME:GROUP, or numbers."),
    OPT_LIST_(struct settings, plugins, "plugins", NULL, 0,
              "Plug-ins to load: files, or directories of which every *.so is one; see docs/plugins.md."),
    OPT_WORD_(struct settings, diagnostics, "diagnostics", "stderr", diagnostics_words, 0,
              "Where the collector's own messages go; records are of the logger fapilog.collector."),
    OPT_LIST_(struct settings, diagnostics_sinks, "diagnostics_sinks", NULL, 0,
              "Sinks that get them as records; none: every sink that is not remote."),
    OPT_WORD_(struct settings, io, "io", "auto", io_words, 0, "How to do input and output."),
    OPT_END,
};

const struct opt routing_opts[] = {
    OPT_BOOL_(struct config_routing, enabled, "enabled", "true", 0,
              "false: every sink gets every record, whatever the routes say."),
    OPT_BOOL_(struct config_routing, overlap, "overlap", "true", 0,
              "Every matching route counts; false: the first one decides."),
    OPT_LIST_ALIAS_(struct config_routing, fallback, "fallback", "fallback_sinks", "", 0,
                    "Sinks that get what no route matches; none: it is dropped and counted."),
    OPT_END,
};
