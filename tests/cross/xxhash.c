/* xxHash for machines that Debian's library is not installed for here: its header carries the whole of it. */
#define XXH_STATIC_LINKING_ONLY
#define XXH_IMPLEMENTATION
#include <xxhash.h>
