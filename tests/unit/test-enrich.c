/* Enrichers, by the ids of docs/rules.md. */
#include "lib/base/check.h"
#include "tests/common/stage_run.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char *const variables[] = {
    "POD_NAME", "POD_NAMESPACE", "NODE_NAME", "CONTAINER_NAME", "CLUSTER_NAME", "KUBERNETES_SERVICE_HOST",
    "FAPILOG_SERVICE", "FAPILOG_ENV", "ENV", "FAPILOG_VERSION", "OTEL_RESOURCE_ATTRIBUTES", "OTEL_SERVICE_NAME"};

static int clear_environment(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(variables); i++)
        (void)unsetenv(variables[i]);
    return 0;
}

/* Runs a record of a process that said nothing of itself through the stage, twice. */
static void check_run(struct stage_run *run, bool is_known, const char *want)
{
    struct err e = {0};
    struct sample *const s = sample_new(SAMPLE_SIMPLE);
    const struct fapilog_process_info *first = NULL;
    if (!is_known)
        s->process = (struct fapilog_process_info){.pid = 5};
    if (stage_run_open(run, &e) < 0)
        fail_msg("%s", e.text);
    for (int round = 0; round < 2; round++) {
        const struct fapilog_record *const r = stages_run(&run->chain, &s->r);
        assert_non_null(r);
        assert_true(!first || first == r->process); /* plans stay compiled */
        first = r->process;
        char *const text = stage_run_text(r, "fapilog");
        if (!strstr(text, want))
            fail_msg("no %s in %s", want, text);
        free(text);
    }
    stage_run_forget(s);
    sample_free(s);
    stage_run_close(run);
}

#define CHECK_STAGE(is_known, want, ...) \
    do { \
        struct stage_run run_ = {0}; \
        struct err e_ = {0}; \
        if (stage_run_add(&run_, &e_, __VA_ARGS__, NULL) < 0) \
            fail_msg("%s", e_.text); \
        check_run(&run_, (is_known), (want)); \
    } while (0)

/* effect: runtime.env runtime.service runtime.version */
static void n01_runtime_fills_what_the_process_left_empty(void **state)
{
    (void)state;
    char host[300], want[400];
    assert_int_equal(gethostname(host, sizeof host), 0);
    (void)snprintf(want, sizeof want, "{\"env\":\"dev\",\"host\":\"%s\",\"origin\":\"native\",\"pid\":5,"
                   "\"service\":\"fapilog\"}", host);
    CHECK_STAGE(false, want, "runtime");
    CHECK_STAGE(true, "\"env\":\"prod\",\"host\":\"vm1\",\"origin\":\"native\",\"pid\":1234,\"service\":\"orders\"",
                "runtime_info");
    CHECK_STAGE(false, "\"service\":\"s\",\"version\":\"v\"", "runtime", "service", "s", "version", "v");
    setenv("ENV", "e1", 1);
    CHECK_STAGE(false, "\"env\":\"e1\"", "runtime");
    setenv("FAPILOG_ENV", "e2", 1);
    CHECK_STAGE(false, "\"env\":\"e2\"", "runtime");
    CHECK_STAGE(false, "\"env\":\"e3\"", "runtime", "env", "e3");
}

/* effect: host.id */
static void the_host_has_an_id_where_asked(void **state)
{
    (void)state;
    CHECK_STAGE(true, "\"host.arch\":", "host");
    struct stage_run run = {0};
    struct err e = {0};
    assert_int_equal(stage_run_add(&run, &e, "host", "id", "true", NULL), 0);
    if (access("/etc/machine-id", R_OK) == 0) {
        check_run(&run, true, "\"host.id\":");
        return;
    }
    assert_true(stage_run_open(&run, &e) < 0); /* as in some containers */
    assert_non_null(strstr(e.text, "/etc/machine-id"));
    stage_run_close(&run);
}

/* effect: kubernetes.prefix kubernetes.skip_if_not_k8s */
static void n03_kubernetes_reads_the_environment(void **state)
{
    (void)state;
    setenv("NODE_NAME", "n", 1);
    CHECK_STAGE(true, "\"host\":\"vm1\",\"origin\"", "kubernetes");
    CHECK_STAGE(true, "\"host\":\"vm1\",\"k8s_node\":\"n\",\"origin\"", "kubernetes", "skip_if_not_k8s", "false");
    setenv("POD_NAME", "web-7d4b9c6f5-x2x9z", 1);
    setenv("POD_NAMESPACE", "ns", 1);
    CHECK_STAGE(true, "\"k8s_deployment\":\"web\",\"k8s_namespace\":\"ns\",\"k8s_node\":\"n\","
                      "\"k8s_pod\":\"web-7d4b9c6f5-x2x9z\"", "k8s");
    for (int len = 100; len <= 101; len++) { /* the longest, and one more */
        struct stage_run run = {0};
        struct err e = {0};
        char prefix[128];
        (void)snprintf(prefix, sizeof prefix, "%0*d", len, 0);
        assert_int_equal(stage_run_add(&run, &e, "kubernetes", "prefix", prefix, NULL), 0);
        assert_int_equal(stage_run_open(&run, &e), len == 100 ? 0 : -EINVAL);
        stage_run_close(&run);
    }
    CHECK_STAGE(true, "\"x.pod\":\"web-7d4b9c6f5-x2x9z\"", "kubernetes", "prefix", "x.");
}

