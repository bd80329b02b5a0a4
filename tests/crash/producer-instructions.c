/* Steps through log calls whose record has room in the block, and reads every instruction before it is executed: none
 * locks the bus or a cache line, none enters the kernel. x86-64. */
#include <fapilog/fapilog.h>

#include "tests/common/scenario.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

struct shared {
    volatile uint32_t is_watched; /* the child is about to log, or does */
    volatile uint32_t calls;
};
static struct shared *shared;

enum { INSTRUCTION_BYTES_MAX = 15, WORD = sizeof(long) };

/* NULL: nothing that a fast call may not do. */
static const char *offence(const uint8_t *code)
{
    static const char prefixes[] = "\x26\x2e\x36\x3e\x64\x65\x66\x67\xf2\xf3\xf0";
    size_t n = 0;
    for (; n < INSTRUCTION_BYTES_MAX && code[n] && strchr(prefixes, code[n]); n++) {
        if (code[n] == 0xf0)
            return "a LOCK prefix";
    }
    n += (code[n] & 0xf0) == 0x40; /* REX */
    if ((code[n] | 1) == 0x87 && code[n + 1] >> 6 != 3)
        return "xchg with memory, which locks";
    return code[n] == 0x0f && code[n + 1] == 0x05 ? "a system call" : NULL;
}

/* As the process has it now. */
static void read_code(pid_t pid, uint64_t at, uint8_t ret[2 * WORD])
{
    for (size_t i = 0; i < 2; i++) {
        errno = 0;
        const long word = ptrace(PTRACE_PEEKTEXT, pid, (void *)(uintptr_t)(at + i * WORD), NULL);
        if (errno) /* an instruction at the end of what is mapped */
            memset(ret + i * WORD, 0, WORD);
        else
            memcpy(ret + i * WORD, &word, WORD);
    }
}

/* The number of instructions while the child said that it is watched; the first offence of them. */
static uint64_t step_through(struct scenario *s, pid_t pid, const char **ret_offence, uint64_t *ret_at)
{
    uint64_t steps = 0;
    *ret_offence = NULL;
    for (scenario_wait(s, pid); WIFSTOPPED(s->status); scenario_wait(s, pid)) {
        struct user_regs_struct regs;
        uint8_t code[2 * WORD];
        if (shared->is_watched) {
            assert_int_equal(ptrace(PTRACE_GETREGS, pid, NULL, &regs), 0);
            read_code(pid, regs.rip, code);
            const char *found = offence(code);
            if (found && !*ret_offence) {
                *ret_offence = found;
                *ret_at = regs.rip;
            }
            steps++;
        }
        assert_int_equal(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL), 0);
    }
    assert_int_equal(s->status, 0);
    return steps;
}

static void calls(fapilog_t *log)
{
    static char text[200];
    memset(text, 'x', sizeof text);
    for (int round = 0; round < 3; round++) { /* the first has lane and call sites made */
        shared->is_watched = round > 0;
        FAPILOG_INFO(log, "plain", FL("i", round), FL("d", 0.5));
        FAPILOG_INFO(log, "text", FL("a", "short"), FL_STRN("b", text, 100));
        FAPILOG_WARNING(log, "nothing more");
        FAPILOG_DEBUG(log, "switched off", FL("i", round));
        shared->is_watched = 0;
        shared->calls += 3;
    }
}

static void log_with_room(void *arg)
{
    (void)arg;
    const struct fapilog_options o = {.size = sizeof o, .lane_bytes = 1 << 20, .lanes = 1};
    fapilog_t *log = fapilog_open("step", &o);
    (void)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
    (void)raise(SIGSTOP);
    calls(log);
    _exit(0);
}

static void a_call_with_room_locks_nothing_and_enters_no_kernel(void **state)
{
    struct scenario *s = *state;
    struct walk_totals t;
    const char *found;
    uint64_t at;
    const uint64_t steps = step_through(s, scenario_start(log_with_room, NULL), &found, &at);
    if (found)
        fail_msg("%s at %#llx", found, (unsigned long long)at);
    assert_true(steps > 100);
    print_message("%llu instructions\n", (unsigned long long)steps);
    scenario_open(s);
    assert_int_equal(s->segs, 1);
    assert_true(walk_run(&s->seg[0], NULL, NULL, &t));
    assert_int_equal(t.events, shared->calls);
}

static void offences_are_recognised_behind_prefixes(void **state)
{
    static const struct { const char *code; bool is_one; } cases[] = {
        {"\xf0\x83\x04\x24\x01", true},     /* lock addl $1,(%rsp) */
        {"\x64\xf0\x48\x0f\xb1\x0e", true}, /* lock cmpxchg %rcx,%fs:(%rsi) */
        {"\x87\x07", true},                 /* xchg %eax,(%rdi) */
        {"\x49\x87\x03", true},             /* xchg %rax,(%r11) */
        {"\x66\x87\x07", true},             /* xchg %ax,(%rdi) */
        {"\x86\x47\x08", true},             /* xchg %al,8(%rdi) */
        {"\x0f\x05", true},                 /* syscall */
        {"\x48\x87\xc3", false},            /* xchg %rax,%rbx */
        {"\x48\x89\xf0", false},            /* mov %rsi,%rax */
        {"\x0f\x31", false},                /* rdtsc */
        {"\xf3\x48\xab", false},            /* rep stos %rax,%es:(%rdi) */
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t code[2 * WORD] = {0};
        memcpy(code, cases[i].code, strlen(cases[i].code));
        if ((offence(code) != NULL) != cases[i].is_one)
            fail_msg("case %zu", i);
    }
}

static int setup(void **state)
{
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(shared != MAP_FAILED);
    return scenario_setup(state);
}

static int teardown(void **state)
{
    (void)munmap(shared, sizeof *shared);
    return scenario_teardown(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(offences_are_recognised_behind_prefixes),
        cmocka_unit_test_setup_teardown(a_call_with_room_locks_nothing_and_enters_no_kernel, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
