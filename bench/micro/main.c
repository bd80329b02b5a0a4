/* micro_list.h is generated from the list in meson.build; each file defines micro_<name>(), which
 * registers its benchmarks. */
#include "bench/micro/micro.h"

int main(int argc, char **argv)
{
#define MICRO(name) micro_##name();
#include "micro_list.h"
#undef MICRO
    return gb_main(argc, argv);
}