static void n03_deployments_are_derived_from_pods(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"web-7d4b9c6f5-x2x9z", "web"}, {"my-web-7d4b9c6f5a-x2x9z", "my-web"}, {"db-0", "db"}, {"db-12", "db"},
        {"agent-x2x9z", "agent"}, {"a-b-c-12345", "a-b-c"}};
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        char want[64];
        setenv("POD_NAME", cases[i][0], 1);
        (void)snprintf(want, sizeof want, "\"k8s_deployment\":\"%s\"", cases[i][1]);
        CHECK_STAGE(true, want, "kubernetes");
    }
    setenv("POD_NAME", "plain", 1);
    CHECK_STAGE(true, "\"host\":\"vm1\",\"k8s_pod\":\"plain\",\"origin\"", "kubernetes");
}

static void static_fields_stand_in_every_record(void **state)
{
    (void)state;
    CHECK_STAGE(true, "\"region\":\"eu\",\"service\":\"orders\",\"team\":\"x\"", "static", "fields",
                "team=x,region=eu");
    CHECK_STAGE(false, "\"service\":\"mine\"", "static", "fields", "service=mine");
}

static void names_that_are_no_text_are_refused(void **state)
{
    (void)state;
    struct stage_run run = {0};
    struct err e = {0};
    assert_int_equal(stage_run_add(&run, &e, "static", "fields", "a\xc3=x", NULL), 0);
    assert_int_equal(stage_run_open(&run, &e), -EINVAL);
    assert_non_null(strstr(e.text, "fields"));
    assert_non_null(strstr(e.text, "UTF-8"));
    stage_run_close(&run);
}

static void host_says_what_the_machine_is(void **state)
{
    (void)state;
    CHECK_STAGE(true, "\"os.type\":\"linux\",\"os.version\":\"", "host");
}

/* effect: otel_resource.service_name */
static void otel_attributes_are_percent_decoded(void **state)
{
    (void)state;
    setenv("OTEL_RESOURCE_ATTRIBUTES", "cloud.region=eu%2Dwest, k8s.pod.name = p ,service.name=a,empty=", 1);
    CHECK_STAGE(true, "\"cloud.region\":\"eu-west\"", "otel_resource");
    CHECK_STAGE(true, "\"k8s.pod.name\":\"p\"", "otel_resource");
    CHECK_STAGE(true, "\"service\":\"orders\"", "otel_resource");
    CHECK_STAGE(false, "\"service\":\"a\"", "otel_resource");
    setenv("OTEL_SERVICE_NAME", "b", 1);
    CHECK_STAGE(false, "\"service\":\"b\"", "otel_resource");
    CHECK_STAGE(false, "\"service\":\"c\"", "otel_resource", "service_name", "c", "attributes", "x=1");
}

static void bad_otel_attributes_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"novalue", "=x", "a=%2", "a=%zz", "\xff=a"};
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        struct stage_run run = {0};
        struct err e = {0};
        assert_int_equal(stage_run_add(&run, &e, "otel_resource", "attributes", bad[i], NULL), 0);
        assert_int_equal(stage_run_open(&run, &e), -EINVAL);
        assert_non_null(strstr(e.text, "attributes"));
        stage_run_close(&run);
    }
}

/* N-05, defect 18: one after the other, in order, each seeing what is there. */
/* effect: otel_resource.attributes static.fields */
static void n05_enrichers_add_up_and_redactors_see_them(void **state)
{
    (void)state;
    struct stage_run run = {0};
    struct err e = {0};
    assert_int_equal(stage_run_add(&run, &e, "field_mask", "fields", "api_token,diagnostics.a.b", NULL), 0);
    assert_int_equal(stage_run_add(&run, &e, "static", "fields", "x=1,api_token=hunter2,a.b=hunter2", NULL), 0);
    assert_int_equal(stage_run_add(&run, &e, "otel_resource", "attributes", "x=2,host.name=h2,host.token=kept",
                                   NULL), 0);
    check_run(&run, true,
              "{\"a.b\":\"***\",\"api_token\":\"***\",\"env\":\"prod\",\"host\":\"vm1\",\"host.token\":\"kept\","
              "\"origin\":\"native\",\"pid\":1234,\"service\":\"orders\",\"version\":\"1.2\",\"x\":\"2\"}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(n01_runtime_fills_what_the_process_left_empty, clear_environment),
        cmocka_unit_test_setup(n03_kubernetes_reads_the_environment, clear_environment),
        cmocka_unit_test_setup(the_host_has_an_id_where_asked, clear_environment),
        cmocka_unit_test_setup(n03_deployments_are_derived_from_pods, clear_environment),
        cmocka_unit_test_setup(static_fields_stand_in_every_record, clear_environment),
        cmocka_unit_test(names_that_are_no_text_are_refused),
        cmocka_unit_test_setup(host_says_what_the_machine_is, clear_environment),
        cmocka_unit_test_setup(otel_attributes_are_percent_decoded, clear_environment),
        cmocka_unit_test_setup(bad_otel_attributes_are_refused, clear_environment),
        cmocka_unit_test_setup(n05_enrichers_add_up_and_redactors_see_them, clear_environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
