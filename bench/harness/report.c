#include "bench/harness/report.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "bench/harness/json.h"
#include "bench/harness/tick.h"
#include "lib/base/cleanup.h"

static bool has_latency(const struct run_config *cfg)
{
    return cfg->mode == MODE_BATCH || cfg->mode == MODE_BURST;
}

static bool has_throughput(const struct run_config *cfg)
{
    return cfg->mode == MODE_SUSTAINED;
}

static double per_record_us(double seconds, const struct run_result *res)
{
    return seconds * 1e6 / (double)res->logged;
}

static void print_sustained(const struct run_result *res)
{
    const double bytes = res->delivered ? (double)res->bytes / (double)res->delivered : 0.0;
    printf("%.1f ns a call  %.3f M/s to disk  ", res->call_ns, (double)res->delivered / res->seconds * 1e-6);
    printf("CPU %.3f + %.3f us a record  ", per_record_us(res->producer_cpu_s, res),
           per_record_us(res->consumer_cpu_s, res));
    printf("peak %.1f + %.1f MiB  %.1f bytes  ", (double)res->producer_peak_kib / 1024,
           (double)res->consumer_peak_kib / 1024, bytes);
}

void report_line(const char *peer, const struct run_config *cfg, const struct run_result *res)
{
    const struct latency *l = &res->latency;
    printf("%-16s %-9s %-5s %2u %-9s ping %5.1f/%5.1f ns  ", peer, mode_names[cfg->mode],
           shape_names[cfg->shape], cfg->producers, cfg->processes ? "processes" : "threads",
           res->ping_before_ns, res->ping_after_ns);
    if (has_latency(cfg))
        printf("p50 %.1f  p90 %.1f  p99 %.1f  p99.9 %.1f  p99.99 %.1f  max %.1f ns (timer %.1f)  ", l->p50,
               l->p90, l->p99, l->p999, l->p9999, l->max, res->timer_ns);
    if (has_throughput(cfg))
        print_sustained(res);
    if (cfg->mode == MODE_IDLE)
        printf("%.2f %% of a core  ", res->idle_cpu_percent);
    printf("lost %" PRId64 " of %" PRIu64 "\n", (int64_t)res->logged - res->delivered, res->logged);
}

static void put_config(struct json *j, const char *peer, const struct run_config *cfg)
{
    json_text(j, "peer", peer);
    json_text(j, "mode", mode_names[cfg->mode]);
    json_text(j, "shape", shape_names[cfg->shape]);
    json_int(j, "producers", cfg->producers);
    json_text(j, "kind", cfg->processes ? "processes" : "threads");
    json_text(j, "on_full", cfg->block ? "block" : "discard");
    json_int(j, "first_cpu", cfg->first_cpu);
    if (has_latency(cfg)) {
        json_int(j, "batches", (int64_t)cfg->batches);
        json_int(j, "batch_calls", cfg->batch_calls);
        json_num(j, "pause_us", (double)cfg->pause_ns * 1e-3);
        json_text(j, "pause", cfg->spin ? "spin" : "sleep");
    }
}

static void put_latency(struct json *j, const struct latency *l)
{
    json_open(j, "latency_ns", '{');
    json_int(j, "samples", (int64_t)l->samples);
    json_num(j, "mean", l->mean);
    json_num(j, "p50", l->p50);
    json_num(j, "p90", l->p90);
    json_num(j, "p99", l->p99);
    json_num(j, "p99.9", l->p999);
    json_num(j, "p99.99", l->p9999);
    json_num(j, "max", l->max);
    json_open(j, "curve", '[');
    for (int i = 0; i < l->curve_count; i++) {
        json_open(j, NULL, '[');
        json_num(j, NULL, l->curve_q[i]);
        json_num(j, NULL, l->curve_ns[i]);
        json_close(j, ']');
    }
    json_close(j, ']');
    json_close(j, '}');
}

static void put_result(struct json *j, const struct run_config *cfg, const struct run_result *res)
{
    json_open(j, "ping_ns", '[');
    json_num(j, NULL, res->ping_before_ns);
    json_num(j, NULL, res->ping_after_ns);
    json_close(j, ']');
    json_num(j, "timer_ns", res->timer_ns);
    json_int(j, "logged", (int64_t)res->logged);
    json_int(j, "delivered", res->delivered);
    json_int(j, "lost", (int64_t)res->logged - res->delivered);
    json_int(j, "bytes_on_disk", res->bytes);
    json_text(j, "output_fs", res->output_fs);
    if (has_latency(cfg))
        put_latency(j, &res->latency);
    if (cfg->mode == MODE_IDLE)
        json_num(j, "idle_cpu_percent", res->idle_cpu_percent);
    if (!has_throughput(cfg))
        return;
    json_num(j, "call_ns", res->call_ns);
    json_num(j, "seconds_to_disk", res->seconds);
    json_num(j, "records_per_second", (double)res->delivered / res->seconds);
    json_num(j, "producer_cpu_us_per_record", per_record_us(res->producer_cpu_s, res));
    json_num(j, "consumer_cpu_us_per_record", per_record_us(res->consumer_cpu_s, res));
    json_num(j, "cpu_us_per_record", per_record_us(res->producer_cpu_s + res->consumer_cpu_s, res));
    json_int(j, "producer_peak_kib", (int64_t)res->producer_peak_kib);
    json_int(j, "consumer_peak_kib", (int64_t)res->consumer_peak_kib);
}

static void put_machine(struct json *j, int argc, char **argv)
{
    struct machine m;
    char when[40];
    struct tm tm;
    const time_t now = time(NULL);
    machine_describe(&m);
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
    json_text(j, "time", when);
    json_open(j, "machine", '{');
    json_text(j, "cpu", m.cpu);
    json_int(j, "cpus", m.cpus);
    json_text(j, "kernel", m.kernel);
    json_text(j, "compiler", m.compiler);
    json_text(j, "clocksource", m.clocksource);
    json_text(j, "timer", TICK_SOURCE);
    json_close(j, '}');
    json_open(j, "command", '[');
    for (int i = 0; i < argc; i++)
        json_text(j, NULL, argv[i]);
    json_close(j, ']');
}

static int write_file(const char *path, struct buf *text, struct err *e)
{
    auto_fd fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0)
        return err_sys(e, -errno, "create %s", path);
    for (size_t done = 0; done < text->len;) {
        const ssize_t n = write(fd, text->data + done, text->len - done);
        if (n < 0)
            return err_sys(e, -errno, "write %s", path);
        done += (size_t)n;
    }
    return 0;
}

int report_json(const char *dir, const char *peer, const struct run_config *cfg, const struct run_result *res,
                int argc, char **argv, struct err *e)
{
    char path[PATH_MAX];
    struct json j = {0};
    json_open(&j, NULL, '{');
    put_config(&j, peer, cfg);
    put_result(&j, cfg, res);
    put_machine(&j, argc, argv);
    json_close(&j, '}');
    int r = j.failed ? j.failed : buf_append(&j.out, "\n", 1);
    if (mkdir(dir, 0755) < 0 && errno != EEXIST)
        r = err_sys(e, -errno, "make %s", dir);
    else if (r < 0)
        err_sys(e, r, "write JSON");
    snprintf(path, sizeof path, "%s/%s-%s-%s-%u%c-%" PRIu64 "-%d.json", dir, peer, mode_names[cfg->mode],
             shape_names[cfg->shape], cfg->producers, cfg->processes ? 'p' : 't', now_ns(), (int)getpid());
    if (r == 0)
        r = write_file(path, &j.out, e);
    buf_done(&j.out);
    return r;
}
