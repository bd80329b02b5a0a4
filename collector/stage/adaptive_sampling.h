/* What the pressure ladder does with an adaptive_sampling stage that is there anyway. */
#ifndef COLLECTOR_STAGE_ADAPTIVE_SAMPLING_H
#define COLLECTOR_STAGE_ADAPTIVE_SAMPLING_H

#include "collector/stage/stage.h"

bool adaptive_sampling_is(const struct stage *s);
void adaptive_sampling_scale(struct stage *s, double scale); /* of the target; 1: as configured */

#endif
