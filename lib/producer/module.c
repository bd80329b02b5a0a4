/* The modules of the process (executable and shared objects): their call sites, and where they lie in
 * memory, so that the addresses of a stack can be named after the process has died. */
#include "lib/producer/internal.h"

#include "lib/base/atomics.h"
#include "lib/ring/hash.h"

#include <elf.h>
#include <link.h>
#include <string.h>
#include <unistd.h>

static struct fapilogi_module *modules; /* of those that were compiled with our headers; under the lock */

static void register_sites(struct fapilogi_module *m)
{
    for (struct fapilog_site_desc *s = m->start; s && s < m->stop; s++) {
        /* order: relaxed - a site registered meanwhile by its own call only wastes an entry */
        if (s->tag == FAPILOGI_SITE_TAG && load_rlx(&s->id) == 0)
            (void)fapilogi_register_site(s);
    }
}

/* ---- where they lie --------------------------------------------------------------------------------- */

enum { KNOWN_MAX = 512, BUILD_ID_MAX = 32 };

/* What is where. Another module may come where one was unloaded. */
struct place {
    uint64_t base, end;
    uint64_t identity; /* of path and build id */
    uint64_t seen;     /* by the last walk that found it */
};
static struct place known[KNOWN_MAX];
static uint32_t known_count;
static uint64_t walks;

static bool is_known(const struct place *p)
{
    for (uint32_t i = 0; i < known_count; i++) {
        if (known[i].base == p->base && known[i].end == p->end && known[i].identity == p->identity) {
            known[i].seen = walks;
            return true;
        }
    }
    return known_count == KNOWN_MAX;
}

/* Those which the walk has not found, or, when there is a place, those in whose stead that one is. */
static void forget(const struct place *in_stead)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < known_count; i++) {
        const bool gone = in_stead ? known[i].base < in_stead->end && in_stead->base < known[i].end
                                   : known[i].seen != walks;
        if (!gone)
            known[kept++] = known[i];
    }
    known_count = kept;
}

/* The GNU build id among the notes, as hex; empty when there is none. */
static void build_id(const uint8_t *notes, size_t size, char ret[2 * BUILD_ID_MAX + 1])
{
    for (size_t at = 0; at + sizeof(ElfW(Nhdr)) <= size;) {
        ElfW(Nhdr) n;
        memcpy(&n, notes + at, sizeof n);
        const uint8_t *name = notes + at + sizeof n;
        const uint8_t *desc = name + align_up(n.n_namesz, 4);
        at += sizeof n + align_up(n.n_namesz, 4) + align_up(n.n_descsz, 4);
        if (n.n_type != NT_GNU_BUILD_ID || n.n_namesz != 4 || memcmp(name, "GNU", 4) != 0 || at > size)
            continue;
        for (uint32_t i = 0; i < n.n_descsz && i < BUILD_ID_MAX; i++) {
            *ret++ = "0123456789abcdef"[desc[i] >> 4];
            *ret++ = "0123456789abcdef"[desc[i] & 15];
        }
        break;
    }
    *ret = '\0';
}

struct walk {
    const char *exe;
    bool is_first; /* which is the executable itself, and has no path */
};

static int note_module(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct walk *const w = arg;
    struct place p = {.base = UINT64_MAX, .seen = walks};
    char id[2 * BUILD_ID_MAX + 1] = "";
    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *h = &info->dlpi_phdr[i];
        const uint64_t at = info->dlpi_addr + h->p_vaddr;
        if (h->p_type == PT_LOAD) {
            p.base = at < p.base ? at : p.base;
            p.end = at + h->p_memsz > p.end ? at + h->p_memsz : p.end;
        } else if (h->p_type == PT_NOTE && !id[0]) {
            build_id((const uint8_t *)(uintptr_t)at, h->p_filesz, id);
        }
    }
    const char *path = info->dlpi_name && info->dlpi_name[0] ? info->dlpi_name : w->is_first ? w->exe : "";
    w->is_first = false;
    p.identity = hash64(path, strlen(path)) ^ hash64(id, strlen(id)) << 1;
    if (p.end == 0 || !*path || is_known(&p))
        return 0;
    forget(&p);
    if (fapilogi_register_module(p.base, p.end - p.base, path, id))
        known[known_count++] = p;
    return 0;
}

void fapilogi_register_modules(void)
{
    char exe[1024];
    const ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    exe[n > 0 ? n : 0] = '\0';
    for (struct fapilogi_module *m = modules; m; m = m->next)
        register_sites(m);
    walks++;
    (void)dl_iterate_phdr(note_module, &(struct walk){exe, true});
    forget(NULL);
}

/* ---- called by the modules themselves, when they are loaded and unloaded ------------------------------ */

void fapilogi_module_add(struct fapilogi_module *m)
{
    if (m->linked)
        return; /* each translation unit of the module calls */
    m->linked = 1;
    fapilogi_lock();
    m->next = modules;
    modules = m;
    if (process.mode != MODE_CLOSED && fapilogi_ready())
        fapilogi_register_modules();
    fapilogi_unlock();
    fapilogi_backtrace_prime(false);
}

void fapilogi_module_remove(struct fapilogi_module *m)
{
    fapilogi_lock();
    for (struct fapilogi_module **at = &modules; *at; at = &(*at)->next) {
        if (*at == m) {
            *at = m->next;
            break;
        }
    }
    m->linked = 0;
    store_rlx(&process.unloaded, true); /* order: relaxed - without it an entry is written twice */
    fapilogi_unlock();
}
