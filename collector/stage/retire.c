#include "collector/stage/retire.h"

static void *retired; /* each points to the one before it */

void stage_retire(void *memory)
{
    if (!memory)
        return;
    *(void **)memory = retired;
    retired = memory;
}
